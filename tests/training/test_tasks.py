"""One trained network as three classifiers: each runs, verifies and is reported on its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ironbound.certificate import Certificate
from ironbound.data.images import LUNGS, ImageSet
from ironbound.data.problem import Problem
from ironbound.data.tasks import has_own_method, task_description
from ironbound.errors import RunError
from ironbound.lipschitz import HyCASNet, bound
from ironbound.report.write import write_report
from ironbound.runs.config import Statistics
from ironbound.runs.folder import RESULTS
from ironbound.runs.plan import Plan
from ironbound.runs.recheck import recheck
from ironbound.runs.runner import run
from ironbound.runs.store import Store
from ironbound.training import Recipe, tasks
from ironbound.training.data import Pictures
from ironbound.training.loop import train

RECIPE = Recipe(name="tiny", width=8, blocks=(1,), fold=4, sigma=0.25, steps=40, batch=32, rate=1e-2)
CLASSIFIERS: tuple[tasks.Classifier, ...] = ("votes", "expected", "ramp")


def pictures(count: int) -> ImageSet:
    """Bright upper halves against bright lower halves."""
    random = np.random.default_rng(0)
    labels = np.arange(count) % 2
    images = random.integers(0, 60, (count, 28, 28))
    images[labels == 0, :14] += 180
    images[labels == 1, 14:] += 180
    return ImageSet(images.astype(np.uint8), labels.astype(np.int64), LUNGS)


@pytest.fixture(scope="module")
def network() -> Any:
    import torch

    data = pictures(64)
    x, y = torch.from_numpy(data.scaled()), torch.from_numpy(data.labels)
    return train(RECIPE, Pictures(x, y, x[:16], y[:16]))


def problem(network: Any, classifier: tasks.Classifier) -> Problem:
    return tasks.problem("halves", network, RECIPE, pictures(5), classifier, n=300)


def plan(network: Any, classifier: tasks.Classifier) -> Plan:
    found = problem(network, classifier)
    task = {"votes": "pneumonia-hycas", "expected": "pneumonia-hycas-margin", "ramp": "pneumonia-hycas-ramp"}
    assert has_own_method(task[classifier]) == (found.certifier is not None)
    known = {"rivals": found.rivals} if found.certifier is None else {}
    statistics = Statistics.model_validate({**found.statistics, **known})
    return Plan(found, statistics, None, {"task": "halves"}, None)


def certificates(out: Path) -> list[Certificate]:
    with Store.open(out / RESULTS) as store:
        return [Certificate.from_json(row.certificate or "") for row in store.rows()]


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_each_classifier_runs_verifies_and_reports(
    network: Any, classifier: tasks.Classifier, tmp_path: Path
) -> None:
    assert run(plan(network, classifier), tmp_path) == 0
    checked = recheck(tmp_path)
    assert (checked.valid, checked.invalid, checked.errors) == (5, (), 0)
    write_report(tmp_path)
    found = certificates(tmp_path)
    method = {"votes": "smoothing", "expected": "expected_margin", "ramp": "ramp"}[classifier]
    assert {cert.method for cert in found} == {method}
    assert all(cert.prediction == i % 2 for i, cert in enumerate(found))
    assert all((cert.frontier[0] or 0.0) > 0.05 for cert in found)


def test_no_report_takes_a_maximum_over_classifiers(network: Any, tmp_path: Path) -> None:
    """A folder belongs to one classifier; its figures are those of its own certificates, however small."""
    largest: dict[str, float] = {}
    for classifier in CLASSIFIERS:
        folder = tmp_path / classifier
        run(plan(network, classifier), folder)
        own = max(cert.frontier[0] or 0.0 for cert in certificates(folder))
        reported = write_report(folder).summary.largest[0]
        assert reported is not None
        assert reported == pytest.approx(own, rel=1e-6)
        largest[classifier] = own
    assert largest["votes"] < 0.9 * largest["expected"]  # so that a maximum would show
    for classifier, other in (("expected", "votes"), ("votes", "ramp"), ("ramp", "expected")):
        before = [cert.to_json() for cert in certificates(tmp_path / classifier)]
        with pytest.raises(RunError):
            run(plan(network, other), tmp_path / classifier)  # type: ignore[arg-type]
        assert [cert.to_json() for cert in certificates(tmp_path / classifier)] == before


def test_votes_have_an_internal_channel_that_nobody_attacks(network: Any) -> None:
    found = problem(network, "votes")
    assert set(found.examples[0].inputs) == {"image", "internal"}
    assert set(found.threat.record()) == {"image"}
    assert isinstance(network, HyCASNet)
    assert bound(network, (1, 28, 28)).value <= 2.0


def test_images_are_spread_over_the_set() -> None:
    data = dataclasses.replace(pictures(10), labels=np.arange(10))
    assert tasks.spread(data, 4).labels.tolist() == [0, 3, 6, 9]
    assert len(tasks.spread(data, 99)) == 10


@pytest.mark.parametrize("name", ["pneumonia-hycas", "pneumonia-hycas-margin", "pneumonia-hycas-ramp"])
def test_the_built_in_tasks_are_listed(name: str) -> None:
    assert "image" in task_description(name)
