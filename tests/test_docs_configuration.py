"""docs/configuration.md: its examples are accepted, and every key there is is documented."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from ironbound.runs import config, kernels
from ironbound.runs.table import Table

TEXT = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
TABLES = [
    kind
    for kind in (*vars(config).values(), *vars(kernels).values())
    if isinstance(kind, type) and issubclass(kind, Table) and kind is not Table
]


@pytest.mark.parametrize("block", BLOCKS)
def test_the_examples_are_accepted(block: str) -> None:
    config.parse(tomllib.loads(block))


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 2


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_every_key_is_documented(table: type[BaseModel]) -> None:
    missing = [name for name in table.model_fields if f"`{name}`" not in TEXT and f"[{name}" not in TEXT]
    assert [name for name in missing if f"`{name} =" not in TEXT] == []
