"""Overlap, least robust error, separation and the report, against quadrature, optimisers and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from latent.distances import Array
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.stats import binom, norm

from ironbound.errors import InputError
from ironbound.latent import (
    GaussianClassifier,
    ellipsoid_distance,
    existence,
    nearest_shift,
    optimal_robust_error,
    overlap_bound,
)


def covariance(rng: np.random.Generator, size: int) -> Array:
    root = rng.normal(size=(size, size))
    return root @ root.T / size + 0.1 * np.eye(size)


@pytest.mark.parametrize("seed", range(8))
def test_nearest_shift_solves_the_trust_region_problem(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cov, move, reach = covariance(rng, 4), rng.normal(size=4) * 2.0, 0.7
    precision = np.linalg.inv(cov)
    d, value = nearest_shift(move, cov, reach)
    assert np.linalg.norm(d) <= reach * (1 + 1e-12)
    assert value == pytest.approx((move - d) @ precision @ (move - d), rel=1e-9)
    found = minimize(
        lambda x: float((move - x) @ precision @ (move - x)),
        np.zeros(4),
        constraints=[{"type": "ineq", "fun": lambda x: reach**2 - x @ x}],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert value <= found.fun * (1 + 1e-8) + 1e-10
    assert nearest_shift(move, cov, 100.0)[1] == 0.0
    assert nearest_shift(move, cov, 0.0)[1] == pytest.approx(move @ precision @ move)


@pytest.mark.parametrize("radius", [0.0, 0.5, 1.9, 2.5])
@pytest.mark.parametrize("weight", [0.5, 0.2])
def test_overlap_is_below_the_exact_optimum(radius: float, weight: float) -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        cov = covariance(rng, 3)
        one, two = rng.normal(size=3) * 2.0, rng.normal(size=3) * 2.0
        bound = overlap_bound(one, cov, two, cov, radius, weight)
        least = optimal_robust_error(one, two, cov, radius, weight)
        assert 0.0 < bound <= least <= min(weight, 1 - weight) + 1e-15


def test_overlap_against_quadrature_for_unequal_variances() -> None:
    """BC in one dimension by integration; the bound, then, from its definition."""
    radius, spread = 0.8, (1.0, 2.5)
    shift = 5.0 - 2 * radius
    bc, _ = quad(lambda t: np.sqrt(norm.pdf(t, 0, spread[0]) * norm.pdf(t, shift, spread[1])), -60, 60)
    want = 0.5 * (1 - np.sqrt(1 - bc**2))
    one, two = (np.array([[s * s]]) for s in spread)
    found = overlap_bound(np.zeros(1), one, np.array([5.0]), two, radius)
    assert want * (1 - 1e-7) <= found <= want * (1 + 1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_the_optimum_is_attained_by_a_linear_rule_and_by_nothing_better(seed: int) -> None:
    """w = S^-1 (m/2 - d): its robust error under shifts of length r is exactly Phi(-a)."""
    rng = np.random.default_rng(seed)
    cov, mean, radius = covariance(rng, 3), rng.normal(size=3) * 2.0, 0.4
    d, _ = nearest_shift(mean, cov, radius)
    least = optimal_robust_error(mean, -mean, cov, radius)

    def robust_error(w: Array) -> float:
        return float(norm.cdf((radius * np.linalg.norm(w) - w @ mean) / np.sqrt(w @ cov @ w)))

    assert robust_error(np.asarray(np.linalg.solve(cov, mean - d), dtype=np.float64)) == pytest.approx(
        least, rel=1e-9
    )
    others = min(robust_error(w) for w in rng.normal(size=(2000, 3)))
    assert others >= least * (1 - 1e-9)


def test_optimum_closed_form_for_spheres() -> None:
    for radius in (0.0, 1.0, 2.9, 3.0, 4.0):
        found = optimal_robust_error(np.array([6.0, 0.0]), np.zeros(2), 4.0 * np.eye(2), radius)
        assert found == pytest.approx(norm.cdf(-max(0.0, 3.0 - radius) / 2.0), rel=1e-12)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", [2, 6])
def test_ellipsoid_distance_is_bracketed(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    one, two = covariance(rng, size), covariance(rng, size)
    mean = rng.normal(size=size) * 6.0
    lower = ellipsoid_distance(np.zeros(size), one, 1.3, mean, two, 0.9)
    roots = [np.linalg.cholesky(c) for c in (one, two)]

    def points(x: Array) -> Array:
        ends = [1.3 * x[:size], 0.9 * x[size:]]
        ends = [e / max(1.0, np.linalg.norm(e) / rho) for e, rho in zip(ends, (1.3, 0.9), strict=True)]
        return roots[0] @ ends[0] - mean - roots[1] @ ends[1]

    found = minimize(
        lambda x: float(np.sum((1.3 * roots[0] @ x[:size] - mean - 0.9 * roots[1] @ x[size:]) ** 2)),
        np.zeros(2 * size),
        constraints=[
            {"type": "ineq", "fun": lambda x: 1 - x[:size] @ x[:size]},
            {"type": "ineq", "fun": lambda x: 1 - x[size:] @ x[size:]},
        ],
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    upper = float(np.linalg.norm(points(found.x)))  # two points that do lie in the ellipsoids
    assert lower <= upper
    assert lower >= upper * (1 - 1e-6)


def test_ellipsoids_that_meet_are_not_apart() -> None:
    one = np.eye(3)
    assert ellipsoid_distance(np.zeros(3), one, 1.0, np.array([1.5, 0, 0]), one, 1.0) == 0.0
    assert ellipsoid_distance(np.zeros(3), one, 1.0, np.zeros(3), 0.01 * one, 1.0) == 0.0
    diagonal = ellipsoid_distance(np.zeros(2), np.array([1.0, 4.0]), 1.0, np.array([0, 7.0]), np.ones(2), 1.0)
    assert 4.0 - 1e-9 <= diagonal <= 4.0


@pytest.mark.parametrize("kind", ["full", "shared", "diagonal"])
def test_no_classifier_beats_the_report_on_its_own_law(kind: str) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=900)
    z = rng.normal(size=(3, 4))[y] * 3.0 + rng.normal(size=(900, 4)) * np.array([1.0, 0.5, 1.5])[y][:, None]
    clf = GaussianClassifier(kind).fit(z, y)
    fresh, labels = clf.sample(20_000, random_state=1)
    report = existence(clf, np.array([0.0, 0.5, 1.0, 2.0]), fresh, labels)
    shares = [line.any_classifier for line in report.lines]
    assert shares == sorted(shares, reverse=True)
    for line in report.lines:
        assert line.ours is not None
        # The measured share is binomial: a false alarm of this test has probability 1e-6.
        assert line.ours <= binom.ppf(1 - 1e-6, 20_000, line.any_classifier) / 20_000
    assert report.lines[-1].any_classifier < 0.999
    assert "any classifier" in str(report)


def test_separated_classes_are_said_to_be() -> None:
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1], 300)
    z = rng.normal(size=(600, 2)) + np.array([[0.0, 0.0], [30.0, 0.0]])[y]
    clf = GaussianClassifier().fit(z, y)
    report = existence(clf, np.array([1.0]))
    assert 10.0 < report.separated_radius < 15.0
    assert report.lines[0].ours is None
    assert report.lines[0].any_classifier > 1 - 1e-9
    fresh, labels = clf.sample(5_000, random_state=0)
    held = (clf.predict(fresh) == labels) & (clf.radius(fresh) >= 0.9 * report.separated_radius)
    assert held.mean() > 0.99 - 0.006
    assert "robust accuracy 0.99" in str(report)


def test_mixtures_are_refused_with_a_reason() -> None:
    rng = np.random.default_rng(2)
    clf = GaussianClassifier(components=2, random_state=0).fit(
        rng.normal(size=(80, 2)), np.repeat([0, 1], 40)
    )
    with pytest.raises(InputError, match="one component for each"):
        existence(clf, np.array([0.0]))


def test_no_bound_on_all_classifiers_grows_with_the_radius() -> None:
    """The pairs of classes that overlap most change with the radius; what held before goes on to hold."""
    rng = np.random.default_rng(0)
    means = rng.normal(size=(4, 12)) * 6.0
    y = np.repeat(np.arange(4), 150)
    z = means[y] + rng.normal(size=(600, 12))
    clf = GaussianClassifier(shrinkage=0.3).fit(z, y)
    radii = np.array([16.0, 0.0, 8.0, 9.6, 11.2, 12.8, 14.4])
    found = existence(clf, radii)
    assert [line.radius for line in found.lines] == radii.tolist()
    reached = [line.any_classifier for line in sorted(found.lines, key=lambda line: line.radius)]
    assert reached == sorted(reached, reverse=True)
    assert reached[-1] < 0.9
    assert "shifts of the latent" in found.separation
