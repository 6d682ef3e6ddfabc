"""What a worker process holds: the problem, loaded once, and how to certify a few of its inputs."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

from ironbound.runs.engines.local import LocalEngine
from ironbound.runs.engines.told import Halved, Told
from ironbound.runs.plan import Plan, Recipe
from ironbound.runs.store import Row


class Worker:
    """Certifies inputs of one problem in its own process. Nothing is loaded before `prepare`."""

    def __init__(self) -> None:
        self._plan: Plan | None = None
        self._halved: list[int] = []

    def prepare(self, recipe: Recipe, threads: int) -> tuple[int, Mapping[str, Any]]:
        """Load model and data, and use no more than `threads` threads; process id, identity of the problem.

        Raises:
            IronboundError: as for the process that made the recipe.
        """
        import torch

        torch.set_num_threads(threads)
        self._plan = recipe.repeat()
        return os.getpid(), self._plan.identity()

    def certify(self, positions: Sequence[int]) -> tuple[list[Row], list[int], Any]:
        """Rows of these inputs; the sizes to which batches had to be halved meanwhile; failed calls so far.

        The last is what a model behind an endpoint counts (`failures`), None for others.
        """
        assert self._plan is not None  # prepared first
        self._halved = []
        rows = list(LocalEngine().rows(self._plan, positions, self._told))
        if self._halved:
            model = {**self._plan.document.get("model", {}), "batch_size": self._halved[-1]}
            self._plan = dataclasses.replace(self._plan, document={**self._plan.document, "model": model})
        return rows, self._halved, getattr(self._plan.problem.base, "failures", None)

    def _told(self, what: Told) -> None:
        if isinstance(what, Halved):
            self._halved.append(what.size)
