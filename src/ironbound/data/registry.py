"""Where data sets and trained models lie on this computer, and what their content hashes to."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def cache_home(cache: Path | str | None = None) -> Path:
    """Folder for trained models and downloads: the argument, else $IRONBOUND_CACHE, else ~/.cache/ironbound.

    Example:
        >>> cache_home("somewhere").name
        'somewhere'
    """
    if cache is not None:
        return Path(cache).expanduser()
    return Path(os.environ.get("IRONBOUND_CACHE") or Path.home() / ".cache" / "ironbound").expanduser()


def data_folder(name: str, cache: Path | str | None = None) -> Path | None:
    """Folder of a data set: $IRONBOUND_DATA/name, else the same name in the cache; None if neither is there.

    Example:
        >>> data_folder("no-such-set", cache="nowhere") is None
        True
    """
    homes = [Path(os.environ["IRONBOUND_DATA"]).expanduser()] if os.environ.get("IRONBOUND_DATA") else []
    for home in (*homes, cache_home(cache)):
        if (home / name).is_dir():
            return home / name
    return None


def arrays_digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 of named arrays: names, types, shapes and values, whatever their order.

    Example:
        >>> one = arrays_digest({"a": np.zeros(2), "b": np.ones(1)})
        >>> one == arrays_digest({"b": np.ones(1), "a": np.zeros(2)})
        True
        >>> one == arrays_digest({"a": np.zeros(2), "b": np.zeros(1)})
        False
    """
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        found.update(f"{name}|{little.dtype.str}|{array.shape}|".encode())
        found.update(little.tobytes())
    return found.hexdigest()
