"""What the README shows runs, and says what it prints."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()


def test_it_opens_with_the_two_commands() -> None:
    first = re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)[0]
    assert [line.split("#")[0].strip() for line in first.splitlines()] == ["make demo", "make test"]


def test_the_python_example_runs_and_certifies() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 15
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert re.match(r"1 \{0: 0\.\d+, 1: 0\.\d+, 2: (None|0\.\d+)\}", first)
    assert second.startswith("True Except with probability at most 0.01")


def test_every_file_it_names_is_there() -> None:
    for name in ("benchmarks/RESULTS.md", "examples", "docs"):
        assert f"`{name}" in TEXT
        assert (ROOT / name).exists(), name
