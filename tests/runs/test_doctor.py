"""What the doctor finds before a run, and how well it foresees the run."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from little_runs import classify, plan, write_config
from rude_server import serving
from typer.testing import CliRunner

from ironbound.certificate import Certificate
from ironbound.channels import Gaussian, Smoothing
from ironbound.cli import app
from ironbound.data.problem import Example, Problem
from ironbound.latent import GaussianClassifier
from ironbound.models.torch import TorchClassifier
from ironbound.runs.config import Statistics
from ironbound.runs.doctor import Diagnosis
from ironbound.runs.doctor.attainable import attainable
from ironbound.runs.doctor.diagnose import examine
from ironbound.runs.doctor.findings import Finding
from ironbound.runs.folder import RESULTS
from ironbound.runs.plan import Plan
from ironbound.runs.runner import run
from ironbound.runs.store import Store
from ironbound.smoothing import SmoothedClassifier
from ironbound.threats import L2, Threat


def look(planned: Plan) -> Diagnosis:
    return examine(planned, seconds=2.0)


def about(found: Diagnosis, topic: str) -> Finding:
    return next(finding for finding in found.findings if finding.topic.startswith(topic))


class Blobs:
    """Exact radii around two Gaussian classes in the plane."""

    def __init__(self, refuses: str = "") -> None:
        random = np.random.default_rng(0)
        points = np.concatenate([random.normal(-1.0, 0.5, (50, 2)), random.normal(1.0, 0.5, (50, 2))])
        self.classifier = GaussianClassifier(covariance="shared").fit(points, np.repeat([0, 1], 50))
        self.settings: dict[str, Any] = {}
        self.refuses = refuses

    def certify(self, inputs: Any, *, input_id: str) -> Certificate:
        if input_id == self.refuses:
            raise RuntimeError("no certificate today")
        return self.classifier.certify(inputs["latent"][None], [input_id])[0]

    def predict(self, inputs: Any) -> int:
        return int(self.classifier.predict(inputs["latent"][None])[0])


def blobs(refuses: str = "") -> Plan:
    points = np.random.default_rng(1).normal(size=(8, 2))
    examples = [Example(f"point-{i}", {"latent": point}) for i, point in enumerate(points)]
    problem = Problem(name="blobs", num_classes=2, examples=examples, certifier=Blobs(refuses))
    return Plan(problem, Statistics(), None, {"task": "blobs"}, None)


def images(
    base: Callable[..., Any], values: np.ndarray, noise: Gaussian | None = None, **statistics: Any
) -> Plan:
    """A plan about images only."""
    little = plan(**{"n": 100, "alpha": 0.1, **statistics})
    examples = tuple(Example(str(i), {"image": value}, label=i % 2) for i, value in enumerate(values))
    smoothing = Smoothing(image=noise or Gaussian(0.5))
    changed = dataclasses.replace(
        little.problem, base=base, smoothing=smoothing, threat=Threat(image=L2()), examples=examples
    )
    return dataclasses.replace(little, problem=changed)


PICTURES = np.random.default_rng(0).random((12, 3, 5, 5)).astype(np.float32)


def brightest(batch: dict[str, np.ndarray]) -> np.ndarray:
    return (batch["image"].mean(axis=(1, 2, 3)) > 0.5).astype(np.int64)


def test_a_good_problem_is_fine_and_its_draws_are_known() -> None:
    found = look(plan(n=2000))
    assert found.ok
    assert {f.topic for f in found.findings if f.severity != "fine"} == {"reach"}  # d = 2 is too much
    assert found.forecast is not None
    assert found.forecast.samples == 2020
    assert found.forecast.seconds > 0
    assert found.forecast.memory is not None
    json.dumps(found.record(), allow_nan=False)


def raising(batch: dict[str, np.ndarray]) -> np.ndarray:
    raise RuntimeError("no weights")


def raising_under_noise(batch: dict[str, np.ndarray]) -> np.ndarray:
    if len(batch["image"]) > 1:
        raise RuntimeError("only one at a time")
    return classify(batch)


def random_answers(batch: dict[str, np.ndarray]) -> np.ndarray:
    return np.random.default_rng().integers(0, 2, len(batch["image"]))


def normalised(batch: dict[str, np.ndarray]) -> np.ndarray:
    """As batch normalisation in training mode does."""
    score = batch["image"][:, 0] - 0.5 * batch["image"][:, 0].mean()
    return np.stack([-score, score], axis=1)


@pytest.mark.parametrize(
    ("base", "topic", "text"),
    [
        (raising, "model", "RuntimeError on a clean input: no weights"),
        (raising_under_noise, "model", "only one at a time"),
        (random_answers, "determinism", "at random"),
        (normalised, "determinism", "mixes the rows"),
        (lambda batch: np.zeros((len(batch["image"]), 2)), "answers", "same scores"),
    ],
)
def test_what_would_make_a_run_fail_is_an_error(base: Any, topic: str, text: str) -> None:
    found = look(plan(base=base))
    assert not found.ok
    first = found.findings[0]
    assert (first.severity, first.topic) == ("error", topic)
    assert text in first.text
    assert first.advice
    assert found.forecast is None


def no_class(batch: dict[str, np.ndarray]) -> np.ndarray:
    return np.full(len(batch["image"]), -1)


def always_yes(batch: dict[str, np.ndarray]) -> np.ndarray:
    return np.ones(len(batch["image"]), dtype=np.int64)


def swapped(batch: dict[str, np.ndarray]) -> np.ndarray:
    return 1 - classify(batch)


@pytest.mark.parametrize(
    ("planned", "topic", "text"),
    [
        (
            plan(base=lambda batch: np.ones(len(batch["image"]), dtype=int)),
            "answers",
            "class yes for all of 6",
        ),
        (plan(base=no_class), "answers", "6 of 6 clean inputs got no class"),
        (plan(base=swapped, count=10), "accuracy", "0% of 10"),
        (plan(alpha=0.5, n=20), "reach", "no input can be certified at d = 1"),
        (
            plan(stop="target", target=({"image": 0.2}, {"image": 9.0})),
            "targets",
            "1 of 2 targets are out of reach",
        ),
        (images(brightest, 255 * PICTURES), "range of image", "next to nothing"),
        (images(brightest, PICTURES, Gaussian(9.0)), "range of image", "nothing would be left"),
        (images(brightest, PICTURES, Gaussian(0.5, 0, 255)), "range of image", "small part of the declared"),
        (images(brightest, 0 * PICTURES), "range of image", "every value is 0"),
        (images(brightest, PICTURES.transpose(0, 2, 3, 1)), "layout of image", "height x width x colours"),
    ],
)
def test_what_is_probably_not_meant_is_a_warning(planned: Plan, topic: str, text: str) -> None:
    found = look(planned)
    assert found.ok
    warned = [f for f in found.findings if f.severity == "warning" and f.topic == topic]
    assert any(text in f.text and f.advice for f in warned), found.findings


def test_inputs_that_would_fail_are_an_error_and_named() -> None:
    values = PICTURES.copy()
    values[7, 0, 0, 0] = 1.5
    found = look(images(brightest, values, Gaussian(0.5, 0, 1)))
    assert not found.ok
    assert "1 of 12" in found.findings[0].text
    assert "7: " in found.findings[0].text


def test_probabilities_and_the_mode_of_a_module_are_told() -> None:
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(), torch.nn.Linear(75, 2)).train()
    base = TorchClassifier(net, arguments=["image"])
    found = look(images(base, PICTURES))
    assert "training mode" in about(found, "mode").text
    assert about(found, "determinism").severity == "fine"  # each call is made in eval mode
    assert any("logits" in finding.text for finding in found.findings)
    assert about(found, "device").text.startswith("cpu")
    soft = TorchClassifier(torch.nn.Sequential(net, torch.nn.Softmax(1)), arguments=["image"])
    assert any(finding.text.startswith("probabilities") for finding in look(images(soft, PICTURES)).findings)


@pytest.mark.parametrize("stop", ["fixed", "precision"])
@pytest.mark.parametrize("threshold", [None, 0.2])
def test_the_reach_is_what_a_unanimous_vote_is_certified(stop: Any, threshold: float | None) -> None:
    planned = plan(stop=stop, threshold=threshold)
    # The second condition keeps the best vote from stopping early.
    statistics = planned.statistics.model_copy(update={"precision": 1e-9} if stop == "precision" else {})
    example = planned.problem.examples[0].inputs
    values = planned.problem.smoothing.check(example)
    best = attainable(planned.problem, statistics, values)
    assert len(best) == (1 if threshold is None else 2)
    for label, one in zip((0, 1), best if threshold is not None else best * 2, strict=True):

        def always(batch: dict[str, np.ndarray], label: int = label) -> np.ndarray:
            return np.full(len(batch["image"]), label)

        model = SmoothedClassifier(always, planned.problem.smoothing, 2, threshold=threshold)
        certificate = model.certify(
            example, threat=planned.problem.threat, alpha=0.01, n=300, n0=20, stop=stop,
            precision=statistics.precision,
        )  # fmt: skip
        assert certificate.evidence.estimates[0].bound == one.p  # type: ignore[attr-defined]
        for (d,), radius in one.budgets.items():
            reached = certificate.frontier[d]
            assert (reached is None) == (radius is None)
            if reached is not None and radius is not None:
                assert reached <= radius <= reached * (1 + 1e-12)


@pytest.mark.parametrize("stop", [{"stop": "precision", "precision": 0.2}, {"stop": "fixed"}])
def test_draws_are_foreseen(tmp_path: Path, stop: dict[str, Any]) -> None:
    def hesitating(batch: dict[str, np.ndarray]) -> np.ndarray:
        return (batch["image"][:, 0] + 0.4 * batch["image"][:, 1] > 0.3).astype(np.int64)

    planned = plan(count=40, base=hesitating, n=4000, **stop)
    found = look(planned).forecast
    assert found is not None
    run(planned, tmp_path / "out")
    with Store.open(tmp_path / "out" / RESULTS) as store:
        drawn = [row.samples for row in store.rows()]
    assert 0.5 <= found.samples / np.mean(drawn) <= 2.0
    assert found.inputs == len(drawn)


def test_a_cut_pilot_brackets_the_truth() -> None:
    import time

    def slow(batch: dict[str, np.ndarray]) -> np.ndarray:
        time.sleep(0.001 * len(batch["image"]))
        return classify(batch)

    planned = plan(base=slow, n=2000, stop="precision", precision=0.001)
    found = examine(planned, seconds=0.3).forecast
    assert found is not None
    assert found.pilot_inputs == 0
    assert found.least < found.seconds < found.most
    assert found.most > 6 * 2.02  # six inputs of 2,020 draws, each a millisecond


def test_a_problem_with_a_certifier_of_its_own() -> None:
    found = look(blobs())
    assert found.ok
    assert found.forecast is not None
    assert found.reach == ()
    refusing = look(blobs("point-0"))
    assert not refusing.ok
    assert "no certificate today" in refusing.findings[0].text
    later = look(blobs("point-5"))
    assert not later.ok
    assert "point-5" in later.findings[0].text


def test_an_endpoint_is_asked_little(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", tokens=np.random.default_rng(0).integers(0, 20, (50, 5)))
    with serving() as server:
        (tmp_path / "config.toml").write_text(
            f'[model]\nkind = "http"\nurl = "{server.url}"\nanswer = "result.label"\nrate = 900.0\n'
            'template = { tokens = { "$channel" = "tokens" } }\nclass_names = ["ham", "spam"]\n'
            '[data]\nkind = "npz"\npath = "data.npz"\narrays = { tokens = "tokens" }\n'
            '[channels.tokens]\nnoise = "uniform_replacement"\nbeta = 0.3\nalphabet = 20\n'
            '[threat.tokens]\nkind = "token_l0"\nmax_d = 1\n'
        )
        done = CliRunner().invoke(app, ["doctor", str(tmp_path / "config.toml"), "--json"])
        assert server.requests <= 600
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert record["forecast"]["samples"] == 10_100
    assert record["forecast"]["seconds"] >= 50 * 10_100 / 900  # the rate allows no less


def test_the_command_line_says_it_in_its_exit_code(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    done = CliRunner().invoke(app, ["doctor", str(config), "--seconds", "1"])
    assert done.exit_code == 0, done.output
    assert "ready to run" in done.stdout
    assert not (tmp_path / "runs").exists()
    config.write_text(config.read_text().replace("sigma = 0.5", "sigmaa = 0.5"))
    done = CliRunner().invoke(app, ["doctor", str(config)])
    assert done.exit_code == 1
    assert 'did you mean "sigma"' in " ".join(done.stdout.split())
    done = CliRunner().invoke(app, ["doctor", "digitz", "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["findings"][0]["severity"] == "error"
