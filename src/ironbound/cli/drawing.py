"""Progress on the terminal: what the library reports as events becomes a bar with rate and time left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column
from rich.text import Text

if TYPE_CHECKING:
    from ironbound.runs.runner import Event


class _Rate(ProgressColumn):
    """Inputs per second of this session, and the time left at that rate.

    Counted from the start of the session, not from the rows that earlier sessions left.
    """

    def render(self, task: Task) -> Text:
        done = task.completed - task.fields.get("before", 0)
        elapsed = task.elapsed or 0.0
        if done <= 0 or elapsed <= 0:
            return Text("-- inputs/s, -:--:-- left", style="dim")
        rate = done / elapsed
        left = round(((task.total or task.completed) - task.completed) / rate)
        clock = f"{left // 3600}:{left // 60 % 60:02d}:{left % 60:02d}"
        shown = f"{rate:.1f} inputs/s" if rate >= 1 else f"{1 / rate:.1f} s/input"
        return Text(f"{shown}, {clock} left")


@contextmanager
def certifying(console: Console, name: str) -> Iterator[Any]:
    """A callback for `runs.runner.run` that draws a bar."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        _Rate(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[failed]}", style="red", table_column=Column(no_wrap=True)),
    )
    failed = 0
    progress = Progress(*columns, console=console)
    task = progress.add_task(name, total=None, before=0, failed="")
    try:

        def draw(event: Event) -> None:
            nonlocal failed
            if event.kind == "note":
                progress.console.print(Text(f"{name}: {event.text}"))
            if event.kind == "start":  # not earlier: a run may be refused before it starts
                progress.start()
            if event.row is not None and event.row.status == "error":
                failed += 1
            shown = f"{failed} failed" if failed else ""
            done = event.done + event.part
            progress.update(task, total=event.total, completed=done, before=event.before, failed=shown)

        yield draw
    finally:
        progress.stop()


@contextmanager
def preparing(console: Console, text: str) -> Iterator[Any]:
    """A callback `(stage, fraction done)` for work before the first input, such as training."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(text, total=None)

        def draw(stage: str, fraction: float) -> None:
            progress.update(task, description=stage, completed=fraction, total=1.0)

        yield draw


@contextmanager
def counting(console: Console, text: str) -> Iterator[Any]:
    """A callback `(done, total)` that draws a bar."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(text, total=None)

        def draw(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield draw
