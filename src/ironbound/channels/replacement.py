"""Uniform replacement noise on token ids (HRS, section 4; open alphabets: math notes, section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ironbound import laws
from ironbound.channels._shift import replace_codes, shifts
from ironbound.channels.alphabet import Alphabet, digest, sorted_ids
from ironbound.channels.base import AbstractChannel, Array, as_codes, check_rate
from ironbound.channels.suffix import placed
from ironbound.errors import wrong_value
from ironbound.threats import Budget, TokenL0


@dataclass(frozen=True)
class UniformReplacement(AbstractChannel):
    """Each token is replaced, with probability `beta`, by another symbol of the alphabet, all equally likely.

    A clean token that is not in the alphabet (a control token, say) is kept or replaced by any symbol of it.

    Args:
        beta: replacement rate in (0, 1].
        alphabet: a size V, which stands for the ids 0..V-1 and for the whole vocabulary; or the allowed ids
            themselves, when noise must not write special tokens (a mapping token -> id is read as its ids; an
            `Alphabet` also has a name, which certificates repeat). With allowed ids the clean text may hold
            any id >= 0, and whether the attacker may too is said by the threat: TokenL0(alphabet="open").
    Raises:
        InputError: beta out of range, fewer than 2 symbols, ids repeated or negative.

    Example:
        >>> channel = UniformReplacement(beta=0.25, alphabet=240)
        >>> tokens = channel.check([5, 5, 239], "tokens")
        >>> channel.sample(tokens, np.random.default_rng(0), 2).shape
        (2, 3)
    """

    beta: float
    alphabet: int | tuple[int, ...] | Alphabet
    noise: ClassVar[str] = "uniform_replacement"
    threat: ClassVar[str] = "token_l0"
    size: int = field(init=False, repr=False)
    _ids: NDArray[np.int64] | None = field(init=False, repr=False, compare=False)

    def __init__(self, beta: float, alphabet: int | Alphabet | Iterable[int] | Mapping[str, int]) -> None:
        object.__setattr__(self, "beta", check_rate(beta))
        if isinstance(alphabet, int | np.integer):
            size, ids = int(alphabet), None
            if size < 2:
                raise wrong_value("alphabet", size, "at least 2 symbols")
        else:
            given: list[int] = [*alphabet.values()] if isinstance(alphabet, Mapping) else [*alphabet]
            ids = np.array(sorted_ids(given), dtype=np.int64)
            size = ids.size
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "_ids", ids)
        named = isinstance(alphabet, Alphabet)
        kept = alphabet if named else size if ids is None else tuple(ids.tolist())
        object.__setattr__(self, "alphabet", kept)
        if named:
            object.__setattr__(self, "noise", "named_replacement")

    def __repr__(self) -> str:
        shown: object = self.size if self._ids is None else f"<{self.size} allowed ids>"
        if isinstance(self.alphabet, Alphabet):
            shown = self.alphabet
        return f"UniformReplacement(beta={self.beta}, alphabet={shown})"

    def check(self, value: object, name: str) -> NDArray[np.int64]:
        tokens = as_codes(value, name, "token")
        if self._ids is None:
            refuse_beyond(tokens, self.size, name)
        return tokens

    def sample(self, value: Array, generator: np.random.Generator, count: int) -> NDArray[np.int64]:
        sizes = np.full(value.size, self.size)
        rates = np.full(value.size, self.beta)
        if self._ids is None:
            return replace_codes(value, sizes, rates, generator, count)
        places, inside = self._places(value)
        if inside.all():
            return self._ids[replace_codes(places, sizes, rates, generator, count)]
        # Outside the alphabet all `size` symbols are replacements, inside all but the clean one.
        drawn = shifts(sizes - inside, rates, generator, count)
        kept = drawn == sizes - inside
        drawn += np.where(inside, places + 1, 0)
        drawn %= self.size
        return np.where(kept, value, self._ids[drawn])

    def placed(self, budget: Budget | None) -> AbstractChannel:
        return placed(self, budget)

    def check_budget(self, budget: Budget, value: Array, name: str) -> None:
        AbstractChannel.check_budget(self, budget, value, name)
        refuse_longer(budget, value, name)

    def laws(self, budget: Budget, d: float, value: Array) -> tuple[laws.Law, ...]:
        attacker = budget.alphabet if isinstance(budget, TokenL0) else "closed"
        return laws.replacement_laws(
            int(d),
            self.size,
            self.beta,
            length=value.size,
            outside=self.outside(value),
            attacker=attacker,
        )

    def inside(self, value: Array) -> NDArray[np.bool_]:
        """For each token whether it is a symbol of the alphabet, shape (length,)."""
        return np.ones(value.size, dtype=np.bool_) if self._ids is None else self._places(value)[1]

    def outside(self, value: Array) -> int:
        """Number of clean tokens that are no symbols of the alphabet."""
        return int(np.count_nonzero(~self.inside(value)))

    def record(self, value: Array, name: str, budget: Budget | None) -> dict[str, Any]:
        record: dict[str, Any] = {
            "channel": name,
            "noise": self.noise,
            "beta": self.beta,
            "alphabet": self.size,
            "alphabet_id": self._alphabet_id(),
            "length": int(value.size),
            "outside": self.outside(value),
            "threat": None if budget is None else budget.kind,
        }
        if isinstance(self.alphabet, Alphabet):
            record["alphabet_name"] = self.alphabet.name
        if isinstance(budget, TokenL0):
            record |= {"max_d": budget.max_d, "attacker": budget.alphabet}
        return record

    def _places(self, value: Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Index of each token in the sorted alphabet, and whether it is there at all."""
        assert self._ids is not None
        places = np.minimum(np.searchsorted(self._ids, value), self.size - 1)
        return places.astype(np.int64), self._ids[places] == value

    def _alphabet_id(self) -> str | None:
        if isinstance(self.alphabet, Alphabet):
            return self.alphabet.digest
        if self._ids is None or self._ids[-1] == self.size - 1:  # sorted and distinct: then it is range(V)
            return None
        return digest(self._ids.tolist())


def refuse_beyond(tokens: NDArray[np.int64], size: int, name: str) -> None:
    """InputError for a token id that the vocabulary does not have."""
    beyond = np.flatnonzero(tokens >= size)
    if beyond.size:
        at = int(beyond[0])
        raise wrong_value(f"token {at} of {name}", int(tokens[at]), f"an id in 0..{size - 1}, the alphabet")


def refuse_longer(budget: Budget, value: Array, name: str) -> None:
    """InputError for a budget of more tokens than the text has."""
    if isinstance(budget, TokenL0) and budget.max_d > value.size:
        raise wrong_value(
            f"max_d of the threat on {name!r}", budget.max_d, f"at most {value.size}, the length of this text"
        )
