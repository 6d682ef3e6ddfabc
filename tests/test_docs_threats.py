"""docs/threats.md: its example runs, and every budget and kernel that it names is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import ironbound as ib

TEXT = (Path(__file__).parents[1] / "docs" / "threats.md").read_text(encoding="utf-8")


def test_the_first_example_runs() -> None:
    code = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)[0]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_row_of_the_table_names_a_budget_and_its_noise() -> None:
    rows = [line.split("|") for line in TEXT.splitlines() if line.startswith("| `")]
    assert len(rows) >= 7
    for _, budget, _, noises, _ in rows:
        kind = getattr(ib, re.findall(r"`(\w+)", budget)[0]).kind
        for name in re.findall(r"`(\w+)", noises):
            channel = getattr(ib, name)
            proves = channel.norms if name == "AdaptiveGaussian" else (channel.threat,)
            assert kind in proves or kind.startswith("suffix_"), (budget, name)
