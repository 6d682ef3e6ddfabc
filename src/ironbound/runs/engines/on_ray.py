"""Certify on many cores or machines with Ray: inputs are dealt out to workers that hold the model once.

A worker loads the problem itself, from the task's name or the configuration, and must find the same model and
data. It writes nothing: rows come back to the process that asked, which alone writes the run folder. What a
worker that dies had in hand is certified again; certificates depend on the input and the seed alone, so they
are those of the local engine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ironbound.errors import IronboundError, RunError
from ironbound.runs.engines import rows
from ironbound.runs.engines.cluster import cluster
from ironbound.runs.engines.shards import TRIALS, Shards
from ironbound.runs.engines.told import Asked, Drawn, Halved, Told, Workers
from ironbound.runs.engines.worker import Worker
from ironbound.runs.folder import differences
from ironbound.runs.plan import Plan, Recipe
from ironbound.runs.store import Row

# Seconds between looks at the clock while workers are busy.
_LOOK_EVERY = 0.2


@dataclass(frozen=True)
class RayEngine:
    """Certify on a Ray cluster: the one of $RAY_ADDRESS, or one on this machine for the time of the run.

    Args:
        workers: number of worker processes; each core has one if left out.

    Example:
        >>> RayEngine(workers=2)
        RayEngine(workers=2)
    """

    workers: int | None = None

    def rows(
        self, plan: Plan, positions: Iterable[int], tell: Callable[[Told], None]
    ) -> Generator[Row, None, None]:
        """See `Engine.rows`.

        Raises:
            RunError: Ray is not installed or cannot start; a worker finds another problem than this process,
                or none can be started.
        """
        with cluster(self.workers) as (ray, workers, options):
            pool = _Pool(ray, plan, tell, options)
            try:
                yield from pool.rows(positions, workers)
            finally:
                pool.stop()


@dataclass(frozen=True)
class _Task:
    """What a worker is busy with: loading the problem (no shard), or certifying a shard."""

    worker: Any
    shard: list[int] | None
    started: float


class _Pool:
    """The workers, and what each of them is doing."""

    def __init__(
        self, ray: Any, plan: Plan, tell: Callable[[Told], None], options: Mapping[str, Any]
    ) -> None:
        self._ray, self._plan, self._tell = ray, plan, tell
        self._actor = ray.remote(Worker).options(**options, max_restarts=0)
        self._threads = int(options["num_cpus"])
        self._recipe = Recipe.of(plan)
        self._alive: list[Any] = []
        self._pids: dict[Any, int] = {}
        self._busy: dict[Any, _Task] = {}
        self._failures: dict[Any, Any] = {}
        self._lost_starts = 0
        errors = ray.exceptions
        self._death = (errors.RayActorError, errors.WorkerCrashedError, errors.OutOfMemoryError)

    def rows(self, positions: Iterable[int], workers: int) -> Generator[Row, None, None]:
        """Rows as shards come back."""
        shards, idle = Shards(positions), list[Any]()
        for _ in range(workers):
            self._start()
        while True:
            while idle and (shard := shards.next()):
                worker = idle.pop()
                self._busy[worker.certify.remote(shard)] = _Task(worker, shard, time.perf_counter())
            # Workers that are still loading are waited for only while there is something to do.
            if not any(task.shard for task in self._busy.values()) and (idle or not self._busy):
                return
            ready, _ = self._ray.wait(list(self._busy), num_returns=1, timeout=_LOOK_EVERY)
            self._tell(Drawn(0.0))
            for reference in ready:
                task = self._busy.pop(reference)
                try:
                    answer = self._ray.get(reference)
                except self._death:
                    yield from self._died(task, shards)
                    continue
                except self._ray.exceptions.RayTaskError as error:
                    raise _passed_on(error) from None
                idle.append(task.worker)
                if task.shard is None:
                    self._prepared(task.worker, *answer)
                    continue
                finished, halved, failures = answer
                shards.took(task.shard, time.perf_counter() - task.started)
                for size in halved:
                    self._tell(Halved(size))
                if failures is not None:
                    # Counted from a worker's start on; what a dead one had counted last stays.
                    self._failures[task.worker] = failures
                    self._tell(Asked(tuple(self._failures.values())))
                yield from finished

    def stop(self) -> None:
        """End every worker, whatever it is doing."""
        for worker in self._alive:
            with suppress(Exception):  # it may be gone, and the cluster with it
                self._ray.kill(worker)

    def _start(self) -> None:
        worker = self._actor.remote()
        self._alive.append(worker)
        loading = worker.prepare.remote(self._recipe, self._threads)
        self._busy[loading] = _Task(worker, None, time.perf_counter())

    def _prepared(self, worker: Any, pid: int, identity: Mapping[str, Any]) -> None:
        found = differences(self._plan.identity(), identity)
        if found:
            lines = "\n  ".join(
                line.replace("in the folder", "here").replace(" now", " there") for line in found
            )
            raise RunError(f"a worker finds another problem than this process. The difference:\n  {lines}")
        self._lost_starts = 0
        self._pids[worker] = pid
        self._tell(Workers(tuple(self._pids.values())))

    def _died(self, task: _Task, shards: Shards) -> Generator[Row, None, None]:
        """Start another worker; an input that has ended several of them becomes a row that says so."""
        self._alive.remove(task.worker)
        pid = self._pids.pop(task.worker, None)
        if task.shard is None:
            self._lost_starts += 1
            if self._lost_starts >= TRIALS:
                raise RunError(f"{TRIALS} workers in a row died while they loaded the model; see Ray's logs")
        given_up = None if task.shard is None else shards.lost(task.shard)
        name = "a worker" if pid is None else f"worker {pid}"
        what = "" if not task.shard else f"; its {len(task.shard)} input(s) are certified again"
        self._tell(Workers(tuple(self._pids.values()), f"{name} died{what}"))
        if given_up is not None:
            error = RunError("worker processes died while they certified this input, one after another")
            yield rows.failure(self._plan.problem.examples[given_up], given_up, error, 0.0)
        self._start()


def _passed_on(error: Any) -> Exception:
    """What a worker raised, as if it had been raised here."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, IronboundError):
        return type(cause)(f"in a worker: {cause}")
    return RunError(f"in a worker: {cause or error}")
