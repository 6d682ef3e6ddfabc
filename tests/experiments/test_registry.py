"""Every experiment file loads; a bad one is named; work that was done is not done again."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ironbound.cli import app
from ironbound.data.registry import data_folder
from ironbound.errors import ConfigError, InputError
from ironbound.experiments.context import Context
from ironbound.experiments.registry import experiment, names
from ironbound.experiments.result import Result, Table

GOOD = 'what = "w"\nrun = "fake_experiment:run"\n[settings]\nrows = 3\n[smoke]\nrows = 1\n'


@pytest.mark.parametrize("name", names())
def test_every_experiment_resolves(name: str) -> None:
    found = experiment(name)
    assert list(inspect.signature(found.function()).parameters) == ["context"]
    assert found.what
    assert found.minutes > 0


def test_an_unknown_experiment_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'adult-figure'"):
        experiment("adult-figur")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("what = ", r"x\.toml"),
        (GOOD.replace('what = "w"\n', ""), "missing keys what"),
        ("colour = 1\n" + GOOD, "unknown keys colour"),
        (GOOD + "raws = 1\n", "lacks: raws"),
    ],
)
def test_a_bad_file_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        experiment("x", tmp_path)


def test_a_function_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(GOOD)
    with pytest.raises(ConfigError, match="fake_experiment"):
        experiment("x", tmp_path).function()


def test_pieces_are_kept_until_settings_change(tmp_path: Path) -> None:
    calls: list[int] = []

    def make() -> list[int]:
        calls.append(1)
        return [len(calls)]

    first = Context("x", {"rows": 3}, {}, tmp_path)
    assert first.piece("a", make) == first.piece("a", make) == [1]
    assert Context("x", {"rows": 4}, {}, tmp_path).piece("a", make) == [2]
    assert Context("x", {"rows": 4}, {}, tmp_path, seed=1).piece("a", make) == [3]


def test_a_table_counts_its_cells() -> None:
    with pytest.raises(ValueError, match="2 cells for 1"):
        Table("t", ("a",), ((1, 2),))


def test_smoke_sizes_change_only_settings() -> None:
    found = experiment("adult-figure")
    assert found.settings["smoke"]["rows"] < found.settings["normal"]["rows"]
    assert found.settings["smoke"]["alpha"] == found.settings["normal"]["alpha"]


def test_the_command_lists_runs_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if data_folder("adult") is None:
        pytest.skip("adult is not in IRONBOUND_DATA")
    runner = CliRunner()
    listed = runner.invoke(app, ["reproduce"])
    assert "adult-figure" in listed.output
    command = ["reproduce", "adult-figure", "--size", "smoke", "--out", str(tmp_path), "--json"]
    first = runner.invoke(app, command)
    assert first.exit_code == 0, first.output
    kept = json.loads(first.stdout)
    pieces = {path: path.stat().st_mtime_ns for path in (tmp_path / "pieces").iterdir()}
    again = runner.invoke(app, command)
    assert json.loads(again.stdout)["tables"] == kept["tables"]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "pieces").iterdir()} == pieces
    assert (tmp_path / "adult.png").stat().st_size > 10_000


def test_a_refuting_result_fails_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuted(context: Context) -> Result:
        return Result((Table("t", ("a",), ((1,),)),), ok=False)

    monkeypatch.setattr("ironbound.experiments.hrs_adult.figure", refuted)
    done = CliRunner().invoke(app, ["reproduce", "adult-figure", "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert "refutes" in done.output


def test_bad_names_end_in_one_message() -> None:
    done = CliRunner().invoke(app, ["reproduce", "nothing-like-it"])
    assert done.exit_code == 2
    assert "experiment must be one of" in done.output
    assert "Traceback" not in done.output
