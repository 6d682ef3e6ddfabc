"""Bounds on means: coverage by simulation, power, order relations, and the direction of every rounding."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ironbound.errors import InputError
from ironbound.lipschitz import mean_lower

FULL = os.environ.get("IRONBOUND_SLOW") == "full"
RUNS = 40_000 if FULL else 10_000
ALPHA = 0.05
# A run misses with probability at most ALPHA; more misses than this happen once in a million simulations.
MOST_MISSES = int(stats.binom.isf(1e-6, RUNS, ALPHA))

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
DISTRIBUTIONS: dict[str, tuple[Draw, float]] = {
    "rare": (lambda g, s: (g.random(s) < 0.03).astype(float), 0.03),
    "even": (lambda g, s: (g.random(s) < 0.5).astype(float), 0.5),
    "narrow": (lambda g, s: 0.6 + 0.01 * g.random(s), 0.605),
    "often": (lambda g, s: (g.random(s) < 0.97).astype(float), 0.97),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("rule", ["betting", "bernstein"])
def test_bounds_miss_the_mean_no_more_often_than_they_say(name: str, rule: Any) -> None:
    draw, mean = DISTRIBUTIONS[name]
    generator = np.random.default_rng(0)
    misses = 0
    for _ in range(RUNS // 2000):
        misses += int((mean_lower(draw(generator, (2000, 40)), ALPHA, rule=rule) > mean).sum())
    assert misses <= MOST_MISSES


def test_the_simulation_would_notice_a_bound_that_forgets_to_pay() -> None:
    """The plain mean as a lower bound misses about half of the time."""
    draw, mean = DISTRIBUTIONS["even"]
    samples = draw(np.random.default_rng(0), (RUNS, 40))
    assert (samples.mean(axis=1) > mean).sum() > MOST_MISSES


def test_betting_is_close_to_the_normal_interval_and_above_bernstein() -> None:
    generator = np.random.default_rng(1)
    samples = generator.beta(8, 4, (20, 2000))
    betting, bernstein = (mean_lower(samples, 0.001, rule=r) for r in ("betting", "bernstein"))
    normal = stats.norm.isf(0.001) * samples.std() / math.sqrt(2000)
    gap = float((samples.mean(axis=1) - betting).mean())
    assert gap < 1.35 * normal
    assert bool((betting > bernstein).all())


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(2, 60),
    st.sampled_from([0.5, 0.1, 1e-3]),
    st.floats(-5, 5),
    st.floats(0.01, 10),
)
def test_order_relations(seed: int, n: int, alpha: float, low: float, width: float) -> None:
    generator = np.random.default_rng(seed)
    high = low + width
    values = low + (high - low) * generator.random(n) ** 2
    values = np.clip(values, low, high)
    for rule in ("betting", "bernstein"):
        bound = float(mean_lower(values, alpha, low=low, high=high, rule=rule))
        assert low <= bound < high
        assert bound <= float(mean_lower(values, alpha * 1.5, low=low, high=high, rule=rule)) + 1e-12
        assert float(mean_lower(values, alpha, low=low - 1, high=high, rule=rule)) <= bound + width
        worst = np.where(np.arange(n) == n // 2, np.nan, values)
        replaced = np.where(np.arange(n) == n // 2, low, values)
        assert mean_lower(worst, alpha, low=low, high=high, rule=rule) == mean_lower(
            replaced, alpha, low=low, high=high, rule=rule
        )


def test_the_betting_bound_is_rejected_by_the_capital_in_many_digits() -> None:
    """Replays the bets in 50 digits at the bound returned: the capital did reach 1 / alpha."""
    values = np.random.default_rng(3).beta(5, 2, 60)
    alpha = 0.01
    bound = float(mean_lower(values, alpha))
    with mp.workdps(50):
        m = mp.mpf(bound)
        capital, best, total, squares, variance = mp.mpf(1), mp.mpf(0), mp.mpf(0), mp.mpf(0), mp.mpf("0.25")
        for count, value in enumerate(map(mp.mpf, values), start=1):
            bet = min(mp.sqrt(2 * mp.log(1 / mp.mpf(alpha)) / (60 * variance)), mp.mpf("0.75") / m)
            capital *= 1 + bet * (value - m)
            best = max(best, capital)
            total += value
            squares += (value - (mp.mpf("0.5") + total) / (count + 1)) ** 2
            variance = (mp.mpf("0.25") + squares) / (count + 1)
        assert best * mp.mpf(alpha) >= 1
        assert best * mp.mpf(alpha) <= 1 + mp.mpf("1e-9")


def test_nothing_is_proven_by_draws_at_the_lower_end() -> None:
    assert mean_lower(np.zeros((3, 50)), 0.01).tolist() == [0.0, 0.0, 0.0]
    assert mean_lower(np.full(50, -2.0), 0.01, low=-2.0, high=2.0) == -2.0
    assert 0.9 < mean_lower(np.ones(2000), 0.01) < 1.0


@pytest.mark.parametrize(
    ("values", "options", "named"),
    [
        (np.ones(1), {}, "at least 2 draws"),
        (np.ones(5) * 2, {}, "values must be within"),
        (np.ones(5), {"alpha": 0.0}, "alpha must be"),
        (np.ones(5), {"low": 1.0, "high": 1.0}, "finite with low < high"),
        (np.ones(5), {"rule": "hoeffding"}, "rule must be"),
    ],
)
def test_bad_arguments_are_named(values: np.ndarray, options: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        mean_lower(values, **{"alpha": 0.05, **options})
