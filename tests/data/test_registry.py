"""Where things are looked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ironbound.data import registry


def test_the_environment_comes_before_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for home in ("data", "cache"):
        (tmp_path / home / "adult").mkdir(parents=True)
    monkeypatch.setenv("IRONBOUND_DATA", str(tmp_path / "data"))
    assert registry.data_folder("adult", tmp_path / "cache") == tmp_path / "data" / "adult"
    monkeypatch.delenv("IRONBOUND_DATA")
    assert registry.data_folder("adult", tmp_path / "cache") == tmp_path / "cache" / "adult"
    assert registry.data_folder("other", tmp_path / "cache") is None


def test_the_cache_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRONBOUND_CACHE", str(tmp_path))
    assert registry.cache_home() == tmp_path
    assert registry.cache_home("here") == Path("here")
    monkeypatch.setenv("IRONBOUND_CACHE", "")
    assert registry.cache_home() == Path.home() / ".cache" / "ironbound"


@given(st.lists(st.integers(-5, 5), min_size=2, max_size=6), st.integers(0, 5))
def test_one_changed_value_changes_the_digest(values: list[int], place: int) -> None:
    array = np.array(values)
    changed = array.copy()
    changed[place % array.size] += 1
    digest = registry.arrays_digest({"a": array})
    assert digest != registry.arrays_digest({"a": changed})
    assert digest != registry.arrays_digest({"b": array})
    assert digest != registry.arrays_digest({"a": array.astype(np.float64)})
    assert digest != registry.arrays_digest({"a": array[None]})
    assert digest == registry.arrays_digest({"a": array.astype(">i8")})
