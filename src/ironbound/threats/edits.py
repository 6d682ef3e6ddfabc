"""Attacks that change a text's length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from ironbound.errors import wrong_value
from ironbound.threats.checks import Record, check_budget

Operation = Literal["insert", "delete", "substitute"]
_ALL: tuple[Operation, ...] = ("insert", "delete", "substitute")


@dataclass(frozen=True)
class Edits:
    """The attacker makes at most `max_d` edits: inserts, deletes or substitutes tokens, any and anywhere.

    With all three operations this is the Levenshtein distance between the token sequences.

    Args:
        max_d: largest number of edits that is looked at, >= 0.
        operations: which edits are possible, some of "insert", "delete", "substitute"; all by default.
    Raises:
        InputError: naming the argument.

    Example:
        >>> Edits(max_d=2, operations=["insert"]).record()
        {'kind': 'edits', 'max_d': 2, 'operations': ['insert']}
    """

    max_d: int
    operations: tuple[Operation, ...] = _ALL
    kind: ClassVar[str] = "edits"

    def __init__(self, max_d: int, operations: Sequence[Operation] = _ALL) -> None:
        check_budget(max_d)
        given = (operations,) if isinstance(operations, str) else tuple(operations)
        if not given or any(one not in _ALL for one in given):
            raise wrong_value("operations", operations, f"some of {', '.join(_ALL)}")
        object.__setattr__(self, "max_d", max_d)
        object.__setattr__(self, "operations", tuple(one for one in _ALL if one in given))

    def record(self) -> Record:
        return {"kind": self.kind, "max_d": self.max_d, "operations": list(self.operations)}
