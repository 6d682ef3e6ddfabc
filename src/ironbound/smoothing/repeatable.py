"""Does the base answer equal rows equally? A certificate's counts can be repeated only if it does.

Two things go wrong in practice. An answer may be *random*: dropout that is left on, a language model that
samples. Bounds still hold if every row has randomness of its own, but no run can be repeated, and a resumed
one differs from an undisturbed one. Or an answer may depend on *the other rows* of its batch: batch
normalisation in training mode, scores that are ranked within the batch. Then the draws are not independent,
and no bound holds.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ironbound.channels import Smoothing
from ironbound.errors import InputError
from ironbound.smoothing.answers import NO_CLASS
from ironbound.smoothing.draws import Draws
from ironbound.smoothing.voting import Reading, Voters

Unrepeatable = Literal["refuse", "warn", "ignore"]

_DRAWS = 32
# Scores that differ by less, relative to the largest, differ by the order of floating-point sums.
_TOLERANCE = 1e-3


class UnrepeatableError(InputError):
    """A base whose answers cannot be certified, whatever the input."""


@dataclass(frozen=True)
class Repeatability:
    """What was found about one base, on noised copies of one input.

    Attributes:
        draws: how many rows were asked about.
        again: of these, rows whose answer changed when the same batch was asked about again.
        elsewhere: of those asked about once more in a smaller batch, in another order, rows whose answer
            changed; rows whose answer is random anyway are left out.
    """

    draws: int
    again: int
    elsewhere: int

    @property
    def random(self) -> bool:
        """Whether equal batches got different answers."""
        return self.again > 0

    @property
    def depends_on_batch(self) -> bool:
        """Whether an answer changed with the other rows of its batch."""
        return self.elsewhere > 0

    @property
    def good(self) -> bool:
        """Whether nothing was found."""
        return not self.random and not self.depends_on_batch

    def __str__(self) -> str:
        if self.random:
            return (
                f"base answers at random: asked twice about the same batch of {self.draws} draws, it changed "
                f"{self.again} answers. Turn off dropout and sampling. If every row has its own randomness, "
                'bounds hold, though no run can be repeated: unrepeatable="warn" accepts that'
            )
        if self.depends_on_batch:
            return (
                f"base mixes the rows of a batch: {self.elsewhere} answers changed when the same draws came "
                "in another batch. Then draws are not independent, and no bound holds. Batch normalisation "
                "must be in eval mode, and nothing may be ranked or normalised over the batch"
            )
        return f"base repeats itself: {self.draws} draws asked about three times, with equal answers"


def examine(voters: Voters, noise: Smoothing, reading: Reading) -> Repeatability:
    """Ask about a few noised copies of an input twice, and about some of them in other batches.

    These draws are used for nothing else. Whatever the base raises passes through.
    """
    draws = Draws(noise, reading.values, 0, "", "examination")
    size = min(_DRAWS, voters.batch_of(reading))

    def ask(rows: list[int]) -> NDArray[Any]:
        taken = draws.take(0, size)
        return voters.scores({name: array[rows] for name, array in taken.items()}, reading)

    first, second = ask(list(range(size))), ask(list(range(size)))
    changed = _changed(first, second)
    elsewhere = 0
    for rows in ([size - 1, size // 2, 0], [size // 3]):
        answers = ask(rows)
        elsewhere += int(np.sum(_changed(first[rows], answers) & ~changed[rows]))
    # A base that is random may change any answer; only where it is not does another batch tell something.
    return Repeatability(size, int(changed.sum()), 0 if changed.any() else elsewhere)


def act_on(found: Repeatability, unrepeatable: Unrepeatable) -> None:
    """Refuse or warn.

    Raises:
        UnrepeatableError: rows are mixed, or answers are random and are to be refused.
    """
    if found.depends_on_batch or (found.random and unrepeatable == "refuse"):
        raise UnrepeatableError(str(found))
    if found.random:
        warnings.warn(str(found), RuntimeWarning, stacklevel=4)


def _changed(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows differ: labels (B,) at all, scores (B, C) by more than the order of sums explains."""
    if one.ndim == 1:
        # A call that failed names no class; it says nothing about the base.
        return (one != other) & (one != NO_CLASS) & (other != NO_CLASS)
    one, other = one.astype(np.float64), other.astype(np.float64)
    largest = np.abs(np.where(np.isfinite(one), one, 0.0)).max(initial=0.0)
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(one - other))
    return ~np.all(apart <= _TOLERANCE * largest, axis=1)
