"""`ironbound report`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from ironbound.cli.friendly import friendly
from ironbound.cli.shared import Folder, Json, app, print_json


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
    """Print the table of a run and write its curves and its page again."""
    from ironbound.report.tables import terminal
    from ironbound.report.write import summary_record, write_report
    from ironbound.runs.export import export as write_export

    reading = write_report(folder)
    written = [write_export(reading.entries, folder, kind.value) for kind in export or ()]
    if as_json:
        print_json({"folder": str(folder), "exports": [str(p) for p in written], **summary_record(reading)})
        return 0
    Console().print(terminal(reading))
    for path in (folder / "report.html", folder / "curves.png", *written):
        typer.echo(f"wrote {path}")
    return 0
