"""Continuous batching: one batch of noised copies is filled from many inputs, so no call runs half empty.

An input is a *job*, a generator that asks for draws and is sent their votes until it returns its certificate.
A job that has decided leaves, the next one enters. Draws are addressed by number, so which batch they travel
in changes nothing about them. A batch holds draws of one shape: texts are grouped by their length, and no
padding reaches the base. A base that treats each row on its own (as it must) gives the same counts for every
batch size; floating point in a batched matrix product may differ in the last digit between sizes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ironbound.certificate import Certificate
from ironbound.smoothing.batches import Batches, Drawn, Rows, drawing_thread
from ironbound.smoothing.underway import Active, Entry, Job, Outcome, entered
from ironbound.smoothing.voting import Reading, Voters

# Jobs let in to fill a batch, where those that wait have shapes too different to fill it (texts, say).
_MOST_JOBS = 256
# The job that waits longest is passed over for fuller batches so many times at most.
_PATIENCE = 8


def alone(
    job: Job, reading: Reading, voters: Voters, *, halved: Callable[[int], None] = lambda size: None
) -> Certificate:
    """Run one job on its own; errors of the base pass through."""
    ((_, outcome),) = together([(0, reading, job)], voters, halved=halved)
    if outcome.error is not None:
        raise outcome.error
    assert outcome.certificate is not None
    return outcome.certificate


def together(
    jobs: Iterable[Entry],
    voters: Voters,
    *,
    halved: Callable[[int], None] = lambda size: None,
) -> Iterator[tuple[int, Outcome]]:
    """Run many jobs through shared batches; outcomes, with their places, as inputs are done.

    Memory does not grow with the number of draws or of inputs: one batch of noised copies is alive, and the
    next one where it is drawn ahead; and no more jobs than these have rows, or 256 if that is more. When the
    base runs out of memory the batch is halved, `halved` is told the new size, and the same draws are asked
    for again. Any other error of the base is traced to its input: that input ends with the error, the others
    go on.

    Args:
        jobs: place, reading and job of each input, or its outcome where there is nothing to do; asked for
            only when there is room.
        voters: the base classifier, and whether noise is drawn ahead.
        halved: told of a smaller batch.
    """
    waiting = iter(jobs)
    first: Active | None = None
    for item in waiting:
        found = entered(item, voters)
        if isinstance(found, Active):
            first = found
            break
        yield item[0], found
    if first is None:
        return
    size = voters.batch_of(first.reading)
    values = size * sum(array.size for array in first.reading.values.values())
    with drawing_thread(voters.ahead, values) as thread:
        line = _Line(waiting, voters, Batches(voters, size, halved, thread), first)
        yield from line.run(2 if thread is not None else 1)


class _Line:
    """The jobs under way and those that wait, and the batches between."""

    def __init__(self, waiting: Iterator[Entry], voters: Voters, batches: Batches, first: Active) -> None:
        self._waiting: Iterator[Entry] | None = waiting
        self._voters = voters
        self._batches = batches
        self._active: dict[int, Active] = {}
        self._kinds: dict[tuple[Any, ...], int] = {}
        self._passed_over = 0
        self._let_in(first)

    def run(self, depth: int) -> Iterator[tuple[int, Outcome]]:
        """Outcomes of all jobs, with at most `depth` batches drawn or being drawn."""
        flying: deque[tuple[list[tuple[Active, Rows]], Drawn]] = deque()
        while True:
            while len(flying) < depth:
                yield from self._enter()
                rows = self._fill()
                # What is drawn ahead is a full batch; another may still be filled by the jobs in the air.
                if not rows or (flying and sum(len(part) for _, part in rows) < self._batches.size):
                    break
                for one, part in rows:
                    one.at = part.stop
                flying.append((rows, self._batches.draw([part for _, part in rows])))
            if not flying:
                return
            rows, drawn = flying.popleft()
            counted = self._batches.votes([part for _, part in rows], drawn)
            # All are told before the first goes on, so that whoever counts draws has counted the batch.
            for (one, part), votes in zip(rows, counted, strict=True):
                if not one.over and not isinstance(votes, Exception):
                    one.need.told(part.stop)
            for (one, part), votes in zip(rows, counted, strict=True):
                if one.over:
                    continue
                done = one.receive(part.stop, votes)
                if done is not None:
                    one.over = True
                    del self._active[one.place]
                    yield one.place, done

    def _enter(self) -> Iterator[tuple[int, Outcome]]:
        """Let jobs in until a batch of one shape can be filled; what ends at the door is yielded."""
        waiting = self._waiting_rows()
        total = sum(waiting.values())
        while self._waiting is not None and (
            total < self._batches.size
            or (max(waiting.values()) < self._batches.size and len(self._active) < _MOST_JOBS)
        ):
            item = next(self._waiting, None)
            if item is None:
                self._waiting = None
                return
            found = entered(item, self._voters)
            if isinstance(found, Outcome):
                yield item[0], found
            else:
                self._let_in(found)
                waiting[found.kind] = waiting.get(found.kind, 0) + found.open
                total += found.open

    def _let_in(self, one: Active) -> None:
        self._active[one.place] = one
        one.kind = self._kinds.setdefault(one.shape, len(self._kinds))

    def _waiting_rows(self) -> dict[int, int]:
        """Draws that are needed and in no batch yet, by shape; that of the job that waits longest first."""
        waiting: dict[int, int] = {}
        for one in self._active.values():
            if one.open > 0:
                waiting[one.kind] = waiting.get(one.kind, 0) + one.open
        return waiting

    def _next_kind(self) -> int | None:
        """The shape with most rows; now and then that of the job that waits longest, so that it ends too."""
        waiting = self._waiting_rows()
        if not waiting:
            return None
        first = next(iter(waiting))
        fullest = max(waiting, key=lambda kind: min(waiting[kind], self._batches.size))
        if fullest == first or self._passed_over >= _PATIENCE:
            self._passed_over = 0
            return first
        self._passed_over += 1
        return fullest

    def _fill(self) -> list[tuple[Active, Rows]]:
        """Rows of the next batch, all of one shape."""
        rows: list[tuple[Active, Rows]] = []
        kind, room = self._next_kind(), self._batches.size
        for one in self._active.values():
            if room == 0:
                break
            if one.open > 0 and one.kind == kind:
                part = Rows(one.need.draws, one.reading, one.at, one.at + min(one.open, room))
                rows.append((one, part))
                room -= len(part)
        return rows
