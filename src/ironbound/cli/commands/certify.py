"""`ironbound certify`."""

from __future__ import annotations

import shlex
import time
from collections import deque
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ironbound.cli.amounts import amounts
from ironbound.cli.durations import seconds
from ironbound.cli.friendly import (
    BUDGET_SPENT,
    PARTLY_FAILED,
    STOPPED,
    friendly,
    say,
    termination_is_interrupt,
)
from ironbound.cli.shared import Json, app, command_line, print_json
from ironbound.errors import InputError

if TYPE_CHECKING:
    from ironbound.runs.engines import Engine
    from ironbound.runs.runner import Event


class Stop(StrEnum):
    """When to stop drawing noise for one input."""

    fixed = "fixed"
    target = "target"
    precision = "precision"


class Where(StrEnum):
    """Where inputs are certified."""

    local = "local"
    ray = "ray"


@app.command()
@friendly
def certify(
    target: Annotated[
        str, typer.Argument(metavar="TASK|CONFIG.TOML", help="A built-in task or your own configuration.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run folder.  [default: runs/NAME]", show_default=False)
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Certify the first LIMIT inputs only.")] = None,
    n: Annotated[int | None, typer.Option("--n", min=1, help="Noisy draws that estimate, per input.")] = None,
    n0: Annotated[
        int | None, typer.Option("--n0", min=1, help="Noisy draws that pick the class, per input.")
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(help="Error probability of everything that one certificate states.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed; same seed, same counts.")] = None,
    stop: Annotated[
        Stop | None, typer.Option(help="Draw a fixed number, or stop early: at a decision or a precision.")
    ] = None,
    decide: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            metavar="AMOUNTS",
            help="Stop once it is decided whether this attack, such as image=0.5,tokens=1, is covered; may "
            "be given several times.",
            show_default=False,
        ),
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option(help="Stop once no radius can grow by more than this share.", show_default=False),
    ] = None,
    shared_noise: Annotated[
        bool,
        typer.Option(
            "--shared-noise",
            help="One block of noise serves all inputs: faster; errors of different inputs are dependent.",
        ),
    ] = False,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Stop cleanly after this time, such as 90s, 30m or 2h.", show_default=False
        ),
    ] = None,
    engine: Annotated[
        Where, typer.Option(help="This process, or worker processes on a Ray cluster.")
    ] = Where.local,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Worker processes, with --engine ray.  [default: one a core]", show_default=False
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Certify the inputs of a task or of your own configuration.

    The same command again goes on where the last one stopped. Exit code 0 only if every input went well.
    """
    started = time.monotonic()
    deadline = None if budget is None else started + seconds(budget)
    if workers is not None and engine is not Where.ray:
        raise InputError("--workers belongs to --engine ray; the local engine is one process")
    from ironbound.cli.drawing import certifying, preparing
    from ironbound.report.tables import terminal
    from ironbound.report.write import summary_record, write_report
    from ironbound.runs.plan import plan
    from ironbound.runs.runner import run

    console = Console(stderr=True)
    overrides = {"n": n, "n0": n0, "alpha": alpha, "seed": seed, **_stopping(stop, decide, precision)}
    overrides["shared_noise"] = shared_noise or None  # not asked for here: as the file says
    with termination_is_interrupt():
        with preparing(console, f"preparing {target}") as progress:
            planned = plan(target, overrides, limit=limit, progress=progress)
        last: deque[Event] = deque(maxlen=1)
        folder = out if out is not None else Path("runs") / planned.problem.name
        try:
            with certifying(console, planned.problem.name) as draw:

                def hear(event: Event) -> None:
                    last.append(event)
                    draw(event)

                chosen = _ray(workers) if engine is Where.ray else None
                failed = run(planned, folder, hear, engine=chosen, deadline=deadline)
        except KeyboardInterrupt:
            say(f"stopped; finished inputs are kept in {folder}. To go on:\n  {command_line()}")
            return STOPPED
    spent = last[0].kind == "budget"
    reading = write_report(folder)
    if as_json:
        record = {"folder": str(folder), "ok": failed == 0 and not spent, "finished": not spent}
        print_json({**record, **summary_record(reading)})
    else:
        Console().print(terminal(reading))
        typer.echo(f"report: {folder / 'report.html'}   check: ironbound verify {shlex.quote(str(folder))}")
    if spent:
        say(f"The time is spent: {last[0].done} of {last[0].total} inputs are finished and kept in {folder}.")
        say(f"To go on:\n  {command_line()}")
    if failed:
        first = next(e.row for e in reading.entries if e.row.status == "error")
        say(f"{failed} input(s) failed, such as {first.input_id}: {first.reason}")
        say("Their rows say why; the same command tries them again.")
    if spent:
        return BUDGET_SPENT
    return PARTLY_FAILED if failed else 0


def _stopping(stop: Stop | None, decide: list[str] | None, precision: float | None) -> dict[str, object]:
    """The stopping rule, which its own options imply."""
    implied = Stop.target if decide else Stop.precision if precision is not None else stop
    if implied is not (stop or implied) or (decide and precision is not None):
        raise InputError(
            "--target belongs to --stop target, --precision to --stop precision; give one of them"
        )
    if implied is None:
        return {}
    target = tuple(amounts(text) for text in decide) if decide else None
    return {"stop": implied.value, "target": target, "precision": precision}


def _ray(workers: int | None) -> Engine:
    from ironbound.runs.engines.on_ray import RayEngine

    return RayEngine(workers)
