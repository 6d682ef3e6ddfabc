"""Numbers as a person reads them: radii rounded down, shares in per cent, times with their unit."""

from __future__ import annotations

import math
from decimal import ROUND_FLOOR, Decimal

from ironbound.runs.metrics import Budget, Share, bounded


def radius_text(radius: float | None, digits: int = 3) -> str:
    """A radius rounded down to `digits` decimals, so that no printed radius exceeds a certified one.

    Example:
        >>> radius_text(0.12999), radius_text(0.3, 1), radius_text(None)
        ('0.129', '0.2', '–')
    """
    if radius is None:
        return "–"
    if not bounded(radius):
        return "unbounded"
    # Decimal(float) is exact: 0.3 is 0.299999..., which rounds down to 0.2.
    return str(Decimal(radius).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_FLOOR))


def grid_text(radius: float) -> str:
    """A radius of the grid, which is a question and not a claim: as short as it can be written."""
    return f"{radius:g}"


def share_text(share: Share | None) -> str:
    """A share in per cent with its 95 % interval."""
    if share is None or share.value is None or share.lower is None or share.upper is None:
        return "–"
    return f"{percent(share)} % [{floor_percent(share.lower)}, {ceil_percent(share.upper)}]"


def percent(share: Share) -> str:
    """A share in per cent, without interval; rounded down, since it is read as a claim.

    Example:
        >>> percent(Share(2, 3, None, None))
        '66.6'
    """
    return "–" if share.total == 0 else f"{1000 * share.count // share.total / 10:.1f}"


def floor_percent(value: float) -> str:
    """Lower ends are rounded down."""
    return f"{math.floor(1000 * value) / 10:.1f}"


def ceil_percent(value: float) -> str:
    """Upper ends are rounded up."""
    return f"{math.ceil(1000 * value) / 10:.1f}"


def budget_text(budget: Budget) -> str:
    """A discrete budget, "2" or "(1, 2)".

    Example:
        >>> budget_text(2), budget_text((1, 2))
        ('2', '(1, 2)')
    """
    return str(budget)


def seconds_text(seconds: float | None) -> str:
    """A duration with a unit a person would choose.

    Example:
        >>> seconds_text(0.0123), seconds_text(75.0), seconds_text(7300.0)
        ('12 ms', '1 min 15 s', '2 h 1 min')
    """
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"
