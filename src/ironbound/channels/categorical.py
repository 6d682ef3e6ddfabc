"""Uniform replacement on categorical fields, each with its own number of categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ironbound import laws
from ironbound.channels._shift import replace_codes
from ironbound.channels.base import AbstractChannel, Array, as_codes, check_rate
from ironbound.errors import InputError, wrong_value
from ironbound.threats import Budget, FieldsL0


@dataclass(frozen=True)
class Categorical(AbstractChannel):
    """Each field is replaced, at its rate, by another of its own categories, all equally likely.

    Args:
        arities: number of categories V_i of each field, each >= 2; codes are 0..V_i - 1.
        beta: one replacement rate in (0, 1], or one for each field.
    Raises:
        InputError: no field, a field with fewer than 2 categories, or a rate out of range.

    Example:
        >>> channel = Categorical(arities=(9, 16, 2), beta=0.25)
        >>> codes = channel.check([8, 0, 1], "categorical")
        >>> channel.sample(codes, np.random.default_rng(0), 1000).max(axis=0)
        array([ 8, 15,  1])
    """

    arities: tuple[int, ...]
    beta: float | tuple[float, ...]
    noise: ClassVar[str] = "categorical"
    threat: ClassVar[str] = "fields_l0"
    betas: tuple[float, ...] = field(init=False, repr=False)

    def __init__(self, arities: Sequence[int], beta: float | Sequence[float]) -> None:
        fields = as_codes(arities, "arities", "arity")
        if fields.min() < 2:
            raise wrong_value("arities", list(arities), "at least 2 categories in every field")
        if isinstance(beta, Sequence | np.ndarray):
            rates = tuple(check_rate(b, f"beta of field {i}") for i, b in enumerate(beta))
            if len(rates) != fields.size:
                raise wrong_value("beta", beta, f"one rate, or one for each of the {fields.size} fields")
            object.__setattr__(self, "beta", rates)
        else:
            rates = (check_rate(beta),) * fields.size
            object.__setattr__(self, "beta", rates[0])
        object.__setattr__(self, "arities", tuple(fields.tolist()))
        object.__setattr__(self, "betas", rates)

    def check(self, value: object, name: str) -> NDArray[np.int64]:
        codes = as_codes(value, name, "field")
        if codes.size != len(self.arities):
            raise InputError(f"{name} must hold {len(self.arities)} fields; got shape {codes.shape}")
        beyond = np.flatnonzero(codes >= np.array(self.arities))
        if beyond.size:
            at = int(beyond[0])
            raise wrong_value(f"field {at} of {name}", int(codes[at]), f"a code in 0..{self.arities[at] - 1}")
        return codes

    def sample(self, value: Array, generator: np.random.Generator, count: int) -> NDArray[np.int64]:
        return replace_codes(value, np.array(self.arities), np.array(self.betas), generator, count)

    def check_budget(self, budget: Budget, value: Array, name: str) -> None:
        AbstractChannel.check_budget(self, budget, value, name)
        if isinstance(budget, FieldsL0) and budget.max_d > len(self.arities):
            raise wrong_value(
                f"max_d of the threat on {name!r}",
                budget.max_d,
                f"at most {len(self.arities)}, the fields there are",
            )

    def laws(self, budget: Budget, d: float, value: Array) -> tuple[laws.Law, ...]:
        # One common rate is passed as such: then a single law is the worst, without any comparison.
        return laws.field_laws(int(d), self.arities, self.beta)

    def record(self, value: Array, name: str, budget: Budget | None) -> dict[str, Any]:
        record: dict[str, Any] = {
            "channel": name,
            "noise": self.noise,
            "arities": list(self.arities),
            "betas": list(self.betas),
            "threat": None if budget is None else budget.kind,
        }
        if isinstance(budget, FieldsL0):
            record["max_d"] = budget.max_d
        return record
