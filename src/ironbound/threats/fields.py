"""Attacks on categorical fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ironbound.threats.checks import Record, check_budget


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
        check_budget(self.max_d)

    def record(self) -> Record:
        return {"kind": self.kind, "max_d": self.max_d}
