"""Insertions, deletions and substitutions in a text, for attacks on deletion noise."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ironbound.channels.base import AbstractChannel, Array
from ironbound.threats.edits import Operation

# Positions, of all there are, at which a symbol is tried to be inserted; the noise hides most of the order.
_PLACES = 4


@dataclass(frozen=True)
class Editable:
    """A text of which at most `most` tokens are inserted, deleted or substituted.

    Attributes:
        clean: token ids (length,).
        symbols: ids that are inserted, or written over others.
        operations: which edits are allowed.
        most: their number.
        channel: the noise, which takes texts of any length.

    Example:
        >>> from ironbound.channels import Deletion
        >>> one = Editable(np.array([1, 2, 3]), np.array([7]), ("insert",), 1, Deletion(0.5, width=8))
        >>> one.allows(np.array([1, 7, 2, 3])), one.allows(np.array([1, 2]))
        (True, False)
    """

    clean: Array
    symbols: NDArray[np.int64]
    operations: tuple[Operation, ...]
    most: int
    channel: AbstractChannel

    def used(self, value: Array) -> int:
        """Fewest allowed edits that make this text of the clean one; more than `most` if none do."""
        found = edit_distance(self.clean.tolist(), value.tolist(), self.operations)
        return self.most + 1 if found is None else found

    def allows(self, value: Array) -> bool:
        """Whether a text is within the budget, and holds only what may be written or was there."""
        known = np.concatenate([self.clean, self.symbols])
        return value.size > 0 and bool(np.isin(value, known).all()) and self.used(value) <= self.most

    def changes(
        self, at: Array, scores: NDArray[np.float64] | None, tries: int, random: np.random.Generator
    ) -> list[tuple[float, Array]]:
        """Texts one edit away, the most promising first, with what each is hoped to gain.

        Args:
            at: the text now.
            scores: (1, symbols), what showing a symbol does to the loss, wherever; None: nothing is known.
            tries: about how many of each operation.
            random: breaks ties, and picks places to insert at.
        """

        def worth(ids: Array) -> NDArray[np.float64]:
            found = 1e-9 * random.random(ids.size)
            if scores is not None:
                known = ids < scores.shape[1]
                found[known] += scores[0, ids[known]]
            return found

        found: list[tuple[float, Array]] = []
        own = worth(at)
        news = worth(self.symbols)
        best = np.argsort(-news, kind="stable")[:tries]
        if "delete" in self.operations and at.size > 1:
            for i in np.argsort(own, kind="stable")[:tries]:
                found.append((float(-own[i]), np.delete(at, i)))
        if "substitute" in self.operations:
            worst = np.argsort(own, kind="stable")[:_PLACES]
            pairs = [(float(news[k] - own[i]), i, self.symbols[k]) for k in best for i in worst]
            found += [(gain, _substituted(at, i, s)) for gain, i, s in pairs if at[i] != s]
        if "insert" in self.operations:
            places = random.permutation(at.size + 1)[:_PLACES]
            found += [(float(news[k]), np.insert(at, i, self.symbols[k])) for k in best for i in places]
        found.sort(key=lambda pair: -pair[0])
        return found


def edit_distance(
    before: list[int],
    after: list[int],
    operations: Collection[Operation] = ("insert", "delete", "substitute"),
) -> int | None:
    """Fewest edits of the allowed kinds that turn one text into the other; None if they cannot.

    Example:
        >>> edit_distance([1, 2, 3], [1, 3, 4]), edit_distance([1, 2], [2], ["insert"])
        (2, None)
    """
    far = len(before) + len(after) + 1
    insert, delete, substitute = (
        1 if name in operations else far for name in ("insert", "delete", "substitute")
    )
    row = [j * insert if j else 0 for j in range(len(after) + 1)]
    for i, old in enumerate(before, start=1):
        above, row = row, [i * delete]
        for j, new in enumerate(after, start=1):
            same = above[j - 1] + (0 if old == new else substitute)
            row.append(min(same, above[j] + delete, row[-1] + insert))
    return row[-1] if row[-1] < far else None


def _substituted(at: Array, place: Any, symbol: Any) -> Array:
    changed = at.copy()
    changed[place] = symbol
    return changed
