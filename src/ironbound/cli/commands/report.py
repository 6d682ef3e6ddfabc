"""`ironbound report`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ironbound.cli.friendly import PARTLY_FAILED, friendly
from ironbound.cli.shared import Folder, Json, app, print_json

if TYPE_CHECKING:
    from ironbound.report.reading import Reading


class Format(StrEnum):
    """Formats that results can be exported to."""

    jsonl = "jsonl"
    csv = "csv"
    parquet = "parquet"


@app.command()
@friendly
def report(
    folder: Folder,
    export: Annotated[
        list[Format] | None, typer.Option(help="Also export the rows; may be given several times.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Print the table of a run and write its curves and its page again. A broken certificate is a failure."""
    from ironbound.report.tables import terminal
    from ironbound.report.write import summary_record, write_report
    from ironbound.runs.export import export as write_export

    reading = write_report(folder)
    written = [write_export(reading.entries, folder, kind.value) for kind in export or ()]
    if as_json:
        print_json({"folder": str(folder), "exports": [str(p) for p in written], **summary_record(reading)})
        return _code(reading)
    Console().print(terminal(reading))
    for path in (folder / "report.html", folder / "curves.png", *written):
        typer.echo(f"wrote {path}")
    return _code(reading)


def _code(reading: Reading) -> int:
    """Certificates that an attack has broken are no success, whoever asks for the page."""
    return PARTLY_FAILED if reading.attacks is not None and reading.attacks.broken else 0
