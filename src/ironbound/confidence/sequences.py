"""Confidence sequences: running bounds for many inputs at once, valid at whatever time sampling stops."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ironbound.confidence._checks import Counts, check_alpha, check_counts, check_pair, check_prior
from ironbound.confidence._mixture_solve import fast_lower
from ironbound.confidence.mixture import DEFAULT_PRIOR, beta_mixture_lower, beta_mixture_upper
from ironbound.errors import InputError

Array = NDArray[np.float64]


class BetaMixtureSequence:
    """Running lower and upper bounds on success probabilities, each one-sided at level alpha, at every time.

    With probability 1 - alpha the lower bound never exceeds the true probability at any look, and the same
    holds for the upper bound (both together: 1 - 2 alpha). If lower > upper, one of the two has failed, or
    the draws did not share one probability. Each input has its own draws; an input that is given 0 trials
    keeps its bounds.

    The running maximum is taken over the looks, that is over the calls of `update`: looking more often can
    only raise it, and the bound of one look depends on the counts at that look alone.

    `lower` and `upper` are float64 with the rounding error taken off, good for deciding when to stop. A
    certificate stores `certified_lower()` and the counts `lower_at` from which it can be re-derived.

    Args:
        alpha: one-sided error probability per input, in (0, 1).
        shape: shape of the counts: () for one input, (m,) for m of them.
        prior: shapes (a, b) of the Beta mixture; see `beta_mixture_lower`.
    Raises:
        InputError: alpha outside (0, 1), a shape parameter not positive.

    Example:
        >>> sequence = BetaMixtureSequence(alpha=0.001)
        >>> sequence.update(successes=60, trials=64)
        >>> round(sequence.lower, 4), round(sequence.upper, 4)
        (0.7454, 0.9975)
        >>> sequence.update(successes=10, trials=64)  # the bound that was reached stays
        >>> round(sequence.lower, 4), sequence.lower_at
        (0.7454, (60, 64))
        >>> sequence.certified_lower() == beta_mixture_lower(60, 64, alpha=0.001)
        True
    """

    def __init__(
        self, alpha: float, shape: tuple[int, ...] = (), prior: tuple[float, float] = DEFAULT_PRIOR
    ) -> None:
        self.alpha = check_alpha(alpha)
        self.prior = check_prior(prior)
        self.shape = tuple(shape)
        self._successes = np.zeros(self.shape, dtype=np.int64)
        self._trials = np.zeros(self.shape, dtype=np.int64)
        self._lower = np.zeros(self.shape)
        self._upper = np.ones(self.shape)
        self._lower_at = np.zeros((2, *self.shape), dtype=np.int64)
        self._upper_at = np.zeros((2, *self.shape), dtype=np.int64)

    def update(self, successes: int | Counts | list[int], trials: int | Counts | list[int]) -> None:
        """Add the counts of one batch of draws, and look.

        Args:
            successes: successes among the new draws, broadcast to the shape of the sequence.
            trials: new draws, >= 0, likewise. 0 leaves an input as it is.
        Raises:
            InputError: successes exceed trials, a count is negative, or the shape does not fit. Nothing
            changes. InputTypeError: a count is not a whole number.
        """
        hits, draws = check_pair(successes, trials, ("successes", "trials"), fewest=0)
        try:
            hits, draws = np.broadcast_to(hits, self.shape), np.broadcast_to(draws, self.shape)
        except ValueError:
            raise InputError(
                f"successes and trials must fit the sequence's shape {self.shape}; got shape {hits.shape}"
            ) from None
        total = check_counts("trials so far", self._trials + draws)
        self._successes, self._trials = self._successes + hits, total
        looked = draws > 0
        if not bool(looked.any()):
            return
        k, n = self._successes[looked], self._trials[looked]
        a, b = self.prior
        counts = np.stack([k, n])
        lower = fast_lower(k, n, self.alpha, self.prior)
        better = lower > self._lower[looked]
        self._lower[looked] = np.where(better, lower, self._lower[looked])
        self._lower_at[:, looked] = np.where(better, counts, self._lower_at[:, looked])
        # 1 - x rounds to nearest; one step outward keeps the upper bound on its side.
        upper = np.minimum(1.0, np.nextafter(1.0 - fast_lower(n - k, n, self.alpha, (b, a)), 2.0))
        better = upper < self._upper[looked]
        self._upper[looked] = np.where(better, upper, self._upper[looked])
        self._upper_at[:, looked] = np.where(better, counts, self._upper_at[:, looked])

    @property
    def lower(self) -> float | Array:
        """Largest lower bound over all looks so far; 0.0 before the first."""
        return _plain(self._lower)

    @property
    def upper(self) -> float | Array:
        """Smallest upper bound over all looks so far; 1.0 before the first."""
        return _plain(self._upper)

    @property
    def successes(self) -> int | Counts:
        """Successes so far."""
        return _whole(self._successes)

    @property
    def trials(self) -> int | Counts:
        """Draws so far."""
        return _whole(self._trials)

    @property
    def lower_at(self) -> tuple[int | Counts, int | Counts]:
        """Successes and trials of the look at which `lower` was reached; (0, 0) where it is still 0."""
        return _whole(self._lower_at[0]), _whole(self._lower_at[1])

    @property
    def upper_at(self) -> tuple[int | Counts, int | Counts]:
        """Successes and trials of the look at which `upper` was reached; (0, 0) where it is still 1."""
        return _whole(self._upper_at[0]), _whole(self._upper_at[1])

    def certified_lower(self) -> float | Array:
        """The canonical bound of the counts `lower_at`: never below `lower`, and what `verify` expects."""
        k, n = self._lower_at
        seen = n > 0
        trials: Counts = np.where(seen, n, 1)
        value: Array = np.asarray(beta_mixture_lower(k, trials, self.alpha, self.prior))
        return _plain(np.where(seen, value, 0.0))

    def certified_upper(self) -> float | Array:
        """The canonical upper bound of the counts `upper_at`: never above `upper`."""
        k, n = self._upper_at
        seen = n > 0
        successes: Counts = np.where(seen, k, 1)
        trials: Counts = np.where(seen, n, 1)
        value: Array = np.asarray(beta_mixture_upper(successes, trials, self.alpha, self.prior))
        return _plain(np.where(seen, value, 1.0))


def _plain(values: Array) -> float | Array:
    return float(values) if values.ndim == 0 else values.copy()


def _whole(values: Counts) -> int | Counts:
    return int(values) if values.ndim == 0 else values.copy()
