"""Parts that the records of Lipschitz certificates share: a ledger's lines, and draws counted by level."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ironbound.lipschitz.ledger import LipschitzBound, Step

LEVELS = 4096
"""Draws are rounded down to this many levels of their interval."""

BETS = (0.98, 0.7, 0.4, 0.2, 0.1, 0.05, 0.025, 0.0125)
"""Shares of the capital that are bet, one eighth of it on each; fixed, so that no bet can be chosen later."""


@dataclass(frozen=True)
class LedgerLine:
    """One line of a Lipschitz ledger: `depth` levels below the network, which is line 0."""

    depth: int
    module: str
    rule: str
    factor: float


@dataclass(frozen=True)
class Histogram:
    """Independent draws in [low, high], rounded down to levels, and the lower bound on their mean they prove.

    Attributes:
        low, high: the interval. levels: into how many steps it is divided.
        counts: pairs (level, how many draws), by rising level; level k is low + k (high - low) / levels.
        alpha: error probability of the bound.
        share: the bound, as a share of the interval: the mean exceeds low + share (high - low).
    """

    low: float
    high: float
    levels: int
    counts: tuple[tuple[int, int], ...]
    alpha: float
    share: float

    @property
    def draws(self) -> int:
        """How many draws were counted."""
        return sum(count for _, count in self.counts)


def lines(bound: LipschitzBound) -> tuple[LedgerLine, ...]:
    """A ledger in reading order."""

    def walk(step: Step, depth: int) -> Iterable[LedgerLine]:
        yield LedgerLine(depth, step.module, step.rule, step.factor)
        for child in step.children:
            yield from walk(child, depth + 1)

    return tuple(line for step in bound.steps for line in walk(step, 0))


def counted(values: NDArray[np.float64], low: float, high: float, alpha: float) -> Histogram:
    """The histogram of draws (n,) and its bound; a NaN counts as `low`.

    The capital that starts at 1 and bets c_k / m against "the mean is at most m", an eighth on each c_k, is
    prod (1 - c_k + c_k x_i / m), averaged over k. Its expectation is at most 1 if the mean is m, and it falls
    as m rises; so, by Markov's inequality, the largest m at which it reaches 1/alpha exceeds the mean with
    probability at most alpha. Only the counts matter, not the order.

    Example:
        >>> found = counted(np.full(1000, 0.6), 0.0, 1.0, 0.001)
        >>> found.draws, 0.59 < found.share < 0.6
        (1000, True)
    """
    unit = (np.nan_to_num(np.asarray(values, np.float64), nan=low) - low) / (high - low)
    level = np.clip(np.floor(unit * LEVELS - 1e-9), 0, LEVELS).astype(np.int64)
    counts = tuple(sorted(Counter(level.tolist()).items()))
    return Histogram(low, high, LEVELS, counts, alpha, _largest(counts, alpha))


def _largest(counts: tuple[tuple[int, int], ...], alpha: float) -> float:
    """The largest m at which the capital is proven to reach 1 / alpha, a little less for rounding."""
    at = np.array([level / LEVELS for level, _ in counts])
    number = np.array([count for _, count in counts], dtype=np.float64)
    bets = np.array(BETS)[:, None]

    def reached(m: float) -> bool:
        logs = (np.log1p(bets * (at / m - 1.0)) * number).sum(axis=1)
        top = float(logs.max())
        return top + math.log(float(np.exp(logs - top).mean())) > -math.log(alpha) + 1e-7

    low, high = 1e-6, 1.0
    if not reached(low):
        return 0.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if reached(middle) else (low, middle)
    return low
