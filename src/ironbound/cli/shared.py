"""The application object, and what several commands share."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="ironbound",
    help="Certified robustness for classifiers on images, text, tables, and several of these at once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, for machines.")]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A run folder.", show_default=False)]


def command_line() -> str:
    """The command line as it was typed, to be repeated."""
    return shlex.join(["ironbound", *sys.argv[1:]])


def print_json(record: dict[str, Any]) -> None:
    """One JSON object on stdout."""
    typer.echo(json.dumps(record, indent=2, allow_nan=False))
