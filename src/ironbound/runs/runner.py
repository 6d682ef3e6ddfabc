"""Certify the inputs of a plan; each is committed as soon as it is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any, Literal

from ironbound.errors import RunError
from ironbound.runs.engines import Asked, Drawn, Engine, Halved, Told, Workers
from ironbound.runs.engines.local import LocalEngine
from ironbound.runs.folder import claimed, versions
from ironbound.runs.plan import Plan
from ironbound.runs.store import Row, Store


@dataclass(frozen=True)
class Event:
    """Progress of a run, for whoever draws it.

    Attributes:
        kind: "start" once the folder is claimed, "draws" between inputs, "row" after each input, "note" when
            something happened that a person should know, "workers" when processes have started, "budget"
            when the time is spent, "end" when nothing is left to do.
        done: inputs that have a certificate or have failed in this session.
        total: inputs asked for.
        before: inputs that earlier sessions had finished.
        row: the input just finished, for "row".
        part: inputs' worth of draws made for inputs that are not done, for "draws".
        text: for "note", what happened.
        pids: for "workers", the ids of the processes.
    """

    kind: Literal["start", "draws", "row", "note", "workers", "budget", "end"]
    done: int
    total: int
    before: int
    row: Row | None = None
    part: float = 0.0
    text: str = ""
    pids: tuple[int, ...] = ()


class _Spent(Exception):
    """The time is spent: unwinds the engine from within a batch."""


def run(
    plan: Plan,
    out: Path,
    callback: Callable[[Event], None] | None = None,
    *,
    engine: Engine | None = None,
    deadline: float | None = None,
) -> int:
    """Certify what the folder does not hold yet; inputs that failed earlier are tried again.

    An input on which the model raises becomes a row of status "error" with the reason, and the run goes on.
    Whatever stops the process, every finished input stays, and the same call goes on from there with exactly
    the certificates that an undisturbed run gives. Many inputs are under way at once, so rows are committed
    in no fixed order; memory grows neither with their number nor with their draws.

    Args:
        plan: what to run.
        out: the run folder.
        callback: told of the start, of each input, and of the end.
        engine: where inputs are certified; this process if left out.
        deadline: on the clock of `time.monotonic`; no work is begun after it, inputs under way are given up
            and everything finished stays. `None` for no limit.
    Returns:
        Number of inputs in the folder that failed.
    Raises:
        RunError: the folder holds another run, or is damaged or in use; nothing is changed. The disk is full;
            what was finished before stays.
    """
    hear = callback or (lambda _: None)
    with claimed(out, plan.identity(), plan.about(), plan.written(out)) as store:
        finished = store.finished()
        before = sum(position < plan.total for position in finished)
        session = _Session(plan, store, hear, before, deadline)
        number = store.begin_session(versions())
        session.number = number
        outcome = "failed"
        try:
            missing = (i for i in range(plan.total) if i not in finished)
            outcome = session.work(engine or LocalEngine(), missing)
        except KeyboardInterrupt:
            outcome = "stopped"
            raise
        finally:
            # The disk may be full: the error that says so is under way already.
            with suppress(RunError):
                session.remark_failures()
                store.end_session(number, outcome)
        return store.failed()


@dataclass
class _Session:
    """One process's work on a run: rows into the store, and events to whoever listens."""

    plan: Plan
    store: Store
    hear: Callable[[Event], None]
    before: int
    deadline: float | None
    number: int = 0
    done: int = 0
    elsewhere: tuple[Any, ...] = ()

    def work(self, engine: Engine, missing: Iterator[int]) -> str:
        """Certify the missing positions; how the session ended."""
        self.done = self.before
        self._say("start")
        if self.done >= self.plan.total:
            self._say("end")
            return "finished"
        try:
            self._check_time()
            with closing(engine.rows(self.plan, missing, self._told)) as rows:
                for row in rows:
                    self.store.add(row)
                    self.done += 1
                    self._say("row", row=row)
                    self._check_time()
        except _Spent:
            if self.done < self.plan.total:
                self._say("budget")
                return "budget"
        self._say("end")
        return "finished"

    def _told(self, what: Told) -> None:
        match what:
            case Drawn():
                self._check_time()
                self._say("draws", part=what.part)
            case Halved():
                self._note(f"out of memory: batches now hold {what.size} draws")
            case Workers():
                if what.died:
                    self._note(what.died)
                self._say("workers", pids=what.pids)
            case Asked():
                self.elsewhere = what.failures

    def remark_failures(self) -> None:
        """What became of calls to an endpoint in this session, where the model is one."""
        found = (getattr(self.plan.problem.base, "failures", None), *self.elsewhere)
        asked: list[Any] = [failures for failures in found if getattr(failures, "asked", 0)]
        if asked:
            self._note(f"endpoint: {reduce(add, asked)}")

    def _note(self, text: str) -> None:
        self.store.note(self.number, text)
        self._say("note", text=text)

    def _check_time(self) -> None:
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise _Spent

    def _say(
        self,
        kind: Literal["start", "draws", "row", "note", "workers", "budget", "end"],
        *,
        row: Row | None = None,
        part: float = 0.0,
        text: str = "",
        pids: tuple[int, ...] = (),
    ) -> None:
        self.hear(Event(kind, self.done, self.plan.total, self.before, row, part, text, pids))
