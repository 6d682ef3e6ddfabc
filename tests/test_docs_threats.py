"""docs/threats.md: its example runs, and every budget and kernel that it names is there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import ironbound as ib

TEXT = (Path(__file__).parents[1] / "docs" / "threats.md").read_text(encoding="utf-8")


def test_the_first_example_runs() -> None:
    code = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)[0]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _questions(batch: Mapping[str, Any]) -> Any:
    return (batch["image"][:, 0] > 0) & (batch["tokens"][:, 0] < 95)


def _noise(sigma: float, beta: float) -> ib.Smoothing:
    return ib.Smoothing(image=ib.Gaussian(sigma), tokens=ib.UniformReplacement(beta, 100))


def test_the_noise_is_chosen_as_shown() -> None:
    code = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)[2].replace("n=10_000", "n=500")
    inputs = [(str(i), {"image": np.array([1.0]), "tokens": np.array([i, 2, 3])}) for i in range(4)]
    known: dict[str, Any] = {
        "make_model": lambda **noise: ib.SmoothedClassifier(_questions, _noise(**noise), num_classes=2),
        "held_out": [(*one, 1) for one in inputs[:2]],
        "inputs": inputs[2:],
        "threat": ib.Threat(image=ib.L2(), tokens=ib.TokenL0(1)),
    }
    exec(code, known)
    assert [one.input_id for one in known["certificates"]] == ["2", "3"]


def test_a_threshold_is_calibrated_as_shown() -> None:
    text = (Path(__file__).parents[1] / "docs" / "calibrate.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    known: dict[str, Any] = {
        "base": lambda batch: ~_questions(batch),
        "smoothing": _noise(0.25, 0.25),
        "benign": [("0", {"image": np.array([2.0]), "tokens": np.array([1, 2, 3])})],
        "threat": ib.Threat(image=ib.L2(), tokens=ib.TokenL0(1)),
        "x": {"image": np.array([-2.0]), "tokens": np.array([1, 2, 3])},
    }
    exec(code.replace("100_000", "2000").replace("alpha=0.01", "alpha=0.01, n=500"), known)
    assert known["found"].draws == 2000
    spent = known["model"].certify(known["x"], threat=known["threat"], alpha=0.01, n=500).ledger
    # What the comment in the sample says it is.
    assert str(spent) == code.splitlines()[-1].removeprefix("# ")


def test_every_row_of_the_table_names_a_budget_and_its_noise() -> None:
    rows = [line.split("|") for line in TEXT.splitlines() if line.startswith("| `")]
    assert len(rows) >= 7
    for _, budget, _, noises, _ in rows:
        kind = getattr(ib, re.findall(r"`(\w+)", budget)[0]).kind
        for name in re.findall(r"`(\w+)", noises):
            channel = getattr(ib, name)
            proves = channel.norms if name == "AdaptiveGaussian" else (channel.threat,)
            assert kind in proves or kind.startswith("suffix_"), (budget, name)
