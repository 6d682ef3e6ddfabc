"""One noised position (a token, a field): the outcomes that tell the clean symbol from the attacked one.

Every discrete law of the package is a convolution of powers of these. Source: HRS (arXiv 2605.12876),
section 4, and math notes section 3 (open alphabets, fields of mixed arity).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from ironbound.errors import wrong_value


@dataclass(frozen=True)
class Position:
    """Outcomes (p, q) of one position that the attacker changed, as exact rationals; order is irrelevant.

    p is the probability of the outcome when the position holds the clean symbol, q when it holds the
    attacker's. Each of the two sums to 1.
    """

    name: str
    outcomes: tuple[tuple[Fraction, Fraction], ...]

    def trade_off(self) -> tuple[tuple[Fraction, Fraction], ...]:
        """Corners of the concave curve `p -> largest E_Q[h] with E_P[h] <= p` (the ROC of P against Q)."""
        possible = [pq for pq in self.outcomes if pq[0] + pq[1] > 0]
        ordered = sorted(possible, key=lambda pq: pq[1] / (pq[0] + pq[1]), reverse=True)
        corners = [(Fraction(0), Fraction(0))]
        for p, q in ordered:
            corners.append((corners[-1][0] + p, corners[-1][1] + q))
        return tuple(corners)

    def dominates(self, other: Position) -> bool:
        """Whether this position tells the attacker's symbol apart at least as well at every level.

        Then replacing `other` by it, beside any other independent channels, can only lower `lower(p)`
        (Blackwell's order, which products preserve). Decided in exact arithmetic.
        """
        return all(self._power_at(p) >= q for p, q in other.trade_off())

    def _power_at(self, level: Fraction) -> Fraction:
        corners = self.trade_off()
        best = max(q for p, q in corners if p <= level)
        for (p0, q0), (p1, q1) in pairwise(corners):
            if p0 <= level <= p1 and p1 > p0:
                best = max(best, q0 + (q1 - q0) * (level - p0) / (p1 - p0))
        return best


def rate(beta: float, name: str = "beta") -> Fraction:
    """The noise rate as the exact rational that the float is; refuses anything outside (0, 1]."""
    if not (0.0 < beta <= 1.0):
        raise wrong_value(name, beta, "a rate in (0, 1]")
    return Fraction(beta)


def replaced(
    alphabet: int, beta: float, *, clean_inside: bool = True, attacked_inside: bool = True
) -> Position:
    """Uniform replacement from `alphabet` symbols: keep with 1 - beta, else another symbol of the alphabet.

    `clean_inside`, `attacked_inside` say whether the clean and the attacker's symbol belong to the
    alphabet that the noise draws from (math notes, section 3, open alphabet).

    Raises:
        InputError: alphabet < 2 or beta outside (0, 1].
    """
    if alphabet < 2:
        raise wrong_value("alphabet", alphabet, "at least 2 symbols")
    b, s = rate(beta), alphabet
    keep, other, zero = 1 - b, b / (s - 1), Fraction(0)
    if clean_inside and attacked_inside:
        rest = other * (s - 2)
        return Position("closed", ((keep, other), (other, keep), (rest, rest)))
    if clean_inside:
        return Position("written-outside", ((keep, b / s), (zero, keep), (b, b * (s - 1) / s)))
    if attacked_inside:
        return Position("clean-outside", ((keep, zero), (b / s, keep), (b * (s - 1) / s, b)))
    return Position("both-outside", ((keep, zero), (zero, keep), (b, b)))


def masked(beta: float) -> Position:
    """Mask noise: the position shows a mask with probability beta, else its symbol."""
    b = rate(beta)
    return Position("mask", ((1 - b, Fraction(0)), (Fraction(0), 1 - b), (b, b)))


def deleted(rate_of_deletion: float) -> Position:
    """Deletion noise, and an attacker who deleted one token: the clean copy shows it with 1 - rate.

    See `edit_laws` for why this, and `inserted`, bound what any text can tell.
    """
    b = rate(rate_of_deletion, "rate")
    return Position("deleted", ((1 - b, Fraction(0)), (b, Fraction(1))))


def inserted(rate_of_deletion: float) -> Position:
    """Deletion noise, and an attacker who inserted one token: the attacked copy shows it with 1 - rate."""
    b = rate(rate_of_deletion, "rate")
    return Position("inserted", ((Fraction(1), b), (Fraction(0), 1 - b)))
