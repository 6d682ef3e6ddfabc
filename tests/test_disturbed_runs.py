"""Runs as real processes, disturbed: killed at any moment, out of disk, out of time. Each is then continued,
and ends with exactly the rows of a run that nobody disturbed."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from little_runs import write_config

from ironbound.runs.folder import RESULTS
from ironbound.runs.plan import plan
from ironbound.runs.runner import run
from ironbound.runs.store import Row, Store

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX systems")

COMMAND = (sys.executable, "-m", "ironbound.cli", "certify")
INPUTS = 40
# Small batches and slow calls: a run of about four seconds, with inputs finishing all the time.
SLOW = "time.sleep(0.015)"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_config(tmp_path_factory.mktemp("mine"), count=INPUTS, before=SLOW)
    text = path.read_text()
    path.write_text(text.replace("[data]", "batch_size = 128\n\n[data]", 1))
    return path


@pytest.fixture(scope="module")
def undisturbed(config: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    out = tmp_path_factory.mktemp("whole") / "out"
    assert run(plan(str(config), {}), out) == 0
    return content(out)


def content(out: Path) -> list[tuple[Any, ...]]:
    """All that rows say, but for the time they took."""

    def told(row: Row) -> tuple[Any, ...]:
        return row.position, row.input_id, row.status, row.prediction, row.base_prediction, row.certificate

    with Store.open(out / RESULTS) as store:
        return [told(row) for row in store.rows()]


def start(config: Path, out: Path, *options: str, limit: Callable[[], None] | None = None) -> Any:
    return subprocess.Popen(
        [*COMMAND, str(config), "--out", str(out), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=limit,
    )


def wait_for_work(process: Any, out: Path) -> None:
    """Until the run folder is there, so that what follows happens while inputs are certified."""
    deadline = time.monotonic() + 60
    while not (out / RESULTS).exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)


def test_killed_at_random_moments(tmp_path: Path, config: Path, undisturbed: list[tuple[Any, ...]]) -> None:
    out = tmp_path / "out"
    moments = random.Random(20)
    kept: list[tuple[Any, ...]] = []
    for _ in range(4):
        process = start(config, out)
        wait_for_work(process, out)
        time.sleep(moments.uniform(0.0, 1.2))
        process.kill()
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        found = content(out)
        assert set(kept) <= set(found)  # what was there stays
        kept = found
    assert 0 < len(kept) < INPUTS
    assert run(plan(str(config), {}), out) == 0
    assert content(out) == undisturbed


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=180k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(small_disk: Path, config: Path, undisturbed: list[tuple[Any, ...]]) -> None:
    out = small_disk / "out"
    for _ in range(2):  # the second time there is no room from the start
        process = start(config, out)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 2
        assert "Traceback" not in errors
        assert "what is in it stays valid" in errors or "No space left" in errors
        assert 0 < len(content(out)) < INPUTS
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    assert set(content(out)) <= set(undisturbed)
    assert run(plan(str(config), {}), out) == 0
    assert content(out) == undisturbed


def test_a_limit_on_the_size_of_files(
    tmp_path: Path, config: Path, undisturbed: list[tuple[Any, ...]]
) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    out = tmp_path / "out"
    process = start(config, out, limit=limit)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "Traceback" not in errors
    assert "cannot be written" in errors
    assert 0 < len(content(out)) < INPUTS
    assert run(plan(str(config), {}), out) == 0
    assert content(out) == undisturbed


def test_a_budget_of_seconds(tmp_path: Path, config: Path, undisturbed: list[tuple[Any, ...]]) -> None:
    out = tmp_path / "out"
    process = start(config, out, "--budget", "1s", "--json")  # spent while the model is loaded
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 75
    assert json.loads(output)["finished"] is False
    assert f"of {INPUTS} inputs are finished and kept in {out}" in errors
    assert f"To go on:\n  ironbound certify {config}" in errors
    process = start(config, out, "--budget", "10m", "--json")
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0
    assert json.loads(output)["finished"] is True
    assert content(out) == undisturbed
