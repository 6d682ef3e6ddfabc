"""`ironbound reproduce`."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from ironbound.cli.friendly import PARTLY_FAILED, friendly
from ironbound.cli.shared import Json, app, print_json


class Size(StrEnum):
    """How much of an experiment is run."""

    normal = "normal"
    smoke = "smoke"


@app.command()
@friendly
def reproduce(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="An experiment; left out: list them.", show_default=False),
    ] = None,
    size: Annotated[
        Size, typer.Option(help="smoke: a few inputs, to see that it runs; its figures mean nothing.")
    ] = Size.normal,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of results.  [default: runs/reproduce/NAME]", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    as_json: Json = False,
) -> int:
    """Repeat a published table or figure, the published figures beside ours.

    The same command again goes on where the last one stopped.
    """
    from ironbound.experiments.registry import experiment, names

    if name is None:
        found = [experiment(one) for one in names()]
        if as_json:
            print_json({"experiments": [{"name": e.name, "paper": e.paper, "what": e.what} for e in found]})
            return 0
        width = max(len(e.name) for e in found)
        for one in found:
            paper = one.paper or "own"
            typer.echo(f"{one.name:<{width}}  {paper:<6} {one.what}  (about {one.minutes:g} min)")
        return 0
    chosen = experiment(name)
    from ironbound.cli.drawing import preparing
    from ironbound.experiments.context import Context

    suffix = "" if size is Size.normal else f"-{size.value}"
    folder = out if out is not None else Path("runs") / "reproduce" / f"{name}{suffix}"
    folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with preparing(Console(stderr=True), name) as progress:
        settings = chosen.settings[size.value]
        result = chosen.function()(Context(name, settings, chosen.published, folder, seed, progress))
    seconds = time.perf_counter() - started
    result.write(folder, f"{chosen.name}: {chosen.what}", _ran(name, size, seed))
    if as_json:
        print_json({"name": name, "folder": str(folder), "seconds": round(seconds, 1), **result.record()})
    else:
        Console().print(Markdown(result.markdown()))
        typer.echo(f"wrote {folder / 'result.md'} and result.json ({seconds:.0f} s)")
        if not result.ok:
            typer.echo("this result refutes something that must hold; see above", err=True)
    return 0 if result.ok else PARTLY_FAILED


def _ran(name: str, size: Size, seed: int) -> str:
    """What ran, and with which versions: the last line of a result."""
    import os
    import platform
    from datetime import date

    from ironbound.runs.folder import versions

    command = f"ironbound reproduce {name}"
    command += f" --size {size.value}" if size is not Size.normal else ""
    command += f" --seed {seed}" if seed else ""
    known = ", ".join(f"{key} {value}" for key, value in versions().items())
    return f"`{command}`, {date.today()}, {os.cpu_count()} cores ({platform.machine()}); {known}."
