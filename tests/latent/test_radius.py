"""The radius against two oracles, its special cases, and attacks that try to beat it."""

from __future__ import annotations

import pickle

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from latent.distances import (
    Array,
    Real,
    exact_distance,
    inputs_near,
    primal_distance,
    random_quadratics,
)

from ironbound.errors import InputError
from ironbound.latent import QuadraticRadii, Quadratics, _dual
from ironbound.latent.margins import quadratic_margin

TIGHT = mp.mpf(1) - mp.mpf(10) ** -9


def nearest(q: Quadratics, own: int, z: Array) -> Real:
    return min(exact_distance(q, own, j, z) for j in range(len(q.means)) if q.owner[j] != q.owner[own])


@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize(("size", "count"), [(1, 2), (2, 3), (4, 3), (6, 2)])
def test_bracket(size: int, count: int, diagonal: bool) -> None:
    checked = 0
    for seed in range(5):
        q = random_quadratics(seed, size, count, diagonal=diagonal)
        z = inputs_near(q, seed, 4)
        found = QuadraticRadii(q)(z)
        for row, radius in enumerate(found.radius):
            exact = nearest(q, int(found.component[row]), z[row])
            assert mp.mpf(float(radius)) <= exact
            # Close to the boundary the score difference itself is only known to the rounding of the scores.
            if exact > 0.01:
                assert mp.mpf(float(radius)) >= exact * TIGHT
                checked += 1
    assert checked >= 15


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    size=st.integers(1, 4),
    condition=st.sampled_from([1.0, 1e2, 1e6, 1e12]),
    shift=st.sampled_from([0.0, 10.0, 1e6]),
    spread=st.sampled_from([1e-9, 0.3, 30.0]),
)
def test_never_above_the_exact_distance(
    seed: int, size: int, condition: float, shift: float, spread: float
) -> None:
    q = random_quadratics(seed, size, 2, condition=condition, diagonal=bool(seed % 2))
    q = Quadratics.build(q.factors, q.means + shift, q.offsets)
    z = inputs_near(q, seed, 1, spread)
    radii = QuadraticRadii(q)
    found = radii(z)
    exact = nearest(q, int(found.component[0]), z[0])
    assert mp.mpf(float(found.radius[0])) <= exact
    assert mp.mpf(float(radii.closed_form(z)[0])) <= exact


@pytest.mark.parametrize("seed", range(12))
def test_constrained_minimisation_finds_nothing_nearer_and_gets_there(seed: int) -> None:
    q = random_quadratics(100 + seed, 3, 2)
    z = inputs_near(q, seed, 1)
    found = QuadraticRadii(q)(z)
    own, radius = int(found.component[0]), float(found.radius[0])
    primal = primal_distance(q, own, 1 - own, z[0], starts=6, seed=seed)
    assert primal >= radius * (1.0 - 1e-7)  # SLSQP keeps its constraint to about 1e-9 in the score
    assert primal <= radius * (1.0 + 1e-5) or radius == np.inf


def on_axes(values: list[float], move: list[float], offset: float, turned: bool) -> tuple[Quadratics, Array]:
    """Own precision 4 I at 0, rival precision diag(4 + values), mean so that b = -(4 + values) * move at z =
    0.
    """
    rival = np.array(values) + 4.0
    factors = np.array([np.eye(len(values)) * 2.0, np.diag(np.sqrt(rival))])
    means = np.array([np.zeros(len(values)), move])
    if turned:
        turn = np.linalg.qr(np.random.default_rng(3).normal(size=(len(values),) * 2))[0]
        factors, means = turn @ factors, means @ turn.T
    return Quadratics.build(factors, means, np.array([0.0, offset])), np.zeros((1, len(values)))


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("slope", [0.0, 1e-18, 1e-12, 1e-9, 1e-6, 1e-3])
def test_hard_case(slope: float, turned: bool) -> None:
    q, z = on_axes([-3.0, -1.0, 2.0], [slope, 0.1, -0.2], 5.0, turned)
    found = QuadraticRadii(q)(z)
    exact = exact_distance(q, 0, 1, z[0])
    assert found.prediction.tolist() == [0]
    assert exact * TIGHT <= mp.mpf(float(found.radius[0])) <= exact
    # It is hard: without the lowest eigenvalue the search would stop at the pole.
    assert found.multiplier[0] > 0.3


def test_hard_case_at_the_centre_of_symmetry() -> None:
    """b = 0 altogether: the distance is sqrt(c / 3), straight along the lowest eigenvalue."""
    q, z = on_axes([-3.0, -3.0, 2.0], [0.0, 0.0, 0.0], 6.0, turned=False)
    radius = float(QuadraticRadii(q)(z).radius[0])
    assert np.sqrt(2.0) * (1 - 1e-9) <= radius <= np.sqrt(2.0)


@pytest.mark.parametrize("turned", [False, True])
def test_empty_rival_region_has_infinite_radius(turned: bool) -> None:
    """A > 0 and c > b^T A^-1 b: nothing beats the own class anywhere."""
    q, z = on_axes([1.0, 2.0, 3.0], [0.1, 0.1, 0.1], 5.0, turned)
    assert exact_distance(q, 0, 1, z[0]) == mp.inf
    found = QuadraticRadii(q)(z)
    assert found.radius[0] == np.inf
    assert found.multiplier[0] == np.inf


@pytest.mark.parametrize("excess", [1e-3, 1e-6, 1e-9, 1e-15, 0.0, -1e-15, -1e-9, -1e-6, -1e-3])
@pytest.mark.parametrize("turned", [False, True])
def test_almost_empty_rival_region(excess: float, turned: bool) -> None:
    """The region shrinks to a point as c reaches b^T A^-1 b; the answer is a bound on either side of it."""
    values, move = np.array([1.0, 2.0, 3.0]), np.array([0.3, -0.2, 0.1])
    # q_rival - q_own >= 0 everywhere iff offset >= depth.
    depth = float(np.sum((4 + values) ** 2 * move**2 / values - (4 + values) * move**2))
    q, z = on_axes(values.tolist(), move.tolist(), depth + excess, turned)
    radius = mp.mpf(float(QuadraticRadii(q)(z).radius[0]))
    exact = exact_distance(q, 0, 1, z[0])
    assert radius <= exact
    if abs(excess) >= 1e-6:
        assert radius >= exact * TIGHT


def test_a_singular_difference() -> None:
    """A >= 0 with a zero eigenvalue along which b does not vanish: the region is a paraboloid."""
    q, z = on_axes([0.0, 2.0], [1.0, 0.3], 1.0, turned=False)
    radius = mp.mpf(float(QuadraticRadii(q)(z).radius[0]))
    exact = exact_distance(q, 0, 1, z[0])
    assert exact * TIGHT <= radius <= exact


def test_ties_and_identical_components_prove_nothing() -> None:
    q = Quadratics.build(np.ones((2, 2)), np.zeros((2, 2)), np.zeros(2))
    assert QuadraticRadii(q)(np.array([[0.0, 1.0], [5.0, 5.0]])).radius.tolist() == [0.0, 0.0]


def test_one_class_is_never_left() -> None:
    q = Quadratics.build(np.ones((2, 2)), np.zeros((2, 2)), np.zeros(2), np.zeros(2, dtype=np.int64))
    assert QuadraticRadii(q)(np.zeros((3, 2))).radius.tolist() == [np.inf] * 3


@pytest.mark.parametrize("diagonal", [False, True])
def test_screening_does_not_change_the_radius(diagonal: bool) -> None:
    q = random_quadratics(5, 6, 12, diagonal=diagonal, apart=6.0)
    z = inputs_near(q, 6, 700)
    full, quick = QuadraticRadii(q, screen=False)(z), QuadraticRadii(q)(z)
    assert np.all(np.abs(quick.radius - full.radius) <= 1e-10 * full.radius)
    for row in range(3):
        assert mp.mpf(float(quick.radius[row])) <= nearest(q, int(quick.component[row]), z[row])


def test_closed_form_is_below_and_often_far_below() -> None:
    q = random_quadratics(8, 5, 6)
    z = inputs_near(q, 9, 400)
    radii = QuadraticRadii(q)
    exact, closed = radii(z).radius, radii.closed_form(z)
    assert np.all(closed <= exact)
    assert np.all(closed >= 0.0)
    assert np.median(exact / closed) > 1.5


lengths = st.floats(0.0, 100.0)
slopes = st.floats(1e-3, 1e3)


@given(own=lengths, rival=lengths, offset=st.floats(-50.0, 50.0), own_slope=slopes, rival_slope=slopes)
def test_quadratic_margin_keeps_the_difference_positive(
    own: float, rival: float, offset: float, own_slope: float, rival_slope: float
) -> None:
    """(m_j - r L_j)^2 - (m_k + r L_k)^2 + o > 0 on [0, r) in exact arithmetic, the first term 0 once m_j is
    used up.
    """
    r = float(quadratic_margin(np.array(own), np.array(rival), np.array(offset), own_slope, rival_slope))
    assert r >= 0.0
    if r == 0.0:
        return
    with mp.workdps(60):
        for share in (0.0, 0.3, 0.7, 0.95, 1.0):
            at = mp.mpf(r) * mp.mpf(share)
            left = max(mp.mpf(rival) - at * mp.mpf(rival_slope), mp.mpf(0))
            assert left**2 - (mp.mpf(own) + at * mp.mpf(own_slope)) ** 2 + mp.mpf(offset) > 0
        # And not much more could be had: 1e-7 further it is negative.
        at = mp.mpf(r) * (1 + mp.mpf(10) ** -7)
        left = max(mp.mpf(rival) - at * mp.mpf(rival_slope), mp.mpf(0))
        rest = left**2 - (mp.mpf(own) + at * mp.mpf(own_slope)) ** 2 + mp.mpf(offset)
        assert rest <= mp.mpf(10) ** -6 * (own**2 + rival**2 + abs(offset))


def test_the_multiplier_is_a_witness() -> None:
    """The dual at the stored multiplier, evaluated apart from the package, gives the radius back."""
    q = random_quadratics(21, 4, 3)
    z = inputs_near(q, 22, 50)
    found = QuadraticRadii(q)(z)
    for row in np.flatnonzero(found.radius > 0.05)[:20]:
        k, j, lam = int(found.component[row]), int(found.rival[row]), float(found.multiplier[row])
        precision = [q.factors[m] @ q.factors[m].T for m in (k, j)]
        x = [z[row] - q.means[m] for m in (k, j)]
        b = precision[1] @ x[1] - precision[0] @ x[0]
        c = float(np.diff(q.scores(z[row : row + 1])[0, [k, j]])[0])
        middle = np.eye(4) + lam * (precision[1] - precision[0])
        assert np.linalg.eigvalsh(middle)[0] > 0.0
        value = lam * c - lam * lam * float(b @ np.linalg.solve(middle, b))
        assert np.sqrt(value) == pytest.approx(found.radius[row], rel=1e-9)


def attack(q: Quadratics, z: Array, own_class: int, attempts: int, seed: int) -> float:
    """Shortest shift found that changes the class: random starts, projected on the boundary, then pulled
    in.
    """
    rng = np.random.default_rng(seed)
    step = rng.normal(size=(attempts, z.size))
    d = step / np.linalg.norm(step, axis=1, keepdims=True) * rng.uniform(0.1, 8.0, size=(attempts, 1))
    precision = np.array([np.diag(f * f) if f.ndim == 1 else f @ f.T for f in q.factors])
    mine = q.owner == own_class
    best = np.inf
    for _ in range(60):
        x = z + d
        moved = x[:, None, :] - q.means
        gradient = np.einsum("mij,nmj->nmi", precision, moved)
        scores = np.einsum("nmi,nmi->nm", gradient, moved) + q.offsets
        k = np.argmin(np.where(mine, scores, np.inf), axis=1)
        j = np.argmin(np.where(mine, np.inf, scores), axis=1)
        rows = np.arange(attempts)
        gap = scores[rows, j] - scores[rows, k]
        length = np.linalg.norm(d, axis=1)
        flipped = gap < 0.0
        if flipped.any():
            best = min(best, float(length[flipped].min()))
        slope = 2.0 * (gradient[rows, j] - gradient[rows, k])
        square = np.sum(slope * slope, axis=1) + 1e-300
        # The nearest point to z on the tangent of the boundary, half way there, a hair past it.
        target = ((np.sum(slope * d, axis=1) - gap - 1e-10 * np.abs(gap) - 1e-11) / square)[:, None] * slope
        d = d + rng.uniform(0.3, 1.0, size=(attempts, 1)) * (target - d)
    return best


@pytest.mark.parametrize("seed", range(4))
def test_no_attack_in_ten_thousand_finds_a_smaller_shift(seed: int) -> None:
    q = random_quadratics(40 + seed, 5, 4, diagonal=seed == 3)
    z = inputs_near(q, seed, 1, 0.2)
    found = QuadraticRadii(q)(z)
    best = attack(q, z[0], int(found.prediction[0]), 2_500, seed)
    assert best > found.radius[0]
    assert best < found.radius[0] * 1.001  # the attack is strong enough to mean something


def test_mixtures_prove_at_most_the_truth() -> None:
    for seed in range(3):
        plain = random_quadratics(60 + seed, 3, 6)
        q = Quadratics.build(plain.factors, plain.means, plain.offsets, np.array([0, 0, 1, 1, 2, 2]))
        z = inputs_near(q, seed, 2, 0.2)
        found = QuadraticRadii(q)(z)
        for row in range(2):
            best = attack(q, z[row], int(found.prediction[row]), 400, seed)
            assert found.radius[row] <= best
            exact = nearest(q, int(found.component[row]), z[row])
            assert mp.mpf(float(found.radius[row])) <= exact


def test_memory_limit_and_pickle_change_nothing() -> None:
    q = random_quadratics(70, 4, 12)
    z = inputs_near(q, 71, 100)
    whole = QuadraticRadii(q).prepare()
    small = QuadraticRadii(q, memory=1)
    assert np.array_equal(whole(z).radius, small(z).radius)
    assert np.array_equal(pickle.loads(pickle.dumps(whole))(z).radius, whole(z).radius)


def test_radii_do_not_depend_on_the_batch() -> None:
    q = random_quadratics(80, 6, 4)
    z = inputs_near(q, 81, 1200)
    radii = QuadraticRadii(q)
    together = radii(z).radius
    apart = np.concatenate([radii(z[i : i + 37]).radius for i in range(0, len(z), 37)])
    assert np.all(np.abs(together - apart) <= 1e-10 * together)
    assert radii(z[:0]).radius.shape == (0,)


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(InputError, match="factors must be of shape"):
        Quadratics.build(np.ones((2, 3)), np.zeros((2, 2)), np.zeros(2))
    with pytest.raises(InputError, match="offsets must be finite"):
        Quadratics.build(np.ones((2, 2)), np.zeros((2, 2)), np.array([0.0, np.nan]))


@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("power", [-470, -300, 250, 480])
def test_radii_scale_with_the_unit(power: int, diagonal: bool) -> None:
    """Powers of two change no digit of the problem, so the distance of the unscaled one is still exact."""
    unit, certain = 2.0**power, 0
    for seed in range(4):
        q = random_quadratics(seed, 3, 2, diagonal=diagonal)
        z = inputs_near(q, seed, 3)
        found = QuadraticRadii(Quadratics.build(q.factors / unit, q.means * unit, q.offsets))(z * unit)
        for row, radius in enumerate(found.radius):
            own = int(found.component[row])
            assert mp.mpf(float(radius)) <= exact_distance(q, own, 1 - own, z[row]) * mp.mpf(unit)
            certain += radius > 0.0
    assert certain > (4 if abs(power) < 480 else -1)


def test_precisions_beyond_float64_are_refused() -> None:
    for factors in (np.full((2, 1), 1e155), np.full((2, 1, 1), 1e155)):
        with pytest.raises(InputError, match="larger units"):
            Quadratics.build(factors, np.array([[0.0], [1e-150]]), np.zeros(2))


def test_a_distance_beyond_the_largest_float_is_not_infinite() -> None:
    found = _dual.bound(np.array([1e300]), np.array([1e30]), np.array([[1e-290]]), np.array([0.0]))
    assert found[0] == np.finfo(np.float64).max


def test_scores_that_radii_rest_on_are_read_only() -> None:
    q = random_quadratics(0, 3, 2)
    for values in (q.factors, q.means, q.offsets, q.lipschitz, q.frobenius):
        with pytest.raises(ValueError, match="read-only"):
            values += 1.0
