"""Durations as a person writes them on the command line: 90s, 30m, 2h, 1h30m."""

from __future__ import annotations

import re

from ironbound.errors import wrong_value

_PARTS = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.IGNORECASE)
_SECONDS = (86_400, 3_600, 60, 1)


def seconds(text: str) -> float:
    """The number of seconds that a duration stands for.

    Raises:
        InputError: it is no duration, or none at all.

    Example:
        >>> seconds("90s"), seconds("1h30m"), seconds("2h")
        (90.0, 5400.0, 7200.0)
    """
    found = _PARTS.fullmatch(text.strip().replace(" ", ""))
    parts = [] if found is None else [int(part or 0) for part in found.groups()]
    total = sum(part * unit for part, unit in zip(parts, _SECONDS, strict=False))
    if total <= 0:
        raise wrong_value("--budget", text, "a duration such as 90s, 30m, 2h or 1h30m")
    return float(total)
