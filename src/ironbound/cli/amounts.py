"""Attacks as a person writes them on the command line: image=0.5,tokens=1."""

from __future__ import annotations

from ironbound.errors import wrong_value


def amounts(text: str) -> dict[str, float]:
    """How far each named channel may be changed; the others stay as they are.

    Raises:
        InputError: it is no list of NAME=NUMBER, or a name comes twice.

    Example:
        >>> amounts("image=0.5,tokens=1")
        {'image': 0.5, 'tokens': 1.0}
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, number = (piece.strip() for piece in part.partition("="))
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not name or not equals or name in found or not value >= 0:
            raise wrong_value("--target", text, "such as image=0.5,tokens=1: each channel once, amounts >= 0")
        found[name] = value
    return found
