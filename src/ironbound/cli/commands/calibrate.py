"""`ironbound calibrate`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ironbound.cli.friendly import friendly
from ironbound.cli.shared import Json, app, print_json
from ironbound.errors import InputError


class Scope(StrEnum):
    """Whose flag rate is bounded."""

    inputs = "inputs"
    population = "population"


@app.command()
@friendly
def calibrate(
    target: Annotated[
        str, typer.Argument(metavar="TASK|CONFIG.TOML", help="A filter of two classes, with benign inputs.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Filter file to write.")] = Path("filter.toml"),
    draws: Annotated[int, typer.Option(min=1, help="Noisy draws of benign inputs, in all.")] = 100_000,
    alpha: Annotated[
        float, typer.Option(help="Error probability of the threshold; certificates spend it beside theirs.")
    ] = 0.005,
    scope: Annotated[
        Scope,
        typer.Option(help="Bound the mean over these inputs, or over the population they are a sample of."),
    ] = Scope.inputs,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="The threshold wanted; refused if not supported.  [default: the bound]", show_default=False
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use the first LIMIT inputs only.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed; same seed, same counts.")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every input is benign, whatever its label says.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Find the threshold of a filter: the rate at which noisy draws of benign inputs are flagged, bounded.

    Use it with `[filter] file = "filter.toml"` in a configuration, then certify.
    """
    from ironbound.cli.drawing import preparing
    from ironbound.runs.calibration import calibrated, to_table, write_filter
    from ironbound.runs.plan import plan

    if out.exists():
        raise InputError(f"{out} exists; remove it, or give another --out")
    with preparing(Console(stderr=True), f"calibrating {target}") as progress:
        planned = plan(target, {"seed": seed}, limit=limit, progress=progress, filtered=False)
        found = calibrated(
            planned,
            draws=draws,
            alpha=alpha,
            scope=scope.value,
            threshold=threshold,
            every=every,
            callback=lambda drawn, total: progress("noisy draws of benign inputs", drawn / total),
        )
    write_filter(found, out)
    if as_json:
        print_json({"file": str(out), "ok": True, **to_table(found)})
        return 0
    whose = "these inputs" if found.scope == "inputs" else "the population they are a sample of"
    typer.echo(
        f"{found.flagged:,} of {found.draws:,} noisy draws of {found.inputs:,} benign inputs were flagged.\n"
        f"tau = {found.tau!r}: the mean flag rate over {whose} is at most {found.bound!r}, except with "
        f"probability {found.alpha!r}.\n"
        f'Written to {out}. To use it: [filter] file = "{out.name}" in a configuration, and an alpha above '
        f"{found.alpha!r}."
    )
    return 0
