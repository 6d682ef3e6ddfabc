"""EllipsoidClassifier: coverage by simulation, signed distances by an optimiser, radii under attack."""

from __future__ import annotations

import pickle
from typing import Any, cast

import numpy as np
import pytest
from latent.distances import Array, random_quadratics
from scipy.optimize import minimize
from scipy.stats import binom, chi2
from sklearn.base import clone

from ironbound.errors import InputError
from ironbound.latent import EllipsoidClassifier
from ironbound.latent._calibration import conformal_radius, gaussian_radius, inflated_radius
from ironbound.latent._signed import SignedDistances


def blobs(seed: int, count: int = 600, size: int = 3) -> tuple[Array, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=count)
    scale = np.array([[1.0, 0.4, 2.0], [0.7, 1.5, 0.5], [1.0, 1.0, 1.0]])[:, :size]
    means = np.array([[0.0, 0.0, 0.0], [6.0, 0.0, 2.0], [0.0, 7.0, -3.0]])[:, :size]
    return means[y] + scale[y] * rng.normal(size=(count, size)), y


VARIANTS: list[dict[str, Any]] = [
    {},
    {"metric": "distance"},
    {"confidence": 0.95},
    {"calibration": "conformal", "coverage": 0.9, "random_state": 0},
    {"calibration": "conformal", "coverage": 0.9, "metric": "distance", "random_state": 0},
    {"calibration": "conformal", "coverage": 0.9, "confidence": 0.9, "random_state": 0},
    {"covariance": "diagonal"},
]


@pytest.mark.parametrize("parameters", VARIANTS, ids=str)
def test_estimator_contract(parameters: dict[str, Any]) -> None:
    z, y = blobs(0)
    names = np.array(["a", "b", "c"])[y]
    clf = EllipsoidClassifier(**parameters).fit(z, names)
    scores = clf.decision_function(z)
    assert scores.shape == (600, 3)
    assert np.array_equal(clf.classes_[np.argmax(scores, axis=1)], clf.predict(z))
    assert np.array_equal(np.argmax(clf.predict_proba(z), axis=1), np.argmax(scores, axis=1))
    assert clf.score(z, names) > 0.97
    radius = clf.radius(z)
    assert np.array_equal(cast(Any, clone(clf)).fit(z, names).radius(z), radius)
    assert np.array_equal(pickle.loads(pickle.dumps(clf)).radius(z), radius)
    assert clf.holds(z).shape == (600, 3)
    assert "probability" in clf.guarantee_


@pytest.mark.parametrize("parameters", VARIANTS, ids=str)
def test_no_shift_within_the_radius_changes_the_prediction(parameters: dict[str, Any]) -> None:
    z, y = blobs(1)
    clf = EllipsoidClassifier(**parameters).fit(z, y)
    rng = np.random.default_rng(0)
    rows = rng.integers(len(z), size=10_000)
    d = rng.normal(size=(10_000, 3))
    rival = rng.integers(3, size=5_000)
    d[5_000:] = 0.05 * d[5_000:] + clf.means_[rival] - z[rows[5_000:]]
    d *= (clf.radius(z)[rows] * (1 - 1e-12) / np.linalg.norm(d, axis=1))[:, None]
    assert np.array_equal(clf.predict(z[rows] + d), clf.predict(z[rows]))


def test_equal_ellipsoid_sizes_give_exact_radii() -> None:
    """With one rho the rule is quadratic: exact distances exceed the closed form of the unequal case."""
    z, y = blobs(2)
    clf = EllipsoidClassifier().fit(z, y)
    exact = clf.radius(z)
    clf.rho_ = clf.rho_ + np.array([0.0, 1e-9, 2e-9])  # as good as equal, but no longer quadratic
    clf.settle(clf.quadratics_.factors)
    closed = clf.radius(z)
    assert np.all(exact >= closed * (1 - 1e-6))
    assert np.median(exact) > 1.2 * np.median(closed)


@pytest.mark.parametrize("diagonal", [False, True])
def test_signed_distances_are_bracketed(diagonal: bool) -> None:
    q = random_quadratics(11, 3, 2, condition=20.0, diagonal=diagonal)
    rng = np.random.default_rng(0)
    z = np.concatenate([q.means + 0.3 * rng.normal(size=(2, 3)), rng.normal(size=(4, 3)) * 4.0])
    rho = np.array([2.0, 1.5])
    lower, upper = SignedDistances(q, rho)(z)
    assert np.all(lower <= upper)
    assert np.all(upper - lower <= 1e-8 * (1.0 + np.abs(upper)))
    for k in range(2):
        factor = np.diag(q.factors[k]) if diagonal else q.factors[k]
        precision = factor @ factor.T
        for row in range(len(z)):
            best = np.inf
            for start in range(12):
                first = q.means[k] - z[row] + rng.normal(size=3) * (0.01 if start == 0 else 1.0)
                found = minimize(
                    lambda d: float(d @ d),
                    first,
                    constraints=[
                        {
                            "type": "eq",
                            "fun": lambda d, k=k, row=row, p=precision: (
                                (z[row] + d - q.means[k]) @ p @ (z[row] + d - q.means[k]) - rho[k] ** 2
                            ),
                        }
                    ],
                    method="SLSQP",
                    options={"ftol": 1e-13, "maxiter": 300},
                )
                if found.success:
                    best = min(best, float(np.linalg.norm(found.x)))
            inside = upper[row, k] < 0.0
            assert abs(lower[row, k] + best if inside else lower[row, k] - best) <= 1e-5


def test_signed_distance_at_the_centre_is_the_shortest_half_axis() -> None:
    q = random_quadratics(12, 4, 2)
    lower, upper = SignedDistances(q, np.array([1.7, 1.7]))(q.means[:1])
    half = 1.7 / np.linalg.norm(q.factors[0], 2)
    assert lower[0, 0] <= -half * (1 - 1e-12)
    assert -half * (1 + 1e-12) <= upper[0, 0]
    assert upper[0, 0] - lower[0, 0] < 1e-8


def coverage_of_true_law(
    rng: np.random.Generator, parameters: dict[str, Any], count: int, size: int
) -> float:
    """Share of 20,000 fresh N(0, I) draws that the fitted ellipsoid of class 0 holds."""
    z = rng.normal(size=(2 * count, size))
    z[count:] += 50.0
    clf = EllipsoidClassifier(random_state=0, **parameters).fit(z, np.repeat([0, 1], count))
    return float(clf.holds(rng.normal(size=(20_000, size)))[:, 0].mean())


def test_finite_sample_inflation_covers_the_true_law() -> None:
    """Every one of 40 fits covers; the plain rule, by contrast, falls short in most."""
    rng = np.random.default_rng(3)
    plain = {"coverage": 0.9, "shrinkage": "none"}
    inflated = {**plain, "confidence": 0.9}
    slack = 0.9 - binom.ppf(1e-6, 20_000, 0.9) / 20_000
    short = [coverage_of_true_law(rng, plain, 80, 5) < 0.9 for _ in range(20)]
    covered = [coverage_of_true_law(rng, inflated, 80, 5) >= 0.9 - slack for _ in range(40)]
    assert sum(short) >= 10
    # At confidence 0.9, fewer than 22 of 40 has probability below 1e-9.
    assert sum(covered) >= 26


def test_conformal_coverage_holds_for_a_heavy_tailed_law() -> None:
    """Split conformal on Cauchy-like scores: mean coverage >= 0.8, and the stricter rule in most splits."""
    rng = np.random.default_rng(4)
    exact_mean: list[float] = []
    strict: list[bool] = []
    for _ in range(400):
        u = rng.random(60)  # the coverage of the threshold score u is u itself
        exact_mean.append(conformal_radius(u, 0.8, None, "class 0"))
        strict.append(conformal_radius(u, 0.8, 0.1, "class 0") >= 0.8)
    # Beta(49, 12): mean 0.803, sd of the average over 400 draws 0.0026.
    assert abs(float(np.mean(exact_mean)) - 49 / 61) < 5 * 0.0026
    assert np.sum(strict) >= binom.ppf(1e-6, 400, 0.9)
    assert np.sum(strict) < 400


def test_calibration_radii() -> None:
    assert chi2.cdf(gaussian_radius(0.95, 7) ** 2, 7) >= 0.95
    assert gaussian_radius(0.95, 7) ** 2 < chi2.ppf(0.95, 7) * (1 + 1e-8)
    n, size, delta = 100, 5, 0.05
    singular = np.sqrt(n - 1) - np.sqrt(size) - np.sqrt(2 * np.log(2 / delta))
    outer = np.sqrt(chi2.ppf(0.9, size)) + np.sqrt(chi2.ppf(1 - delta / 2, size) / n)
    assert inflated_radius(0.9, size, n, 1.0, delta, "x") == pytest.approx(outer * np.sqrt(n) / singular)
    wide = inflated_radius(0.9, 5, 100, 1.0, 0.05, "class 0")
    assert wide > inflated_radius(0.9, 5, 10_000, 1.0, 0.05, "class 0") > gaussian_radius(0.9, 5)
    assert inflated_radius(0.9, 5, 100, 4.0, 0.05, "class 0") == pytest.approx(2.0 * wide)
    scores = np.arange(1.0, 20.0)
    assert conformal_radius(scores, 0.95, None, "x") == 19.0
    assert conformal_radius(scores, 0.9, None, "x") == 18.0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"coverage": 1.0}, "coverage must be"),
        ({"confidence": 0.0}, "confidence must be"),
        ({"calibration": "bootstrap"}, "calibration must be"),
        ({"metric": "cosine"}, "metric must be"),
        ({"covariance": "diagonal", "confidence": 0.9}, "confidence must be None"),
        ({"calibration": "conformal", "coverage": 0.999}, "999 or more would do"),
        ({"calibration": "conformal", "coverage": 0.99, "confidence": 0.9}, "or more would do"),
    ],
)
def test_wrong_parameters_are_named(parameters: dict[str, Any], message: str) -> None:
    z, y = blobs(5)
    with pytest.raises(InputError, match=message):
        EllipsoidClassifier(**parameters).fit(z, y)


def test_too_few_samples_for_confidence_says_how_many() -> None:
    z, y = blobs(6, count=45)
    with pytest.raises(InputError, match=r"take \d+ or more"):
        EllipsoidClassifier(confidence=0.999).fit(z, y)


@pytest.mark.parametrize(("fitted", "metric"), [("distance", "mahalanobis"), ("mahalanobis", "distance")])
def test_parameters_set_after_the_fit_change_no_certificate(fitted: str, metric: str) -> None:
    """The rule that is certified is the one that predicts, whatever the parameters say by now."""
    rng = np.random.default_rng(0)
    z = np.concatenate([rng.normal(size=(60, 2)) * [1.0, 0.1], rng.normal(size=(60, 2)) * [0.1, 1.0] + 3.0])
    clf = EllipsoidClassifier(metric=fitted, common_rho=True).fit(z, np.repeat([0, 1], 60))
    query = rng.uniform(-2.0, 6.0, size=(400, 2))
    before = clf.radius(query)
    clf.set_params(metric=metric)
    assert clf.exact_ is (fitted == "mahalanobis")
    assert np.array_equal(clf.radius(query), before)
    for cert, label in zip(clf.certify(query), clf.predict(query), strict=True):
        cert.verify()
        assert cert.prediction in (label, None)


def test_radii_changed_after_the_fit_need_to_be_settled() -> None:
    z, y = blobs(2)
    clf = EllipsoidClassifier(common_rho=True).fit(z, y)
    before = clf.radius(z)
    clf.rho_ *= [1.0, 2.0, 3.0]
    assert clf.exact_
    assert np.array_equal(clf.radius(z), before)
    assert not clf.settle(clf.quadratics_.factors).exact_
