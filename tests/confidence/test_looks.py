"""Planned looks: the bounds of all looks hold together, whoever picks among them."""

from __future__ import annotations

import os

import numpy as np
import pytest
from scipy import stats

from ironbound.confidence import clopper_pearson_lower, clopper_pearson_upper, level_at, planned_looks
from ironbound.errors import InputError
from ironbound.smoothing.estimate import looking

FULL = os.environ.get("IRONBOUND_SLOW") == "full"


def failing(most: int, alpha: float, p: float) -> float:
    """P(some look's lower bound exceeds p), exactly: the walk of counts, whose failed paths are taken out."""
    alive, failed, before = np.ones(1), 0.0, 0
    for look in planned_looks(most):
        steps = stats.binom.pmf(np.arange(look - before + 1), look - before, p)
        alive = np.convolve(alive, steps)
        level = level_at(look, most, alpha)
        wrong = stats.beta.ppf(level, np.arange(1, look + 1), look - np.arange(look)) > p
        failed += float(alive[1:][wrong].sum())
        alive[1:][wrong] = 0.0
        before = look
    return failed


@pytest.mark.parametrize("p", [0.5, 0.9, 0.99])
def test_an_adversary_who_picks_the_look_fails_within_alpha(p: float) -> None:
    found = failing(2000, 0.05, p)
    assert found <= 0.05
    assert found >= 0.015  # and the bounds are not idle


def test_a_level_too_much_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole of alpha at every look, and the same count of wrong ends is beyond alpha."""
    monkeypatch.setattr(f"{__name__}.level_at", lambda look, most, alpha: alpha)
    assert failing(2000, 0.05, 0.5) > 0.1


def test_the_last_look_is_the_fixed_sample_at_half_of_alpha() -> None:
    made = looking(0, 2, 0.01, 0.5, 500)
    at = 0
    for look in planned_looks(500):
        made.update(np.array([look - at, 0]), look - at)
        at = look
    (found,) = made.estimates()
    assert (found.trials, found.planned) == (500, 500)
    assert found.bound == clopper_pearson_lower(500, 500, 0.005)
    assert 0 <= found.bound - made.pessimistic().p < 1e-9


def test_the_best_look_is_kept_for_each_class() -> None:
    made = looking(1, 3, 0.03, None, 100)
    for counts, n in (([0, 60, 0], 64), ([8, 4, 0], 16), ([2, 16, 1], 20)):
        made.update(np.array(counts), n)
    first, *rivals = made.estimates()
    share = first.alpha
    assert (first.successes, first.trials) == (60, 64)
    # Draws that named no class (4, 4 and 1 of them) count for both rivals.
    seen = {0: [(4, 64), (16, 80), (19, 100)], 2: [(4, 64), (8, 80), (10, 100)]}
    for rival in rivals:
        bounds = [clopper_pearson_upper(k, n, level_at(n, 100, share)) for k, n in seen[rival.label]]
        assert rival.bound == min(bounds)
    level = made.pessimistic()
    assert level.rival is not None
    assert max(e.bound for e in rivals) <= level.rival < max(e.bound for e in rivals) + 1e-9


def test_looks_that_were_not_planned_are_refused() -> None:
    with pytest.raises(InputError, match="planned looks"):
        level_at(65, 100, 0.01)
    with pytest.raises(InputError, match="planned looks"):
        looking(0, 2, 0.01, 0.5, 100).update(np.array([65, 0]), 65)
    with pytest.raises(InputError, match="most"):
        planned_looks(0)


@pytest.mark.slow
@pytest.mark.parametrize("p", [0.6, 0.97, 0.999])
def test_what_is_foreseen_is_rarely_exceeded(p: float) -> None:
    """At each look of a run fewer than a few in a hundred futures end better than foreseen there."""
    generator, runs, most = np.random.default_rng(0), (5000 if FULL else 300), 4000
    looks = planned_looks(most)
    better, asked = np.zeros(len(looks) - 1), runs
    foreseen: list[float] = []
    made = looking(0, 2, 0.01, 0.5, most)
    for _ in range(runs):
        made, at, foreseen = looking(0, 2, 0.01, 0.5, most), 0, []
        for look in looks:
            hits = int(generator.binomial(look - at, p))
            made.update(np.array([hits, look - at - hits]), look - at)
            at = look
            foreseen.append(made.foreseen(most).p)
        better += np.array([made.pessimistic().p > one for one in foreseen[:-1]])
    assert (better / asked < 0.05).all()
    assert foreseen[-1] == pytest.approx(made.pessimistic().p, abs=1e-9)
