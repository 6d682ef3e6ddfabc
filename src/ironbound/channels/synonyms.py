"""Replacement of tokens within sets of synonyms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ironbound import laws
from ironbound.channels._shift import replace_codes
from ironbound.channels.alphabet import digest
from ironbound.channels.base import AbstractChannel, Array, as_codes, check_rate
from ironbound.errors import wrong_value
from ironbound.threats import Budget, SynonymL0


@dataclass(frozen=True)
class SynonymReplacement(AbstractChannel):
    """Each token is replaced, with probability `beta`, by another one of its set, all equally likely.

    Tokens in no set stay as they are, and no attack within synonyms touches them. The sets are disjoint, so
    a token that the attacker wrote has the same synonyms: each place is a field whose categories are its set
    (the exact law of uniform replacement from as many symbols). SAFER (Ye et al. 2020, arXiv 2005.14424)
    draws from overlapping sets: there a token and its replacement have different synonyms, and what noise
    shows of either tells them apart, which the law of disjoint sets does not count. Overlapping sets are
    refused here; `joined` makes disjoint ones of them.

    Args:
        beta: replacement rate in (0, 1].
        sets: disjoint sets of two token ids or more.
    Raises:
        InputError: a set of fewer than two ids, or an id that is in two sets.

    Example:
        >>> channel = SynonymReplacement(beta=1.0, sets=[[3, 4], [7, 8, 9]])
        >>> tokens = channel.check([3, 1, 7], "tokens")
        >>> sorted({tuple(row) for row in channel.sample(tokens, np.random.default_rng(0), 50).tolist()})
        [(4, 1, 8), (4, 1, 9)]
    """

    beta: float
    sets: tuple[tuple[int, ...], ...]
    noise: ClassVar[str] = "synonyms"
    threat: ClassVar[str] = "synonym_l0"
    _home: dict[int, tuple[int, int]] = field(init=False, repr=False, compare=False)

    def __init__(self, beta: float, sets: Iterable[Sequence[int]]) -> None:
        object.__setattr__(self, "beta", check_rate(beta))
        kept: list[tuple[int, ...]] = []
        home: dict[int, tuple[int, int]] = {}
        for given in sets:
            members = sorted(set(as_codes(list(given), "a set of synonyms", "token").tolist()))
            if len(members) < 2:
                raise wrong_value("a set of synonyms", list(given), "two different ids or more")
            for place, token in enumerate(members):
                if token in home:
                    expected = (
                        "disjoint; this id is in two of them (SynonymReplacement.joined unites such sets)"
                    )
                    raise wrong_value("sets", token, expected)
                home[token] = (len(kept), place)
            kept.append(tuple(members))
        if not kept:
            raise wrong_value("sets", kept, "at least one set of synonyms")
        object.__setattr__(self, "sets", tuple(kept))
        object.__setattr__(self, "_home", home)

    @classmethod
    def joined(
        cls, beta: float, sets: Iterable[Sequence[int]], *, most: int | None = None
    ) -> SynonymReplacement:
        """Noise within the connected components of overlapping sets: sets that share a token become one.

        Sound for attackers who keep to the given sets, and for those who go from synonym to synonym: every
        token that they can write lies in the component of the clean one. The first lose nothing by it, as
        the law of a component is the same whichever other token is written; larger components weaken both.

        Args:
            beta: replacement rate in (0, 1].
            sets: sets of two token ids or more, which may share ids.
            most: refuse a component of more tokens; chains of synonyms may join what does not belong
                together.
        Raises:
            InputError: a set of fewer than two ids, or a component of more than `most`.

        Example:
            >>> SynonymReplacement.joined(0.5, [[1, 2], [2, 3], [7, 8]]).sets
            ((1, 2, 3), (7, 8))
        """
        components: list[set[int]] = []
        for given in sets:
            united = set(as_codes(list(given), "a set of synonyms", "token").tolist())
            if len(united) < 2:
                raise wrong_value("a set of synonyms", list(given), "two different ids or more")
            for other in [one for one in components if one & united]:
                components.remove(other)
                united |= other
            components.append(united)
        largest = max(components, key=len, default=set[int]())
        if most is not None and len(largest) > most:
            example = ", ".join(map(str, sorted(largest)[:5]))
            raise wrong_value("most", most, f"at least {len(largest)}, the tokens joined with {example}, ..")
        return cls(beta, sorted(map(sorted, components)))

    def __repr__(self) -> str:
        return f"SynonymReplacement(beta={self.beta}, sets=<{len(self.sets)} sets>)"

    def check(self, value: object, name: str) -> NDArray[np.int64]:
        return as_codes(value, name, "token")

    def sample(self, value: Array, generator: np.random.Generator, count: int) -> NDArray[np.int64]:
        own = [self._set(token) for token in value.tolist()]
        sizes = np.array([len(members) for members in own])
        table = np.zeros((value.size, int(sizes.max())), dtype=np.int64)
        for place, members in enumerate(own):
            table[place, : len(members)] = members
        codes = np.array([self._home.get(token, (0, 0))[1] for token in value.tolist()])
        drawn = replace_codes(codes, sizes, np.full(value.size, self.beta), generator, count)
        return table[np.arange(value.size), drawn]

    def check_budget(self, budget: Budget, value: Array, name: str) -> None:
        AbstractChannel.check_budget(self, budget, value, name)
        assert isinstance(budget, SynonymL0)
        if budget.max_d > value.size:
            expected = f"at most {value.size}, the length of this text"
            raise wrong_value(f"max_d of the threat on {name!r}", budget.max_d, expected)

    def laws(self, budget: Budget, d: float, value: Array) -> tuple[laws.Law, ...]:
        sizes = self.sizes(value)
        # Beyond the tokens that have synonyms there is nothing to change.
        return laws.field_laws(min(int(d), len(sizes)), sizes, self.beta)

    def sizes(self, value: Array) -> tuple[int, ...]:
        """Size of the set of each token that has synonyms, in increasing order."""
        found = (len(self._set(token)) for token in value.tolist())
        return tuple(sorted(size for size in found if size > 1))

    def record(self, value: Array, name: str, budget: Budget | None) -> dict[str, Any]:
        counted: dict[int, int] = {}
        for size in self.sizes(value):
            counted[size] = counted.get(size, 0) + 1
        record: dict[str, Any] = {
            "channel": name,
            "noise": self.noise,
            "beta": self.beta,
            "sets": [[size, count] for size, count in counted.items()],
            "sets_id": digest(token for members in self.sets for token in (*members, -1)),
            "length": int(value.size),
            "threat": None if budget is None else budget.kind,
        }
        if isinstance(budget, SynonymL0):
            record["max_d"] = budget.max_d
        return record

    def _set(self, token: int) -> tuple[int, ...]:
        home = self._home.get(token)
        return (token,) if home is None else self.sets[home[0]]
