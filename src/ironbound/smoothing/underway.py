"""One input under way: a job that asks for draws and is sent their votes, and how far it has come."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Outcome:
    """What became of one input: a certificate, or the error that the base (or the job) raised."""

    certificate: Certificate | None
    error: Exception | None = None


Entry = tuple[int, Reading, Job] | tuple[int, Outcome]


@dataclass(eq=False)
class Active:
    """A job under way: its current need, how far its draws are in batches, and the votes so far."""

    place: int
    reading: Reading
    job: Job
    need: Need
    at: int
    votes: Counts
    over: bool = False
    kind: int = 0

    @property
    def shape(self) -> tuple[Any, ...]:
        """Only draws of equal shape and kind can share a call of the base."""
        tensors = self.reading.tensors
        return tuple(
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


def entered(item: Entry, voters: Voters) -> Active | Outcome:
    """A job at its first need; or its outcome, where it ends or fails before it asks for anything."""
    if len(item) == 2:
        return item[1]
    place, reading, job = item
    try:
        need = next(job)
    except StopIteration as finished:
        return Outcome(finished.value)
    except Exception as error:
        return Outcome(None, error)
    return Active(place, reading, job, need, need.start, np.zeros(voters.rules.num_classes, dtype=np.int64))
