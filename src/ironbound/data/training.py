"""Train once, keep the weights: a small network is retrained only when its settings or its code change."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ironbound.data.registry import arrays_digest, cache_home
from ironbound.errors import InputError

Network = TypeVar("Network", bound=torch.nn.Module)

Progress = Callable[[str, float], None]
"""Called with a stage ("training digits") and the fraction done, 0 to 1."""


def trained(
    name: str,
    network: Network,
    fit: Callable[[Network, Callable[[float], None]], None],
    *,
    settings: Mapping[str, Any],
    sources: Sequence[ModuleType],
    cache: Path | str | None = None,
    progress: Progress | None = None,
) -> Network:
    """The network with trained weights, in eval mode: from the cache, or from `fit`, which is then kept.

    Args:
        name: first part of the file name.
        network: freshly built; its weights are replaced.
        fit: trains the network in place; its second argument takes the fraction done.
        settings: everything besides code that decides the weights, as plain values; data by its digest.
        sources: modules whose source text decides the weights.
        cache: see `registry.cache_home`.
        progress: told about training; not called when the weights come from the cache.
    Raises:
        InputError: the cache folder cannot be written.
    """
    key = _key(settings, sources)
    path = cache_home(cache) / "models" / f"{name}-{key[:16]}.safetensors"
    if not _restore(network, path, key):
        report = progress or (lambda stage, fraction: None)
        with single_thread():
            fit(network, lambda fraction: report(f"training {name}", fraction))
        _store(network, path, {"key": key, "settings": json.dumps(dict(settings), sort_keys=True)})
    return network.eval()


def network_digest(network: torch.nn.Module) -> str:
    """SHA-256 of a network's weights and of the source of its class.

    Example:
        >>> one = torch.nn.Linear(2, 2)
        >>> before = network_digest(one)
        >>> _ = torch.nn.init.zeros_(one.weight)
        >>> network_digest(one) == before
        False
    """
    weights = arrays_digest({name: tensor.numpy() for name, tensor in network.state_dict().items()})
    source = inspect.getsource(type(network))
    return hashlib.sha256((weights + source).encode()).hexdigest()


@contextmanager
def single_thread() -> Iterator[None]:
    """Small networks train fastest on one thread, and sums then always run in the same order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Networks built inside start from the same weights each time; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _key(settings: Mapping[str, Any], sources: Sequence[ModuleType]) -> str:
    found = hashlib.sha256(json.dumps(dict(settings), sort_keys=True).encode())
    found.update(torch.__version__.encode())
    for module in sources:
        found.update(inspect.getsource(module).encode())
    return found.hexdigest()


def _restore(network: torch.nn.Module, path: Path, key: str) -> bool:
    """Load kept weights; False if there are none, they belong to other settings, or the file is damaged."""
    if not path.is_file():
        return False
    try:
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("key") != key:
                return False
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no iterator
        network.load_state_dict(weights)
    except (SafetensorError, OSError, RuntimeError):
        return False
    return True


def _store(network: torch.nn.Module, path: Path, metadata: dict[str, str]) -> None:
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(weights, part, metadata=metadata)
        os.replace(part, path)  # whoever reads sees the old file or the whole new one
    except OSError as error:
        raise InputError(
            f"cache must be a folder that can be written (or set IRONBOUND_CACHE); got {path.parent}: {error}"
        ) from None
