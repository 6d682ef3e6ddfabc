"""The threat: which channels are attacked, and what may be done to each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ironbound.errors import InputTypeError, wrong_value
from ironbound.threats.checks import Record
from ironbound.threats.continuous import L2, LInf
from ironbound.threats.edits import Edits
from ironbound.threats.fields import FieldsL0
from ironbound.threats.suffix import SuffixAppend, SuffixInPlace
from ironbound.threats.tokens import SynonymL0, TokenL0

Suffix = SuffixInPlace | SuffixAppend
TokenBudget = TokenL0 | SuffixInPlace | SuffixAppend
Budget = L2 | LInf | TokenL0 | FieldsL0 | SuffixInPlace | SuffixAppend | SynonymL0 | Edits


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
                    f"the threat on {name!r} must be a budget such as L2(), TokenL0(max_d=..), "
                    f"FieldsL0(max_d=..) or SuffixInPlace(max_d=..); got {budget!r}"
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
