"""The nearest rival of each input, found by the dual search over many pairs of components at once.

What one pair leaves open waits until a block is full; then the rows of all pairs are searched together. A
pair alone would keep the search busy with a handful of hard rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ironbound.latent import _dual
from ironbound.latent._rounding import UNIT, Array

Rows = NDArray[np.int64]

BLOCK = 1 << 18  # float64 numbers of one block of the dual search, of which a handful must stay in cache


@dataclass(frozen=True, eq=False)
class _Open:
    """Rows that one rival leaves open, with the distance known so far and the multiplier to start from."""

    rival: int
    rows: Rows
    c: Array
    squares: Array
    low: Array
    known: Array
    start: Array


@dataclass(eq=False)
class Nearest:
    """Distance to the nearest rival of n inputs, rounded down, after all that was offered.

    Args:
        which: shape (n,), the rival named where none is at a finite distance.
        screen: leave a rival alone once it is shown not to be nearer than another; False refines every one.
    """

    which: Rows
    screen: bool = True
    radius: Array = field(init=False)
    multiplier: Array = field(init=False)
    _waiting: list[_Open] = field(init=False, default_factory=list[_Open])
    _held: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.radius = np.full(len(self.which), np.inf)
        self.multiplier = np.full(len(self.which), np.inf)

    def offer(self, rival: int, rows: Rows, c: Array, squares: Array, low: Array) -> None:
        """One rival for some inputs; `radius` counts it after the next `settle`.

        Args:
            rows: shape (m,), which inputs. c, squares, low: as for `_dual.bound`, c positive.
        """
        total = squares @ np.ones(low.size)
        # A >= lowest I turns the quadric into a ball problem: a lower bound at the price of one sum.
        known = _ball(c, total, float(low.min()))
        start = _dual.start(c, squares, low, total)
        keep = ~_dual.unreachable(c, squares, low)
        beyond = self.radius[rows]
        if self.screen and np.isfinite(beyond).any():
            # The start alone settles most rivals, and costs a third of a step.
            known = np.maximum(known, _length(start, c, squares, low))
            keep &= known < beyond
        if not keep.all():
            rows, c, squares, known, start = rows[keep], c[keep], squares[keep], known[keep], start[keep]
        if rows.size:
            self._waiting.append(_Open(rival, rows, c, squares, low, known, start))
            self._held += squares.size
            if self._held >= BLOCK:
                self.settle()

    def settle(self) -> None:
        """Search what is open, and count it."""
        waiting, self._waiting, self._held = self._waiting, [], 0
        if not waiting:
            return
        rows, c, squares, start = (
            np.concatenate([getattr(o, name) for o in waiting]) for name in ("rows", "c", "squares", "start")
        )
        counts = [len(o.rows) for o in waiting]
        low = np.repeat([o.low for o in waiting], counts, axis=0)
        lowest = np.repeat([o.low.min() for o in waiting], counts)
        stiff = np.concatenate([_dual.stiffness(o.squares, o.low) for o in waiting])
        enough = self.radius[rows] ** 2 if self.screen else None
        found = _dual.refine(start, c, squares, low, lowest, stiff, enough)
        length = _length(found, c, squares, low, lowest)
        at = 0
        for o in waiting:
            part = slice(at, at + len(o.rows))
            at = part.stop
            distance = np.maximum(o.known, length[part])
            closer = distance < self.radius[o.rows]
            nearer = o.rows[closer]
            self.radius[nearer], self.which[nearer] = distance[closer], o.rival
            # Where the ball's closed form is the larger, no multiplier gave the distance.
            of_ball = length[part] < o.known
            self.multiplier[nearer] = np.where(of_ball, np.nan, found[part])[closer]


def _length(lam: Array, c: Array, squares: Array, low: Array, lowest: Array | None = None) -> Array:
    return np.sqrt(_dual.bound(lam, c, squares, low, lowest)) * (1.0 - 2.0 * UNIT)


def _ball(c: Array, squares: Array, lowest: float) -> Array:
    """Smallest |d| with c - 2 |b| |d| + min(lowest, 0) |d|^2 <= 0, reduced by 1e-11 of itself; shape (n,)."""
    with np.errstate(all="ignore"):
        length = np.sqrt(squares)
        radius = c / (length + np.sqrt(squares + max(-lowest, 0.0) * c)) * (1.0 - 1e-11)
    return np.where(c > 0.0, radius, 0.0)
