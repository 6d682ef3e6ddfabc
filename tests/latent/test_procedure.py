"""Models as files: the same digest, radii and procedure; damaged files are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from ironbound.errors import InputError
from ironbound.latent import EllipsoidClassifier, GaussianClassifier, load, model_digest, save


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=200)
    return rng.normal(size=(3, 4))[y] * 4 + rng.normal(size=(200, 4)), y


@pytest.mark.parametrize("kind", ["full", "shared", "diagonal", "low_rank"])
@pytest.mark.parametrize("labels", [["a", "b", "c"], [3, 5, 9]])
def test_a_saved_model_is_the_same_model(kind: str, labels: list[Any], tmp_path: Path) -> None:
    z, y = data()
    clf = GaussianClassifier(kind, components=2, random_state=7).fit(z, np.array(labels)[y])
    save(clf, tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    assert model_digest(again.scores_) == model_digest(clf.scores_)
    assert np.array_equal(again.predict(z), clf.predict(z))
    assert np.array_equal(again.radius(z), clf.radius(z))
    assert again.procedure_ == json.loads(json.dumps(clf.procedure_))


@pytest.mark.parametrize("metric", ["mahalanobis", "distance"])
@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_ellipsoids_are_saved_as_well(metric: str, covariance: str, tmp_path: Path) -> None:
    z, y = data()
    clf = EllipsoidClassifier(0.8, metric=metric, covariance=covariance, calibration="conformal").fit(z, y)
    save(clf, tmp_path / "m.safetensors")
    again = cast(EllipsoidClassifier, load(tmp_path / "m.safetensors"))
    assert model_digest(again.scores_) == model_digest(clf.scores_)
    assert np.array_equal(again.radius(z), clf.radius(z))
    assert np.array_equal(again.holds(z), clf.holds(z))
    assert again.guarantee_ == clf.guarantee_
    assert again.procedure_ == json.loads(json.dumps(clf.procedure_))


@pytest.mark.parametrize(
    "chosen",
    [
        GaussianClassifier(components=3),
        GaussianClassifier("low_rank", components=2, random_state=np.random.RandomState(3)),
        EllipsoidClassifier(0.8, calibration="conformal"),
        EllipsoidClassifier(0.8, calibration="conformal", random_state=np.random.RandomState(3)),
    ],
    ids=str,
)
def test_a_seed_that_was_drawn_is_written_down(chosen: Any) -> None:
    z, y = data()
    first = chosen.fit(z, y)
    known = json.loads(json.dumps(first.procedure_))
    again = type(chosen)(**known["parameters"]).fit(z, y)
    assert model_digest(again.scores_) == model_digest(first.scores_)
    assert again.procedure_ == known
    assert isinstance(known["seed"], int)


def test_the_procedure_repeats_the_fit() -> None:
    z, y = data()
    first = GaussianClassifier(components=2, random_state=7).fit(z, y)
    known = first.procedure_
    again = cast(Any, GaussianClassifier)(**known["parameters"]).fit(z, y)
    assert again.procedure_ == known
    assert model_digest(again.scores_) == model_digest(first.scores_)
    other = GaussianClassifier(components=2, random_state=7).fit(z + 1e-9, y)
    assert other.procedure_["data"] != known["data"]
    assert sum(known["samples"]) == 200
    assert EllipsoidClassifier().fit(z, y).procedure_["estimator"] == "EllipsoidClassifier"


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    for content in (None, b"", b"no model"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match=r"written by latent\.save"):
            load(path)
