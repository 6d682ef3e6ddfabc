"""Deciding an inequality between real numbers: enclose both at growing precision until they part."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from flint import arb, ctx, fmpq

from ironbound.certificate import refuse

FIRST_BITS = 128
LAST_BITS = 1 << 15


def exact(value: float | Fraction) -> fmpq:
    """The rational number that a float is.

    Example:
        >>> exact(0.75)
        3/4
    """
    return fmpq(*value.as_integer_ratio())


def exceeds(left: Callable[[], arb], right: Callable[[], arb], *, bits: int = FIRST_BITS) -> bool | None:
    """Whether left > right; None if the balls never part (the numbers are then equal, most likely).

    Example:
        >>> exceeds(lambda: arb.pi(), lambda: arb(3)), exceeds(lambda: arb(3), lambda: arb(3))
        (True, False)
    """
    while bits <= LAST_BITS:
        with ctx.workprec(bits):
            a, b = left(), right()
            if a > b:
                return True
            if a <= b:
                return False
        bits *= 2
    return None


def floor_float(value: Callable[[], arb], figure: str, *, bits: int = FIRST_BITS) -> tuple[float, bool]:
    """A real number rounded down to a float (to within one step), and whether it is certainly > 0.

    Raises:
        InvalidCertificate: not resolved at the largest precision.
    """
    while bits <= LAST_BITS:
        with ctx.workprec(bits):
            ball = value()
            if ball.is_finite() and (ball.rel_accuracy_bits() > 64 or ball.is_exact()):
                return _below(ball), bool(ball > 0)
        bits *= 2
    raise refuse(figure, "a bound that stays undecided", f"decided within {LAST_BITS} bits")


def _below(ball: arb) -> float:
    nearest = float(ball.mid())
    return nearest if ball >= arb(nearest) else math.nextafter(nearest, -math.inf)
