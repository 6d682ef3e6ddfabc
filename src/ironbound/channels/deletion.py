"""Deletion noise on a text, against insertions, deletions and substitutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ironbound import laws
from ironbound.channels.base import AbstractChannel, Array, as_codes, check_rate
from ironbound.threats import Budget, Edits


@dataclass(frozen=True)
class Deletion(AbstractChannel):
    """Each token is dropped with probability `rate`; the others close ranks, and pads fill up to `width`.

    The base classifier must see the noised text and nothing else of the input. Its row therefore always has
    `width` columns, whatever the length of the text; what does not fit is cut off after the noise. (A row as
    long as the text would tell how much an attacker inserted.) The law is derived in `ironbound.laws.edits`.

    Args:
        rate: probability that a token is dropped, in (0, 1].
        width: number of columns that the base classifier sees, >= 1.
        pad: id that fills up the row.
    Raises:
        InputError: naming the argument.

    Example:
        >>> channel = Deletion(rate=0.5, width=4, pad=0)
        >>> channel.sample(channel.check([5, 6, 7], "tokens"), np.random.default_rng(1), 2)
        array([[5, 6, 0, 0],
               [5, 0, 0, 0]])
    """

    rate: float
    width: int
    pad: int = 0
    noise: ClassVar[str] = "deletion"
    threat: ClassVar[str] = "edits"

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", check_rate(self.rate, "rate"))
        for name, least in (("width", 1), ("pad", 0)):
            number = int(as_codes([getattr(self, name) - least], name, "number")[0]) + least
            object.__setattr__(self, name, number)

    def check(self, value: object, name: str) -> NDArray[np.int64]:
        return as_codes(value, name, "token")

    def sample(self, value: Array, generator: np.random.Generator, count: int) -> NDArray[np.int64]:
        dropped = generator.random((count, value.size)) < self.rate
        order = np.argsort(dropped, axis=1, kind="stable")[:, : self.width]
        shown = np.where(np.take_along_axis(dropped, order, axis=1), self.pad, value[order])
        noised = np.full((count, self.width), self.pad, dtype=np.int64)
        noised[:, : shown.shape[1]] = shown
        return noised

    def laws(self, budget: Budget, d: float, value: Array) -> tuple[laws.Law, ...]:
        operations = budget.operations if isinstance(budget, Edits) else laws.OPERATIONS
        return laws.edit_laws(int(d), self.rate, length=value.size, operations=operations)

    def record(self, value: Array, name: str, budget: Budget | None) -> dict[str, Any]:
        record: dict[str, Any] = {
            "channel": name,
            "noise": self.noise,
            "rate": self.rate,
            "width": self.width,
            "pad": self.pad,
            "length": int(value.size),
            "threat": None if budget is None else budget.kind,
        }
        if isinstance(budget, Edits):
            record |= {"max_d": budget.max_d, "operations": list(budget.operations)}
        return record
