"""The example of a deployed filter runs as its README says, server included."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ironbound.cli import app
from ironbound.report.reading import read_run

EXAMPLE = Path(__file__).parents[1] / "examples" / "http"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the example, prepared, with its server on a free port."""
    monkeypatch.setenv("FILTER_TOKEN", "any-secret-of-mine")
    for source in EXAMPLE.iterdir():
        if source.suffix in (".py", ".toml"):
            shutil.copy(source, tmp_path)
    subprocess.run([sys.executable, str(tmp_path / "prepare.py")], check=True, timeout=60)
    server = [sys.executable, str(tmp_path / "server.py"), "0"]
    with subprocess.Popen(server, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        config = tmp_path / "config.toml"
        config.write_text(config.read_text().replace("http://127.0.0.1:8765/v1/classify", url))
        yield tmp_path
        process.terminate()


def test_the_example_runs_as_its_readme_says(folder: Path) -> None:
    readme = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    out = folder / "out"
    for line in ("python examples/http/prepare.py", "ironbound certify examples/http/config.toml"):
        assert line in readme
    done = CliRunner().invoke(
        app, ["certify", str(folder / "config.toml"), "--out", str(out), "--limit", "12"]
    )
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(app, ["verify", str(out)])
    assert "12 valid, 0 invalid" in done.stdout
    reached = read_run(out).summary.certified[1][0].value
    assert reached is not None
    assert reached >= 0.7
    (note,) = json.loads((out / "summary.json").read_text())["notes"]
    assert note.startswith("endpoint: 0 of 13")  # 12 inputs of 1100 draws, and some calls besides
    assert "draws failed" in note
    assert "0 repeats" not in note
    assert all(b"any-secret-of-mine" not in file.read_bytes() for file in out.iterdir())
