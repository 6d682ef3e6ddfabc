"""A named set of token ids that noise may write, so that a certificate can say which set it was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ironbound.channels.base import as_codes
from ironbound.errors import wrong_value


@dataclass(frozen=True)
class Alphabet:
    """Different token ids in increasing order, under a name for the reader.

    Args:
        ids: at least two ids >= 0, in any order.
        name: what the set is, such as "tokenizer.json 3f2a, plain tokens"; printed in certificates.
    Raises:
        InputError: an id twice, negative, or fewer than two; an empty name.

    Example:
        >>> plain = Alphabet([7, 3, 5], "odd digits")
        >>> plain.ids, plain.size, plain.digest[:8]
        ((3, 5, 7), 3, '6661ae91')
    """

    ids: tuple[int, ...]
    name: str

    def __init__(self, ids: Iterable[int], name: str) -> None:
        object.__setattr__(self, "ids", tuple(sorted_ids(ids)))
        if not isinstance(name, str) or not name.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
            raise wrong_value("name", name, "a text that says what the set is")
        object.__setattr__(self, "name", name)

    def __iter__(self) -> Iterator[int]:
        return iter(self.ids)

    def __repr__(self) -> str:
        return f"Alphabet(<{self.size} ids>, {self.name!r})"

    @property
    def size(self) -> int:
        """Number of ids."""
        return len(self.ids)

    @property
    def digest(self) -> str:
        """SHA-256 of the sorted ids, hexadecimal."""
        return digest(self.ids)


def sorted_ids(ids: Iterable[int]) -> list[int]:
    """The ids in increasing order; InputError where one comes twice or is no id."""
    found = np.sort(as_codes(list(ids), "alphabet", "symbol"))
    if np.any(np.diff(found) == 0):
        twice = int(found[:-1][np.diff(found) == 0][0])
        raise wrong_value("alphabet", twice, "different ids; this one comes twice")
    if found.size < 2:
        raise wrong_value("alphabet", found.size, "at least 2 symbols")
    return found.tolist()


def digest(ids: Iterable[int]) -> str:
    """SHA-256 of ids in the order given."""
    return hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest()
