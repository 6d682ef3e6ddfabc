"""Readers of the user's data: what they read, and that bad data is named with file, row and column."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ironbound.errors import InputError, IronboundError
from ironbound.models.tables import TableSchema
from ironbound.runs.config import ImageData, NpzData, TableData, TextData
from ironbound.runs.sources import (
    Classes,
    image_examples,
    npz_examples,
    read_frame,
    table_examples,
    text_examples,
)
from ironbound.runs.text import WordTokenizer

TWO = Classes(2, ("no", "yes"))
TABLE = TableData(kind="table", path="t.csv", numeric=("age",), categorical=("job",), label="rich", id="who")
CSV = "who,age,job,rich\na,30,clerk,no\nb,50,None,yes\nc,40,clerk,\n"


def table(path: Path, text: str) -> Any:
    path.write_text(text)
    frame = read_frame(path)
    schema = TableSchema.fit(pd.DataFrame({"age": [30, 50], "job": ["None", "clerk"]}))
    return table_examples(frame, TABLE, path, schema.encode, TWO)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_tables_are_read_with_ids_labels_and_codes(tmp_path: Path, suffix: str) -> None:
    found = table(tmp_path / "t.csv", CSV)
    if suffix == "parquet":
        path = tmp_path / "t.parquet"
        read_frame(tmp_path / "t.csv").to_parquet(path)
        schema = TableSchema.fit(pd.DataFrame({"age": [30, 50], "job": ["None", "clerk"]}))
        found = table_examples(read_frame(path), TABLE, path, schema.encode, TWO)
    assert [(e.id, e.label) for e in found] == [("a", 0), ("b", 1), ("c", None)]
    assert [e.inputs["numeric"].tolist() for e in found] == [[-1.0], [1.0], [0.0]]
    # "None" is a category like any other.
    assert [e.inputs["categorical"].tolist() for e in found] == [[1], [0], [1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CSV.replace("50", "nan"), "'age'.*missing"),
        (CSV.replace("50", ""), "'age'.*missing"),
        (CSV.replace("50", "inf"), "'age'.*finite"),
        (CSV.replace("50", "old"), "'age'.*numbers"),
        (CSV.replace("None", "smith"), "'job'.*'smith'.*never seen"),
        (CSV.replace("yes", "yep"), "label 'yep' is no class name; did you mean \"yes\""),
        (CSV.replace("\nb,", "\na,"), "ids must differ; 'a' comes twice"),
        (CSV.replace("rich", "ritch"), "no column 'rich'; did you mean \"ritch\""),
        ("who,age,job,rich\n", "has no rows"),
        ("", "cannot be read"),
    ],
)
def test_bad_tables_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(IronboundError, match=message) as caught:
        table(tmp_path / "t.csv", text)
    assert "t.csv" in str(caught.value)


def test_an_unknown_table_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IronboundError, match=r"ends in \.csv or \.parquet"):
        read_frame(tmp_path / "t.xlsx")
    with pytest.raises(IronboundError, match=r"nowhere\.csv: cannot be read"):
        read_frame(tmp_path / "nowhere.csv")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(IronboundError, match=r"bad\.parquet: cannot be read"):
        read_frame(tmp_path / "bad.parquet")


def npz(path: Path, label: str | None = "y", **arrays: Any) -> Any:
    np.savez(path, **arrays)
    settings = NpzData(kind="npz", path="d.npz", arrays={"image": "x", "tokens": "t"}, label=label)
    return npz_examples(settings, path, TWO)


def test_several_arrays_become_several_channels(tmp_path: Path) -> None:
    x, t = np.zeros((2, 3, 3), dtype=np.float32), np.array([[1, 2], [3, 4]])
    found = npz(tmp_path / "d.npz", x=x, t=t, y=np.array([1, 0]))
    assert [e.label for e in found] == [1, 0]
    assert found[1].inputs["tokens"].tolist() == [3, 4]
    assert found[0].inputs["image"].dtype == np.float32
    assert [e.label for e in npz(tmp_path / "d.npz", None, x=x, t=t)] == [None, None]


X, T = np.zeros((2, 3)), np.zeros((2, 4), dtype=int)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X, "t": T}, "data.label: .* no array 'y'"),
        ({"x": X, "y": [0, 1]}, "data.arrays.tokens: .* no array 't'"),
        ({"x": X, "t": T, "y": [0, 1, 1]}, "one entry for each example"),
        ({"x": X, "t": T, "y": [0, 2]}, "label must be a class index in 0..1"),
        ({"x": X, "t": T, "y": [0, 0.5]}, "label must be a class index"),
        ({"x": X, "t": T, "y": 1}, "one entry for each example"),
        ({"x": X * np.nan, "t": T, "y": [0, 1]}, "image of example 0 holds NaN"),
        ({"x": X.astype(str), "t": T, "y": [0, 1]}, "must be numeric"),
        ({"x": X[:0], "t": T[:0], "y": []}, "empty"),
        ({"x": np.array([{}, {}], dtype=object), "t": T, "y": [0, 1]}, "cannot be read as NPZ"),
    ],
)
def test_bad_arrays_are_named(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(IronboundError, match=message):
        npz(tmp_path / "d.npz", **arrays)


def test_a_file_that_is_no_npz_is_named(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    settings = NpzData(kind="npz", path="d.npz", arrays={"image": "x"})
    for content in (b"", b"PK\x03\x04 cut off", b"nonsense"):
        path.write_bytes(content)
        with pytest.raises(IronboundError, match=r"d\.npz: cannot be read as NPZ"):
            npz_examples(settings, path, TWO)
    with path.open("wb") as stream:
        np.save(stream, X)
    with pytest.raises(IronboundError, match="single array"):
        npz_examples(settings, path, TWO)


def images(folder: Path) -> Path:
    for name, grey in (("no/a.png", 0), ("no/b.png", 51), ("yes/a.png", 255)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((2, 3), grey, dtype=np.uint8)).save(folder / name)
    return folder


def test_images_come_scaled_one_class_in_turn(tmp_path: Path) -> None:
    settings = ImageData(kind="images", path=".", mode="L", labels="folders")
    found = image_examples(settings, images(tmp_path), TWO)
    assert [(e.id, e.label) for e in found] == [("no/a.png", 0), ("yes/a.png", 1), ("no/b.png", 0)]
    assert found[1].inputs["image"].shape == (1, 2, 3)
    assert [float(e.inputs["image"].max()) for e in found] == [0.0, 1.0, np.float32(51) / np.float32(255)]


def test_layout_mode_and_size_are_followed(tmp_path: Path) -> None:
    settings = ImageData(kind="images", path=".", layout="HWC", size=(4, 5))
    (first, *_) = image_examples(settings, images(tmp_path), TWO)
    assert first.inputs["image"].shape == (4, 5, 3)
    assert first.label is None


def test_bad_images_are_named(tmp_path: Path) -> None:
    settings = ImageData(kind="images", path=".", mode="L")
    with pytest.raises(IronboundError, match="holds no image"):
        image_examples(settings, tmp_path, TWO)
    with pytest.raises(IronboundError, match="is not a folder"):
        image_examples(settings, tmp_path / "nowhere", TWO)
    images(tmp_path)
    Image.fromarray(np.zeros((5, 5), dtype=np.uint8)).save(tmp_path / "large.png")
    with pytest.raises(InputError, match="different sizes"):
        image_examples(settings, tmp_path, TWO)
    (tmp_path / "large.png").write_bytes(b"not a picture")
    with pytest.raises(InputError, match=r"large\.png: cannot be read as an image"):
        image_examples(settings, tmp_path, TWO)


TEXT = TextData(kind="jsonl", path="t.jsonl", vocabulary="v.txt", label="y")


def texts(path: Path, *lines: str) -> Any:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return text_examples(TEXT, path, WordTokenizer(["good", "bad"]), TWO)


def line(text: object, label: object = "yes") -> str:
    return json.dumps({"text": text, "y": label})


def test_texts_keep_their_lengths_and_their_words(tmp_path: Path) -> None:
    found = texts(tmp_path / "t.jsonl", line("good"), "", line("Bad bad film", 0), line("good", None))
    assert [e.inputs["tokens"].tolist() for e in found] == [[1], [2, 2, 0], [1]]
    assert [e.label for e in found] == [1, 0, None]
    assert found[1].text == "Bad bad film"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (line(""), "line 2: the text is empty"),
        (line("   "), "line 2: the text is empty"),
        (line(3), "line 2: text must be a text; got int"),
        ("{", "line 2: not JSON"),
        ("[1]", "line 2: must be a JSON object"),
        ('{"txt": "good", "y": 1}', "line 2: has no key 'text'; did you mean \"txt\""),
        (line("good", "maybe"), "label 'maybe' is no class name"),
    ],
)
def test_bad_texts_are_named_with_their_line(tmp_path: Path, bad: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        texts(tmp_path / "t.jsonl", line("good"), bad)
    assert "t.jsonl" in str(caught.value)


def test_a_tokenizer_that_fails_is_blamed(tmp_path: Path) -> None:
    class Broken(WordTokenizer):
        def encode(self, text: str) -> list[int]:
            raise KeyError(text)

    path = tmp_path / "t.jsonl"
    path.write_text(line("good"))
    with pytest.raises(InputError, match="line 1: the tokenizer failed: 'good'"):
        text_examples(TEXT, path, Broken(["good"]), TWO)


def test_a_file_without_texts_is_named(tmp_path: Path) -> None:
    with pytest.raises(IronboundError, match="holds no text"):
        texts(tmp_path / "t.jsonl")
