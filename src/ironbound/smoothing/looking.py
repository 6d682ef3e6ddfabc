"""Bounds at planned looks, for decisions: what is proved so far, and whether going on is worth it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ironbound import confidence
from ironbound.certificate import Estimate
from ironbound.smoothing.goal import Level

Counts = NDArray[np.int64]
Array = NDArray[np.float64]

# A target is given up once it would be reached in fewer than one of a hundred futures. No statement rests on
# it: giving up means that nothing is claimed. One in a thousand costs up to a quarter more draws.
_UNLIKELY, _UNLIKELY_Z = 0.01, 2.3263
# Bounds in float64, for deciding when to stop, are taken this much (relatively) to the cautious side of the
# ones that certificates state, which are found in ball arithmetic.
_CAUTION = 1e-11


class Looking:
    """One-sided bounds on a class and its rivals at the looks of `confidence.planned_looks`.

    Args:
        bounded: the classes that are bounded, the prediction first.
        share: error probability of each class's bounds, all looks together.
        most: draws at the last look.
        threshold: as in `estimate.from_counts`.
    """

    def __init__(self, bounded: tuple[int, ...], share: float, most: int, threshold: float | None) -> None:
        self._threshold = threshold
        self._bounded = np.array(bounded)
        self._share, self._most = share, most
        self.trials = 0
        self._successes = np.zeros(len(bounded), dtype=np.int64)
        self._best = np.array([0.0] + [1.0] * (len(bounded) - 1))
        self._at = np.zeros((2, len(bounded)), dtype=np.int64)

    def update(self, counts: Counts, trials: int) -> None:
        """Add the votes (C,) of `trials` new draws, and look; unnamed draws count for every rival.

        Raises:
            InputError: this is no planned look.
        """
        votes = counts[self._bounded] + (trials - int(counts.sum()))
        votes[0] = counts[self._bounded[0]]
        self._successes = self._successes + votes
        self.trials += trials
        level = confidence.level_at(self.trials, self._most, self._share)
        bounds = self._bounds(self._successes.astype(np.float64), self.trials, level)
        better = bounds < self._best
        better[0] = bounds[0] > self._best[0]
        self._best = np.where(better, bounds, self._best)
        now = np.stack([self._successes, np.full_like(self._successes, self.trials)])
        # Before anything is proved the counts are those of the last look.
        self._at = np.where(better | (self._best == (np.arange(len(votes)) > 0)), now, self._at)

    def pessimistic(self) -> Level:
        """What is proved so far."""
        return self._level(self._best)

    def foreseen(self, n: int) -> Level:
        """What n draws in all will prove, if the draws to come are as favourable as one future in a hundred.

        The votes against the prediction (for a rival: for it) among the draws to come are predicted from
        those so far: their mean from Jeffreys' posterior, and below it the distance to a quantile of 1 in
        100, of which the rate's uncertainty and the draws' own spread are the two legs. An estimate: only
        the decision to give up may rest on it.
        """
        against = self._successes.astype(np.float64)
        against[0] = self.trials - against[0]
        more = float(n - self.trials)
        mean = (against + 0.5) / (self.trials + 1.0)
        low = special.betaincinv(against + 0.5, self.trials - against + 0.5, _UNLIKELY)
        spread = np.hypot((mean - low) * more, _UNLIKELY_Z * np.sqrt(more * mean * (1.0 - mean)))
        final = np.floor(against + np.maximum(more * mean - spread, 0.0))
        final[0] = n - final[0]
        level = confidence.level_at(self._most, self._most, self._share)
        end = self._bounds(final, n, level)
        return self._level(np.array([max(end[0], self._best[0]), *np.minimum(end[1:], self._best[1:])]))

    def estimates(self) -> tuple[Estimate, ...]:
        """The best bounds, with the counts of the look at which each was reached."""
        found: list[Estimate] = []
        for i, c in enumerate(self._bounded.tolist()):
            k, n = int(self._at[0, i]), int(self._at[1, i])
            level = confidence.level_at(n, self._most, self._share)
            rule = confidence.clopper_pearson_upper if i else confidence.clopper_pearson_lower
            found.append(
                Estimate(
                    label=c,
                    side="upper" if i else "lower",
                    successes=k,
                    trials=n,
                    alpha=self._share,
                    bound=rule(k, n, level),
                    rule="clopper_pearson_looks",
                    planned=self._most,
                )
            )
        return tuple(found)

    def _bounds(self, k: Array, n: int, level: float) -> Array:
        """The prediction's lower end, then the rivals' upper ends."""
        successes = k.copy()
        successes[1:] = n - successes[1:]
        low = special.betaincinv(np.maximum(successes, 0.5), n - successes + 1.0, level) * (1.0 - _CAUTION)
        low = np.where(successes > 0, low, 0.0)
        return np.array([low[0], *np.minimum(1.0, (1.0 - low[1:]) * (1.0 + _CAUTION))])

    def _level(self, bounds: Array) -> Level:
        rival = None if self._threshold is not None else float(bounds[1:].max())
        return Level(float(bounds[0]), self._threshold, rival)
