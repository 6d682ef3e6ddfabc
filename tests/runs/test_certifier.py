"""Problems whose certificates come from a method of their own, without noise: run, resumed, checked, read."""

from __future__ import annotations

import dataclasses
import io
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from ironbound.certificate import Certificate
from ironbound.channels import Gaussian, Smoothing
from ironbound.data.problem import Certifier, Example, Problem
from ironbound.errors import ConfigError, InputError, RunError
from ironbound.latent import GaussianClassifier
from ironbound.report.tables import terminal
from ironbound.report.write import write_report
from ironbound.runs import plan as plans
from ironbound.runs.config import Statistics
from ironbound.runs.export import export
from ironbound.runs.folder import CONFIG, RESULTS
from ironbound.runs.plan import Plan
from ironbound.runs.recheck import recheck
from ironbound.runs.runner import run
from ironbound.runs.store import Store
from ironbound.smoothing import SmoothedClassifier


class Blobs:
    """Exact radii around two Gaussian classes in the plane."""

    def __init__(self, refuses: str = "") -> None:
        random = np.random.default_rng(0)
        points = np.concatenate([random.normal(-1.0, 0.5, (50, 2)), random.normal(1.0, 0.5, (50, 2))])
        self.classifier = GaussianClassifier(covariance="shared").fit(points, np.repeat([0, 1], 50))
        self.settings = {"covariance": "shared"}
        self.refuses = refuses

    def certify(self, inputs: Mapping[str, NDArray[Any]], *, input_id: str) -> Certificate:
        if input_id == self.refuses:
            raise RuntimeError("no certificate today")
        return self.classifier.certify(inputs["latent"][None], [input_id])[0]

    def predict(self, inputs: Mapping[str, NDArray[Any]]) -> int:
        return int(self.classifier.predict(inputs["latent"][None])[0])


def problem(certifier: Certifier) -> Problem:
    points = np.random.default_rng(1).normal(size=(8, 2))
    examples = [
        Example(f"point-{i}", {"latent": point}, label=int(point.sum() > 0)) for i, point in enumerate(points)
    ]
    return Problem(name="blobs", num_classes=2, examples=examples, certifier=certifier, data_digest="d")


def plan(certifier: Certifier | None = None) -> Plan:
    return Plan(problem(certifier or Blobs()), Statistics(), None, {"task": "blobs"}, None)


def certificates(out: Path) -> list[str | None]:
    with Store.open(out / RESULTS) as store:
        return [row.certificate for row in store.rows()]


def test_a_run_without_noise_is_certified_checked_and_reported(tmp_path: Path) -> None:
    assert run(plan(), tmp_path) == 0
    checked = recheck(tmp_path)
    assert (checked.valid, checked.invalid, checked.errors) == (8, (), 0)
    reading = write_report(tmp_path)
    assert reading.attacked.unit == "latent units"
    assert reading.summary.budgets == (0,)
    assert 0.0 < (reading.summary.largest[0] or 0.0) < 10.0
    shown = Console(file=io.StringIO(), width=110, record=True)
    shown.print(terminal(reading))
    text = shown.export_text()
    assert "clean accuracy of certified predictions" in text
    assert "draws" not in text
    assert "smoothed" not in text
    assert (export(reading.entries, tmp_path, "csv")).read_text().count("\n") == 9
    page = (tmp_path / "report.html").read_text()
    assert "certificates" in page
    assert "draws." not in page
    assert page.count("Fingerprint") > 0


def test_it_resumes_to_the_same_certificates(tmp_path: Path) -> None:
    run(dataclasses.replace(plan(), limit=3), tmp_path / "parts")
    run(plan(), tmp_path / "parts")
    run(plan(), tmp_path / "whole")
    assert certificates(tmp_path / "parts") == certificates(tmp_path / "whole")


def test_settings_of_the_certifier_are_part_of_the_run(tmp_path: Path) -> None:
    run(plan(), tmp_path)
    other = Blobs()
    other.settings = {"covariance": "full"}
    with pytest.raises(RunError, match=r"certifier\.covariance: shared in the folder, full now"):
        run(plan(other), tmp_path)
    written = tomllib.loads((tmp_path / CONFIG).read_text())
    assert "statistics" not in written


def test_a_certifier_that_raises_costs_that_input_only(tmp_path: Path) -> None:
    assert run(plan(Blobs(refuses="point-2")), tmp_path) == 1
    with Store.open(tmp_path / RESULTS) as store:
        found = list(store.rows())
    assert [row.status == "error" for row in found] == [i == 2 for i in range(8)]
    assert found[2].reason == "RuntimeError: no certificate today"


def test_a_certificate_of_another_input_is_an_error(tmp_path: Path) -> None:
    class Mixing(Blobs):
        def certify(self, inputs: Mapping[str, NDArray[Any]], *, input_id: str) -> Certificate:
            return super().certify(inputs, input_id="point-0")

    assert run(plan(Mixing()), tmp_path) == 7
    with Store.open(tmp_path / RESULTS) as store:
        assert "answered for input 'point-0'" in list(store.rows())[1].reason


def test_statistics_of_noise_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "_known_task", lambda name: name)
    monkeypatch.setattr("ironbound.data.tasks.load_task", lambda name, progress: problem(Blobs()))
    assert plans.plan("blobs", {}).total == 8
    with pytest.raises(ConfigError, match=r"--n: blobs is certified by a method of its own"):
        plans.plan("blobs", {"n": 100})


def test_tasks_refuse_them_before_a_model_is_trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("ironbound.data.tasks.load_task", lambda name, progress: pytest.fail("loaded"))
    for task in ("mnist-latent", "pneumonia-hycas-margin", "pneumonia-hycas-ramp"):
        with pytest.raises(ConfigError, match=rf"--alpha: {task} is certified by a method of its own"):
            plans.plan(task, {"alpha": 0.1, "n": None})
    path = tmp_path / "mine.toml"
    path.write_text('task = "mnist-latent"\nstatistics.n0 = 3\n')
    with pytest.raises(ConfigError, match=r"statistics\.n0: mnist-latent is certified by"):
        plans.plan(str(path), {})
    with pytest.raises(ConfigError, match=r"--precision: input should be less than 1; got 3"):
        plans.plan("digits", {"precision": 3.0, "stop": "precision"})


def noise(batch: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    return batch["latent"][:, 0] > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"certifier": None}, "base, smoothing, threat missing"),
        ({"certifier": None, "base": noise}, "smoothing, threat missing"),
        ({"certifier": 3}, "certifier must be an object with certify"),
        ({"smoothing": Smoothing(latent=Gaussian(1.0))}, "remove smoothing"),
        ({"statistics": {"n": 3}}, "remove statistics"),
    ],
)
def test_a_problem_has_one_method(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        dataclasses.replace(problem(Blobs()), **changes)


def test_the_missing_base_and_noise_cannot_be_used_by_mistake() -> None:
    found = problem(Blobs())
    with pytest.raises(InputError, match="no base classifier"):
        found.base({})
    with pytest.raises(InputError, match="noise on at least one channel"):
        SmoothedClassifier(found.base, found.smoothing, 2)
