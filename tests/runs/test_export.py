"""Exports hold what the database holds, and no NaN."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from little_runs import classify, plan

from ironbound.certificate import Certificate
from ironbound.report.reading import read_run
from ironbound.runs.export import export
from ironbound.runs.runner import run


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four inputs, the third of which fails."""

    def base(batch: dict[str, np.ndarray]) -> np.ndarray:
        if batch["image"][:, 2].max() > 50:
            raise RuntimeError("no")
        return classify(batch)

    folder = tmp_path_factory.mktemp("run")
    broken = dataclasses.replace(plan(base=base), limit=4)
    broken.problem.examples[2].inputs["image"][2] = 100.0
    assert run(broken, folder) == 1
    return folder


def test_jsonl_holds_whole_certificates(out: Path) -> None:
    entries = read_run(out).entries
    lines = [json.loads(line) for line in export(entries, out, "jsonl").read_text().splitlines()]
    assert [line["status"] for line in lines] == ["predicted", "predicted", "error", "predicted"]
    assert lines[2]["certificate"] is None
    for line, entry in zip(lines, entries, strict=True):
        if line["certificate"] is not None:
            certificate = Certificate.from_json(json.dumps(line["certificate"]))
            certificate.verify()
            assert (certificate.input_id, certificate.frontier) == (entry.row.input_id, entry.frontier)


def test_csv_and_parquet_agree(out: Path) -> None:
    import pyarrow.parquet as pq

    entries = read_run(out).entries
    with export(entries, out, "csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    table = pq.read_table(export(entries, out, "parquet")).to_pylist()
    assert len(rows) == len(table) == 4
    for text, values in zip(rows, table, strict=True):
        assert {k: "" if v is None else str(v) for k, v in values.items()} == text
    assert rows[2]["reason"] == "RuntimeError: no"
    assert [rows[i]["certified_d0"] for i in range(4)] == ["True", "True", "False", "True"]
    frontier = entries[0].frontier
    assert [table[0][f"radius_d{d}"] for d in (0, 1, 2)] == [frontier[d] for d in (0, 1, 2)]


def test_an_empty_run_can_be_exported(out: Path, tmp_path: Path) -> None:
    for kind in ("jsonl", "csv", "parquet"):
        assert export((), tmp_path, kind).exists()
