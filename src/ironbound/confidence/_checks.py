"""Arguments of the bounds, checked once at the door."""

from __future__ import annotations

import math
from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray

from ironbound.errors import InputError, InputTypeError, wrong_value

Counts = NDArray[np.int64]

# More draws than anyone takes for one input. A pair of counts then fits one int64.
LARGEST_COUNT = 2**31 - 1


def check_alpha(alpha: float, name: str = "alpha") -> float:
    """The error probability as a float strictly between 0 and 1."""
    if isinstance(alpha, bool) or not isinstance(alpha, Real):
        raise InputTypeError(f"{name} must be a number in (0, 1); got {alpha!r}")
    value = float(alpha)
    if not 0.0 < value < 1.0:
        raise wrong_value(name, alpha, "an error probability in (0, 1), such as 0.01")
    return value


def check_prior(prior: tuple[float, float]) -> tuple[float, float]:
    """Both shape parameters of the Beta mixture, positive and of a size that float64 resolves."""
    try:
        a, b = (float(shape) for shape in prior)
    except (TypeError, ValueError):
        raise InputTypeError(f"prior must be a pair (a, b) of positive numbers; got {prior!r}") from None
    for value in (a, b):
        if not 1e-6 <= value <= 1e6:
            raise wrong_value("prior", prior, "a pair (a, b) with both shapes between 1e-6 and 1e6")
    return a, b


def check_counts(name: str, value: object) -> Counts:
    """Whole, non-negative numbers as int64. Floats are refused: a rounded count is a wrong count."""
    array = np.asarray(value)
    if array.dtype == np.bool_ or not np.issubdtype(array.dtype, np.integer):
        raise InputTypeError(
            f"{name} must be a whole number or an array of whole numbers; "
            f"got {_shown(value)} of dtype {array.dtype}"
        )
    if array.size and (int(array.min()) < 0 or int(array.max()) > LARGEST_COUNT):
        raise InputError(f"{name} must lie between 0 and 2**31 - 1; got {_shown(value)}")
    return array.astype(np.int64)


def check_pair(
    k: object, n: object, names: tuple[str, str] = ("k", "n"), *, fewest: int = 1
) -> tuple[Counts, Counts]:
    """Successes and trials, broadcast to one shape, with 0 <= k <= n and n >= fewest."""
    successes, trials = check_counts(names[0], k), check_counts(names[1], n)
    try:
        successes, trials = np.broadcast_arrays(successes, trials)
    except ValueError:
        raise InputError(
            f"{names[0]} and {names[1]} must have shapes that broadcast; "
            f"got {successes.shape} and {trials.shape}"
        ) from None
    if trials.size and int(trials.min()) < fewest:
        raise InputError(f"{names[1]} must be at least 1: a bound needs a draw; got {_shown(n)}")
    if bool(np.any(successes > trials)):
        at = int(np.argmax((successes > trials).ravel()))
        raise InputError(
            f"{names[0]} must not exceed {names[1]}; got {names[0]} = {successes.ravel()[at]} "
            f"of {names[1]} = {trials.ravel()[at]}"
        )
    return successes, trials


def check_count(name: str, value: object) -> int:
    """One whole number >= 1."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputTypeError(f"{name} must be a whole number; got {value!r}")
    if not 1 <= int(value) <= LARGEST_COUNT:
        raise wrong_value(name, value, "a whole number between 1 and 2**31 - 1")
    return int(value)


def check_probability(name: str, value: object) -> float:
    """A number in [0, 1]."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputTypeError(f"{name} must be a number in [0, 1]; got {value!r}")
    number = float(value)
    if math.isnan(number) or not 0.0 <= number <= 1.0:
        raise wrong_value(name, value, "a probability in [0, 1]")
    return number


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
