"""Errors that a person can act on: which argument, what it was, what would be right."""

from __future__ import annotations


class IronboundError(Exception):
    """Base of every error that ironbound raises on purpose."""


class InputError(IronboundError, ValueError):
    """An argument has a value that cannot be used."""


class InputTypeError(IronboundError, TypeError):
    """An argument has a type that cannot be used."""


class ConfigError(InputError):
    """A configuration file asks for something that cannot be done."""


class RunError(IronboundError, RuntimeError):
    """A run folder cannot be used as asked; nothing in it was changed."""


class InvalidCertificate(IronboundError, ValueError):
    """A certificate does not prove what it claims; the message gives the reason."""


def wrong_value(argument: str, value: object, expected: str) -> InputError:
    """Compose the one sentence every bad value is reported with.

    Example:
        >>> str(wrong_value("beta", 1.5, "a probability in (0, 1)"))
        'beta must be a probability in (0, 1); got 1.5'
    """
    shown = repr(value)
    if len(shown) > 80:
        shown = shown[:77] + "..."
    return InputError(f"{argument} must be {expected}; got {shown}")
