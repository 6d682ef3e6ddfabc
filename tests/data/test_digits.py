"""digits: ten classes, one alpha for all bounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ironbound.certificate import SmoothingEvidence
from ironbound.data import Problem, digits
from ironbound.smoothing import SmoothedClassifier


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    return digits.load(cache=tmp_path_factory.mktemp("cache"))


def test_the_rows_are_balanced_from_the_start(problem: Problem) -> None:
    labels = np.array([e.label for e in problem.examples])
    assert labels[:10].tolist() == list(range(10))
    assert np.bincount(labels).tolist() == [27] * 10


def test_training_repeats_itself(tmp_path: Path) -> None:
    short = {**digits.SETTINGS, "steps": 5}
    one, two = (digits.model(cache=tmp_path / name, settings=short).state_dict() for name in "ab")
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_most_images_keep_their_class_against_every_rival(problem: Problem) -> None:
    model = SmoothedClassifier(
        problem.base, problem.smoothing, 10, rivals="bonferroni", class_names=problem.class_names
    )
    rows = problem.examples[:40]
    found = list(
        model.certify_many([(e.id, e.inputs) for e in rows], threat=problem.threat, alpha=0.01, n=1_000)
    )
    correct = [c for c, e in zip(found, rows, strict=True) if c.prediction == e.label]
    assert len(correct) >= 34
    assert np.median([c.frontier[0] or 0.0 for c in correct]) > 0.3
    for certificate in found:
        assert isinstance(certificate.evidence, SmoothingEvidence)
        assert certificate.evidence.form == "rivals"
        assert len(certificate.evidence.estimates) == 10
