"""Arrays made once and kept: made again only when their settings or the code behind them change."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ironbound.data.registry import cache_home
from ironbound.errors import InputError

Arrays = dict[str, NDArray[Any]]


def kept(
    name: str,
    make: Callable[[], Arrays],
    *,
    settings: Mapping[str, Any],
    sources: Sequence[ModuleType],
    cache: Path | str | None = None,
) -> Arrays:
    """The arrays from the cache if they are there, undamaged and up to date; else from `make`, then kept.

    Args:
        name: first part of the file name.
        make: makes the arrays.
        settings: everything besides code that decides them, as plain values; data by their digest.
        sources: modules whose source text decides them.
        cache: see `registry.cache_home`.
    Raises:
        InputError: the cache folder cannot be written.

    Example:
        >>> import tempfile, ironbound.data.weights as here
        >>> folder = tempfile.mkdtemp()
        >>> make = lambda: {"w": np.arange(3.0)}
        >>> _ = kept("small", make, settings={"seed": 0}, sources=[here], cache=folder)
        >>> kept("small", dict, settings={"seed": 0}, sources=[here], cache=folder)
        {'w': array([0., 1., 2.])}
    """
    stored = json.dumps(dict(settings), sort_keys=True)
    key = _key(stored, sources)
    path = cache_home(cache) / "models" / f"{name}-{key[:16]}.safetensors"
    found = _read(path, key)
    if found is None:
        found = make()
        _write(found, path, {"key": key, "settings": stored})
    return found


def _key(settings: str, sources: Sequence[ModuleType]) -> str:
    found = hashlib.sha256(settings.encode())
    for module in sources:
        found.update(inspect.getsource(module).encode())
    return found.hexdigest()


def _read(path: Path, key: str) -> Arrays | None:
    """None if there is no file, it is damaged, or it was made from something else."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            if (file.metadata() or {}).get("key") != key:
                return None
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError):
        return None


def _write(arrays: Arrays, path: Path, metadata: dict[str, str]) -> None:
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, part, metadata)
        os.replace(part, path)  # whoever reads sees no file, or the whole one
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"cache must be a folder that can be written (or set IRONBOUND_CACHE); got {path.parent}: {error}"
        ) from None
