"""The one sentence a certificate is refused with: which figure, its value, what it should be."""

from __future__ import annotations

from fractions import Fraction

from ironbound.errors import InvalidCertificate

_DIGITS = frozenset("0123456789abcdef")


def refuse(figure: str, value: object, expected: str) -> InvalidCertificate:
    """Compose the refusal of one figure.

    Args:
        figure: where it stands in the record, such as "claims[1].mu".
        value: what stands there.
        expected: what would be right, to follow "must be".

    Example:
        >>> str(refuse("alpha", 2.0, "a probability strictly between 0 and 1"))
        'alpha must be a probability strictly between 0 and 1; got 2.0'
    """
    try:
        shown = repr(value)
    except Exception:  # a value of unknown origin may fail to print; the refusal must not
        shown = f"a {type(value).__name__} that cannot be shown"
    if len(shown) > 90:
        shown = shown[:87] + "..."
    return InvalidCertificate(f"{figure} must be {expected}; got {shown}")


def about(value: Fraction) -> str:
    """A rational number for a refusal, which must not fail whatever the figures are.

    Example:
        >>> about(Fraction(1, 4)), about(Fraction(10) ** 400)
        ('0.25', 'a number beyond 1.8e308')
    """
    try:
        return repr(float(value))
    except OverflowError:
        return "a number beyond 1.8e308"


def check_digest(value: str, figure: str) -> None:
    """Refuse what is no SHA-256 digest in hexadecimal."""
    if len(value) != 64 or set(value) - _DIGITS:
        raise refuse(figure, value, "a SHA-256 digest in hexadecimal")


def check_words(value: str, figure: str) -> None:
    """Refuse a text that could be taken for a part of the sentence which shows it in brackets.

    Names stand in quotes there; a unit does not. Line breaks and marks that turn the direction of writing are
    not printable.
    """
    if not value.isprintable() or set(value) & set("()"):
        raise refuse(figure, value, "printable words without brackets")
