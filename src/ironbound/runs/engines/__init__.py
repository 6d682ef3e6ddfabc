"""Engines: where the inputs of a run are certified. The one who asks is the only writer of the run folder."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Protocol

from ironbound.runs.engines.told import Asked, Drawn, Halved, Told, Workers
from ironbound.runs.plan import Plan
from ironbound.runs.store import Row

__all__ = ["Asked", "Drawn", "Engine", "Halved", "Told", "Workers"]


class Engine(Protocol):
    """Certifies inputs, somewhere."""

    def rows(
        self, plan: Plan, positions: Iterable[int], tell: Callable[[Told], None]
    ) -> Generator[Row, None, None]:
        """A row for each position, as inputs are done, in no fixed order.

        Positions are taken when there is room. What `tell` raises ends the iteration and is passed on, and
        so does closing the iterator; nothing is left running then.
        """
        ...
