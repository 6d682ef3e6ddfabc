"""Small torch networks: the same weights from the same seed, trained once and kept as safetensors."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import torch

from ironbound.data.registry import arrays_digest
from ironbound.data.weights import Arrays, kept

Network = TypeVar("Network", bound=torch.nn.Module)

Progress = Callable[[str, float], None]
"""Called with a stage ("training digits") and the fraction done, 0 to 1."""


def trained(
    name: str,
    build: Callable[[], Network],
    fit: Callable[[Network, Callable[[float], None]], None],
    *,
    settings: Mapping[str, Any],
    sources: Sequence[ModuleType],
    cache: Path | str | None = None,
    progress: Progress | None = None,
) -> Network:
    """A trained network in eval mode: its weights from the cache, or from `fit`, and then kept.

    Args:
        name: what is trained; also the first part of the file name.
        build: makes the network; its random initial weights are seeded with settings["seed"].
        fit: trains the network in place; its second argument takes the fraction done.
        settings, sources, cache: see `weights.kept`.
        progress: told about training; not called when the weights come from the cache.
    """
    seed = int(settings["seed"])
    with torch.random.fork_rng(devices=[]):  # leaves the global generator as it was
        torch.manual_seed(seed)
        network = build()

    def make() -> Arrays:
        report = progress or (lambda stage, fraction: None)
        with single_thread():
            fit(network, lambda fraction: report(f"training {name}", fraction))
        return state(network)

    known = {**settings, "torch": torch.__version__}
    weights = kept(name, make, settings=known, sources=sources, cache=cache)
    network.load_state_dict({key: torch.from_numpy(array) for key, array in weights.items()})
    return network.eval()


def state(network: torch.nn.Module) -> Arrays:
    """A copy of the weights and buffers by name."""
    return {name: tensor.detach().numpy().copy() for name, tensor in network.state_dict().items()}


def network_digest(network: torch.nn.Module) -> str:
    """SHA-256 of a network's weights and of the source of its class.

    Example:
        >>> one = torch.nn.Linear(2, 2)
        >>> before = network_digest(one)
        >>> _ = torch.nn.init.zeros_(one.weight)
        >>> network_digest(one) == before
        False
    """
    source = inspect.getsource(type(network))
    return hashlib.sha256((arrays_digest(state(network)) + source).encode()).hexdigest()


@dataclass(frozen=True)
class OneThread:
    """A base classifier that runs on one thread: for a network this small, sharing work out costs more.

    On two cores that other jobs use as well, it made digits-claims three to five times faster.
    """

    base: Callable[[dict[str, Any]], torch.Tensor]

    def __call__(self, batch: dict[str, Any]) -> torch.Tensor:
        with single_thread():
            return self.base(batch)


@contextmanager
def single_thread() -> Iterator[None]:
    """Small networks train fastest on one thread, and sums then always run in the same order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
