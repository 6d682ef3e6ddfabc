"""Coverage by simulation against an adversary who stops sampling at the worst moment.

A run fails when, at any look, the bound lies on the wrong side of the true probability. Each check has a
false-alarm rate of 1e-6, and must reject the usual mistakes, so that passing means something.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import betaincinv
from scipy.stats import binom

from ironbound.confidence import BetaMixtureSequence, beta_mixture_lower, clopper_pearson_lower

FULL = os.environ.get("IRONBOUND_SLOW") == "full"
RUNS = 40_000 if FULL else 10_000
HORIZON = 2_000 if FULL else 300
ALPHA = 0.05
FALSE_ALARM = 1e-6

Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]


def refuted(failures: Flags, alpha: float) -> bool:
    """Whether so many failures are a 1e-6 event even if each run fails with probability alpha."""
    return bool(binom.sf(int(failures.sum()) - 1, failures.size, alpha) < FALSE_ALARM)


def simulate(p: float, seed: int) -> Iterator[Counts]:
    """One draw after another for all runs: HORIZON arrays of shape (RUNS,), 1 for success."""
    rng = np.random.default_rng(seed)
    for _ in range(HORIZON):
        yield (rng.random(RUNS) < p).astype(np.int64)


def watched(sequence: BetaMixtureSequence, p: float, seed: int) -> BetaMixtureSequence:
    """The sequence after a look at every single draw: its running bounds are those of the worst moment."""
    for draw in simulate(p, seed):
        sequence.update(draw, 1)
    return sequence


def ever_above(p: float, seed: int, table: NDArray[np.float64]) -> Flags:
    """Runs in which the bound table[n - 1, k] exceeds p after some draw."""
    failed, k = np.zeros(RUNS, dtype=np.bool_), np.zeros(RUNS, dtype=np.int64)
    for row, draw in zip(table, simulate(p, seed), strict=True):
        k = k + draw
        failed |= row[k] > p
    return failed


def bound_table(bound: str, alpha: float) -> NDArray[np.float64]:
    """Lower bounds for every k <= n <= HORIZON, by the (wrong) rule of that name."""
    n = np.arange(1, HORIZON + 1)[:, None].astype(float)
    k = np.minimum(np.arange(HORIZON + 1)[None, :].astype(float), n)
    if bound == "clopper-pearson at every look":
        table = np.where(k > 0, betaincinv(np.maximum(k, 1), n - k + 1, alpha), 0.0)
    elif bound == "posterior quantile at every look":
        table = betaincinv(k + 0.5, n - k + 0.5, alpha)
    else:
        raise KeyError(bound)
    return table


@pytest.mark.slow
@pytest.mark.parametrize("p", [0.2, 0.5, 0.9, 0.99, 0.999])
def test_the_sequences_hold_at_every_time_at_once(p: float) -> None:
    sequence = watched(BetaMixtureSequence(ALPHA, shape=(RUNS,)), p, seed=round(p * 1000))
    assert not refuted(np.asarray(sequence.lower) > p, ALPHA)
    assert not refuted(np.asarray(sequence.upper) < p, ALPHA)


@pytest.mark.slow
@pytest.mark.parametrize("bound", ["clopper-pearson at every look", "posterior quantile at every look"])
@pytest.mark.parametrize("p", [0.5, 0.9])
def test_the_check_refutes_bounds_that_are_only_good_for_one_look(bound: str, p: float) -> None:
    assert refuted(ever_above(p, 1, bound_table(bound, ALPHA)), ALPHA)


@pytest.mark.slow
def test_the_check_refutes_a_mixture_that_forgets_its_level() -> None:
    """The same sequence at four times alpha: the check tells the two apart."""
    loose = watched(BetaMixtureSequence(4 * ALPHA, shape=(RUNS,)), 0.9, seed=2)
    assert refuted(np.asarray(loose.lower) > 0.9, ALPHA)


def test_fixed_samples_hold_and_two_ends_cost_two_alphas() -> None:
    rng = np.random.default_rng(5)
    n, p = 400, 0.5
    k = rng.binomial(n, p, size=RUNS)
    low = clopper_pearson_lower(k, n, ALPHA)
    high = 1.0 - clopper_pearson_lower(n - k, n, ALPHA)
    assert not refuted(low > p, ALPHA)
    assert not refuted(high < p, ALPHA)
    assert refuted((low > p) | (high < p), ALPHA)


def test_choosing_the_better_of_two_looks_needs_the_sequence() -> None:
    """Look after 100 draws, go on to 200 if that disappoints, report the better bound."""
    rng = np.random.default_rng(6)
    p, alpha = 0.5, 0.05
    first = rng.binomial(100, p, size=10 * RUNS)
    second = first + rng.binomial(100, p, size=10 * RUNS)
    peeking = np.maximum(clopper_pearson_lower(first, 100, alpha), clopper_pearson_lower(second, 200, alpha))
    honest = np.maximum(beta_mixture_lower(first, 100, alpha), beta_mixture_lower(second, 200, alpha))
    assert refuted(peeking > p, alpha)
    assert not refuted(honest > p, alpha)
