"""Labelled texts, and pairs of pictures and texts, as published."""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ironbound.data.registry import data_folder
from ironbound.errors import InputError


@dataclass(frozen=True)
class TextSet:
    """Labelled texts.

    Args:
        texts: N texts.
        labels: int64 (N,), places in `class_names`.
        class_names: one name a class.
        split: N names of parts ("train", "test", ...), or empty where the set has none.
    """

    texts: tuple[str, ...]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    split: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)

    def part(self, name: str) -> TextSet:
        """The rows of one part.

        Example:
            >>> both = TextSet(("a", "b"), np.array([0, 1]), ("x", "y"), ("train", "test"))
            >>> both.part("test").texts
            ('b',)
        """
        rows = [i for i, part in enumerate(self.split) if part == name]
        if not rows:
            raise InputError(f"part must be one of {', '.join(sorted(set(self.split)))}; got {name!r}")
        return TextSet(
            tuple(self.texts[i] for i in rows), self.labels[rows], self.class_names, (name,) * len(rows)
        )


@dataclass(frozen=True)
class PairSet:
    """Pictures with a text each.

    Args:
        images: uint8 (N, H, W, 3).
        columns: name -> N cells of the table; the texts are among them.
    """

    images: NDArray[np.uint8]
    columns: dict[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.images)


def sms_spam(*, cache: Path | str | None = None) -> TextSet:
    """SMS Spam Collection (Almeida et al., 2011): 4,827 ordinary messages and 747 of spam.

    Raises:
        InputError: the file is not there or not readable.
    """
    rows = _rows("text/sms_spam.csv.gz", cache)
    return _labelled(rows["text"], rows["label"], ("ham", "spam"))


def ag_news(*, cache: Path | str | None = None) -> TextSet:
    """The test part of AG News (Zhang et al., 2015): 7,600 titles with descriptions, split 5,600 / 2,000.

    The published training part is not among the files, so figures are not comparable with published ones.

    Raises:
        InputError: the file is not there or not readable.
    """
    rows = _rows("text/ag_news_test.csv.gz", cache)
    texts = tuple(f"{a}. {b}" for a, b in zip(rows["title"], rows["description"], strict=True))
    names = ("World", "Sports", "Business", "Sci/Tech")
    classes = tuple(names[int(cell) - 1] for cell in rows["class"])
    return _labelled(texts, classes, names, rows["suggested_split"])


def advbench(*, cache: Path | str | None = None) -> tuple[str, ...]:
    """AdvBench harmful behaviours (Zou et al., 2023): 520 requests that a filter should flag.

    Raises:
        InputError: the file is not there or not readable.
    """
    return _rows("text/advbench_harmful_behaviors.csv.gz", cache)["goal"]


def hate_offensive(*, cache: Path | str | None = None) -> TextSet:
    """Tweets judged by people (Davidson et al., 2017): hate speech, offensive language, or neither.

    Raises:
        InputError: the file is not there or not readable.
    """
    rows = _rows("text/davidson_hate_offensive.csv.gz", cache)
    names = ("hate speech", "offensive language", "neither")
    return _labelled(rows["tweet"], tuple(names[int(cell)] for cell in rows["class"]), names)


def fashion_products(*, cache: Path | str | None = None) -> PairSet:
    """Fashion Product Images (Aggarwal, 2019), 1,099 of them: photographs 64 x 64 with the shop's attributes.

    Columns: id, gender, masterCategory, subCategory, articleType, baseColour, season, year, usage,
    productDisplayName (the title), suggested_split (769 "train", 330 "test").

    Raises:
        InputError: the files are not there or not readable.
    """
    return _pairs("fashion_products", cache)


def nlvr(*, cache: Path | str | None = None) -> PairSet:
    """Cornell NLVR (Suhr et al., 2017): is a sentence true of a picture? 17,784 pairs, pictures 32 x 96.

    Columns: source_split ("dev", "test", "hidden"), identifier, permutation, sentence, label, n_objects.
    The six permutations of a picture are near-copies: split by identifier, never by row.

    Raises:
        InputError: the files are not there or not readable.
    """
    return _pairs("nlvr", cache)


def _pairs(name: str, cache: Path | str | None) -> PairSet:
    columns = _rows(f"multimodal/{name}.csv.gz", cache)
    with np.load(_file(f"multimodal/{name}.npz", cache), allow_pickle=False) as arrays:
        images = arrays["images"]
    cells = {len(column) for column in columns.values()}
    if cells != {len(images)}:
        raise InputError(
            f"{name}: expected one row of the table for each of {len(images)} images; got {cells}"
        )
    return PairSet(images, columns)


def _labelled(
    texts: tuple[str, ...], classes: tuple[str, ...], names: tuple[str, ...], split: tuple[str, ...] = ()
) -> TextSet:
    return TextSet(texts, np.array([names.index(one) for one in classes], dtype=np.int64), names, split)


def _file(place: str, cache: Path | str | None) -> Path:
    folder, _, name = place.partition("/")
    found = data_folder(folder, cache)
    if found is None or not (found / name).is_file():
        raise InputError(
            f"the data set {place} is not here: set IRONBOUND_DATA to the folder that holds {folder}/ with it"
        )
    return found / name


def _rows(place: str, cache: Path | str | None) -> dict[str, tuple[str, ...]]:
    path = _file(place, cache)
    try:
        text = gzip.decompress(path.read_bytes()).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"{path} must be a gzipped CSV file in UTF-8; {error}") from None
    header, *rows = list(csv.reader(io.StringIO(text, newline="")))
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise InputError(f"{path}, row {line}: expected {len(header)} cells; got {len(row)}")
    return {name: tuple(row[at] for row in rows) for at, name in enumerate(header)}
