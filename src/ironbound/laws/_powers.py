"""Powers and products of position laws, in extended precision so that 512 positions cost no accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ironbound.errors import wrong_value
from ironbound.laws.positions import Position

Array = NDArray[np.float64]
Extended = NDArray[np.longdouble]

# Atoms closer than this many spacings of float64 are one atom; the merge moves log q by no more than that.
_SAME_ATOM = 4
# Beyond this the atoms of fields that all differ would not fit into memory.
_MOST_ATOMS = 2_000_000


@dataclass(frozen=True, eq=False)
class Product:
    """Finite atoms (log p, log q in extended precision) and the masses at -inf and +inf."""

    log_p: Extended
    log_q: Extended
    p_below: np.longdouble
    q_above: np.longdouble

    def times(self, other: Product) -> Product:
        """Law of the sum of two independent log-ratios."""
        atoms = self.log_p.size * other.log_p.size
        if atoms > _MOST_ATOMS:
            raise wrong_value("d", f"a law of {atoms} atoms", f"a budget with at most {_MOST_ATOMS} of them")
        one = np.longdouble(1)
        product = Product(
            (self.log_p[:, None] + other.log_p).ravel(),
            (self.log_q[:, None] + other.log_q).ravel(),
            self.p_below + other.p_below * (one - self.p_below),
            self.q_above + other.q_above * (one - self.q_above),
        )
        return product.merged()

    def merged(self) -> Product:
        """Sort by ratio and add up atoms whose ratios agree to a few units in the last place."""
        if self.log_p.size < 2:
            return self
        ell = self.log_q - self.log_p
        order = np.argsort(ell, kind="stable")
        ell, log_p, log_q = ell[order], self.log_p[order], self.log_q[order]
        gap = _SAME_ATOM * np.spacing(np.maximum(np.abs(ell.astype(np.float64)), 1.0))
        first = np.flatnonzero(np.concatenate([[True], np.diff(ell) > gap[1:]]))
        return _summed(log_p, log_q, first, self.p_below, self.q_above)


def unit() -> Product:
    """The law of a channel that nobody changed."""
    zero = np.zeros(1, dtype=np.longdouble)
    return Product(zero, zero, np.longdouble(0), np.longdouble(0))


def power(position: Position, count: int) -> Product:
    """Law of `count` independent changed positions of one kind: multinomial over the finite outcomes."""
    if count == 0:
        return unit()
    finite = [(p, q) for p, q in position.outcomes if p > 0 and q > 0]
    p_inside = sum((p for p, _ in finite), Fraction(0))
    q_inside = sum((q for _, q in finite), Fraction(0))
    p_below, q_above = _lost(p_inside, count), _lost(q_inside, count)
    if not finite:
        empty = np.zeros(0, dtype=np.longdouble)
        return Product(empty, empty, p_below, q_above)
    uses = _compositions(count, len(finite))
    log_ways = _log_factorials(count)[count] - _log_factorials(count)[uses].sum(axis=1)
    log_p = log_ways + uses @ np.array([_log(p) for p, _ in finite], dtype=np.longdouble)
    log_q = log_ways + uses @ np.array([_log(q) for _, q in finite], dtype=np.longdouble)
    if _symmetric(finite):
        # (p, q) and (q, p): the ratio is a multiple of one step, so atoms merge exactly by that multiple.
        return _merge_by(uses[:, 1] - uses[:, 0], log_p, log_q, p_below, q_above)
    return Product(log_p, log_q, p_below, q_above).merged()


def _symmetric(finite: list[tuple[Fraction, Fraction]]) -> bool:
    swapped = len(finite) >= 2 and finite[0] == finite[1][::-1]
    return swapped and (len(finite) == 2 or (len(finite) == 3 and finite[2][0] == finite[2][1]))


def _merge_by(
    key: NDArray[np.int64], log_p: Extended, log_q: Extended, p_below: np.longdouble, q_above: np.longdouble
) -> Product:
    order = np.argsort(key, kind="stable")
    first = np.flatnonzero(np.concatenate([[True], np.diff(key[order]) > 0]))
    product = _summed(log_p[order], log_q[order], first, p_below, q_above)
    ascending = np.argsort(product.log_q - product.log_p, kind="stable")
    return Product(product.log_p[ascending], product.log_q[ascending], p_below, q_above).merged()


def _summed(
    log_p: Extended, log_q: Extended, first: NDArray[np.int64], p_below: np.longdouble, q_above: np.longdouble
) -> Product:
    """Add up the runs that begin at the indices `first`."""
    return Product(np.logaddexp.reduceat(log_p, first), np.logaddexp.reduceat(log_q, first), p_below, q_above)


def _compositions(total: int, parts: int) -> NDArray[np.int64]:
    """All ways to write `total` as an ordered sum of `parts` (1 to 3) counts, shape (ways, parts)."""
    if parts == 1:
        return np.array([[total]], dtype=np.int64)
    if parts == 2:
        first = np.arange(total + 1)
        return np.stack([first, total - first], axis=1)
    first, second = np.tril_indices(total + 1)
    return np.stack([first - second, second, total - first], axis=1).astype(np.int64)


def _log_factorials(largest: int) -> Extended:
    steps = np.arange(largest + 1, dtype=np.longdouble)
    steps[0] = 1
    return np.cumsum(np.log(steps))


def _log(value: Fraction) -> np.longdouble:
    """Logarithm of an exact rational; near 1 through log1p, where the quotient would round."""
    if abs(value - 1) < Fraction(1, 4):
        return np.log1p(_extended(value - 1))
    return np.log(_extended(value))


def _extended(value: Fraction) -> np.longdouble:
    """Nearest extended-precision number: two float64 parts, since Fraction converts to float64 only."""
    high = float(value)
    return np.longdouble(high) + np.longdouble(float(value - Fraction(high)))


def _lost(inside: Fraction, count: int) -> np.longdouble:
    """1 - inside^count without cancellation."""
    if inside == 1:
        return np.longdouble(0)
    if inside == 0:
        return np.longdouble(1)
    return -np.expm1(count * _log(inside))
