"""Kept arrays: used again when nothing changed, made again when anything did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ironbound.data import claims, registry
from ironbound.data.weights import Arrays, kept
from ironbound.errors import InputError


class Maker:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Arrays:
        self.calls += 1
        return {"w": np.arange(4.0) * self.calls, "n": np.array([3])}


def test_kept_until_settings_or_sources_change(tmp_path: Path) -> None:
    make = Maker()
    first = kept("m", make, settings={"seed": 0}, sources=[claims], cache=tmp_path)
    again = kept("m", make, settings={"seed": 0}, sources=[claims], cache=tmp_path)
    assert make.calls == 1
    assert sorted(again) == ["n", "w"]
    assert all(np.array_equal(first[k], again[k]) and first[k].dtype == again[k].dtype for k in first)
    kept("m", make, settings={"seed": 1}, sources=[claims], cache=tmp_path)
    kept("m", make, settings={"seed": 0}, sources=[claims, registry], cache=tmp_path)
    assert make.calls == 3
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("damage", [b"", b"no safetensors at all", None])
def test_a_damaged_file_is_made_again(tmp_path: Path, damage: bytes | None) -> None:
    make = Maker()
    kept("m", make, settings={}, sources=[], cache=tmp_path)
    (path,) = tmp_path.rglob("*.safetensors")
    whole = path.read_bytes()
    path.write_bytes(whole[:-5] if damage is None else damage)
    kept("m", make, settings={}, sources=[], cache=tmp_path)
    assert make.calls == 2
    assert len(path.read_bytes()) == len(whole)


def test_a_file_of_another_key_is_not_trusted(tmp_path: Path) -> None:
    make = Maker()
    kept("m", make, settings={"a": 1}, sources=[], cache=tmp_path)
    (one,) = tmp_path.rglob("*.safetensors")
    content = one.read_bytes()
    kept("m", make, settings={"a": 2}, sources=[], cache=tmp_path)
    (two,) = set(tmp_path.rglob("*.safetensors")) - {one}
    two.write_bytes(content)
    kept("m", make, settings={"a": 2}, sources=[], cache=tmp_path)
    assert make.calls == 3


def test_an_unusable_cache_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where a folder should be")
    with pytest.raises(InputError, match="cache must be a folder that can be written"):
        kept("m", Maker(), settings={}, sources=[], cache=tmp_path)
