"""Data sets hold what was published; what is missing or damaged is said in one sentence."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ironbound.data import sets
from ironbound.data.images import read_idx
from ironbound.data.registry import data_folder
from ironbound.errors import InputError


def offline(*_: object, **__: object) -> None:
    raise OSError("no network in tests")


def present(folder: str) -> None:
    if data_folder(folder) is None:
        pytest.skip(f"{folder} is not in IRONBOUND_DATA")


@pytest.mark.parametrize(
    ("load", "mean"), [(sets.mnist, 0.1307), (sets.fashion_mnist, 0.2860)], ids=["mnist", "fashion-mnist"]
)
def test_grey_images_are_the_published_ones(load: Callable[..., sets.ImageSet], mean: float) -> None:
    present("mnist" if mean < 0.2 else "fashion-mnist")
    train, test = load("train"), load("test")
    assert train.images.shape == (60_000, 28, 28)
    assert test.images.shape == (10_000, 28, 28)
    assert abs(train.images.mean() / 255 - mean) < 5e-5  # as published, to its four decimals
    counts = np.bincount(test.labels, minlength=10)
    if mean > 0.2:
        assert counts.tolist() == [1000] * 10
    else:
        assert counts.tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_cifar_is_decoded_exactly() -> None:
    present("cifar10")
    train = sets.cifar10("train")
    if len(train) < 50_000:
        pytest.skip("the file with training images 20,000..49,999 is not in IRONBOUND_DATA")
    assert np.bincount(train.labels).tolist() == [5000] * 10
    means = train.images.reshape(-1, 3).mean(axis=0, dtype=np.float64) / 255
    assert np.all(np.abs(means - [0.491401, 0.482159, 0.446531]) < 2e-6)
    assert sets.cifar10("test").images.shape == (10_000, 32, 32, 3)


def test_pneumonia_counts() -> None:
    present("medmnist")
    found = {part: np.bincount(sets.pneumonia(part).labels).tolist() for part in ("train", "val", "test")}
    assert found == {"train": [1214, 3494], "val": [135, 389], "test": [234, 390]}


def test_texts_have_the_published_counts() -> None:
    present("text")
    assert np.bincount(sets.sms_spam().labels).tolist() == [4827, 747]
    assert len(sets.advbench()) == 520
    assert np.bincount(sets.hate_offensive().labels).tolist() == [1430, 19190, 4163]
    news = sets.ag_news()
    assert np.bincount(news.labels).tolist() == [1900] * 4
    assert (len(news.part("train")), len(news.part("test"))) == (5600, 2000)
    with pytest.raises(InputError, match=r"test, train; got 'dev'"):
        news.part("dev")


def test_pairs_of_pictures_and_texts() -> None:
    present("multimodal")
    shop = sets.fashion_products()
    assert shop.images.shape == (1099, 64, 64, 3)
    assert shop.columns["usage"].count("Sports") == 368
    pairs = sets.nlvr()
    assert len(pairs) == 17_784
    assert 0.555 < sum(cell == "1" for cell in pairs.columns["label"]) / len(pairs) < 0.557


def test_a_download_is_split_where_the_parts_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IRONBOUND_DATA", raising=False)
    asked: list[int] = []

    def fetch(*, data_id: int, **_: object) -> Any:
        asked.append(data_id)
        target = np.array([str(i % 10) for i in range(70_000)], dtype=object)
        return SimpleNamespace(data=np.arange(70_000)[:, None] // 10_000 * np.ones(784), target=target)

    test = sets.mnist("test", cache=tmp_path, fetch=fetch)
    assert asked == [554]
    assert test.images.shape == (10_000, 28, 28)
    assert test.images.min() == test.images.max() == 6


@pytest.mark.parametrize(
    "load",
    [
        lambda home: sets.mnist("test", cache=home, fetch=offline),
        lambda home: sets.fashion_mnist("test", cache=home, fetch=offline),
        lambda home: sets.cifar10("test", cache=home),
        lambda home: sets.pneumonia("val", cache=home),
        lambda home: sets.sms_spam(cache=home),
        lambda home: sets.nlvr(cache=home),
    ],
)
def test_an_absent_set_says_where_it_belongs(
    load: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IRONBOUND_DATA", raising=False)
    with pytest.raises(InputError, match="IRONBOUND_DATA"):
        load(tmp_path)


def test_an_unknown_part_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"split must be one of train, val, test; got 'dev'"):
        sets.pneumonia("dev", cache=tmp_path)


@pytest.mark.parametrize("content", [b"", b"not gzip", gzip.compress(b"\0\0\x08\x01\0\0\0\x05abc")])
def test_a_damaged_idx_file_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.gz must be a gzipped IDX file"):
        read_idx(tmp_path / "x.gz")
