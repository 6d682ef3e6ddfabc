"""`ironbound doctor`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ironbound.cli.friendly import PARTLY_FAILED, friendly
from ironbound.cli.shared import Json, app, print_json

_STYLE = {"error": "bold red", "warning": "yellow", "fine": "green"}


@app.command()
@friendly
def doctor(
    target: Annotated[
        str, typer.Argument(metavar="TASK|CONFIG.TOML", help="A built-in task or your own configuration.")
    ],
    limit: Annotated[int | None, typer.Option(min=1, help="As for certify: the first LIMIT inputs.")] = None,
    n: Annotated[int | None, typer.Option("--n", min=1, help="As for certify.")] = None,
    n0: Annotated[int | None, typer.Option("--n0", min=1, help="As for certify.")] = None,
    alpha: Annotated[float | None, typer.Option(help="As for certify.")] = None,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="How long the pilot that predicts time may take.")
    ] = 5.0,
    as_json: Json = False,
) -> int:
    """Examine a task or configuration before any work: what is wrong, what it can prove, what it will cost.

    Nothing is written. Exit code 0 only if nothing was found that would make the run fail.
    """
    from ironbound.cli.drawing import preparing
    from ironbound.runs.doctor import diagnose

    overrides = {"n": n, "n0": n0, "alpha": alpha}
    with preparing(Console(stderr=True), f"examining {target}") as progress:
        found = diagnose(target, overrides, limit=limit, seconds=seconds, progress=progress)
    if as_json:
        print_json({"target": target, **found.record()})
    else:
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for finding in found.findings:
            text = Text(finding.text)
            if finding.advice:
                text.append(f"\n-> {finding.advice}", style="dim")
            table.add_row(Text(finding.severity, style=_STYLE[finding.severity]), Text(finding.topic), text)
        Console().print(table)
        typer.echo("ready to run" if found.ok else "not ready: see the errors above")
    return 0 if found.ok else PARTLY_FAILED
