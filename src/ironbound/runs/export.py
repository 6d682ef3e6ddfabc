"""Export the rows of a run: JSONL (everything), CSV and Parquet (one column per budget)."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from ironbound.errors import RunError
from ironbound.runs.folder import RESULTS, write_bytes, write_text
from ironbound.runs.metrics import Budget, Entry, bounded
from ironbound.runs.store import Store

Format = Literal["jsonl", "csv", "parquet"]


def export(entries: Sequence[Entry], out: Path, kind: Format) -> Path:
    """Write `out/results.jsonl`, `.csv` or `.parquet`, and return its path.

    JSONL lines hold the row and the whole certificate. In tables `certified_d<budget>` says whether there is
    a claim for that budget and `radius_d<budget>` its radius, empty where there is no claim.

    Raises:
        RunError: Parquet without pyarrow.
    """
    path = out / f"results.{kind}"
    if kind == "jsonl":
        building = path.with_name(f".{path.name}.new")
        with building.open("w", encoding="utf-8") as stream:
            for line in _lines(entries, out):
                stream.write(json.dumps(line, allow_nan=False) + "\n")
        os.replace(building, path)
        return path
    budgets = sorted(
        {d for e in entries for d in e.frontier}, key=lambda d: d if isinstance(d, tuple) else (d,)
    )
    records = [_flat(entry, budgets) for entry in entries]
    if kind == "csv":
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, fieldnames=list(records[0]) if records else ["position"])
        writer.writeheader()
        writer.writerows(records)
        write_text(path, text.getvalue())
    else:
        write_bytes(path, _parquet(records))
    return path


def _lines(entries: Sequence[Entry], out: Path) -> Iterator[dict[str, Any]]:
    """Rows with their whole certificates, read from the folder one after another."""
    if not entries:
        return
    with Store.open(out / RESULTS) as store:
        for entry in entries:
            row = store.row(entry.row.position) if entry.readable else None
            text = None if row is None else row.certificate
            yield {**_plain(entry), "certificate": None if text is None else json.loads(text)}


def _plain(entry: Entry) -> dict[str, Any]:
    row = entry.row
    return {
        "position": row.position,
        "input_id": row.input_id,
        "status": row.status,
        "label": row.label,
        "prediction": row.prediction,
        "base_prediction": row.base_prediction,
        "samples": row.samples,
        "stop_reason": row.stop_reason,
        "seconds": row.seconds,
        "reason": row.reason,
        "input_text": row.input_text,
    }


def _flat(entry: Entry, budgets: Sequence[Budget]) -> dict[str, Any]:
    record = _plain(entry)
    for d in budgets:
        name = "_".join(map(str, d)) if isinstance(d, tuple) else str(d)
        radius = entry.frontier.get(d)
        record[f"certified_d{name}"] = radius is not None
        record[f"radius_d{name}"] = radius if radius is not None and bounded(radius) else None
    return record


def _parquet(records: Sequence[dict[str, Any]]) -> bytes:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise RunError("Parquet export needs pyarrow: pip install 'ironbound[tables]'") from None
    integers = ("position", "label", "prediction", "base_prediction", "samples")
    types = {name: pa.int64() for name in integers}
    types |= {name: pa.string() for name in ("input_id", "status", "stop_reason", "reason", "input_text")}
    fields = [
        (name, types.get(name, pa.bool_() if name.startswith("certified_") else pa.float64()))
        for name in (records[0] if records else {"position": None})
    ]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(records), schema=pa.schema(fields)), buffer)
    return buffer.getvalue()
