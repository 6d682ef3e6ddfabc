"""The command line in this process: output, exit codes, and one clear message for each kind of bad input."""

from __future__ import annotations

import json
import sqlite3
import tomllib
from pathlib import Path

import pytest
from little_runs import CONFIG, write_config
from typer.testing import CliRunner, Result

from ironbound.cli import app
from ironbound.cli.friendly import BAD_INPUT, BUG, PARTLY_FAILED, STOPPED, TRACEBACK

BREAKS = "if batch['image'][:, 1].max() > 50: {how}"


def ironbound(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def refused(result: Result, *parts: str) -> None:
    """One message, no trace, the exit code of bad input."""
    assert result.exit_code == BAD_INPUT, result.output
    assert result.stderr.count("error: ") == 1
    assert "Traceback" not in result.output
    for part in parts:
        assert part in result.stderr


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A configuration and the folder of its finished run."""
    folder = tmp_path_factory.mktemp("done")
    path = write_config(folder / "mine")
    result = ironbound("certify", path, "--out", folder / "out")
    assert result.exit_code == 0, result.output
    return path, folder / "out"


def test_certify_prints_the_table_and_where_the_report_is(done: tuple[Path, Path], tmp_path: Path) -> None:
    path, _ = done
    result = ironbound("certify", path, "--out", tmp_path / "out", "--limit", 2)
    assert result.exit_code == 0
    assert "clean accuracy" in result.stdout
    assert "2 of 2" in result.stdout
    assert str(tmp_path / "out" / "report.html") in result.stdout
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names >= {
        "config.toml",
        "results.sqlite",
        "summary.json",
        "report.html",
        "curves.png",
        "curves.svg",
    }


def test_the_default_folder_is_named_after_the_problem(
    done: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ironbound("certify", done[0], "--limit", 1).exit_code == 0
    assert (tmp_path / "runs" / "little" / "report.html").exists()


def test_json_is_one_object_on_stdout(done: tuple[Path, Path]) -> None:
    path, out = done
    record = json.loads(ironbound("certify", path, "--out", out, "--json").stdout)
    assert (record["ok"], record["done"], record["errors"], record["folder"]) == (True, 6, 0, str(out))
    record = json.loads(ironbound("verify", out, "--json").stdout)
    none: dict[str, object] = {"invalid": 0, "invalid_certificates": [], "errors": 0, "missing": 0}
    assert record == {"valid": 6, **none, "ok": True}
    record = json.loads(ironbound("report", out, "--json", "--export", "csv").stdout)
    assert record["exports"] == [str(out / "results.csv")]
    record = json.loads(ironbound("tasks", "--json").stdout)
    assert {task["name"] for task in record["tasks"]} >= {"digits-claims", "adult", "digits"}


def test_tasks_are_listed() -> None:
    assert "digits-claims" in ironbound("tasks").stdout


def test_verify_counts_valid_certificates(done: tuple[Path, Path]) -> None:
    result = ironbound("verify", done[1])
    assert result.exit_code == 0
    assert "6 valid, 0 invalid" in result.stdout


def test_verify_names_what_is_invalid_and_why(done: tuple[Path, Path], tmp_path: Path) -> None:
    ironbound("certify", done[0], "--out", tmp_path, "--limit", 3)
    with sqlite3.connect(tmp_path / "results.sqlite") as connection:
        connection.execute(
            "UPDATE results SET certificate = replace(certificate, '0.5', '0.6') WHERE position = 1"
        )
    connection.close()
    result = ironbound("verify", tmp_path)
    assert result.exit_code == PARTLY_FAILED
    assert "2 valid, 1 invalid" in result.stdout
    assert "invalid: 1: " in result.stdout


def test_report_writes_the_files_again(done: tuple[Path, Path]) -> None:
    out = done[1]
    (out / "report.html").unlink()
    result = ironbound("report", out, "--export", "jsonl", "--export", "parquet")
    assert result.exit_code == 0
    assert (out / "report.html").exists()
    assert (out / "results.jsonl").exists()
    assert (out / "results.parquet").exists()


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ('raise RuntimeError("cannot read this one")', "RuntimeError: cannot read this one"),
        ("raise SystemExit(0)", "RuntimeError: the base called sys.exit(0)"),
    ],
)
def test_an_input_that_fails_is_told_and_shows_in_the_exit_code(how: str, told: str, tmp_path: Path) -> None:
    import numpy as np
    from little_runs import arrays

    path = write_config(tmp_path / "mine", before=BREAKS.format(how=how))
    data = arrays()
    data["image"][3, 1] = 100
    np.savez(tmp_path / "mine" / "data.npz", **data)  # pyright: ignore[reportArgumentType]
    result = ironbound("certify", path, "--out", tmp_path / "out")
    assert result.exit_code == PARTLY_FAILED
    assert f"1 input(s) failed, such as 3: {told}" in result.stderr
    assert "5 of 6, 1 failed" in result.stdout
    again = ironbound("verify", tmp_path / "out")
    assert "5 valid, 0 invalid" in again.stdout
    assert "1 input(s) failed" in again.stdout


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Interrupted in the third input or so, as long as the file is there.
    stop = tmp_path / "stop"
    stop.write_text("")
    before = (
        "load.calls = getattr(load, 'calls', 0) + 1\n"
        f"        if load.calls > 4 and __import__('os').path.exists({str(stop)!r}): raise KeyboardInterrupt"
    )
    path = write_config(tmp_path / "mine", before=before)
    monkeypatch.setattr("sys.argv", ["ironbound", "certify", str(path), "--out", "my runs/a"])
    monkeypatch.chdir(tmp_path)
    result = ironbound("certify", path, "--out", "my runs/a")
    assert result.exit_code == STOPPED
    assert "To go on:\n  ironbound certify " in result.stderr
    assert "--out 'my runs/a'" in result.stderr
    stop.unlink()
    result = ironbound("certify", path, "--out", "my runs/a")
    assert result.exit_code == 0
    assert "6 of 6" in result.stdout


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("sigma = 0.5", "sigmaa = 0.5", 'channels.image.sigmaa: unknown key "sigmaa" in [channels.image]'),
        ("sigma = 0.5", "sigmaa = 0.5", 'did you mean "sigma"?'),
        ("n = 300", "n = 4", "n = 7 would do"),
        ("max_d = 2", "max_d = 20", "max_d"),
        ('loader = "model:load"', 'loader = "nowhere:load"', "model.loader: no module 'nowhere'"),
        ('path = "data.npz"', 'path = "nowhere.npz"', "nowhere.npz: cannot be read"),
        ("[model]", "[model", "not valid TOML"),
    ],
)
def test_a_bad_configuration_is_one_message(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write_config(tmp_path / "mine", config=CONFIG.replace(old, new, 1))
    refused(ironbound("certify", path, "--out", tmp_path / "out"), message)
    assert not (tmp_path / "out").exists()


def test_bad_options_are_refused(done: tuple[Path, Path], tmp_path: Path) -> None:
    for option, value in (("--n", 0), ("--n", "many"), ("--limit", 0), ("--seed", -1), ("--stop", "soon")):
        result = ironbound("certify", done[0], "--out", tmp_path / "out", option, value)
        assert result.exit_code == BAD_INPUT
        assert option in result.stderr
    refused(ironbound("certify", done[0], "--out", tmp_path / "out", "--alpha", 1.5), "--alpha: ", "1.5")
    refused(ironbound("certify", done[0], "--out", tmp_path / "out", "--alpha", "nan"), "--alpha: ")
    assert not (tmp_path / "out").exists()


def test_an_unknown_task_or_file_is_refused(tmp_path: Path) -> None:
    refused(ironbound("certify", "digit-claims"), 'did you mean "digits-claims"?')
    refused(ironbound("certify", tmp_path / "no.toml"), "no.toml: cannot be read")


def test_a_folder_of_another_run_is_refused_with_the_difference(done: tuple[Path, Path]) -> None:
    path, out = done
    result = ironbound("certify", path, "--out", out, "--n", 400, "--seed", 3)
    refused(result, "holds another run", "statistics.n: 300 in the folder, 400 now", "statistics.seed: 0")
    assert "6 valid" in ironbound("verify", out).stdout


@pytest.mark.parametrize("command", ["verify", "report"])
def test_a_folder_without_a_run_is_refused(tmp_path: Path, command: str) -> None:
    refused(ironbound(command, tmp_path), "is not a run folder")
    refused(ironbound(command, tmp_path / "nowhere"), "is not a run folder")


@pytest.mark.parametrize("command", ["certify", "verify", "report"])
def test_a_truncated_database_is_one_message_and_stays(
    done: tuple[Path, Path], tmp_path: Path, command: str
) -> None:
    ironbound("certify", done[0], "--out", tmp_path / "out", "--limit", 2)
    database = tmp_path / "out" / "results.sqlite"
    cut = database.read_bytes()[:6000]
    database.write_bytes(cut)
    arguments = [done[0], "--out", tmp_path / "out"] if command == "certify" else [tmp_path / "out"]
    refused(ironbound(command, *arguments), "is damaged", "Nothing was deleted")
    assert database.read_bytes() == cut


def test_an_unwritable_place_is_one_message(done: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused(ironbound("certify", done[0], "--out", tmp_path / "file" / "out"), "file")
    refused(ironbound("certify", done[0], "--out", tmp_path / "file"), "is a file")


def test_a_bug_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object, **__: object) -> None:
        raise AttributeError("oops")

    monkeypatch.setattr("ironbound.runs.recheck.recheck", broken)
    result = ironbound("verify", tmp_path)
    assert result.exit_code == BUG
    assert "This is a bug in ironbound" in result.stderr
    monkeypatch.setenv(TRACEBACK, "1")
    assert isinstance(ironbound("verify", tmp_path).exception, AttributeError)


def test_whatever_calls_exit_is_no_success(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def ends(*_: object, **__: object) -> None:
        raise SystemExit(0)

    path = write_config(tmp_path / "mine")
    (tmp_path / "mine" / "model.py").write_text("raise SystemExit(0)")
    result = ironbound("certify", path, "--out", tmp_path / "out")
    refused(result, "model.loader: importing model failed: SystemExit: 0")
    monkeypatch.setattr("ironbound.runs.recheck.recheck", ends)
    result = ironbound("verify", tmp_path)
    assert result.exit_code == PARTLY_FAILED
    assert "sys.exit(0) was called" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--budget", "soon"), "--budget must be a duration such as 90s, 30m, 2h or 1h30m; got 'soon'"),
        (("--budget", "0s"), "--budget must be a duration"),
        (("--workers", "2"), "--workers belongs to --engine ray"),
        (("--target", "image"), "--target must be such as image=0.5,tokens=1"),
        (("--target", "image=0.1,image=0.2"), "each channel once"),
        (("--target", "image=nan"), "amounts >= 0"),
        (("--target", "picture=0.1"), "picture"),
        (("--stop", "fixed", "--precision", "0.1"), "--precision to --stop precision"),
        (("--stop", "target"), "--stop target: say what is to be decided, such as --target"),
    ],
)
def test_options_that_mean_nothing_are_refused_before_any_work(
    tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    result = ironbound("certify", write_config(tmp_path / "mine"), "--out", tmp_path / "out", *options)
    assert result.exit_code == BAD_INPUT
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


def test_early_stopping_from_the_command_line(tmp_path: Path) -> None:
    path = write_config(tmp_path / "mine")
    options = ("--n", "3000", "--target", "image=0.2,tokens=1", "--target", "image=0.5", "--json")
    result = ironbound("certify", path, "--out", tmp_path / "a", *options)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["samples"]["mean"] < 1500
    written = tomllib.loads((tmp_path / "a" / "config.toml").read_text())["statistics"]
    assert written["target"] == [{"image": 0.2, "tokens": 1.0}, {"image": 0.5}]
    result = ironbound("certify", path, "--out", tmp_path / "b", "--precision", "0.5")
    assert result.exit_code == 0
    written = tomllib.loads((tmp_path / "b" / "config.toml").read_text())["statistics"]
    assert (written["stop"], written["precision"]) == ("precision", 0.5)
