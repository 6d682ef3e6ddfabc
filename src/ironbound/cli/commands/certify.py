"""`ironbound certify`."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ironbound.cli.friendly import PARTLY_FAILED, STOPPED, friendly, say, termination_is_interrupt
from ironbound.cli.shared import Json, app, command_line, print_json


class Stop(StrEnum):
    """When to stop drawing noise for one input."""

    fixed = "fixed"
    precision = "precision"


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
        Stop | None, typer.Option(help="Draw a fixed number, or stop early at a wanted precision.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Certify the inputs of a task or of your own configuration.

    The same command again goes on where the last one stopped. Exit code 0 only if every input went well.
    """
    from ironbound.cli.drawing import certifying, preparing
    from ironbound.report.tables import terminal
    from ironbound.report.write import summary_record, write_report
    from ironbound.runs.plan import plan
    from ironbound.runs.runner import run

    console = Console(stderr=True)
    overrides = {"n": n, "n0": n0, "alpha": alpha, "seed": seed, "stop": None if stop is None else stop.value}
    with termination_is_interrupt():
        with preparing(console, f"preparing {target}") as progress:
            planned = plan(target, overrides, limit=limit, progress=progress)
        folder = out if out is not None else Path("runs") / planned.problem.name
        try:
            with certifying(console, planned.problem.name) as draw:
                failed = run(planned, folder, draw)
        except KeyboardInterrupt:
            say(f"stopped; finished inputs are kept in {folder}. To go on:\n  {command_line()}")
            return STOPPED
    reading = write_report(folder)
    if as_json:
        print_json({"folder": str(folder), "ok": failed == 0, **summary_record(reading)})
    else:
        Console().print(terminal(reading))
        typer.echo(f"report: {folder / 'report.html'}   check: ironbound verify {shlex.quote(str(folder))}")
    if failed:
        first = next(e.row for e in reading.entries if e.row.status == "error")
        say(f"{failed} input(s) failed, such as {first.input_id}: {first.reason}")
        say("Their rows say why; the same command tries them again.")
        return PARTLY_FAILED
    return 0
