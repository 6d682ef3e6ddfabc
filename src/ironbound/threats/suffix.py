"""Attacks on the end of a text: its last tokens rewritten in place, or a slot behind it filled.

Noise goes where the attacker can write, and nowhere else (HRS, arXiv 2605.12876, section 5; the mathematics,
section 4). Two ways of sampling:

* "shared": all places that an attacker of the largest budget can reach are noised. One estimate serves the
  budgets 0..max_d, and the whole frontier holds at once at level alpha.
* "per_budget": for each d = 1..max_d only the d places that an attacker of budget d can reach are noised.
  Each d then has a smoothed classifier of its own, with counts of its own, at error probability
  alpha / max_d. Less noise may certify more at small d, for max_d times the draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ironbound.errors import wrong_value
from ironbound.threats.checks import Alphabet, Record, check_alphabet, check_budget

Sampling = Literal["shared", "per_budget"]


@dataclass(frozen=True)
class SuffixInPlace:
    """The attacker rewrites the last tokens of the text, at most `max_d` of them; its length stays.

    Args:
        max_d: largest number of rewritten tokens that is looked at, >= 0 (>= 1 with per-budget sampling).
        alphabet: "closed" if the attacker writes only symbols that the noise can show, "open" if any token.
        sampling: "shared" or "per_budget"; see the module.
    Raises:
        InputError: naming the argument.

    Example:
        >>> SuffixInPlace(max_d=4).record()
        {'kind': 'suffix_in_place', 'max_d': 4, 'alphabet': 'closed', 'sampling': 'shared'}
    """

    max_d: int
    alphabet: Alphabet = "closed"
    sampling: Sampling = "shared"
    kind: ClassVar[str] = "suffix_in_place"

    def __post_init__(self) -> None:
        _check(self.max_d, self.alphabet, self.sampling)

    def record(self) -> Record:
        return {
            "kind": self.kind,
            "max_d": self.max_d,
            "alphabet": self.alphabet,
            "sampling": self.sampling,
        }


@dataclass(frozen=True)
class SuffixAppend:
    """`slot` pad tokens stand behind the text, and the attacker writes the first of them, at most `max_d`.

    The clean input is the text and its slot of pads. The system that is defended has to reserve the slot: it
    must know where the text ends, whoever wrote behind it.

    Args:
        max_d: largest number of written places that is looked at, >= 0 (>= 1 with per-budget sampling).
        pad: id of the pad token.
        slot: number of pads m >= max_d; max_d if None.
        alphabet: "closed" if the attacker writes only symbols that the noise can show, "open" if any token.
        sampling: "shared" or "per_budget"; see the module.
    Raises:
        InputError: naming the argument.

    Example:
        >>> SuffixAppend(max_d=4).places
        4
    """

    max_d: int
    pad: int = 0
    slot: int | None = None
    alphabet: Alphabet = "closed"
    sampling: Sampling = "shared"
    kind: ClassVar[str] = "suffix_append"

    def __post_init__(self) -> None:
        _check(self.max_d, self.alphabet, self.sampling)
        if not _whole(self.pad) or not 0 <= self.pad < 2**31:
            raise wrong_value("pad", self.pad, "the id of a token, >= 0 (and below 2^31)")
        if self.slot is not None and (not _whole(self.slot) or self.slot < self.max_d):
            raise wrong_value("slot", self.slot, f"a whole number of pads >= max_d, which is {self.max_d}")

    @property
    def places(self) -> int:
        """Number of pads behind the text."""
        return self.max_d if self.slot is None else self.slot

    def record(self) -> Record:
        return {
            "kind": self.kind,
            "max_d": self.max_d,
            "pad": self.pad,
            "slot": self.places,
            "alphabet": self.alphabet,
            "sampling": self.sampling,
        }


def _check(max_d: int, alphabet: str, sampling: str) -> None:
    if sampling not in ("shared", "per_budget"):
        raise wrong_value("sampling", sampling, '"shared" or "per_budget"')
    check_budget(max_d, 1 if sampling == "per_budget" else 0)
    check_alphabet(alphabet)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
