"""Clopper-Pearson bounds at looks that were planned beforehand, most of alpha kept for the last one.

Before the first draw a largest number N of draws is fixed. With it are fixed the looks n_1 < .. < n_m = N,
at which the counts may be looked at, and the levels a_1, .., a_m: half of alpha for the last look, the
other half in equal parts for all others, so that the exact sum of the levels is at most alpha.

Proof that every bound holds, whenever sampling stopped. Imagine that all N draws are made, also those that
an early stop leaves out: the bound of look j is a function of the first n_j draws alone, so whether the
others were made changes nothing about it. At each look the Clopper-Pearson bound of n_j draws at level a_j
fails with probability at most a_j, so with probability at least 1 - (a_1 + .. + a_m) >= 1 - alpha none of
the m bounds fails. Where none fails, each one that is picked from among them is right, however it is
picked: that of the look at which sampling stopped, for whatever reason, or the best one so far.

Against a fixed sample of N draws at alpha the last look loses the other half of alpha: at alpha = 0.01 a
quarter of a standard error. So the decisions are those of the fixed sample but for probabilities within
that sliver. Against a sequence that is valid at every time (`mixture`) it gains where a decision takes a
large part of N, and loses where a few draws suffice.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import nextafter

from ironbound.confidence._checks import check_alpha, check_count
from ironbound.errors import wrong_value

_FIRST = 64


@lru_cache(maxsize=256)
def planned_looks(most: int) -> tuple[int, ...]:
    """When counts may be looked at: after 64 draws, a quarter more each time, and after `most`.

    A look within a tenth of the last one is left out.

    Args:
        most: draws at the last look, fixed before the first draw, >= 1.
    Raises:
        InputError: not a whole number >= 1.

    Example:
        >>> planned_looks(200), planned_looks(64), planned_looks(130)
        ((64, 80, 100, 125, 156, 200), (64,), (64, 80, 100, 130))
    """
    most = check_count("most", most)
    found: list[int] = []
    at = _FIRST
    while 11 * at <= 10 * most:
        found.append(at)
        at += at // 4
    return (*found, most)


@lru_cache(maxsize=4096)
def level_at(look: int, most: int, alpha: float) -> float:
    """The part of alpha that the bound at one look may spend.

    Args:
        look: draws so far, one of `planned_looks(most)`.
        most: draws at the last look.
        alpha: error probability of the bounds of all looks together, in (0, 1).
    Raises:
        InputError: no such look.

    Example:
        >>> level_at(200, 200, 0.01), level_at(64, 200, 0.01), level_at(50, 50, 0.01)
        (0.005, 0.001, 0.01)
    """
    alpha = check_alpha(alpha)
    looks = planned_looks(most)
    if look not in looks:
        raise wrong_value("look", look, f"one of the planned looks {looks}")
    if len(looks) == 1:
        return alpha
    # Halves are exact; shares are rounded down, so that their exact sum never exceeds the other half.
    whole = Fraction(alpha) / 2
    part = whole if look == most else whole / (len(looks) - 1)
    nearest = float(part)
    return nearest if Fraction(nearest) <= part else nextafter(nearest, 0.0)
