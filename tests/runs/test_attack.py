"""Attacks on run folders: true certificates stand, an inflated one falls, and the exit code says so."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from little_runs import write_config
from typer.testing import CliRunner

from ironbound.certificate import Certificate
from ironbound.cli import app
from ironbound.cli.friendly import BAD_INPUT, PARTLY_FAILED
from ironbound.errors import RunError
from ironbound.runs.attack import ATTACK, attack_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = write_config(tmp_path / "mine")
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["certify", str(path), "--out", str(out)])
    assert done.exit_code == 0, done.stderr
    return out


def test_true_certificates_stand_and_budgets_beyond_fall(run: Path) -> None:
    found = attack_run(run, beyond=4.0, steps=4, draws=64, judge=1000)
    assert not found.broken
    inside = [one for one in found.attempts if one.covered]
    beyond = [one for one in found.attempts if not one.covered]
    assert len(inside) >= 6
    assert any(one.result.success for one in beyond)
    record = json.loads((run / ATTACK).read_text())
    assert record["ok"] is True
    assert record["certified"] == len(inside)
    assert all(attempt["typed"] == "estimated" for attempt in record["attempts"])


def test_an_inflated_certificate_is_found_out(run: Path) -> None:
    with sqlite3.connect(run / "results.sqlite") as connection:
        for position, text in connection.execute("SELECT position, certificate FROM results").fetchall():
            true = Certificate.from_json(text)
            claims = tuple(c if c.mu is None else replace(c, mu=4 * c.mu + 1) for c in true.claims)
            inflated = replace(true, claims=claims).to_json()
            connection.execute("UPDATE results SET certificate = ? WHERE position = ?", (inflated, position))
    connection.close()
    done = CliRunner().invoke(app, ["attack", str(run), "--steps", "4", "--draws", "64", "--judge", "1000"])
    assert done.exit_code == PARTLY_FAILED
    assert "broken: " in done.stdout
    assert json.loads((run / ATTACK).read_text())["broken"] > 0


def test_the_command_prints_a_table_and_a_json_object(run: Path) -> None:
    done = CliRunner().invoke(app, ["attack", str(run), "--limit", "2", "--steps", "2", "--draws", "32"])
    assert done.exit_code == 0
    assert "0 certificates broken" in done.stdout
    done = CliRunner().invoke(app, ["attack", str(run), "--limit", "2", "--steps", "2", "--json"])
    assert json.loads(done.stdout)["broken"] == 0


def test_what_is_no_run_or_another_one_is_refused(run: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["attack", str(tmp_path / "nothing")])
    assert done.exit_code == BAD_INPUT
    assert "Traceback" not in done.stderr
    with pytest.raises(ValueError, match="beyond"):
        attack_run(run, beyond=0.5)
    config = run / "config.toml"
    config.write_text(config.read_text().replace("sigma = 0.5", "sigma = 0.6"))
    with pytest.raises(RunError, match="not those of the run"):
        attack_run(run)
