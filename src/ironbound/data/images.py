"""Image sets as published: unsigned bytes, nothing normalised."""

from __future__ import annotations

import gzip
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ironbound.data.registry import cache_home, data_folder
from ironbound.errors import InputError, wrong_value

Bytes = NDArray[np.uint8]

DIGITS = tuple("0123456789")
CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
LUNGS = ("normal", "pneumonia")

_OPENML = {"mnist": 554, "fashion-mnist": 40996}  # 70,000 rows: the training part, then the test part


@dataclass(frozen=True)
class ImageSet:
    """Labelled images.

    Args:
        images: uint8 (N, H, W), or (N, H, W, 3) for colours.
        labels: int64 (N,), places in `class_names`.
        class_names: one name a class.
    """

    images: Bytes
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def scaled(self) -> NDArray[np.float32]:
        """The images as float32 in [0, 1], channels first: (N, 1 or 3, H, W).

        Example:
            >>> tiny = ImageSet(np.full((1, 2, 2), 255, np.uint8), np.zeros(1, np.int64), ("a",))
            >>> tiny.scaled().shape, float(tiny.scaled().max())
            ((1, 1, 2, 2), 1.0)
        """
        pixels = self.images[:, None] if self.images.ndim == 3 else np.moveaxis(self.images, 3, 1)
        return np.ascontiguousarray(pixels, dtype=np.float32) / np.float32(255)


def mnist(
    split: str, *, cache: Path | str | None = None, fetch: Callable[..., Any] | None = None
) -> ImageSet:
    """MNIST (LeCun et al., 1998): 60,000 + 10,000 grey images of digits, 28 x 28.

    Args:
        split: "train" or "test".
        cache: see `registry.cache_home`; a download is kept there.
        fetch: stands in for `sklearn.datasets.fetch_openml`.
    Raises:
        InputError: the files can be had from nowhere, or are not the published ones.
    """
    return _idx("mnist", split, DIGITS, cache, fetch)


def fashion_mnist(
    split: str, *, cache: Path | str | None = None, fetch: Callable[..., Any] | None = None
) -> ImageSet:
    """Fashion-MNIST (Xiao et al., 2017): 60,000 + 10,000 grey images of clothes, 28 x 28.

    Arguments and errors as for `mnist`.
    """
    return _idx("fashion-mnist", split, CLOTHES, cache, fetch)


def cifar10(split: str, *, cache: Path | str | None = None) -> ImageSet:
    """CIFAR-10 (Krizhevsky, 2009): 50,000 + 10,000 colour images, 32 x 32.

    Read from `cifar10.npz` (the first 20,000 training images and all test images) and, if it is there,
    `cifar10_train_rest.npz` (the other 30,000, stored as differences of neighbouring pixels).

    Raises:
        InputError: the files are not there, or do not hold what they should.
    """
    _known(split, ("train", "test"))
    folder = _folder("cifar10", "cifar10.npz with x_train, y_train, x_test, y_test", cache)
    with np.load(folder / "cifar10.npz", allow_pickle=False) as arrays:
        images, labels = arrays[f"x_{split}"], arrays[f"y_{split}"].astype(np.int64)
    rest = folder / "cifar10_train_rest.npz"
    if split == "train" and rest.is_file():
        with np.load(rest, allow_pickle=False) as arrays:
            images = np.concatenate([images, _undo_differences(arrays["residual"])])
            labels = np.concatenate([labels, arrays["y_train"].astype(np.int64)])
    return _checked(images, labels, THINGS, "CIFAR-10")


def pneumonia(split: str, *, cache: Path | str | None = None) -> ImageSet:
    """PneumoniaMNIST (Yang et al., 2023; Kermany et al., 2018): grey chest X-rays of children, 28 x 28.

    Args:
        split: "train" (4,708), "val" (524) or "test" (624).
        cache: see `registry.cache_home`.
    Raises:
        InputError: the file is not there, or does not hold what it should.
    """
    _known(split, ("train", "val", "test"))
    folder = _folder("medmnist", "pneumoniamnist.npz from https://medmnist.com", cache)
    with np.load(folder / "pneumoniamnist.npz", allow_pickle=False) as arrays:
        images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"].reshape(-1).astype(np.int64)
    return _checked(images, labels, LUNGS, "PneumoniaMNIST")


def _idx(
    name: str,
    split: str,
    names: tuple[str, ...],
    cache: Path | str | None,
    fetch: Callable[..., Any] | None,
) -> ImageSet:
    _known(split, ("train", "test"))
    folder = data_folder(name, cache)
    if folder is None:
        images, labels = _openml(name, cache_home(cache), fetch)
        part = slice(0, 60_000) if split == "train" else slice(60_000, 70_000)
        return _checked(images[part], labels[part], names, name)
    prefix = "train" if split == "train" else "t10k"
    images = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz")
    return _checked(images, read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz").astype(np.int64), names, name)


def read_idx(path: Path) -> Bytes:
    """An array of bytes from a gzipped file in the IDX format of MNIST.

    Raises:
        InputError: the file cannot be read or is not of that format.
    """
    try:
        content = gzip.decompress(path.read_bytes())
        axes = content[3]
        shape = struct.unpack(f">{axes}I", content[4 : 4 + 4 * axes])
        if content[:3] != b"\0\0\x08" or len(content) != 4 + 4 * axes + int(np.prod(shape)):
            raise ValueError("its header does not fit its content")
    except (OSError, EOFError, ValueError, IndexError, struct.error) as error:
        raise InputError(f"{path} must be a gzipped IDX file of bytes; {error}") from None
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def _openml(name: str, home: Path, fetch: Callable[..., Any] | None) -> tuple[Bytes, NDArray[np.int64]]:
    if fetch is None:
        from sklearn.datasets import fetch_openml as fetch
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "a network error, retrying": one message is enough
            bunch = fetch(data_id=_OPENML[name], data_home=str(home), as_frame=False, n_retries=1, delay=0.5)
    except Exception as error:  # scikit-learn lets URL, HTTP, cache and parser errors through alike
        raise InputError(
            f"{name} is not here and could not be fetched from OpenML ({type(error).__name__}: {error}). "
            f"Put its four .gz files into a folder {name}/ and set IRONBOUND_DATA to the folder that holds it"
        ) from None
    pixels = np.asarray(bunch.data).astype(np.uint8).reshape(-1, 28, 28)
    return pixels, np.asarray(bunch.target).astype(np.int64)


def _undo_differences(residual: Bytes) -> Bytes:
    """Decode (3, N, 32, 32) differences, all modulo 256, into (N, 32, 32, 3)."""
    planes = residual.cumsum(2, dtype=np.uint8).cumsum(3, dtype=np.uint8)
    return np.stack([planes[1] + planes[0], planes[0], planes[2] + planes[0]], axis=-1)


def _folder(name: str, content: str, cache: Path | str | None) -> Path:
    folder = data_folder(name, cache)
    if folder is None:
        raise InputError(
            f"the data set {name} is not here: put {content} into a folder {name}/ and set IRONBOUND_DATA to "
            "the folder that holds it"
        )
    return folder


def _known(split: str, valid: tuple[str, ...]) -> None:
    if split not in valid:
        raise wrong_value("split", split, f"one of {', '.join(valid)}")


def _checked(images: Bytes, labels: NDArray[np.int64], names: tuple[str, ...], what: str) -> ImageSet:
    if len(images) != len(labels) or len(labels) == 0 or images.dtype != np.uint8:
        raise InputError(f"{what}: expected as many uint8 images as labels; got {len(images)}, {len(labels)}")
    if labels.min() < 0 or labels.max() >= len(names):
        raise InputError(f"{what}: labels must lie in 0..{len(names) - 1}")
    return ImageSet(images, labels, names)
