"""From counts of votes to bounds, at one error probability for everything that a certificate states."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ironbound import confidence
from ironbound.certificate import Estimate
from ironbound.errors import InputError
from ironbound.smoothing.goal import Level
from ironbound.smoothing.looking import Looking
from ironbound.smoothing.statistics import Stop

Counts = NDArray[np.int64]


def bounded_classes(label: int, num_classes: int, threshold: float | None) -> tuple[int, ...]:
    """Which classes are estimated: the prediction alone against a threshold, else every rival as well."""
    if threshold is not None:
        return (label,)
    return (label, *(c for c in range(num_classes) if c != label))


def share_of(alpha: float, bounds: int) -> float:
    """Equal share of alpha for each of several bounds (Bonferroni); together they never exceed alpha."""
    if bounds == 1:
        return alpha
    return confidence.AlphaLedger(alpha).split([str(i) for i in range(bounds)])["0"]


def from_counts(
    label: int, counts: Counts, trials: int, alpha: float, threshold: float | None
) -> tuple[Estimate, ...]:
    """Clopper-Pearson bounds from a fixed number of draws: the label's lower end, each rival's upper end.

    Args:
        label: the selected class.
        counts: votes of each class, shape (C,); draws that voted for no class are counted for every rival,
            so the bounds hold whatever class those draws would have named (an endpoint that failed, say).
        trials: number of draws, fixed beforehand.
        alpha: total error probability, split evenly over all bounds.
        threshold: given in the threshold form, where rivals need no bound of their own.
    """
    bounded = bounded_classes(label, len(counts), threshold)
    share = share_of(alpha, len(bounded))
    found: list[Estimate] = []
    unnamed = trials - int(counts.sum())
    for c in bounded:
        k = int(counts[c]) if c == label else int(counts[c]) + unnamed
        if c == label:
            bound = confidence.clopper_pearson_lower(k, trials, share)
            found.append(Estimate(c, "lower", k, trials, share, bound, "clopper_pearson", None))
        else:
            bound = confidence.clopper_pearson_upper(k, trials, share)
            found.append(Estimate(c, "upper", k, trials, share, bound, "clopper_pearson", None))
    return tuple(found)


def looking(label: int, num_classes: int, alpha: float, threshold: float | None, most: int) -> Looking:
    """The same bounds at planned looks, at most `most` draws; arguments as in `from_counts`."""
    bounded = bounded_classes(label, num_classes, threshold)
    return Looking(bounded, share_of(alpha, len(bounded)), most, threshold)


class Running:
    """The same bounds at every time of a growing sample: one beta-mixture sequence per bounded class.

    Args:
        label, threshold, alpha: as in `from_counts`.
        num_classes: C.
    """

    def __init__(self, label: int, num_classes: int, alpha: float, threshold: float | None) -> None:
        self._threshold = threshold
        self._bounded = np.array(bounded_classes(label, num_classes, threshold))
        share = share_of(alpha, len(self._bounded))
        self._sequence = confidence.BetaMixtureSequence(share, shape=(len(self._bounded),))

    def update(self, counts: Counts, trials: int) -> None:
        """Add the votes (C,) of `trials` new draws, and look; unnamed draws count for every rival."""
        votes = counts[self._bounded] + (trials - int(counts.sum()))
        votes[0] = counts[self._bounded[0]]
        self._sequence.update(votes, np.full(len(self._bounded), trials))

    def pessimistic(self) -> Level:
        """What is proved so far."""
        lower, upper = np.asarray(self._sequence.lower), np.asarray(self._sequence.upper)
        return _level(float(lower[0]), upper[1:].tolist(), self._threshold)

    def optimistic(self) -> Level:
        """The best that more draws could still prove, unless the sequences fail."""
        lower, upper = np.asarray(self._sequence.lower), np.asarray(self._sequence.upper)
        return _level(float(upper[0]), lower[1:].tolist(), self._threshold)

    def estimates(self) -> tuple[Estimate, ...]:
        """The bounds, with the counts of the look at which each was reached."""
        sequence = self._sequence
        now = np.stack([np.asarray(sequence.successes), np.asarray(sequence.trials)])
        found: list[Estimate] = []
        for i, c in enumerate(self._bounded.tolist()):
            at = np.stack([np.asarray(x) for x in (sequence.lower_at if i == 0 else sequence.upper_at)])[:, i]
            k, n = (int(x) for x in (at if at[1] > 0 else now[:, i]))
            if i == 0:
                bound = confidence.beta_mixture_lower(k, n, sequence.alpha, sequence.prior)
                side = "lower"
            else:
                bound = confidence.beta_mixture_upper(k, n, sequence.alpha, sequence.prior)
                side = "upper"
            found.append(Estimate(c, side, k, n, sequence.alpha, bound, "beta_mixture", sequence.prior))
        return tuple(found)


def level(estimates: Sequence[Estimate], threshold: float | None) -> Level:
    """What the estimates say, in the form in which the laws are asked."""
    return _level(estimates[0].bound, [e.bound for e in estimates[1:]], threshold)


def check_attainable(n: int, alpha: float, stop: Stop, num_classes: int, threshold: float | None) -> None:
    """Refuse a sample with which not even a unanimous vote certifies anything.

    Raises:
        InputError: naming the smallest n that would do.
    """
    if not _attainable(n, alpha, stop, num_classes, threshold):
        low, high = n, 2 * n
        while not _attainable(high, alpha, stop, num_classes, threshold):
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            enough = _attainable(middle, alpha, stop, num_classes, threshold)
            low, high = (low, middle) if enough else (middle, high)
        against = "every rival" if threshold is None else f"the threshold {threshold}"
        raise InputError(
            f"n is too small for alpha: with n = {n} draws at alpha = {alpha} not even a unanimous vote "
            f"is certified against {against}; n = {high} would do"
        )


@lru_cache(maxsize=1024)
def unanimous(n: int, alpha: float, stop: Stop, num_classes: int, threshold: float | None) -> Level:
    """The best that n draws can prove: all of them vote for one class."""
    votes = np.zeros(num_classes, dtype=np.int64)
    votes[0] = n
    if stop == "fixed":
        return level(from_counts(0, votes, n, alpha, threshold), threshold)
    if stop == "precision":
        running = Running(0, num_classes, alpha, threshold)
        running.update(votes, n)
        return level(running.estimates(), threshold)
    bounded = bounded_classes(0, num_classes, threshold)
    final = confidence.level_at(n, n, share_of(alpha, len(bounded))) * len(bounded)
    return level(from_counts(0, votes, n, final, threshold), threshold)


def _attainable(n: int, alpha: float, stop: Stop, num_classes: int, threshold: float | None) -> bool:
    return unanimous(n, alpha, stop, num_classes, threshold).certifies_unchanged()


def _level(p: float, rivals: Sequence[float], threshold: float | None) -> Level:
    return Level(p, threshold, None if threshold is not None else max(rivals))
