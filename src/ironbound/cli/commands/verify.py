"""`ironbound verify`."""

from __future__ import annotations

import typer
from rich.console import Console

from ironbound.cli.friendly import PARTLY_FAILED, friendly
from ironbound.cli.shared import Folder, Json, app, print_json


@app.command()
@friendly
def verify(folder: Folder, as_json: Json = False) -> int:
    """Re-check every certificate of a run, without its model."""
    from ironbound.cli.drawing import counting
    from ironbound.runs.recheck import recheck

    with counting(Console(stderr=True), "verifying") as draw:
        found = recheck(folder, draw)
    if as_json:
        invalid = [{"input_id": name, "reason": reason} for name, reason in found.invalid]
        record = {"valid": found.valid, "invalid": len(invalid), "invalid_certificates": invalid}
        print_json({**record, "errors": found.errors, "missing": found.missing, "ok": found.ok})
    else:
        typer.echo(f"{found.valid} valid, {len(found.invalid)} invalid")
        for name, reason in found.invalid:
            typer.echo(f"  invalid: {name}: {reason}")
        if found.errors:
            typer.echo(f"{found.errors} input(s) failed during the run and have no certificate")
        if found.missing:
            typer.echo(f"{found.missing} input(s) that the run was asked for have no row")
        if not found.valid and not found.invalid and not found.errors:
            typer.echo("the run holds no certificate yet")
    return 0 if found.ok else PARTLY_FAILED
