"""The command `ironbound`: its options of its own, and every command of `ironbound.cli.commands`."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated

import typer

from ironbound._version import __version__
from ironbound.cli import commands
from ironbound.cli.shared import app

# The order in which a newcomer meets them; commands that are not named here follow, by name.
_FIRST = ("tasks", "doctor", "certify", "verify", "report")


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if version:
        typer.echo(f"ironbound {__version__}")
        raise typer.Exit


def main() -> None:
    """Entry point of the command `ironbound`."""
    app()


def _place(name: str) -> tuple[int, str]:
    return (_FIRST.index(name) if name in _FIRST else len(_FIRST), name)


for _name in sorted((found.name for found in iter_modules(commands.__path__)), key=_place):
    import_module(f"{commands.__name__}.{_name}")
