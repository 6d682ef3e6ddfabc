"""Exact l2 radii of quadratic classifiers: how far an input must move before another class wins.

For each rival the distance is the maximum of the S-lemma dual (`_dual`), evaluated with outward rounding, so
that a radius never exceeds the real one. Rivals that a closed form already rules out are skipped.

Example:
    >>> two = Quadratics.build(np.ones((2, 1)), np.array([[0.0], [3.0]]), np.zeros(2))
    >>> found = QuadraticRadii(two)(np.array([[1.0], [1.5]]))
    >>> bool(0.5 - 1e-12 < found.radius[0] <= 0.5), found.radius[1].item()
    (True, 0.0)
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ironbound.latent import _dual
from ironbound.latent._nearest import BLOCK, Nearest
from ironbound.latent._pair import Basis, Pair, diagonalise
from ironbound.latent._rounding import UNIT, Array, lengths
from ironbound.latent._threads import by_blocks, in_parallel
from ironbound.latent.margins import quadratic_margin
from ironbound.latent.quadratic import Quadratics

Rows = NDArray[np.int64]

_OUTER = 1 << 22  # float64 numbers held at once: rows times components or dimensions


@dataclass(frozen=True, eq=False)
class Radii:
    """Radii of N inputs, rounded down, with what proves them.

    `radius` (N,) in latent units: 0 where two classes cannot be told apart by float64 scores, inf where no
    shift at all changes the class. `component` (N,): the own component that gives the radius; `rival` (N,):
    the component that is nearest to winning; `multiplier` (N,): the lam at which the dual gives the radius
    (inf: empty rival region; nan: a closed form decided).
    """

    radius: Array
    prediction: Rows
    component: Rows
    rival: Rows
    multiplier: Array


class QuadraticRadii:
    """Radii for one set of quadratic scores. Eigenbases are computed once per pair and kept.

    Args:
        quadratics: the classifier.
        screen: skip rivals that a closed form shows to be farther than the nearest found so far. The radius
            stays exact; False solves every pair (for tests).
        memory: bytes of eigenbases kept; beyond it the oldest is dropped and computed again when needed.
        threads: how many threads share the rows; None for one per core.
    """

    def __init__(
        self,
        quadratics: Quadratics,
        *,
        screen: bool = True,
        memory: int = 1 << 29,
        threads: int | None = None,
    ) -> None:
        self.quadratics = quadratics
        self.screen = screen
        self.threads = threads
        self.memory = memory
        self._bases: dict[tuple[int, int], Basis] = {}
        self._pairs: dict[tuple[int, int], Pair] = {}
        self._lock = Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Pickles carry the classifier only; eigenbases are computed again."""
        return {name: getattr(self, name) for name in ("quadratics", "screen", "memory", "threads")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)

    def prepare(self) -> QuadraticRadii:
        """Diagonalise every pair of different classes that fits in memory, ahead of the first input."""
        owner = self.quadratics.owner
        pairs = [(k, j) for j in range(len(owner)) for k in range(j) if owner[k] != owner[j]]
        in_parallel(self._both_orders, pairs[: self._capacity], self.threads)
        return self

    def _both_orders(self, pair: tuple[int, int]) -> None:
        self.pair(pair[0], pair[1])
        self.pair(pair[1], pair[0])

    def pair(self, own: int, rival: int) -> Pair:
        """Geometry of `rival beats own` for two components."""
        found = self._pairs.get((own, rival))
        if found is not None:
            return found
        key = (min(own, rival), max(own, rival))
        # Two threads may do the same work; the results are equal, and the lock guards the tables only.
        basis = self._bases.get(key) or diagonalise(self.quadratics, key[1], key[0])
        found = Pair.build(self.quadratics, basis, own, rival, flip=own > rival)
        with self._lock:
            self._bases[key] = basis
            self._pairs[(own, rival)] = found
            while len(self._bases) > self._capacity:
                oldest = next(iter(self._bases))
                del self._bases[oldest]
                self._pairs.pop(oldest, None)
                self._pairs.pop((oldest[1], oldest[0]), None)
        return found

    @property
    def _capacity(self) -> int:
        """How many bases, each with the pair in both orders, the memory holds."""
        size = self.quadratics.dimension
        return max(32, self.memory // (8 * size * (12 if self.quadratics.diagonal else size + 12)))

    def __call__(self, z: Array) -> Radii:
        """Radii of inputs z, shape (N, D), float64 and finite."""
        if not len(z):
            none = np.zeros(0, dtype=np.int64)
            return Radii(np.zeros(0), none, none, none, np.zeros(0))
        parts = by_blocks(lambda rows: self._rows(z[rows]), len(z), self._outer, self.threads)
        return Radii(
            *(np.concatenate([getattr(p, name) for p in parts]) for name in Radii.__dataclass_fields__)
        )

    @property
    def _outer(self) -> int:
        """Rows at once: many, as the work of a pair of classes starts anew for each block of rows."""
        return max(1 << 9, _OUTER // max(self.quadratics.means.shape))

    def _rows(self, z: Array) -> Radii:
        q = self.quadratics
        scores, errors = q.bounded_scores(z)
        best = np.argmin(scores, axis=1)
        prediction = q.owner[best]
        n = len(z)
        found = Radii(np.zeros(n), prediction, best, best.copy(), np.full(n, np.nan))
        for k in range(len(q.means)):
            rivals = np.flatnonzero(q.owner != q.owner[k])
            rows = np.flatnonzero(prediction == q.owner[k])
            if not rivals.size:
                found.radius[rows] = np.inf
                continue
            if not rows.size:
                continue
            gaps = scores[np.ix_(rows, rivals)] - scores[rows, k][:, None]
            gaps -= errors[np.ix_(rows, rivals)] + errors[rows, k][:, None]
            gaps -= 4.0 * UNIT * np.abs(gaps)
            # A component that some rival beats proves nothing; another of the same class may.
            ahead = np.all(gaps > 0.0, axis=1)
            rows, gaps = rows[ahead], gaps[ahead]
            if not rows.size:
                continue
            radius, which, lam = self._component(z[rows], k, rivals, gaps, scores[rows], errors[rows])
            better = radius > found.radius[rows]
            rows = rows[better]
            found.radius[rows], found.multiplier[rows] = radius[better], lam[better]
            found.component[rows], found.rival[rows] = k, rivals[which[better]]
        return found

    def _component(
        self, z: Array, own: int, rivals: Rows, gaps: Array, scores: Array, errors: Array
    ) -> tuple[Array, Rows, Array]:
        """Distance to the nearest rival of component `own`, its position in `rivals`, and the multiplier."""
        x, length = self._shifted(z, own)
        floor = self._floor(own, rivals, scores, errors)
        order = np.argmin(floor, axis=1).astype(np.int64)
        nearest = Nearest(order.copy(), self.screen)
        step = max(16, BLOCK // x.shape[1])
        # First the rival that the closed form puts nearest, then those it cannot rule out.
        for first in (True, False):
            # With many classes nearly all rivals are ruled out for every input at once.
            open_ = floor < nearest.radius[:, None] if self.screen else np.full(floor.shape, True)
            for r in np.unique(order) if first else np.flatnonzero(np.any(open_, axis=0)):
                chosen = order == r if first else (order != r)
                if self.screen and not first:
                    chosen &= floor[:, r] < nearest.radius
                rows = np.flatnonzero(chosen)
                if not rows.size:
                    continue
                pair = self.pair(own, int(rivals[r]))
                for start in range(0, len(rows), step):
                    part = rows[start : start + step]
                    squares = pair.squares(x[part], length[part])
                    nearest.offer(int(r), part, gaps[part, r], squares, pair.low)
            nearest.settle()
        return nearest.radius, nearest.which, nearest.multiplier

    def closed_form(self, z: Array) -> Array:
        """Radii from the Lipschitz constants of the lengths |F^T(z - mu)| alone; never above the exact
        ones.
        """
        q = self.quadratics
        scores, errors = q.bounded_scores(z)
        prediction = q.owner[np.argmin(scores, axis=1)]
        radius = np.zeros(len(z))
        for k in range(len(q.means)):
            rivals = np.flatnonzero(q.owner != q.owner[k])
            rows = np.flatnonzero(prediction == q.owner[k])
            if rows.size:
                floor = self._floor(k, rivals, scores[rows], errors[rows])
                radius[rows] = np.maximum(radius[rows], floor.min(axis=1, initial=np.inf))
        return radius

    def _floor(self, own: int, rivals: Rows, scores: Array, errors: Array) -> Array:
        """Closed-form lower bounds on the distance to each rival, shape (n, len(rivals))."""
        q = self.quadratics
        squares = np.maximum(scores - q.offsets, 0.0)
        doubt = errors + 4.0 * UNIT * (np.abs(scores) + np.abs(q.offsets))
        longest = np.sqrt(squares[:, own] + doubt[:, own]) * (1.0 + 4.0 * UNIT)
        shortest = np.sqrt(np.maximum(squares - doubt, 0.0)[:, rivals]) * (1.0 - 4.0 * UNIT)
        offset = q.offsets[rivals] - q.offsets[own]
        offset = offset - 4.0 * UNIT * np.abs(offset)
        return quadratic_margin(longest[:, None], shortest, offset, q.lipschitz[own], q.lipschitz[rivals])

    def quadric(self, z: Array, own: int, rival: int, gap: float) -> tuple[Array, Array, float]:
        """What proves one distance, for one latent z (D,): squares (D,), curvatures (D,) and the multiplier.

        The multiplier is 0 where the rival's region is empty, as in `ironbound.latent.evidence`.
        """
        pair = self.pair(own, rival)
        x, length = self._shifted(z[None], own)
        squares = pair.squares(x, length) * (1.0 + 2.0 * _dual.SQUARES_SLACK)
        lam = float(_dual.maximise(np.array([gap]), squares, pair.low)[0])
        return squares[0], pair.low, 0.0 if np.isinf(lam) else lam

    def _shifted(self, z: Array, own: int) -> tuple[Array, Array]:
        x = z - self.quadratics.means[own]
        return x, lengths(x)
