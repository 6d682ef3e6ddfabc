"""The float64 number nearest to an exact end, on its safe side."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

from flint import arb, ctx

# Bits of the balls. Neighbouring float64 candidates change a bound by about 2**-53 of itself, and the largest
# logarithm involved (n = 2**31) costs another 36 bits, so the first level decides nearly always.
_FIRST_PRECISION = 128
_LAST_PRECISION = 4096


def largest_safe(safe: Callable[[float], bool], guess: float) -> float:
    """Largest float64 x in [0, 1] with safe(x), where `safe` holds at 0 and is monotone: True, then False.

    Starts at `guess`, doubles its steps until the end is bracketed, then bisects. A good guess costs three
    calls or so; any guess, even NaN, leads to the same answer.
    """
    bottom, top = 0, _ordinal(1.0)
    at = min(max(_ordinal(guess), bottom), top) if math.isfinite(guess) and guess > 0.0 else top // 2
    step = 1
    if _holds(safe, at):
        low, high = at, at
        while low == high:
            if low == top:
                return 1.0
            high = min(top, low + step)
            if _holds(safe, high):
                low = high
            step *= 2
    else:
        low, high = at, at
        while low == high:
            low = max(bottom, high - step)
            if not _holds(safe, low):
                high = low
            step *= 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _holds(safe, middle) else (low, middle)
    return _number(low)


def smallest_safe(safe: Callable[[float], bool], guess: float) -> float:
    """Smallest float64 x in [0, 1] with safe(x), where `safe` holds at 1 and is monotone."""

    def unsafe(x: float) -> bool:
        return x == 0.0 or not safe(x)

    below = largest_safe(unsafe, guess)
    if below == 0.0 and safe(0.0):
        return 0.0
    return min(1.0, math.nextafter(below, 1.0))


def decided(difference: Callable[[], arb]) -> bool | None:
    """Whether a real number is <= 0, by balls of growing precision. None: undecided, presumably 0."""
    precision = _FIRST_PRECISION
    while precision <= _LAST_PRECISION:
        with ctx.workprec(precision):
            ball = difference()
            if ball <= 0:
                return True
            if ball > 0:
                return False
        precision *= 4
    return None


def _holds(safe: Callable[[float], bool], ordinal: int) -> bool:
    return ordinal == 0 or safe(_number(ordinal))


def _ordinal(x: float) -> int:
    """Position of a non-negative float64 among all of them; neighbours differ by 1."""
    return int(struct.unpack("<q", struct.pack("<d", x))[0])


def _number(ordinal: int) -> float:
    return float(struct.unpack("<d", struct.pack("<q", ordinal))[0])
