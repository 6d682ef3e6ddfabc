"""What an engine tells while it works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Drawn:
    """Work went on: `part` inputs' worth of noise is drawn for inputs that are not done yet."""

    part: float


@dataclass(frozen=True)
class Halved:
    """The model ran out of memory; batches now hold `size` draws."""

    size: int


@dataclass(frozen=True)
class Workers:
    """Processes that work now (their ids), and what happened if one of them has died."""

    pids: tuple[int, ...]
    died: str = ""


@dataclass(frozen=True)
class Asked:
    """What became of all calls to an endpoint so far in other processes: for each, what its model counts."""

    failures: tuple[Any, ...]


Told = Drawn | Halved | Workers | Asked
