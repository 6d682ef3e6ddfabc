"""A tiny problem of one's own, as files and in memory, for tests of runs, reports and the command line."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ironbound.channels import Gaussian, Smoothing, UniformReplacement
from ironbound.data.problem import Example, Problem
from ironbound.runs.config import Statistics
from ironbound.runs.plan import Plan
from ironbound.threats import L2, Threat, TokenL0

CONFIG = """
name = "little"
description = "Does the picture agree with the words?"

[model]
loader = "model:load"
class_names = ["no", "yes"]

[data]
kind = "npz"
path = "data.npz"
arrays = { image = "image", tokens = "tokens" }
label = "label"

[channels.image]
noise = "gaussian"
sigma = 0.5
unit = "grey levels"

[channels.tokens]
noise = "uniform_replacement"
beta = 0.25
alphabet = 10

[threat.image]
kind = "l2"

[threat.tokens]
kind = "token_l0"
max_d = 2

[statistics]
n = 300
n0 = 20
"""

MODEL = """
import time
import numpy as np

def load():
    def classify(batch):
        {before}
        return (batch["image"][:, 0] + (batch["tokens"] >= 5).mean(axis=1) - 0.5 > 0).astype(int)
    return classify
"""


def arrays(count: int = 6) -> dict[str, np.ndarray]:
    """Images (count, 3), tokens (count, 8) and labels; clear cases of both classes in turn."""
    label = np.arange(count) % 2
    image = np.zeros((count, 3), dtype=np.float32)
    image[:, 0] = np.where(label == 1, 1.5, -1.5)
    tokens = np.where(label == 1, 7, 2)[:, None] + np.arange(8) % 3
    return {"image": image, "tokens": tokens, "label": label}


def write_config(folder: Path, *, count: int = 6, before: str = "pass", config: str = CONFIG) -> Path:
    """The files of the problem; `before` is a statement run at every call of the model."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "data.npz", **arrays(count))  # pyright: ignore[reportArgumentType]
    (folder / "model.py").write_text(textwrap.dedent(MODEL).format(before=before), encoding="utf-8")
    path = folder / "config.toml"
    path.write_text(config, encoding="utf-8")
    return path


def classify(batch: dict[str, np.ndarray]) -> np.ndarray:
    """The same classifier in memory."""
    return (batch["image"][:, 0] + (batch["tokens"] >= 5).mean(axis=1) - 0.5 > 0).astype(np.int64)


def plan(
    *, count: int = 6, base: Callable[..., Any] = classify, labelled: bool = True, **statistics: Any
) -> Plan:
    """The same problem in memory, ready to run."""
    data = arrays(count)
    examples = tuple(
        Example(
            id=f"input-{i}",
            inputs={"image": data["image"][i], "tokens": data["tokens"][i]},
            label=int(data["label"][i]) if labelled else None,
            text=f"<b>words {i}</b>",
        )
        for i in range(count)
    )
    problem = Problem(
        name="little",
        base=base,
        smoothing=Smoothing(
            image=Gaussian(0.5, unit="grey levels"), tokens=UniformReplacement(beta=0.25, alphabet=10)
        ),
        threat=Threat(image=L2(), tokens=TokenL0(max_d=2)),
        num_classes=2,
        class_names=("no", "yes"),
        examples=examples,
        model_digest="m",
        data_digest="d",
        description="Does the picture agree with the words?",
    )
    return Plan(problem, Statistics(**{"n": 300, "n0": 20, **statistics}), None, {"task": "little"}, None)
