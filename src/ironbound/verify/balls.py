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
    """The largest float not above a real number, and whether that number is certainly > 0.

    A number that is a float itself and is not computed exactly stays undecided; then it is that float, or
    will always be taken for it.

    Raises:
        InvalidCertificate: not resolved to 64 bits at the largest precision.

    Example:
        >>> floor_float(lambda: arb(1) / 3, "a third") == (1 / 3, True)
        True
    """
    nearest: tuple[float, bool] | None = None
    while bits <= LAST_BITS:
        with ctx.workprec(bits):
            ball = value()
            if ball.is_finite() and (ball.rel_accuracy_bits() > 64 or ball.is_exact()):
                middle = float(ball.mid())
                for floor in (middle, math.nextafter(middle, -math.inf)):
                    if ball >= arb(floor) and ball < arb(math.nextafter(floor, math.inf)):
                        return floor, bool(ball > 0)
                nearest = middle, bool(ball > 0)
        bits *= 2
    if nearest is None:
        raise refuse(figure, "a bound that stays undecided", f"decided within {LAST_BITS} bits")
    return nearest
