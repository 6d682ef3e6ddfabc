"""Token noise at the end of a text only, or on a slot of pads behind it (HRS, section 5).

Where the attacker writes the last tokens, or fills a slot, noise anywhere else costs accuracy and proves
nothing. A threat on the end of a text puts a channel's kernel into one of the two classes below by itself
(`Smoothing.placed`); name them in a `Smoothing` for a classifier whose noise stays where it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from ironbound import laws
from ironbound.channels.base import AbstractChannel, Array, as_codes
from ironbound.errors import InputTypeError, wrong_value
from ironbound.threats import Budget, SuffixAppend, SuffixInPlace, TokenL0


class TokenKernel(Protocol):
    """A channel that noises each token on its own and says which clean tokens it treats alike."""

    def inside(self, value: Array) -> NDArray[np.bool_]:
        """For each token whether it is among the symbols that the noise can show, shape (length,)."""
        ...


@dataclass(frozen=True)
class OnSuffix(AbstractChannel):
    """A kernel on the last `positions` tokens of a text (on all of a shorter one); the others stay.

    Args:
        kernel: UniformReplacement or Mask.
        positions: how many tokens are noised, >= 0.
    Raises:
        InputError, InputTypeError: naming the argument.

    Example:
        >>> from ironbound.channels import Mask
        >>> channel = OnSuffix(Mask(beta=1.0, mask_id=9), positions=2)
        >>> channel.sample(channel.check([1, 2, 3], "tokens"), np.random.default_rng(0), 1)
        array([[1, 9, 9]])
    """

    kernel: AbstractChannel
    positions: int
    noise: ClassVar[str] = "suffix"
    threat: ClassVar[str] = "suffix_in_place"

    def __post_init__(self) -> None:
        _check(self.kernel, self.positions)

    def check(self, value: object, name: str) -> Array:
        return self.kernel.check(value, name)

    def sample(self, value: Array, generator: np.random.Generator, count: int) -> Array:
        noised = np.repeat(value[None], count, axis=0)
        tail = self._tail(value)
        if tail.size:
            noised[:, value.size - tail.size :] = self.kernel.sample(tail, generator, count)
        return noised

    def check_budget(self, budget: Budget, value: Array, name: str) -> None:
        AbstractChannel.check_budget(self, budget, value, name)
        assert isinstance(budget, SuffixInPlace)
        _refuse_more(budget.max_d, min(self.positions, value.size), name, "the noised tokens of this text")

    def laws(self, budget: Budget, d: float, value: Array) -> tuple[laws.Law, ...]:
        assert isinstance(budget, SuffixInPlace)
        tail = self._tail(value)
        _refuse_more(int(d), tail.size, "the text", "the noised tokens")
        # The attacker reaches exactly the last d places; fewer changes are never worse for the defender.
        return _laws(self.kernel, budget, value, tail[tail.size - int(d) :])

    def record(self, value: Array, name: str, budget: Budget | None) -> dict[str, Any]:
        tail = self._tail(value)
        return _record(self.kernel, name, budget, value.size, tail, tail[::-1])

    def _tail(self, value: Array) -> Array:
        return value[max(0, value.size - self.positions) :]


@dataclass(frozen=True)
class OnSlot(AbstractChannel):
    """`slot` pad tokens behind every text, and a kernel on the first `positions` of them; the text stays.

    Args:
        kernel: UniformReplacement or Mask.
        positions: how many pads are noised, >= 0.
        pad: id of the pad token; any id that the kernel accepts in a text.
        slot: number of pads, at least `positions` (and as many if None).
    Raises:
        InputError, InputTypeError: naming the argument.

    Example:
        >>> from ironbound.channels import Mask
        >>> channel = OnSlot(Mask(beta=1.0, mask_id=9), positions=1, pad=0, slot=2)
        >>> channel.sample(channel.check([1, 2], "tokens"), np.random.default_rng(0), 1)
        array([[1, 2, 9, 0]])
    """

    kernel: AbstractChannel
    positions: int
    pad: int = 0
    slot: int | None = None
    noise: ClassVar[str] = "suffix"
    threat: ClassVar[str] = "suffix_append"

    def __post_init__(self) -> None:
        _check(self.kernel, self.positions)
        self.kernel.check([self.pad], "pad")
        if self.slot is not None and self.slot < self.positions:
            raise wrong_value("slot", self.slot, f"at least the {self.positions} noised positions")

    @property
    def places(self) -> int:
        """Number of pads behind the text."""
        return self.positions if self.slot is None else self.slot

    def check(self, value: object, name: str) -> Array:
        return self.kernel.check(value, name)

    def sample(self, value: Array, generator: np.random.Generator, count: int) -> Array:
        whole = np.concatenate([value, np.full(self.places, self.pad, dtype=value.dtype)])
        noised = np.repeat(whole[None], count, axis=0)
        if self.positions:
            reached = slice(value.size, value.size + self.positions)
            noised[:, reached] = self.kernel.sample(self._pads(), generator, count)
        return noised

    def check_budget(self, budget: Budget, value: Array, name: str) -> None:
        AbstractChannel.check_budget(self, budget, value, name)
        assert isinstance(budget, SuffixAppend)
        if (budget.pad, budget.places) != (self.pad, self.places):
            found = f"pad={budget.pad}, slot={budget.places}"
            raise wrong_value(
                f"the threat on {name!r}", found, f"about the same slot: {self.places} pads {self.pad}"
            )
        _refuse_more(budget.max_d, self.positions, name, "the noised places of the slot")

    def laws(self, budget: Budget, d: float, value: Array) -> tuple[laws.Law, ...]:
        assert isinstance(budget, SuffixAppend)
        _refuse_more(int(d), self.positions, "the slot", "its noised places")
        return _laws(self.kernel, budget, value, self._pads()[: int(d)])

    def record(self, value: Array, name: str, budget: Budget | None) -> dict[str, Any]:
        pads = self._pads()
        plain = _record(self.kernel, name, budget, value.size + self.places, pads, pads)
        return plain | {"slot": self.places, "pad": self.pad}

    def _pads(self) -> Array:
        return np.full(self.positions, self.pad, dtype=np.int64)


def placed(kernel: AbstractChannel, budget: Budget | None) -> AbstractChannel:
    """The kernel, put where a threat on the end of a text lets the attacker write; else as it is."""
    if isinstance(budget, SuffixInPlace):
        return OnSuffix(kernel, budget.max_d)
    if isinstance(budget, SuffixAppend):
        return OnSlot(kernel, budget.max_d, budget.pad, budget.places)
    return kernel


def narrowed(budget: SuffixInPlace | SuffixAppend, d: int) -> SuffixInPlace | SuffixAppend:
    """The threat of budget d alone, whose noise covers just the d places that it reaches.

    Example:
        >>> narrowed(SuffixAppend(max_d=8, sampling="per_budget"), 2)
        SuffixAppend(max_d=2, pad=0, slot=8, alphabet='closed', sampling='shared')
    """
    if isinstance(budget, SuffixAppend):
        return replace(budget, max_d=d, slot=budget.places, sampling="shared")
    return replace(budget, max_d=d, sampling="shared")


def _laws(
    kernel: AbstractChannel, budget: SuffixInPlace | SuffixAppend, value: Array, reached: Array
) -> tuple[laws.Law, ...]:
    changed = TokenL0(int(reached.size), budget.alphabet)
    return kernel.laws(changed, reached.size, reached if reached.size else value)


def _record(
    kernel: AbstractChannel, name: str, budget: Budget | None, length: int, noised: Array, ranked: Array
) -> dict[str, Any]:
    """`ranked` lists the noised tokens in the order in which a growing budget reaches them."""
    inside = cast(TokenKernel, kernel).inside(ranked) if ranked.size else np.zeros(0, dtype=np.bool_)
    record: dict[str, Any] = {
        "channel": name,
        "noise": "suffix",
        "kernel": kernel.record(noised, name, None),
        "length": int(length),
        "positions": int(noised.size),
        "outside": (np.flatnonzero(~inside) + 1).tolist(),
        "threat": None if budget is None else budget.kind,
    }
    if isinstance(budget, SuffixInPlace | SuffixAppend):
        record |= {"max_d": budget.max_d, "attacker": budget.alphabet}
    return record


def _check(kernel: AbstractChannel, positions: int) -> None:
    if kernel.threat != "token_l0" or not hasattr(kernel, "inside"):
        raise InputTypeError(f"kernel must be UniformReplacement(..) or Mask(..); got {kernel!r}")
    as_codes([positions], "positions", "number")


def _refuse_more(d: int, most: int, name: str, what: str) -> None:
    if not 0 <= d <= most:
        raise wrong_value(f"max_d of the threat on {name!r}", d, f"between 0 and {most}, {what}")
