"""What every channel is: a frozen description of noise, with the sampler and the law that belong to it.

To add a kernel, write one file with one frozen dataclass that implements `AbstractChannel`, and list it in
`channels/__init__.py` and in the table of tests/channels/test_conformance.py, which then checks it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from difflib import get_close_matches
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ironbound.errors import InputError, wrong_value
from ironbound.laws import Law
from ironbound.threats import Budget

Array = NDArray[Any]

# Below this rate the 53-bit uniform draws would no longer resolve the symbols of a large alphabet.
_SMALLEST_RATE = 1e-12


class AbstractChannel(ABC):
    """Noise on one channel of the input, applied outermost and in the user's units.

    The laws that implementations must obey: `sample` draws exactly the noise whose log-likelihood ratio
    `laws` describes, from the given generator alone; `record` holds every figure that `laws` depends on.
    """

    noise: ClassVar[str]
    threat: ClassVar[str]  # the kind of budget that has a law here

    @abstractmethod
    def check(self, value: object, name: str) -> Array:
        """The input as the canonical array that noise is added to, or InputError naming the channel."""

    @abstractmethod
    def sample(self, value: Array, generator: np.random.Generator, count: int) -> Array:
        """`count` independent noised copies of a checked value, shape (count, *value.shape)."""

    def pure_noise(self, value: Array, generator: np.random.Generator, count: int) -> Array | None:
        """The noise of `sample` on its own, where it depends on nothing but the shape and type of the value.

        Then `sample` is `add_noise` of it, to the last bit, and one block of noise can serve many inputs.
        `None` where what is drawn depends on the value's entries (the symbol to be replaced, say); nothing
        has been drawn then.
        """
        return None

    def add_noise(self, value: Array, noise: Array, out: Array) -> None:
        """Write the noised copies of a checked value into `out`, of the noise's shape (the noise, say).

        Only for channels whose `pure_noise` is not `None`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no noise to be added")

    @abstractmethod
    def laws(self, budget: Budget, d: float, value: Array) -> tuple[Law, ...]:
        """Candidate worst laws when the attacker spends `d`: changed positions, or a 2-norm in user units."""

    @abstractmethod
    def record(self, value: Array, name: str, budget: Budget | None) -> dict[str, Any]:
        """The parameters that a certificate stores about this channel; plain values only."""

    def placed(self, budget: Budget | None) -> AbstractChannel:
        """This channel with its noise put where the attack can reach, where the threat says so; else itself.

        Token kernels move to the end of the text under `SuffixInPlace` and `SuffixAppend`.
        """
        return self

    def check_budget(self, budget: Budget, value: Array, name: str) -> None:
        """Refuse a budget of another kind of noise, or one that this input is too short for."""
        if budget.kind != self.threat:
            expected = f"of kind {self.threat!r}, the one that {type(self).__name__} noise proves"
            raise wrong_value(f"the threat on {name!r}", budget, expected)


def unknown_name(what: str, name: str, known: list[str]) -> InputError:
    """An unknown name, with the nearest known one.

    Example:
        >>> print(unknown_name("inputs", "imgae", ["image", "text"]))
        inputs names 'imgae', which is no channel of the smoothing; did you mean 'image'? (known: image, text)
    """
    near = get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    shown = ", ".join(known)
    return InputError(f"{what} names {name!r}, which is no channel of the smoothing{hint} (known: {shown})")


def as_array(value: object, name: str) -> Array:
    """NumPy view of what the user gave; ragged or non-numeric input is refused by name."""
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise InputError(f"{name} must be a numeric array; converting it failed: {error}") from error
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name} must be a numeric array; got dtype {array.dtype} and shape {array.shape}")
    return array


def as_codes(value: object, name: str, unit: str) -> NDArray[np.int64]:
    """A non-empty 1-D array of whole numbers >= 0."""
    array = as_array(value, name)
    if array.ndim != 1:
        raise InputError(f"{name} must be one row of {unit}s, shape (length,); got shape {array.shape}")
    if array.size == 0:
        raise InputError(f"{name} must hold at least one {unit}; got an empty one")
    if array.dtype.kind == "b" or (array.dtype.kind == "f" and not np.all(array == np.rint(array))):
        # NaN and infinities fail the comparison with their rounding, or the range check below.
        bad = array if array.dtype.kind == "b" else array[~(array == np.rint(array))]
        raise wrong_value(f"every {unit} of {name}", bad[0].item(), "a whole number (an id)")
    if not np.all((array >= 0) & (array < 2**31)):
        at = int(np.flatnonzero(~((array >= 0) & (array < 2**31)))[0])
        raise wrong_value(f"{unit} {at} of {name}", array[at].item(), "an id >= 0 (and below 2^31)")
    return array.astype(np.int64)


def check_rate(beta: float, name: str = "beta") -> float:
    """A replacement rate in [1e-12, 1]."""
    try:
        rate = float(beta)
    except (TypeError, ValueError):
        rate = float("nan")
    if not (_SMALLEST_RATE <= rate <= 1.0):
        raise wrong_value(name, beta, f"a rate in [{_SMALLEST_RATE}, 1]")
    return rate
