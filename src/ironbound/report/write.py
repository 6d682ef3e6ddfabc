"""Write the report files of a run folder: summary.json, curves.png, curves.svg, report.html."""

from __future__ import annotations

import json
from pathlib import Path

from ironbound.errors import RunError
from ironbound.report.html import page
from ironbound.report.plots import curves
from ironbound.report.reading import Reading, read_run
from ironbound.runs.folder import REPORT, SUMMARY, write_bytes, write_text


def write_report(out: Path) -> Reading:
    """Read a run folder, write its report files, and return what was read.

    Raises:
        RunError: not a run folder, damaged, or not writable.
    """
    reading = read_run(out)
    try:
        write_text(out / SUMMARY, json.dumps(summary_record(reading), indent=2, allow_nan=False) + "\n")
        write_bytes(out / "curves.png", curves(reading, "png"))
        write_bytes(out / "curves.svg", curves(reading, "svg"))
        write_text(out / REPORT, page(reading))
    except OSError as error:
        raise RunError(f"{error.filename or out}: {error.strerror or error}") from None
    return reading


def summary_record(reading: Reading) -> dict[str, object]:
    """Content of `summary.json`: the run, its unit, its figures, attacks on it; finite values only."""
    return {
        "name": reading.name,
        "description": reading.about.get("description", ""),
        "radius_unit": reading.attacked.unit or None,
        "budget_of": [name for name, _ in reading.attacked.discrete],
        "notes": [note for session in reading.sessions for note in session.get("notes", ())],
        **reading.summary.record(),
        **({} if reading.attacks is None else {"attacks": reading.attacks.record()}),
    }
