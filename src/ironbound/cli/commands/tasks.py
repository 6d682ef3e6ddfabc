"""`ironbound tasks`."""

from __future__ import annotations

import typer

from ironbound.cli.friendly import friendly
from ironbound.cli.shared import Json, app, print_json


@app.command()
@friendly
def tasks(as_json: Json = False) -> int:
    """List the built-in tasks."""
    from ironbound.data.tasks import task_description, task_names

    descriptions = {name: task_description(name) for name in task_names()}
    if as_json:
        print_json({"tasks": [{"name": n, "description": d} for n, d in descriptions.items()]})
        return 0
    width = max(map(len, descriptions))
    for name, description in descriptions.items():
        typer.echo(f"{name:<{width}}  {description}")
    return 0
