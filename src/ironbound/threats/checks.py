"""Checks that budgets share."""

from __future__ import annotations

from typing import Any, Literal

from ironbound.errors import wrong_value

Record = dict[str, Any]
Alphabet = Literal["closed", "open"]


def check_budget(max_d: int, least: int = 0) -> None:
    """Refuse what is no whole number of changes >= `least`."""
    whole = isinstance(max_d, int) and not isinstance(max_d, bool)  # pyright: ignore[reportUnnecessaryIsInstance]
    if not whole or max_d < least:
        raise wrong_value("max_d", max_d, f"a whole number of changes >= {least}")


def check_alphabet(alphabet: str) -> None:
    """Refuse what is neither of the two alphabets of an attacker."""
    if alphabet not in ("closed", "open"):
        raise wrong_value("alphabet", alphabet, '"closed" or "open"')
