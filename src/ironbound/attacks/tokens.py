"""Which tokens an attacker may write, and where: a threat's record, turned into places and symbols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ironbound.attacks.edits import Editable
from ironbound.channels import SynonymReplacement
from ironbound.channels.base import AbstractChannel, Array
from ironbound.channels.suffix import OnSlot, OnSuffix, narrowed
from ironbound.errors import InputError
from ironbound.threats import Budget, Edits, SuffixAppend, SuffixInPlace, SynonymL0, TokenL0


@dataclass(frozen=True)
class Writable:
    """What may be written into one discrete channel.

    Attributes:
        clean: the value the attack starts from, shape (length,); under `SuffixAppend` with its slot of pads.
        places: positions that may be written to.
        symbols: for each of these the ids that may be written there.
        most: how many positions may differ from `clean`.
        channel: the noise on a value of this length, wherever it lies.
        hidden: symbols that may be written and that the noise never shows, so that no draw tells of them.
    """

    clean: Array
    places: tuple[int, ...]
    symbols: tuple[NDArray[np.int64], ...]
    most: int
    channel: AbstractChannel
    hidden: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def allows(self, value: Array) -> bool:
        """Whether a value is within the budget, and holds only what may be written where it was written."""
        if value.shape != self.clean.shape:
            return False
        changed = np.flatnonzero(value != self.clean)
        allowed = dict(zip(self.places, self.symbols, strict=True))
        return changed.size <= self.most and all(
            int(at) in allowed and bool(np.isin(value[at], allowed[int(at)])) for at in changed
        )

    def used(self, value: Array) -> int:
        """How many positions differ."""
        return int(np.count_nonzero(value != self.clean))

    def changes(
        self, at: Array, scores: NDArray[np.float64] | None, tries: int, random: np.random.Generator
    ) -> list[tuple[float, Array]]:
        """Values with one more position written, up to `tries` symbols for each, and what each may gain.

        Args:
            at: the value now; a position that is written already stays as it is.
            scores: (length, symbols), what writing a symbol at a place may do to the loss; None: random ones.
        """
        found: list[tuple[float, Array]] = []
        for place, symbols in zip(self.places, self.symbols, strict=True):
            if at[place] != self.clean[place]:
                continue
            others = symbols[symbols != at[place]]
            if scores is None:
                gains = random.random(others.size)
            else:
                gains = np.full(others.size, -np.inf)
                known = others < scores.shape[1]
                gains[known] = scores[place, others[known]]
                if self.hidden.size:
                    # Some of them are as promising as the best of the others, until they have been tried.
                    some = random.permutation(self.hidden)[: max(1, tries // 4)]
                    gains[np.isin(others, some)] = gains.max(initial=-np.inf)
            for i in np.argsort(-gains, kind="stable")[:tries]:
                changed = at.copy()
                changed[place] = others[i]
                found.append((float(gains[i]), changed))
        return found


@dataclass(frozen=True)
class _Between(AbstractChannel):
    """A kernel on the tokens start..stop-1 of a text of fixed length: a slot whose places are written."""

    kernel: AbstractChannel
    start: int
    stop: int
    noise = "suffix"
    threat = "suffix_append"

    def check(self, value: object, name: str) -> Array:
        return self.kernel.check(value, name)

    def sample(self, value: Array, generator: np.random.Generator, count: int) -> Array:
        noised = np.repeat(value[None], count, axis=0)
        if self.stop > self.start:
            reached = value[self.start : self.stop]
            noised[:, self.start : self.stop] = self.kernel.sample(reached, generator, count)
        return noised

    def laws(self, budget: Budget, d: float, value: Array) -> Any:
        raise InputError("an attacked slot has no law of its own")

    def record(self, value: Array, name: str, budget: Budget | None) -> dict[str, Any]:
        raise InputError("an attacked slot is recorded by its threat")


def writable_tokens(
    channel: AbstractChannel, budget: Budget, clean: Array, d: int, alphabet: Sequence[int] | None = None
) -> Writable | Editable:
    """What an attacker of budget d may write into a text.

    Args:
        channel: the kernel, before it was placed by the threat.
        budget: TokenL0, SynonymL0, Edits, SuffixInPlace or SuffixAppend; per-budget sampling means the
            classifier of budget d.
        clean: token ids (length,).
        d: number of changes, at most the budget's max_d.
        alphabet: ids to try; by default those that the noise can show (against an open alphabet also the
            smaller ids that it cannot, special tokens say), under Edits those of the text itself.
    Raises:
        InputError: the kernel names no alphabet and none is given; or the budget is none of these.

    Example:
        >>> from ironbound.channels import UniformReplacement
        >>> noise = UniformReplacement(beta=0.5, alphabet=10)
        >>> writable_tokens(noise, SuffixInPlace(max_d=2), np.array([1, 2, 3]), 1).places
        (2,)
        >>> found = writable_tokens(noise, SuffixAppend(max_d=1, pad=0, slot=2), np.array([1, 2, 3]), 1)
        >>> found.clean.tolist(), found.places
        ([1, 2, 3, 0, 0], (3,))
    """
    if isinstance(budget, Edits):
        given = np.unique(clean) if alphabet is None else np.array(sorted({int(i) for i in alphabet}))
        return Editable(clean, given.astype(np.int64), budget.operations, d, channel)
    if isinstance(budget, SynonymL0) and isinstance(channel, SynonymReplacement):
        homes = {token: np.array(members) for members in channel.sets for token in members}
        places = tuple(i for i, token in enumerate(clean.tolist()) if token in homes)
        return Writable(clean, places, tuple(homes[int(clean[i])] for i in places), d, channel)
    kernel = channel.kernel if isinstance(channel, OnSuffix | OnSlot) else channel
    if isinstance(budget, TokenL0):
        return _whole(clean, range(clean.size), _ids(kernel, budget, alphabet), d, channel)
    if not isinstance(budget, SuffixInPlace | SuffixAppend):
        raise InputError(
            f"there is no attack for {budget!r} on {channel!r}; there is for TokenL0, SynonymL0, Edits, "
            "SuffixInPlace, SuffixAppend and the noise that proves them"
        )
    ids = _ids(kernel, budget, alphabet)
    own = narrowed(budget, max(1, d)) if budget.sampling == "per_budget" else budget
    if isinstance(own, SuffixInPlace):
        placed = kernel.placed(own)
        return _whole(clean, range(max(0, clean.size - d), clean.size), ids, d, placed)
    slot = np.full(own.places, own.pad, dtype=clean.dtype)
    noised = _Between(kernel, clean.size, clean.size + own.max_d)
    return _whole(np.concatenate([clean, slot]), range(clean.size, clean.size + d), ids, d, noised)


_Symbols = tuple[NDArray[np.int64], NDArray[np.int64]]


def _whole(clean: Array, places: Sequence[int], ids: _Symbols, d: int, channel: AbstractChannel) -> Writable:
    return Writable(clean, tuple(places), (ids[0],) * len(places), d, channel, ids[1])


def _ids(
    kernel: AbstractChannel, budget: TokenL0 | SuffixInPlace | SuffixAppend, alphabet: Sequence[int] | None
) -> _Symbols:
    """Symbols to try, and those among them that the noise never shows."""
    none = np.zeros(0, dtype=np.int64)
    if alphabet is not None:
        return np.array(sorted({int(i) for i in alphabet}), dtype=np.int64), none
    known = getattr(kernel, "alphabet", None)
    if isinstance(known, int):
        return np.arange(known, dtype=np.int64), none
    if known is not None:
        shown = np.array(sorted(int(i) for i in known), dtype=np.int64)
        if budget.alphabet == "closed":
            return shown, none
        every = np.arange(shown[-1] + 1)
        return every, np.setdiff1d(every, shown)
    raise InputError(f"{kernel!r} names no alphabet; give the ids that an attacker may write as alphabet")
