"""Continuous batching: one batch of noised copies is filled from many inputs, so no call runs half empty.

An input is a *job*, a generator that asks for draws and is sent their votes until it returns its certificate.
A job that has decided leaves, the next one enters. Draws are addressed by number, so which batch they travel
in changes nothing about them. A base that treats each row on its own (as it must) gives the same counts for
every batch size; floating point in a batched matrix product may differ in the last digit between sizes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ironbound.certificate import Certificate
from ironbound.smoothing.batches import Batches, Drawn, Rows, drawing_thread
from ironbound.smoothing.draws import Draws
from ironbound.smoothing.voting import Reading, Voters

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Need:
    """Draws start..stop-1 that a job waits for; `told` hears how many of them are done, batch by batch."""

    draws: Draws
    start: int
    stop: int
    told: Callable[[int], None] = lambda drawn: None


Job = Generator[Need, Counts, Certificate]


@dataclass(frozen=True)
class Outcome:
    """What became of one input: a certificate, or the error that the base (or the job) raised."""

    certificate: Certificate | None
    error: Exception | None = None


Entry = tuple[int, Reading, Job] | tuple[int, Outcome]


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
    next one where it is drawn ahead; and no more jobs than these have rows. When the base runs out of memory
    the batch is halved, `halved` is told the new size, and the same draws are asked for again. Any other
    error of the base is traced to its input: that input ends with the error, the others go on.

    Args:
        jobs: place, reading and job of each input, or its outcome where there is nothing to do; asked for
            only when there is room.
        voters: the base classifier, and whether noise is drawn ahead.
        halved: told of a smaller batch.
    """
    waiting = iter(jobs)
    first: _Active | None = None
    for item in waiting:
        entered = _entered(item, voters)
        if isinstance(entered, _Active):
            first = entered
            break
        yield item[0], entered
    if first is None:
        return
    size = voters.batch_of(first.reading)
    values = size * sum(array.size for array in first.reading.values.values())
    with drawing_thread(voters.ahead, values) as thread:
        line = _Line(waiting, voters, Batches(voters, size, halved, thread), [first])
        yield from line.run(2 if thread is not None else 1)


@dataclass(eq=False)
class _Active:
    """A job under way: its current need, how far its draws are in batches, and the votes so far."""

    place: int
    reading: Reading
    job: Job
    need: Need
    at: int
    votes: Counts
    over: bool = False
    shape: tuple[Any, ...] = field(init=False)

    def __post_init__(self) -> None:
        # Only draws of equal shape and kind can share a call of the base.
        tensors = self.reading.tensors
        self.shape = tuple(
            (name, value.shape, value.dtype.str, str(tensors[name].device) if name in tensors else "")
            for name, value in self.reading.values.items()
        )

    @property
    def open(self) -> int:
        """Draws that are needed and in no batch yet."""
        return self.need.stop - self.at

    def receive(self, stop: int, votes: Counts | Exception) -> Outcome | None:
        """Hand the job the votes of its draws up to `stop`; an Outcome once it has ended."""
        if isinstance(votes, Exception):
            self.job.close()
            return Outcome(None, votes)
        self.votes = self.votes + votes
        if stop < self.need.stop:
            return None
        try:
            self.need = self.job.send(self.votes)
        except StopIteration as finished:
            return Outcome(finished.value)
        except Exception as error:
            return Outcome(None, error)
        self.at, self.votes = self.need.start, np.zeros_like(self.votes)
        return None


class _Line:
    """The jobs under way and those that wait, and the batches between."""

    def __init__(
        self, waiting: Iterator[Entry], voters: Voters, batches: Batches, active: list[_Active]
    ) -> None:
        self._waiting: Iterator[Entry] | None = waiting
        self._voters = voters
        self._batches = batches
        self._active = {one.place: one for one in active}

    def run(self, depth: int) -> Iterator[tuple[int, Outcome]]:
        """Outcomes of all jobs, with at most `depth` batches drawn or being drawn."""
        flying: deque[tuple[list[tuple[_Active, Rows]], Drawn]] = deque()
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
        """Let jobs in until a batch can be filled; what ends at the door is yielded."""
        room = self._batches.size - sum(one.open for one in self._active.values())
        while room > 0 and self._waiting is not None:
            item = next(self._waiting, None)
            if item is None:
                self._waiting = None
                return
            entered = _entered(item, self._voters)
            if isinstance(entered, Outcome):
                yield item[0], entered
            else:
                self._active[entered.place] = entered
                room -= entered.open

    def _fill(self) -> list[tuple[_Active, Rows]]:
        """Rows of the next batch, all of the shape of the job that waits longest."""
        rows: list[tuple[_Active, Rows]] = []
        shape, room = None, self._batches.size
        for one in self._active.values():
            if room == 0:
                break
            if one.open > 0 and (shape is None or one.shape == shape):
                shape = one.shape
                part = Rows(one.need.draws, one.reading, one.at, one.at + min(one.open, room))
                rows.append((one, part))
                room -= len(part)
        return rows


def _entered(item: Entry, voters: Voters) -> _Active | Outcome:
    if len(item) == 2:
        return item[1]
    place, reading, job = item
    try:
        need = next(job)
    except StopIteration as finished:
        return Outcome(finished.value)
    except Exception as error:
        return Outcome(None, error)
    return _Active(place, reading, job, need, need.start, np.zeros(voters.rules.num_classes, dtype=np.int64))
