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


@dataclass
class _Active:
    """A job under way: its current need, how far it is drawn, and the votes so far."""

    place: int
    reading: Reading
    job: Job
    need: Need
    at: int = 0
    votes: Counts = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @property
    def shape(self) -> tuple[Any, ...]:
        """Only draws of equal shape and kind can share a call of the base."""
        tensors = self.reading.tensors
        return tuple(
            (name, value.shape, value.dtype.str, str(tensors[name].device) if name in tensors else "")
            for name, value in self.reading.values.items()
        )


@dataclass(frozen=True)
class Outcome:
    """What became of one input: a certificate, or the error that the base (or the job) raised."""

    certificate: Certificate | None
    error: Exception | None = None


def alone(job: Job, reading: Reading, voters: Voters) -> Certificate:
    """Run one job on its own; errors of the base pass through."""
    try:
        need = next(job)
        while True:
            need = job.send(voters.count(reading, need.draws, need.start, need.stop, need.told))
    except StopIteration as finished:
        return finished.value


def together(
    jobs: Iterable[tuple[int, Reading, Job] | tuple[int, Outcome]],
    voters: Voters,
    *,
    halved: Callable[[int], None] = lambda size: None,
) -> Iterator[tuple[int, Outcome]]:
    """Run many jobs through shared batches; outcomes, with their places, as inputs are done.

    Memory does not grow with the number of draws or of inputs: one batch of noised copies is alive, and no
    more jobs than a batch has rows. When the base runs out of memory the batch is halved, `halved` is told
    the new size, and the same draws are asked for again. Any other error of the base is traced to its input
    by asking for each input's rows alone: that input ends with the error, the others go on.

    Args:
        jobs: place, reading and job of each input, or its outcome where there is nothing to do; asked for
            only when there is room.
        voters: the base classifier.
        halved: told of a smaller batch.
    """
    waiting = iter(jobs)
    active: deque[_Active] = deque()
    size: int | None = None
    exhausted = False
    while True:
        while not exhausted and (size is None or sum(a.need.stop - a.at for a in active) < size):
            item = next(waiting, None)
            if item is None:
                exhausted = True
                break
            if len(item) == 2:
                yield item
                continue
            place, reading, job = item
            size = size or voters.batch_of(reading)
            entered = _entered(place, reading, job, voters)
            if isinstance(entered, Outcome):
                yield place, entered
            else:
                active.append(entered)
        if not active:
            return
        assert size is not None
        rows = _fill(active, size)
        try:
            counted = _votes(rows, voters)
        except Exception as error:
            if _out_of_memory(error) and size > 1:
                size = max(1, size // 2)
                halved(size)
                continue
            counted = [error] if len(rows) == 1 else [_votes_of(one, stop, voters) for one, stop in rows]
        for (one, stop), votes in zip(rows, counted, strict=True):
            done = _received(one, stop, votes)
            if done is not None:
                active.remove(one)
                yield one.place, done


def _entered(place: int, reading: Reading, job: Job, voters: Voters) -> _Active | Outcome:
    try:
        need = next(job)
    except StopIteration as finished:
        return Outcome(finished.value)
    except Exception as error:
        return Outcome(None, error)
    return _Active(place, reading, job, need, need.start, np.zeros(voters.rules.num_classes, dtype=np.int64))


def _fill(active: deque[_Active], size: int) -> list[tuple[_Active, int]]:
    """Rows of the next batch: (job, up to which draw), all of the shape of the job that waits longest."""
    shape = active[0].shape
    rows: list[tuple[_Active, int]] = []
    room = size
    for one in active:
        if room == 0:
            break
        if one.shape == shape:
            stop = min(one.need.stop, one.at + room)
            rows.append((one, stop))
            room -= stop - one.at
    return rows


def _votes(rows: list[tuple[_Active, int]], voters: Voters) -> list[Counts | Exception]:
    parts = [one.need.draws.take(one.at, stop) for one, stop in rows]
    sizes = [stop - one.at for one, stop in rows]
    batch = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    labels = voters.ask(batch, rows[0][0].reading)
    return [voters.tally(part) for part in np.split(labels, np.cumsum(sizes)[:-1])]


def _votes_of(one: _Active, stop: int, voters: Voters) -> Counts | Exception:
    try:
        return voters.tally(voters.ask(one.need.draws.take(one.at, stop), one.reading))
    except Exception as error:
        return error


def _received(one: _Active, stop: int, votes: Counts | Exception) -> Outcome | None:
    """Hand a job the votes it waited for; an Outcome once it has ended."""
    if isinstance(votes, Exception):
        one.job.close()
        return Outcome(None, votes)
    one.votes = one.votes + votes
    one.at = stop
    one.need.told(stop)
    if stop < one.need.stop:
        return None
    try:
        one.need = one.job.send(one.votes)
    except StopIteration as finished:
        return Outcome(finished.value)
    except Exception as error:
        return Outcome(None, error)
    one.at, one.votes = one.need.start, np.zeros_like(one.votes)
    return None


def _out_of_memory(error: Exception) -> bool:
    # torch.OutOfMemoryError by name: the library does not import torch to find out that it ran out of it.
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
