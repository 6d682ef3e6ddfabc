"""`ironbound train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ironbound.cli.friendly import STOPPED, friendly, say, termination_is_interrupt
from ironbound.cli.shared import Json, app, command_line, print_json


@app.command()
@friendly
def train(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="PRESET|TRAIN.TOML", help="A recipe; left out: list the presets.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of the training.  [default: runs/train/NAME]", show_default=False
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps of the optimiser.", show_default=False)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of everything random.", show_default=False)
    ] = None,
    device: Annotated[str, typer.Option(help="A torch device, such as cpu or cuda.")] = "cpu",
    as_json: Json = False,
) -> int:
    """Train a network that can be certified, from a preset or a file of its own.

    The same command again goes on from the last checkpoint.
    """
    from ironbound.training.recipe import PRESETS, read_recipe

    if target is None:
        if as_json:
            print_json({"presets": {name: recipe.record() for name, recipe in PRESETS.items()}})
            return 0
        for name, one in PRESETS.items():
            typer.echo(f"{name:<30} {one.network}, sigma {one.sigma:g}, {one.steps} steps of {one.batch}")
        return 0
    recipe = read_recipe(target)
    recipe = recipe.changed(**{k: v for k, v in {"steps": steps, "seed": seed}.items() if v is not None})
    from ironbound.cli.drawing import preparing
    from ironbound.errors import InputError

    folder = out if out is not None else Path("runs") / "train" / recipe.name
    import torch

    from ironbound.training.data import pictures
    from ironbound.training.log import Log
    from ironbound.training.loop import METRICS, WEIGHTS
    from ironbound.training.loop import train as run

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device must be one that torch can use here; got {device!r}: {error}") from None
    with termination_is_interrupt():
        try:
            with preparing(Console(stderr=True), f"training {recipe.name}") as progress:
                run(recipe, pictures(recipe), folder, device=device, progress=progress)
        except KeyboardInterrupt:
            say(f"stopped; the last checkpoint is kept in {folder}. To go on:\n  {command_line()}")
            return STOPPED
    last = Log(folder / METRICS, recipe.steps).lines[-1]
    if as_json:
        print_json({"folder": str(folder), "weights": str(folder / WEIGHTS), **last})
    else:
        typer.echo(f"held-out accuracy under noise: {last['validation']:.1f} %, loss {last['loss']:.4f}")
        typer.echo(f"wrote {folder / WEIGHTS}, metrics.jsonl and curve.png")
    return 0
