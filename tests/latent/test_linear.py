"""Linear scores: closed form against the definition, the quadratic path, and mixtures."""

from __future__ import annotations

from typing import cast

import mpmath as mp
import numpy as np
import pytest
from latent.distances import DIGITS, Array

from ironbound.errors import InputError
from ironbound.latent import LinearScores, QuadraticRadii, Quadratics
from ironbound.latent.certify import certificates


def exact_radius(line: LinearScores, z: Array, own: int) -> mp.mpf:  # pyright: ignore[reportInvalidTypeForm]
    with mp.workdps(DIGITS):
        x = [mp.mpf(float(a)) - mp.mpf(float(b)) for a, b in zip(z, line.center, strict=True)]
        weights = [[mp.mpf(float(w)) for w in row] for row in line.weights]
        scores = [
            mp.fsum(a * b for a, b in zip(row, x, strict=True)) + mp.mpf(float(o))
            for row, o in zip(weights, line.offsets, strict=True)
        ]
        found = [
            (scores[own] - scores[j])
            / mp.sqrt(mp.fsum((a - b) ** 2 for a, b in zip(weights[own], weights[j], strict=True)))
            for j in range(len(weights))
            if line.owner[j] != line.owner[own]
        ]
        return max(min(found), mp.mpf(0))


@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_bracket(shift: float) -> None:
    rng = np.random.default_rng(1)
    line = LinearScores.build(rng.normal(size=(6, 9)), rng.normal(size=6), rng.normal(size=9) + shift)
    z = rng.normal(size=(40, 9)) * 3.0 + shift
    found = line.radii(z)
    assert np.array_equal(found.prediction, np.argmax(line.scores(z), axis=1))
    for row in range(40):
        exact = exact_radius(line, z[row], int(found.prediction[row]))
        assert mp.mpf(float(found.radius[row])) <= exact
        if exact > 0.01:
            assert mp.mpf(float(found.radius[row])) >= exact * (1 - mp.mpf(10) ** -9)


def test_agrees_with_the_quadratic_path_at_equal_covariances() -> None:
    """q_k = |F^T(z - mu_k)|^2 with one F is linear: w_k = P mu_k, o_k = -mu_k.P mu_k / 2."""
    rng = np.random.default_rng(2)
    factor = np.linalg.qr(rng.normal(size=(5, 5)))[0] * np.array([1.0, 2.0, 3.0, 0.5, 1.5])
    means = rng.normal(size=(4, 5)) * 2.0
    weights = means @ factor @ factor.T
    line = LinearScores.build(weights, -0.5 * np.sum(weights * means, axis=1))
    curved = QuadraticRadii(Quadratics.build(np.array([factor] * 4), means, np.zeros(4)))
    z = rng.normal(size=(100, 5))
    one, two = line.radii(z), curved(z)
    assert np.array_equal(one.prediction, two.prediction)
    assert np.all(np.abs(one.radius - two.radius) <= 1e-9 * one.radius + 1e-12)


def test_mixtures_take_the_best_own_component() -> None:
    rng = np.random.default_rng(3)
    line = LinearScores.build(rng.normal(size=(6, 3)), rng.normal(size=6), owner=np.array([0, 0, 1, 1, 2, 2]))
    z = rng.normal(size=(30, 3)) * 2.0
    found = line.radii(z)
    for row in range(30):
        own = np.flatnonzero(line.owner == found.prediction[row])
        best = max(exact_radius(line, z[row], int(m)) for m in own)
        assert best * (1 - mp.mpf(10) ** -8) <= mp.mpf(float(found.radius[row])) <= best


def test_equal_weights_leave_no_shift_or_no_proof() -> None:
    line = LinearScores.build(np.ones((2, 2)), np.array([1.0, 0.0]))
    assert line.radii(np.zeros((1, 2))).radius.tolist() == [np.inf]
    tie = LinearScores.build(np.ones((2, 2)), np.zeros(2))
    assert tie.radii(np.ones((1, 2))).radius.tolist() == [0.0]
    assert tie.radii(np.ones((0, 2))).radius.shape == (0,)


def test_a_thousand_classes() -> None:
    rng = np.random.default_rng(4)
    line = LinearScores.build(rng.normal(size=(1000, 16)), rng.normal(size=1000))
    z = rng.normal(size=(700, 16))
    found = line.radii(z)
    for row in range(0, 700, 100):
        exact = exact_radius(line, z[row], int(found.prediction[row]))
        assert (
            mp.mpf(float(found.radius[row])) <= exact <= mp.mpf(float(found.radius[row])) * (1 + 1e-9) + 1e-10
        )


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(InputError, match="weights, offsets must be of shapes"):
        LinearScores.build(np.ones((2, 2)), np.ones(3))
    with pytest.raises(InputError, match="finite"):
        LinearScores.build(np.full((2, 2), np.nan), np.ones(2))


@pytest.mark.parametrize("size", [1e-170, 3e-161, 1e-150, 1e-140])
def test_slopes_whose_squares_underflow_are_not_flat(size: float) -> None:
    """The other class wins beyond 1 / size, however far that is: no radius may say that nothing does."""
    line = LinearScores.build(np.array([[0.0], [size]]), np.array([1.0, 0.0]))
    assert line.apart[0, 1] >= size
    (radius,) = line.radii(np.zeros((1, 1))).radius
    assert radius <= 1.0 / size
    (cert,) = certificates(line, np.zeros((1, 1)), ["a", "b"])
    cert.verify()
    assert 1e100 < cast(float, cert.frontier[0]) <= 1.0 / size
    far = line.radii(np.array([[2.0 / size]]))
    assert far.prediction.tolist() == [1]


def test_equal_slopes_are_flat() -> None:
    line = LinearScores.build(np.array([[1e-170], [1e-170]]), np.array([1.0, 0.0]))
    (cert,) = certificates(line, np.zeros((1, 1)), ["a", "b"])
    cert.verify()
    assert cert.claims[0].witnesses == (0.0,)


def test_rounding_is_seen_where_squares_underflow() -> None:
    """Scores of size 1 from weights of 1e-170: their rounding errors are those of any scores of size 1."""
    rng = np.random.default_rng(0)
    weights, z = rng.normal(size=(2, 40)), rng.normal(size=(300, 40))
    z[:, 0] -= (z @ (weights[0] - weights[1])) / (weights[0, 0] - weights[1, 0])  # ties, but for rounding
    found = [
        LinearScores.build(weights * small, np.zeros(2)).radii(z / small).radius for small in (1.0, 2.0**-564)
    ]
    assert np.all(found[0] == 0.0)
    assert np.all(found[1] == 0.0)
