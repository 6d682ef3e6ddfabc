"""`ironbound attack`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from ironbound.cli.friendly import PARTLY_FAILED, friendly
from ironbound.cli.shared import Folder, Json, app, print_json


@app.command()
@friendly
def attack(
    folder: Folder,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Attack this many inputs, counted from the first.")
    ] = None,
    beyond: Annotated[
        float, typer.Option(help="Also attack at this multiple of the largest radius; 0 to stay inside.")
    ] = 2.0,
    steps: Annotated[int, typer.Option(min=1, help="Gradient steps in a turn.")] = 10,
    draws: Annotated[int, typer.Option(min=8, help="Noised copies per step.")] = 256,
    judge: Annotated[int, typer.Option(min=100, help="Fresh draws that decide about success.")] = 2000,
    black_box: Annotated[
        bool, typer.Option("--black-box", help="Use votes alone, also where there are gradients.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the attack.")] = 0,
    as_json: Json = False,
) -> int:
    """Attack the inputs of a run, inside their certificates and beyond, and write the report again. A broken
    certificate is a failure."""
    from rich.table import Table

    from ironbound.cli.drawing import counting
    from ironbound.report.write import write_report
    from ironbound.runs.attack import attack_run
    from ironbound.runs.folder import ATTACK, REPORT

    with counting(Console(stderr=True), "attacking") as draw:
        found = attack_run(
            folder,
            limit=limit,
            beyond=beyond,
            callback=draw,
            steps=steps,
            draws=draws,
            judge=judge,
            white_box=not black_box,
            seed=seed,
        )
    write_report(folder)
    if as_json:
        print_json({name: value for name, value in found.record().items() if name != "attempts"})
    else:
        table = Table("budget", "changes", "inputs", "attacks", "kept", "unsettled", "changed")
        for row in found.table():
            names = ("budget", "changes", "inputs", "attacks", "kept", "unsettled", "changed")
            table.add_row(*(str(row[name]) for name in names))
        Console().print(table)
        inside = sum(one.covered for one in found.attempts)
        inputs = len({one.input_id for one in found.broken})
        typer.echo(f"{inside} attacks within certified budgets, {inputs} certificates broken")
        for one in found.broken:
            typer.echo(f"  broken: {one.input_id} with {one.result.used}")
        typer.echo(f"wrote {folder / ATTACK} and {folder / REPORT}")
    if found.broken:
        loud = f"{len(found.broken)} ATTACKS BROKE CERTIFICATES: do not rely on this run; see its report"
        typer.secho(loud, fg="red", bold=True, err=True)
    return PARTLY_FAILED if found.broken else 0
