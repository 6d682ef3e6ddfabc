"""Configuration files: what is accepted, and that every mistake is named with its path and a remedy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ironbound.errors import ConfigError
from ironbound.runs.config import ModelTable, Statistics, parse, read

OWN: dict[str, Any] = {
    "model": {"loader": "m:f", "num_classes": 2},
    "data": {"kind": "npz", "path": "x.npz", "arrays": {"image": "i"}},
    "channels": {"image": {"noise": "gaussian", "sigma": 0.5}},
    "threat": {"image": {"kind": "l2"}},
}


def test_a_task_needs_only_its_name() -> None:
    config = parse({"task": "digits", "statistics": {"n": 50}})
    assert config.task == "digits"
    assert config.statistics == Statistics(n=50)


def test_a_problem_of_ones_own_is_read_with_defaults() -> None:
    config = parse(OWN)
    assert config.statistics.alpha == 0.01
    assert isinstance(config.model, ModelTable)
    assert config.model.receives == "channels"


def edit(table: str, **keys: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        place = document
        for part in table.split(".") if table else ():
            place = place.setdefault(part, {})
        place.update(keys)

    return change


def drop(path: str) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        place = document
        for part in parents:
            place = place[part]
        del place[last]

    return change


MISTAKES = [
    (edit("", modle=1), 'modle: unknown key "modle" at the top level; did you mean "model"?'),
    (edit("channels.image", sigmaa=1), 'unknown key "sigmaa" in [channels.image]; did you mean "sigma"?'),
    (edit("data", lables="y"), 'data.lables: unknown key "lables" in [data]; did you mean "label"?'),
    (edit("statistics", aplha=0.1), 'unknown key "aplha" in [statistics]; did you mean "alpha"?'),
    (edit("threat.image", max=1), 'unknown key "max" in [threat.image]; valid names: kind'),
    (edit("model", loader="m.f"), 'model.loader: must read "package.module:function"; got'),
    (edit("channels.image", noise="gausian"), 'noise = "gausian" is not known; did you mean "gaussian"?'),
    (edit("channels.image", sigma=-1.0), "channels.image.sigma: input should be greater than 0; got -1.0"),
    (edit("channels.image", sigma=float("nan")), "channels.image.sigma: input should be a finite number"),
    (edit("channels.image", low=float("inf")), "channels.image.low: input should be a finite number"),
    (edit("statistics", n=2.5), "statistics.n: input should be a valid integer"),
    (edit("statistics", n=True), "statistics.n: input should be a valid integer"),
    (edit("statistics", alpha=1.0), "statistics.alpha: input should be less than 1"),
    (edit("statistics", stop="fixd"), 'did you mean "fixed"?'),
    (edit("statistics", stop="target"), 'stop = "target" and the table target belong together'),
    (edit("statistics", precision=0.1), 'precision belongs to stop = "precision"'),
    (edit("threat.text", kind="l2"), "threat.text: no such channel; [channels] has image"),
    (edit("model", class_names=["a", "a"]), "class_names must differ"),
    (edit("model", class_names=["a", "b", "c"]), "num_classes = 2, but class_names has 3 entries"),
    (edit("", task="digits"), "a task brings its own [model]"),
    (drop("data"), "missing [data]"),
    (drop("data.path"), "data.path: this key is required"),
    (drop("data.kind"), "data: the key kind is missing; valid: table, npz, images, jsonl"),
    (drop("channels.image.noise"), "channels.image: the key noise is missing; valid: gaussian"),
]


@pytest.mark.parametrize(("change", "message"), MISTAKES, ids=[message[:40] for _, message in MISTAKES])
def test_a_mistake_is_named_with_its_path(change: Callable[[dict[str, Any]], None], message: str) -> None:
    document = copy.deepcopy(OWN)
    change(document)
    with pytest.raises(ConfigError) as caught:
        parse(document, "c.toml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("c.toml: ")


def test_several_mistakes_come_in_one_message() -> None:
    document = copy.deepcopy(OWN)
    edit("statistics", n=0, alpha=2.0)(document)
    with pytest.raises(ConfigError) as caught:
        parse(document)
    assert len(str(caught.value).splitlines()) == 2


def test_text_needs_one_tokenizer() -> None:
    document = copy.deepcopy(OWN)
    document["data"] = {"kind": "jsonl", "path": "t.jsonl"}
    with pytest.raises(ConfigError, match="either tokenizer"):
        parse(document)


def test_what_a_run_recorded_is_read_back_and_ignored() -> None:
    assert parse({"task": "digits", "recorded": {"versions": {"torch": "1"}}}).task == "digits"


@pytest.mark.parametrize("content", [b"task = ", b"\xff\xfe", b"= 1"])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"c\.toml: not valid TOML"):
        read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read"):
        read(tmp_path / "nowhere.toml")
