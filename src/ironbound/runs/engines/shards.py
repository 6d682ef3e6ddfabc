"""How the inputs of a run are dealt out to workers, and what happens to those of a worker that dies."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from itertools import islice

# A shard is to take about this long: short enough to lose when a worker dies, long enough to fill batches.
_SECONDS = 2.0
_LARGEST = 1000
# An input that is alone with a worker when it dies is tried this many times.
TRIALS = 3


class Shards:
    """Shards of positions, sized by the time that the last ones took.

    Args:
        positions: what is to be done; taken when needed.

    Example:
        >>> shards = Shards(range(10))
        >>> first = shards.next()
        >>> shards.took(first, seconds=0.1)
        >>> first, shards.next()
        ([0], [1, 2, 3, 4])
    """

    def __init__(self, positions: Iterable[int]) -> None:
        self._positions = iter(positions)
        self._again: deque[list[int]] = deque()
        self._deaths: Counter[int] = Counter()
        self._size = 1

    def next(self) -> list[int]:
        """The next shard; empty when none is left for now."""
        if self._again:
            return self._again.popleft()
        return list(islice(self._positions, self._size))

    def took(self, shard: Sequence[int], seconds: float) -> None:
        """Learn from the time that a shard took."""
        wanted = int(_SECONDS * len(shard) / max(seconds, 1e-6))
        self._size = max(1, min(wanted, 4 * self._size, _LARGEST))

    def lost(self, shard: Sequence[int]) -> int | None:
        """Give a shard back whose worker has died: in halves, so that an input that kills is found.

        Returns:
            The input that is to be given up, or `None`.

        Example:
            >>> shards = Shards([])
            >>> shards.lost([3, 4, 5]), shards.next(), shards.next()
            (None, [3], [4, 5])
            >>> [shards.lost([4]) for _ in range(3)]
            [None, None, 4]
        """
        if len(shard) > 1:
            middle = len(shard) // 2
            self._again.extend([list(shard[:middle]), list(shard[middle:])])
            return None
        self._deaths[shard[0]] += 1
        if self._deaths[shard[0]] >= TRIALS:
            return shard[0]
        self._again.append(list(shard))
        return None
