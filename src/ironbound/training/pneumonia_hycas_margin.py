"""Task pneumonia-hycas-margin: chest X-rays, HyCASNet, the "expected" classifier; see `tasks`."""

from __future__ import annotations

from pathlib import Path

from ironbound.data.problem import Problem
from ironbound.data.training import Progress
from ironbound.training import tasks
from ironbound.training.recipe import preset

NAME = "pneumonia-hycas-margin"


def load(*, cache: Path | str | None = None, progress: Progress | None = None) -> Problem:
    """The task; its network is trained on first use, in two to three minutes on one core."""
    return tasks.load(NAME, preset("pneumonia-hycas-small"), "expected", cache=cache, progress=progress)
