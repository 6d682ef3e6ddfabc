"""Attacks on a text of tokens, wherever in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ironbound.threats.checks import Alphabet, Record, check_alphabet, check_budget


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
    alphabet: Alphabet = "closed"
    kind: ClassVar[str] = "token_l0"

    def __post_init__(self) -> None:
        check_budget(self.max_d)
        check_alphabet(self.alphabet)

    def record(self) -> Record:
        return {"kind": self.kind, "max_d": self.max_d, "alphabet": self.alphabet}


@dataclass(frozen=True)
class SynonymL0:
    """The attacker replaces at most `max_d` tokens, each by another one of its own set of synonyms.

    The sets are those of the noise, and closed: whatever is a synonym of a synonym is one.

    Raises:
        InputError: max_d is not a whole number >= 0.

    Example:
        >>> SynonymL0(max_d=2).record()
        {'kind': 'synonym_l0', 'max_d': 2}
    """

    max_d: int
    kind: ClassVar[str] = "synonym_l0"

    def __post_init__(self) -> None:
        check_budget(self.max_d)

    def record(self) -> Record:
        return {"kind": self.kind, "max_d": self.max_d}
