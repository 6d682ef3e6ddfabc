"""One batch after another: its noise is drawn, the base is asked, the votes are counted.

While the base answers one batch, the noise of the next can be drawn by a second thread: NumPy's generators
and torch both leave the interpreter to others meanwhile. Draws are addressed by number, so none is changed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ironbound.channels.base import Array
from ironbound.smoothing.answers import NO_CLASS
from ironbound.smoothing.draws import Draws, joined
from ironbound.smoothing.voting import Reading, Voters

Counts = NDArray[np.int64]
Drawn = Callable[[], dict[str, Array]]

# Below this many values the second thread takes longer to wake than the noise takes to draw.
_WORTH_A_THREAD = 2**16


@dataclass(frozen=True)
class Rows:
    """Draws start..stop-1 of one input: its part of a batch."""

    draws: Draws
    reading: Reading
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


class Batches:
    """Draws batches and has them answered, in halves where the memory does not suffice.

    Args:
        voters: the base; its `room` remembers a batch size that memory has set.
        size: most draws in a batch.
        halved: told of a smaller size.
        thread: draws ahead, if there is one.
    """

    def __init__(
        self,
        voters: Voters,
        size: int,
        halved: Callable[[int], None] = lambda size: None,
        thread: ThreadPoolExecutor | None = None,
    ) -> None:
        self._voters = voters
        self.size = size
        self._halved = halved
        self._thread = thread

    def draw(self, rows: Sequence[Rows]) -> Drawn:
        """Begin to draw a batch; the result waits for it. Draws are made by one thread at a time."""
        if self._thread is None:
            return lambda: _drawn(rows)
        return self._thread.submit(_drawn, rows).result

    def votes(self, rows: Sequence[Rows], drawn: Drawn) -> list[Counts | Exception]:
        """Votes (C,) of each input's rows, or the error that belongs to them.

        When the base runs out of memory the batch is halved and the same draws are asked about again. Any
        other error is traced to its input by asking about each input's rows alone.
        """
        total = sum(map(len, rows))
        if total <= self.size:
            try:
                return list(self._ask(rows, drawn()))
            except Exception as error:
                if self._halve(error, total):
                    pass  # and then as below, in pieces
                elif len(rows) == 1:
                    return [error]
        return [self._alone(one) for one in rows]

    def _alone(self, rows: Rows) -> Counts | Exception:
        counts = np.zeros(self._voters.rules.num_classes, dtype=np.int64)
        at = rows.start
        while at < rows.stop:
            part = replace(rows, start=at, stop=min(at + self.size, rows.stop))
            try:
                counts += self._ask([part], self.draw([part])())[0]
            except Exception as error:
                if not self._halve(error, len(part)):
                    return error
                continue
            at = part.stop
        return counts

    def _ask(self, rows: Sequence[Rows], batch: dict[str, Array]) -> NDArray[np.int64]:
        """Votes (rows, C) of each input's rows; those for no class are left out."""
        named = self._voters.ask(batch, rows[0].reading)
        classes = self._voters.rules.num_classes
        place = np.repeat(np.arange(len(rows)) * classes, [len(one) for one in rows])
        place += named
        if NO_CLASS in named:
            place = place[named != NO_CLASS]
        return np.bincount(place, minlength=len(rows) * classes).reshape(len(rows), classes)

    def _halve(self, error: Exception, total: int) -> bool:
        """Whether the error was a want of memory, and a smaller batch may do."""
        if not out_of_memory(error) or total <= 1:
            return False
        self.size = self._voters.room.most = max(1, min(self.size, total) // 2)
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()  # what the failed call had reserved is of no use to a smaller one
        self._halved(self.size)
        return True


@contextmanager
def drawing_thread(ahead: bool | None, values: int) -> Iterator[ThreadPoolExecutor | None]:
    """A thread that draws ahead, or None.

    Args:
        ahead: whether to; None: where the process may use several cores and the batches are worth it.
        values: numbers in one batch.
    """
    if ahead is None:
        ahead = values >= _WORTH_A_THREAD and cores() > 1
    if not ahead:
        yield None
        return
    thread = ThreadPoolExecutor(1, thread_name_prefix="ironbound-noise")
    try:
        yield thread
    finally:
        thread.shutdown(wait=True, cancel_futures=True)


def cores() -> int:
    """Processor cores that this process may use, at most the number in IRONBOUND_CORES."""
    allowed = getattr(os, "sched_getaffinity", None)  # not on every system
    found = len(allowed(0)) if allowed is not None else os.cpu_count() or 1
    told = os.environ.get("IRONBOUND_CORES", "")
    return min(found, int(told)) if told.isdecimal() else found


def count(voters: Voters, reading: Reading, draws: Draws, start: int, stop: int) -> Counts:
    """Votes of each class (C,) among the draws start..stop-1 of one input; errors of the base pass."""
    batches = Batches(voters, voters.batch_of(reading))
    total = np.zeros(voters.rules.num_classes, dtype=np.int64)
    at = start
    while at < stop:
        rows = Rows(draws, reading, at, min(at + batches.size, stop))
        (votes,) = batches.votes([rows], batches.draw([rows]))
        if isinstance(votes, Exception):
            raise votes
        total += votes
        at = rows.stop
    return total


def _drawn(rows: Sequence[Rows]) -> dict[str, Array]:
    return joined([part for one in rows for part in one.draws.parts(one.start, one.stop)])


def out_of_memory(error: Exception) -> bool:
    # torch.OutOfMemoryError by name: the library does not import torch to find out that it ran out of it.
    # On the CPU torch raises a RuntimeError that only its text tells from others.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
