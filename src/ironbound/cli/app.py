"""`ironbound tasks | certify | verify | report`.

Modules that load torch or NumPy are imported inside the commands that need them.
"""

from __future__ import annotations

import json
import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ironbound._version import __version__
from ironbound.cli.friendly import PARTLY_FAILED, STOPPED, friendly, say, termination_is_interrupt

app = typer.Typer(
    name="ironbound",
    help="Certified robustness for classifiers on images, text, tables, and several of these at once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, for machines.")]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A run folder.", show_default=False)]


class Stop(StrEnum):
    """When to stop drawing noise for one input."""

    fixed = "fixed"
    precision = "precision"


class Format(StrEnum):
    """Formats that results can be exported to."""

    jsonl = "jsonl"
    csv = "csv"
    parquet = "parquet"


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if version:
        typer.echo(f"ironbound {__version__}")
        raise typer.Exit


@app.command()
@friendly
def tasks(as_json: Json = False) -> int:
    """List the built-in tasks."""
    from ironbound.data.tasks import task_description, task_names

    descriptions = {name: task_description(name) for name in task_names()}
    if as_json:
        _print_json({"tasks": [{"name": n, "description": d} for n, d in descriptions.items()]})
        return 0
    width = max(map(len, descriptions))
    for name, description in descriptions.items():
        typer.echo(f"{name:<{width}}  {description}")
    return 0


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
            say(f"stopped; finished inputs are kept in {folder}. To go on:\n  {_command()}")
            return STOPPED
    reading = write_report(folder)
    if as_json:
        _print_json({"folder": str(folder), "ok": failed == 0, **summary_record(reading)})
    else:
        Console().print(terminal(reading))
        typer.echo(f"report: {folder / 'report.html'}   check: ironbound verify {shlex.quote(str(folder))}")
    if failed:
        first = next(e.row for e in reading.entries if e.row.status == "error")
        say(f"{failed} input(s) failed, such as {first.input_id}: {first.reason}")
        say("Their rows say why; the same command tries them again.")
        return PARTLY_FAILED
    return 0


@app.command()
@friendly
def verify(folder: Folder, as_json: Json = False) -> int:
    """Re-check every certificate of a run, without its model."""
    from ironbound.cli.drawing import counting
    from ironbound.runs.recheck import recheck

    with counting(Console(stderr=True), "verifying") as draw:
        found = recheck(folder, draw)
    if as_json:
        invalid = [{"input_id": name, "reason": reason} for name, reason in found.invalid]
        record = {"valid": found.valid, "invalid": len(invalid), "invalid_certificates": invalid}
        _print_json({**record, "errors": found.errors, "ok": found.ok})
    else:
        typer.echo(f"{found.valid} valid, {len(found.invalid)} invalid")
        for name, reason in found.invalid:
            typer.echo(f"  invalid: {name}: {reason}")
        if found.errors:
            typer.echo(f"{found.errors} input(s) failed during the run and have no certificate")
        if not found.valid and not found.invalid and not found.errors:
            typer.echo("the run holds no certificate yet")
    return 0 if found.ok else PARTLY_FAILED


@app.command()
@friendly
def report(
    folder: Folder,
    export: Annotated[
        list[Format] | None, typer.Option(help="Also export the rows; may be given several times.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Print the table of a run and write its curves and its page again."""
    from ironbound.report.tables import terminal
    from ironbound.report.write import summary_record, write_report
    from ironbound.runs.export import export as write_export

    reading = write_report(folder)
    written = [write_export(reading.entries, folder, kind.value) for kind in export or ()]
    if as_json:
        _print_json({"folder": str(folder), "exports": [str(p) for p in written], **summary_record(reading)})
        return 0
    Console().print(terminal(reading))
    for path in (folder / "report.html", folder / "curves.png", *written):
        typer.echo(f"wrote {path}")
    return 0


def main() -> None:
    """Entry point of the command `ironbound`."""
    app()


def _command() -> str:
    """The command line as it was typed, to be repeated."""
    return shlex.join(["ironbound", *sys.argv[1:]])


def _print_json(record: dict[str, Any]) -> None:
    typer.echo(json.dumps(record, indent=2, allow_nan=False))
