"""Loaders named `module:function`: found in the configuration's folder, and blamed by key when they fail."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ironbound.errors import ConfigError
from ironbound.runs.loading import call, digest, source_file


def module(folder: Path, text: str, name: str = "model") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(text)
    return folder


def test_two_folders_may_both_have_a_model(tmp_path: Path) -> None:
    first = module(tmp_path / "a", "def load(): return 'a'")
    second = module(tmp_path / "b", "def load(): return 'b'")
    assert [call("model:load", folder, {}, "k") for folder in (first, second, first)] == ["a", "b", "a"]


def test_arguments_and_neighbours_reach_the_loader(tmp_path: Path) -> None:
    module(tmp_path, "VALUE = 3", "ironbound_test_neighbour")
    module(tmp_path, "import ironbound_test_neighbour as n\ndef load(k): return k * n.VALUE")
    before = list(sys.path)
    assert call("model:load", tmp_path, {"k": 2}, "k") == 6
    assert sys.path == before


def test_an_installed_module_is_found(tmp_path: Path) -> None:
    assert call("collections:Counter", tmp_path, {}, "k") == {}


@pytest.mark.parametrize(
    ("text", "reference", "message"),
    [
        ("", "nowhere:load", "no module 'nowhere' in"),
        ("def other(): pass", "model:load", "has no function 'load'; it has other"),
        ("load = 3", "model:load", "has no function 'load'"),
        ("import no_such_module", "model:load", "needs the module 'no_such_module'"),
        ("def load(): return 1 / 0", "model:load", "model:load raised ZeroDivisionError: division by zero"),
        ("1 / 0", "model:load", "importing model failed: ZeroDivisionError"),
        ("def load(:", "model:load", "importing model failed: SyntaxError"),
        ("def load(x): pass", "model:load", "model:load raised TypeError"),
    ],
)
def test_what_is_wrong_with_a_loader_is_said(tmp_path: Path, text: str, reference: str, message: str) -> None:
    module(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        call(reference, tmp_path, {}, "model.loader")
    assert str(caught.value).startswith("model.loader: ")
    assert message in str(caught.value)


def test_the_digest_sees_contents_names_and_order(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"1")
    b.write_bytes(b"1")
    found = {digest([a, b]), digest([b, a]), digest([a]), digest([a], "x"), digest([])}
    assert len(found) == 5
    before = digest([a])
    a.write_bytes(b"2")
    assert digest([a]) != before


def test_the_source_of_a_loader_is_found(tmp_path: Path) -> None:
    module(tmp_path, "")
    assert source_file("model:load", tmp_path) == tmp_path / "model.py"
    assert source_file("collections:Counter", tmp_path) is None
