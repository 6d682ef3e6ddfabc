"""What an attacker may do: a budget for each channel, and a `Threat` that maps channel names to budgets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from ironbound.errors import InputTypeError, wrong_value

Record = dict[str, str | int]


@dataclass(frozen=True)
class L2:
    """The attacker shifts a continuous channel; the certificate says by how much in the 2-norm.

    Example:
        >>> L2().record()
        {'kind': 'l2'}
    """

    kind: ClassVar[str] = "l2"

    def record(self) -> Record:
        return {"kind": self.kind}


@dataclass(frozen=True)
class TokenL0:
    """The attacker replaces at most `max_d` tokens, anywhere; one frontier covers 0, 1, ..., max_d.

    Args:
        max_d: largest number of replaced tokens that is looked at, >= 0.
        alphabet: "closed" if the attacker writes only symbols that the noise can show, "open" if any token
            (control characters, special tokens); the open claim is the weaker and the safer one.
    Raises:
        InputError: max_d is not a whole number >= 0, or alphabet is neither of the two.

    Example:
        >>> TokenL0(max_d=2).record()
        {'kind': 'token_l0', 'max_d': 2, 'alphabet': 'closed'}
    """

    max_d: int
    alphabet: Literal["closed", "open"] = "closed"
    kind: ClassVar[str] = "token_l0"

    def __post_init__(self) -> None:
        _check_budget(self.max_d)
        if self.alphabet not in ("closed", "open"):
            raise wrong_value("alphabet", self.alphabet, '"closed" or "open"')

    def record(self) -> Record:
        return {"kind": self.kind, "max_d": self.max_d, "alphabet": self.alphabet}


@dataclass(frozen=True)
class FieldsL0:
    """The attacker changes at most `max_d` categorical fields, whichever hurt most.

    Raises:
        InputError: max_d is not a whole number >= 0.

    Example:
        >>> FieldsL0(max_d=3).record()
        {'kind': 'fields_l0', 'max_d': 3}
    """

    max_d: int
    kind: ClassVar[str] = "fields_l0"

    def __post_init__(self) -> None:
        _check_budget(self.max_d)

    def record(self) -> Record:
        return {"kind": self.kind, "max_d": self.max_d}


Budget = L2 | TokenL0 | FieldsL0


class Threat(Mapping[str, Budget]):
    """The attacked channels and what may be done to each, all at once. Channels not named stay as they are.

    Args:
        **channels: a budget for each attacked channel, at least one.
    Raises:
        InputError: no channel is named.
        InputTypeError: a value is not a budget.

    Example:
        >>> threat = Threat(image=L2(), tokens=TokenL0(max_d=8))
        >>> threat["tokens"].max_d, list(threat)
        (8, ['image', 'tokens'])
    """

    __slots__ = ("_budgets",)

    def __init__(self, **channels: Budget) -> None:
        if not channels:
            raise wrong_value("threat", "no channel", "at least one attacked channel, such as image=L2()")
        for name, budget in channels.items():
            if not isinstance(budget, Budget):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InputTypeError(
                    f"the threat on {name!r} must be L2(), TokenL0(max_d=..) or FieldsL0(max_d=..); "
                    f"got {budget!r}"
                )
        self._budgets = dict(sorted(channels.items()))

    def __getitem__(self, channel: str) -> Budget:
        return self._budgets[channel]

    def __iter__(self) -> Iterator[str]:
        return iter(self._budgets)

    def __len__(self) -> int:
        return len(self._budgets)

    def __hash__(self) -> int:
        return hash(tuple(self._budgets.items()))

    def __repr__(self) -> str:
        return f"Threat({', '.join(f'{name}={budget!r}' for name, budget in self._budgets.items())})"

    def record(self) -> dict[str, Record]:
        """The threat as plain values, for configuration files and certificates."""
        return {name: budget.record() for name, budget in self._budgets.items()}


def _check_budget(max_d: int) -> None:
    whole = isinstance(max_d, int) and not isinstance(max_d, bool)  # pyright: ignore[reportUnnecessaryIsInstance]
    if not whole or max_d < 0:
        raise wrong_value("max_d", max_d, "a whole number of changes >= 0")
