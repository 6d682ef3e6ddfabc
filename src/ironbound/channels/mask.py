"""Mask (absorbing) noise on a text of token ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ironbound import laws
from ironbound.channels.base import AbstractChannel, Array, as_codes, check_rate
from ironbound.channels.replacement import refuse_beyond, refuse_longer
from ironbound.channels.suffix import placed
from ironbound.errors import wrong_value
from ironbound.threats import Budget, TokenL0


@dataclass(frozen=True)
class Mask(AbstractChannel):
    """Each token shows the mask with probability `beta`, else itself.

    The attacker may write any token, the mask included: merging a symbol with the mask only hides
    information from the likelihood ratio, so the same law holds (data processing).

    Args:
        beta: masking rate in (0, 1].
        mask_id: id that is shown in place of a masked token.
        alphabet: size V of the vocabulary (clean ids must lie in 0..V-1), or None for any id >= 0.
    Raises:
        InputError: beta out of range, mask_id negative, or alphabet < 1.

    Example:
        >>> channel = Mask(beta=0.5, mask_id=99)
        >>> noised = channel.sample(channel.check([1, 2], "tokens"), np.random.default_rng(0), 100)
        >>> sorted(set(noised[:, 0].tolist()))
        [1, 99]
    """

    beta: float
    mask_id: int
    alphabet: int | None = None
    noise: ClassVar[str] = "mask"
    threat: ClassVar[str] = "token_l0"

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", check_rate(self.beta))
        mask = as_codes([self.mask_id], "mask_id", "id")
        object.__setattr__(self, "mask_id", int(mask[0]))
        if self.alphabet is not None and not (int(self.alphabet) == self.alphabet and self.alphabet >= 1):
            raise wrong_value("alphabet", self.alphabet, "a vocabulary size >= 1, or None")

    def check(self, value: object, name: str) -> NDArray[np.int64]:
        tokens = as_codes(value, name, "token")
        if self.alphabet is not None:
            others = tokens[tokens != self.mask_id]
            if np.any(others >= self.alphabet):
                refuse_beyond(np.where(tokens == self.mask_id, 0, tokens), self.alphabet, name)
        return tokens

    def sample(self, value: Array, generator: np.random.Generator, count: int) -> NDArray[np.int64]:
        hidden = generator.random((count, value.size)) < self.beta
        return np.where(hidden, self.mask_id, value)

    def placed(self, budget: Budget | None) -> AbstractChannel:
        return placed(self, budget)

    def inside(self, value: Array) -> NDArray[np.bool_]:
        """The mask's law is the same for every token: all of them count as inside, shape (length,)."""
        return np.ones(value.size, dtype=np.bool_)

    def check_budget(self, budget: Budget, value: Array, name: str) -> None:
        AbstractChannel.check_budget(self, budget, value, name)
        refuse_longer(budget, value, name)

    def laws(self, budget: Budget, d: float, value: Array) -> tuple[laws.Law, ...]:
        if not 0 <= d <= value.size:
            raise wrong_value("the budget d", d, f"between 0 and the number of tokens ({value.size})")
        return (laws.mask(int(d), self.beta),)

    def record(self, value: Array, name: str, budget: Budget | None) -> dict[str, Any]:
        record: dict[str, Any] = {
            "channel": name,
            "noise": self.noise,
            "beta": self.beta,
            "mask_id": self.mask_id,
            "length": int(value.size),
            "threat": None if budget is None else budget.kind,
        }
        if isinstance(budget, TokenL0):
            record["max_d"] = budget.max_d
        return record
