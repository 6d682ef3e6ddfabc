"""Each error bound against 60 digits: products, eigenbases, coordinates of b, scores; and the search of the
dual.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from latent.distances import DIGITS, exact_score, inputs_near, random_quadratics

from ironbound.latent import Quadratics, _dual
from ironbound.latent._pair import Pair, diagonalise
from ironbound.latent._rounding import accurate_product, gamma, split

Real = Any


def exact(values: np.ndarray) -> Real:
    return mp.matrix([[mp.mpf(float(v)) for v in row] for row in np.atleast_2d(values)])


def norm(matrix: Real) -> Real:
    return mp.sqrt(mp.fsum(v * v for v in matrix))


def polar(matrix: Real) -> Real:
    """Orthogonal factor by Newton's iteration, for a matrix that is almost orthogonal."""
    found = matrix.copy()
    for _ in range(6):
        found = (found + mp.inverse(found).T) / 2
    return found


@pytest.mark.parametrize("seed", range(4))
def test_accurate_product_keeps_its_bound_and_beats_the_plain_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    left, right = rng.normal(size=(7, 9)) * 10.0 ** rng.uniform(-6, 6, size=(7, 1)), rng.normal(size=(9, 8))
    minus = left @ right
    product, bound = accurate_product(left, right, minus=minus)
    with mp.workdps(DIGITS):
        truth = exact(left) * exact(right) - exact(minus)
        error = norm(exact(product) - truth)
        assert error <= bound
        # What is left of left @ right after the subtraction is its own rounding; most digits of that are
        # right.
        assert error <= 1e-6 * norm(truth)


def test_split_is_exact_and_short() -> None:
    matrix = np.random.default_rng(0).normal(size=(5, 6))
    head, rest = split(matrix, 20, axis=1)
    assert np.array_equal(head + rest, matrix)
    assert np.all(np.abs(rest) <= 2.0**-19 * np.max(np.abs(matrix), axis=1, keepdims=True))


@pytest.mark.parametrize("condition", [1.0, 1e3, 1e9])
@pytest.mark.parametrize("flip", [False, True])
def test_eigenbasis_bounds(condition: float, flip: bool) -> None:
    """A >= V diag(low) V^T with V exactly orthogonal, and the coordinates of b lie under their bounds."""
    outside = 0
    for seed in range(6):
        q = random_quadratics(seed, 5, 2, condition=condition)
        own, rival = (1, 0) if flip else (0, 1)
        basis = diagonalise(q, 1, 0)
        pair = Pair.build(q, basis, own, rival, flip=flip)
        # At the own mean itself only the error of the constant part of b is left.
        z = q.means[own : own + 1] if seed % 2 else inputs_near(q, seed, 1)
        x = z - q.means[own]
        length = np.linalg.norm(x, axis=1) * (1 + gamma(9))
        bound = np.sqrt(pair.squares(x, length)[0]) * (1 + 20 * 2.0**-53)
        with mp.workdps(DIGITS):
            p_own, p_rival = (exact(q.factors[m]) * exact(q.factors[m]).T for m in (own, rival))
            a = p_rival - p_own
            assert basis.vectors is not None
            v = polar(exact(basis.vectors))
            assert norm(v - exact(basis.vectors)) <= basis.tilt
            rest = a - v * mp.diag([mp.mpf(float(low)) for low in pair.low]) * v.T
            assert min(mp.eigsy(rest, eigvals_only=True)) >= 0
            moved = [(exact(z) - exact(q.means[m])).T for m in (own, rival)]
            b = v.T * (p_rival * moved[1] - p_own * moved[0])
            plain = np.abs((x @ basis.vectors * pair.values - pair.slope)[0])
            for coordinate, above, computed in zip(b, bound, plain, strict=True):
                assert abs(coordinate) <= mp.mpf(float(above))
                outside += bool(abs(coordinate) > mp.mpf(float(computed)))
    assert outside > 0  # without the allowance the bound would fail


@pytest.mark.parametrize("term", ["slack", "tilt"])
def test_eigenbasis_bounds_are_needed(term: str) -> None:
    """The measured errors are of the size that the bounds allow for, within three digits."""
    q = random_quadratics(3, 6, 2, condition=1e4)
    basis = diagonalise(q, 1, 0)
    assert basis.vectors is not None
    with mp.workdps(DIGITS):
        v = polar(exact(basis.vectors))
        a = exact(q.factors[1]) * exact(q.factors[1]).T - exact(q.factors[0]) * exact(q.factors[0]).T
        error = norm(a - v * mp.diag([mp.mpf(float(x)) for x in basis.values]) * v.T)
        tilt = norm(v - exact(basis.vectors))
    found, allowed = {"slack": (error, float(basis.slack[0])), "tilt": (tilt, basis.tilt)}[term]
    assert 0 < found <= allowed <= 1000 * found


@pytest.mark.parametrize("diagonal", [False, True])
def test_scores_lie_within_their_error(diagonal: bool) -> None:
    wrong = 0
    for seed in range(4):
        q = random_quadratics(seed, 6, 3, condition=1e4, diagonal=diagonal)
        q = Quadratics.build(q.factors, q.means + 50.0, q.offsets)
        z = inputs_near(q, seed, 3)
        scores, errors = q.bounded_scores(z)
        for row in range(3):
            for m in range(3):
                with mp.workdps(DIGITS):
                    gap = abs(exact_score(q, m, z[row]) - mp.mpf(float(scores[row, m])))
                    assert gap <= mp.mpf(float(errors[row, m]))
                    wrong += bool(gap > 0)
                    assert errors[row, m] <= 1e-9 * max(1.0, abs(scores[row, m]))
    assert wrong > 10


def dual_problem(seed: int, size: int, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    low = rng.normal(size=size)
    if kind == "negative":
        low = -np.abs(low)
    if kind == "graded":
        low = np.sign(low) * 10.0 ** rng.uniform(-6, 3, size=size)
    g = rng.normal(size=(60, size)) * np.sqrt(np.abs(low))
    if kind == "hard":
        g[:, np.argmin(low)] *= 10.0 ** rng.uniform(-20, -1, size=60)
        g[:10, np.argmin(low)] = 0.0
    c = 10.0 ** rng.uniform(-3, 3, size=60) * np.sum(g * g, axis=1)
    return c, g * g, low


@pytest.mark.parametrize("kind", ["mixed", "negative", "graded", "hard"])
@pytest.mark.parametrize("size", [2, 8, 64])
def test_the_search_ends_at_the_maximum_within_few_steps(
    kind: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    c, squares, low = dual_problem(size, size, kind)
    if not low.min() < 0.0:
        low[0] = -1.0
    monkeypatch.setattr(_dual, "_STEPS", 22)
    lam = _dual.maximise(c, squares, low)
    found = _dual.bound(lam, c, squares, low)
    # The derivative by bisection in extended precision.
    wide = np.longdouble
    left, right = np.zeros(c.size, wide), np.full(c.size, -1 / low.min().astype(wide))
    for _ in range(200):
        middle = (left + right) / 2
        t = 1 / np.maximum(1 + np.multiply.outer(middle, low.astype(wide)), np.finfo(wide).tiny)
        rising = c - middle * np.sum(squares * (t + t * t), axis=1) > 0
        left, right = np.where(rising, middle, left), np.where(rising, right, middle)
    t = 1 / (1 + np.multiply.outer(left, low.astype(wide)))
    best = left * c - left**2 * np.sum(squares * t, axis=1)
    assert np.all(found <= best * (1 + 1e-15))
    assert np.all(found >= best * (1 - 1e-11))


def test_an_inadmissible_multiplier_proves_nothing() -> None:
    c, squares, low = np.ones(4), np.ones((4, 2)), np.array([-1.0, 1.0])
    lam = np.array([1.0, 2.0, np.inf, np.nan])
    assert _dual.bound(lam, c, squares, low).tolist() == [0.0] * 4
    assert (
        _dual.bound(np.full(4, 0.1), np.array([1.0, 0.0, -1.0, np.nan]), squares, low)[1:].tolist()
        == [0.0] * 3
    )


@pytest.mark.parametrize("seed", range(4))
def test_a_pivot_is_never_rounded_up(seed: int) -> None:
    """One coordinate, a multiplier near the pole or far from it: the bound stays below exact arithmetic."""
    rng = np.random.default_rng(seed)
    count = 400
    lam = 10.0 ** rng.uniform(-3, 3, size=count)
    near = -(1.0 - 10.0 ** rng.uniform(-14, -0.1, size=count)) / lam
    low = np.where(rng.random(count) < 0.5, near, 10.0 ** rng.uniform(-3, 3, size=count))
    squares = (10.0 ** rng.uniform(-2, 2, size=count))[:, None]
    pivots = [1 + Fraction(m) * Fraction(a) for m, a in zip(lam, low, strict=True)]
    cost = [Fraction(m) * Fraction(g) / p for m, g, p in zip(lam, squares[:, 0], pivots, strict=True)]
    # A margin just above what the pivot costs: nothing would be left if the pivot were taken a little larger.
    c = np.array([float(x) * (1.0 + 10.0 ** rng.uniform(-14, 0)) for x in cost])
    found = _dual.bound(lam, c, squares, low[:, None])
    for row in range(count):
        exact = Fraction(lam[row]) * (Fraction(c[row]) - cost[row])
        assert found[row] == 0.0 or Fraction(found[row]) <= exact
    assert np.mean(found > 0.0) > 0.5


def test_rows_of_different_quadrics_are_searched_as_each_alone() -> None:
    problems = [dual_problem(seed, 8, "mixed") for seed in range(5)]
    alone = [_dual.bound(_dual.maximise(*p), *p) for p in problems]
    c, squares = (np.concatenate([p[i] for p in problems]) for i in (0, 1))
    low = np.repeat([p[2] for p in problems], 60, axis=0)
    stiff = np.concatenate([_dual.stiffness(p[1], p[2]) for p in problems])
    first = np.concatenate([_dual.start(*p) for p in problems])
    lam = _dual.refine(first, c, squares, low, low.min(axis=1), stiff)
    together = _dual.bound(lam, c, squares, low)
    assert np.all(np.abs(together - np.concatenate(alone)) <= 1e-13 * together)
