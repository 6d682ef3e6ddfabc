"""Checks that Lipschitz certificates share, in exact rationals and balls. Nothing here knows the solver.

What can be checked of a ledger: it is a tree, every factor of a product is accounted for, and a convex
combination is not below all of its parts. Whether a layer's own norm is what its line says cannot be seen
without the weights; `lipschitz.bound` on the network of the recorded digest says it again.
"""

from __future__ import annotations

from fractions import Fraction

from flint import arb

from ironbound.certificate import about, refuse
from ironbound.lipschitz.records import BETS, Histogram, LedgerLine
from ironbound.verify.balls import exact, exceeds

_PRODUCT = "product of its parts"
_CONVEX = ("convex gate", "(1 - b) skip + b body", "one stream alone")


def check_ledger(ledger: tuple[LedgerLine, ...], figure: str) -> None:
    """Refuse a ledger that is no tree, or whose sums are wrong."""
    if not ledger or ledger[0].depth != 0 or any(line.depth < 1 for line in ledger[1:]):
        raise refuse(figure, f"{len(ledger)} lines", "one line for the network, and its parts below it")
    for place, line in enumerate(ledger):
        at = f"{figure}[{place}]"
        if place and line.depth > ledger[place - 1].depth + 1:
            raise refuse(f"{at}.depth", line.depth, "at most one below the line before")
        if not line.factor >= 0.0:
            raise refuse(f"{at}.factor", line.factor, "0 or more")
    for place, line in enumerate(ledger):
        at = f"{figure}[{place}]"
        parts = _children(ledger, place)
        if not parts:
            continue
        factor = Fraction(line.factor)
        if _PRODUCT in line.rule:
            product = Fraction(1)
            for part in parts:
                product *= Fraction(part.factor)
            if factor < product:
                raise refuse(
                    f"{at}.factor", line.factor, f"{about(product)} or more, the product of its parts"
                )
        elif line.rule.startswith(_CONVEX):
            # Weights in float32 add up to 1 but for their rounding.
            least = min(Fraction(part.factor) for part in parts) * (1 - Fraction(1, 10**6))
            if factor < least:
                raise refuse(f"{at}.factor", line.factor, "no less than the least of its parts")


def part_factor(ledger: tuple[LedgerLine, ...], module: str) -> Fraction | None:
    """Factor of the network's direct part of that name."""
    found = [line.factor for line in ledger if line.depth == 1 and line.module == module]
    return Fraction(found[0]) if len(found) == 1 else None


def check_histogram(found: Histogram, figure: str) -> None:
    """Refuse counts that are none, or a bound that they do not prove."""
    if not found.low < found.high:
        raise refuse(f"{figure}.low", found.low, f"below high, {found.high!r}")
    if not 1 <= found.levels <= 2**20:
        raise refuse(f"{figure}.levels", found.levels, "a number of levels up to 2^20")
    if not 0.0 < found.alpha < 1.0:
        raise refuse(f"{figure}.alpha", found.alpha, "a probability strictly between 0 and 1")
    levels = [level for level, _ in found.counts]
    if levels != sorted(set(levels)) or not levels or levels[0] < 0 or levels[-1] > found.levels:
        raise refuse(f"{figure}.counts", levels[:5], f"distinct levels in 0..{found.levels}, rising")
    if min(count for _, count in found.counts) < 1:
        raise refuse(f"{figure}.counts", found.counts[:3], "counts of 1 or more")
    if not 0.0 <= found.share <= 1.0:
        raise refuse(f"{figure}.share", found.share, "between 0 and 1")
    if found.share > 0.0 and exceeds(lambda: _capital(found), lambda: 1 / arb(found.alpha)) is not True:
        raise refuse(
            f"{figure}.share", found.share, "a bound at which the capital of the bets reaches 1/alpha"
        )


def bound_of(found: Histogram) -> Fraction:
    """The proven lower bound on the mean, exactly."""
    low, high = Fraction(found.low), Fraction(found.high)
    return low + Fraction(found.share) * (high - low)


def _capital(found: Histogram) -> arb:
    mean = arb(exact(found.share))
    total = arb(0)
    for bet in BETS:
        c = arb(exact(bet))
        logarithm = arb(0)
        for level, count in found.counts:
            value = arb(level) / found.levels
            logarithm += count * (1 - c + c * value / mean).log()
        total += logarithm.exp()
    return total / len(BETS)


def _children(ledger: tuple[LedgerLine, ...], place: int) -> list[LedgerLine]:
    depth = ledger[place].depth
    found: list[LedgerLine] = []
    for line in ledger[place + 1 :]:
        if line.depth <= depth:
            break
        if line.depth == depth + 1:
            found.append(line)
    return found
