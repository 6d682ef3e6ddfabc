"""docs/attacks.md: its examples run, and every option of the command that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from typer.testing import CliRunner

from ironbound.cli import app

PAGE = (Path(__file__).parents[1] / "docs" / "attacks.md").read_text()


def test_the_examples_run() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    assert len(blocks) == 2
    for block in blocks:
        with torch.random.fork_rng(devices=[]):
            exec(compile(block, "docs/attacks.md", "exec"), {})


def test_options_that_are_named_exist() -> None:
    help_text = CliRunner().invoke(app, ["attack", "--help"], env={"COLUMNS": "200"}).stdout
    named = set(re.findall(r"`(--[a-z-]+)`", PAGE))
    assert named >= {"--beyond", "--judge", "--black-box"}
    assert all(option in help_text for option in named)
