"""The command line as real processes: a light `--help`, and runs that are killed between rows."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from little_runs import plan, write_config

from ironbound.runs.folder import RESULTS
from ironbound.runs.plan import plan as planned
from ironbound.runs.runner import run
from ironbound.runs.store import Row, Store

COMMAND = (sys.executable, "-m", "ironbound.cli")
SLOW = "time.sleep(0.02)"


def test_help_is_answered_without_torch_or_numpy() -> None:
    code = (
        "import sys\n"
        "from ironbound.cli import app\n"
        "from typer.testing import CliRunner\n"
        "for arguments in (['--help'], ['certify', '--help'], ['--version'], ['tasks', '--help']):\n"
        "    assert CliRunner().invoke(app, arguments).exit_code == 0\n"
        "print([m for m in ('torch', 'numpy', 'scipy', 'sklearn', 'pandas') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_module_is_the_command() -> None:
    done = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("ironbound ")


def count(out: Path) -> int:
    """Committed rows, seen from another process; 0 while there is no database yet."""
    if not (out / RESULTS).exists():
        return 0
    connection = sqlite3.connect(f"file:{out / RESULTS}?mode=ro", uri=True, timeout=5)
    try:
        return connection.execute("SELECT count(*) FROM results").fetchone()[0]
    except sqlite3.OperationalError:
        return 0  # being written, or just about to be
    finally:
        connection.close()


def stopped(path: Path, out: Path, how: signal.Signals) -> subprocess.CompletedProcess[str]:
    """Start a run and send it a signal once three rows are committed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*COMMAND, "certify", str(path), "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    deadline = time.monotonic() + 60
    while count(out) < 3 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(how)
    output, errors = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def rows(out: Path) -> list[Row]:
    with Store.open(out / RESULTS) as store:
        return list(store.rows())


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX systems")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda s: s.name)
def test_a_stopped_run_resumes_to_exactly_the_same_certificates(tmp_path: Path, how: signal.Signals) -> None:
    path = write_config(tmp_path / "mine", count=16, before=SLOW)
    out = tmp_path / "out"
    done = stopped(path, out, how)
    before = rows(out)
    assert 3 <= len(before) < 16
    assert "Traceback" not in done.stderr
    if how == signal.SIGKILL:
        assert done.returncode == -signal.SIGKILL
    else:
        assert done.returncode == 130
        assert "finished inputs are kept" in done.stderr
        assert "certify" in done.stderr.split("To go on:")[1]
    # The rest, and an undisturbed run, in this process: the same digests, the same files.
    write_config(tmp_path / "mine", count=16, before=SLOW)
    assert run(planned(str(path), {}), out) == 0
    write_config(tmp_path / "quick", count=16)
    run(planned(str(tmp_path / "quick" / "config.toml"), {}), tmp_path / "whole")
    assert rows(out)[: len(before)] == before
    assert [row.certificate for row in rows(out)] == [row.certificate for row in rows(tmp_path / "whole")]


def test_the_small_problem_in_memory_is_the_one_in_files(tmp_path: Path) -> None:
    found = planned(str(write_config(tmp_path)), {})
    assert found.problem.smoothing == plan().problem.smoothing
    assert found.problem.threat == plan().problem.threat
