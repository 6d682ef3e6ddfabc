"""Every example runs as its README says: prepare, certify, verify."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ironbound.cli import app
from ironbound.report.reading import read_run

EXAMPLES = Path(__file__).parents[1] / "examples"
# The one with a server has a test of its own, test_example_http.py.
NAMES = sorted(p.parent.name for p in EXAMPLES.glob("*/config.toml") if p.parent.name != "http")
# Certified accuracy, at radius 0, that each example reaches at least: (budget, share).
REACHED = {"table": (1, 0.7), "image": (0, 0.9), "text": (1, 0.7), "image_text": (1, 0.7)}


def test_there_is_one_example_of_each_kind() -> None:
    assert sorted(REACHED) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_example_runs_as_its_readme_says(name: str, tmp_path: Path) -> None:
    readme = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
    assert f"python examples/{name}/prepare.py" in readme
    assert f"ironbound certify examples/{name}/config.toml" in readme
    # A copy, so that the tests leave the repository as it is.
    folder = tmp_path / "examples" / name
    sources = [p for p in (EXAMPLES / name).iterdir() if p.suffix in (".py", ".toml")]
    folder.mkdir(parents=True)
    for source in sources:
        shutil.copy(source, folder)
    subprocess.run([sys.executable, str(folder / "prepare.py")], check=True, timeout=120)

    out = tmp_path / "out"
    result = CliRunner().invoke(
        app, ["certify", str(folder / "config.toml"), "--out", str(out), "--limit", "20", "--n", "1000"]
    )
    assert result.exit_code == 0, result.output
    result = CliRunner().invoke(app, ["verify", str(out)])
    assert result.exit_code == 0, result.output
    assert "20 valid, 0 invalid" in result.stdout

    budget, share = REACHED[name]
    reached = read_run(out).summary.certified[budget][0].value
    assert reached is not None
    assert reached >= share
