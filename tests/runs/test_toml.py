"""The TOML writer is the inverse of the standard library's reader."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ironbound.errors import InputError
from ironbound.runs.toml import dumps

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scalar = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    text,
)
inline = st.recursive(
    scalar, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=8
)
document = st.dictionaries(
    text,
    st.one_of(inline, st.dictionaries(text, st.dictionaries(text, inline, max_size=2), max_size=2)),
    max_size=4,
)


@given(document)
def test_what_is_written_reads_back_the_same(table: dict[str, Any]) -> None:
    assert tomllib.loads(dumps(table)) == table


def test_floats_keep_every_bit() -> None:
    value = 0.1 + 0.2
    assert tomllib.loads(dumps({"x": value}))["x"] == value


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), object(), "\ud800"])
def test_what_toml_cannot_hold_is_refused(bad: object) -> None:
    with pytest.raises(InputError):
        dumps({"x": bad})


def test_none_is_left_out() -> None:
    assert tomllib.loads(dumps({"x": None, "y": {"z": None, "w": 1}})) == {"y": {"w": 1}}
