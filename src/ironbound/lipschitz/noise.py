"""The internal randomness of a network: one source that is passed in, a stream of its own for every layer."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from ironbound.errors import InputTypeError, wrong_value

Draws = Literal["sample", "batch"]
"""Whether each row of a batch has a draw of its own, or all rows share one."""

State = dict[str, Any]


class Noise:
    """Source of fresh draws for every forward pass, in training and in evaluation alike.

    Each random layer registers once and then owns a stream keyed by (seed, its number), so adding draws in
    one layer moves no draw of another. Streams live on the device of the input; devices draw different
    numbers. Nothing global is read or seeded.

    Args:
        seed: a whole number >= 0.

    Example:
        >>> noise = Noise(0)
        >>> layer = noise.register()
        >>> first, second = (noise.normal(layer, (2,), torch.zeros(1)) for _ in range(2))
        >>> torch.equal(first, second)
        False
        >>> with noise.frozen(7):
        ...     same = [noise.normal(layer, (2,), torch.zeros(1)) for _ in range(2)]
        >>> torch.equal(*same)
        True
    """

    def __init__(self, seed: int) -> None:
        self._seed = _checked(seed)
        self._sites = 0
        self._frozen: int | None = None
        self._supply: _Supply | _Counter | None = None
        self._streams: dict[tuple[int, str], torch.Generator] = {}

    def register(self) -> int:
        """A number for one more layer; the order of construction decides it."""
        self._sites += 1
        return self._sites - 1

    def normal(self, site: int, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Independent N(0, 1) entries for the layer `site`, with the dtype and device of `like`."""
        if self._supply is not None:
            return self._supply.take(shape, like)
        generator = self._stream(site, like.device)
        return torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)

    def reseed(self, seed: int) -> None:
        """Start all streams anew, from another seed or from the same one."""
        self._seed = _checked(seed)
        self._streams.clear()

    @contextmanager
    def frozen(self, seed: int) -> Iterator[None]:
        """While open, every forward pass repeats one draw per layer, decided by `seed`.

        The draw depends on the shape asked for: keep the batch size if rows are to be compared.
        """
        before, self._frozen = self._frozen, _checked(seed)
        try:
            yield
        finally:
            self._frozen = before

    @contextmanager
    def supplied(self, values: Tensor) -> Iterator[None]:
        """While open, one forward pass takes its numbers from `values`, shape (rows, numbers per row).

        Each row of the batch uses its own row of numbers, in the order in which the layers ask; so whoever
        draws `values` decides the internal draws, by whatever address.

        Raises:
            InputError: on leaving, numbers are left over; in the pass, there are too few of them.

        Example:
            >>> noise = Noise(0)
            >>> layer = noise.register()
            >>> with noise.supplied(torch.tensor([[1.0, 2.0], [3.0, 4.0]])):
            ...     noise.normal(layer, (2, 2), torch.zeros(1))
            tensor([[1., 2.],
                    [3., 4.]])
        """
        before, self._supply = self._supply, (supply := _Supply(values))
        try:
            yield
            supply.finish()
        finally:
            self._supply = before

    @contextmanager
    def counted(self) -> Iterator[Callable[[], int]]:
        """While open, zeros are handed out, and it is counted how many."""
        before, self._supply = self._supply, (counter := _Counter())
        try:
            yield lambda: counter.used
        finally:
            self._supply = before

    def state(self) -> State:
        """All that is needed to go on later as if nothing had happened (checkpoints)."""
        streams = {f"{site} {device}": g.get_state() for (site, device), g in self._streams.items()}
        return {"seed": self._seed, "sites": self._sites, "streams": streams}

    def restore(self, state: State) -> None:
        """Go on from what `state` returned, in a source with the same layers."""
        if state["sites"] != self._sites:
            raise wrong_value("state", state["sites"], f"of a source with {self._sites} registered layers")
        self._seed = _checked(state["seed"])
        self._streams.clear()
        for key, value in state["streams"].items():
            site, device = key.split(" ")
            generator = torch.Generator(device=device)
            generator.set_state(value)
            self._streams[int(site), device] = generator

    def __getstate__(self) -> State:
        return self.state()

    def __setstate__(self, state: State) -> None:
        self.__init__(state["seed"])
        self._sites = state["sites"]
        self.restore(state)

    def __repr__(self) -> str:
        return f"Noise(seed={self._seed})"

    def _stream(self, site: int, device: torch.device) -> torch.Generator:
        if not 0 <= site < self._sites:
            raise wrong_value("site", site, f"a number that register() returned, below {self._sites}")
        if self._frozen is not None:
            return torch.Generator(device=device).manual_seed(_key("frozen", self._frozen, site))
        key = (site, str(device))
        if key not in self._streams:
            self._streams[key] = torch.Generator(device=device).manual_seed(_key("stream", self._seed, site))
        return self._streams[key]


class _Supply:
    """Numbers given for one forward pass, handed out column by column."""

    def __init__(self, values: Tensor) -> None:
        if values.ndim != 2:
            raise wrong_value("values", tuple(values.shape), "of shape (rows, numbers per row)")
        self._values = values
        self._used = 0

    def take(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        rows, columns = self._values.shape
        wanted, rest = divmod(math.prod(shape), max(rows, 1))
        if rest or self._used + wanted > columns:
            raise wrong_value(
                "values", (rows, columns), f"enough for one draw a row; {shape} asked after {self._used}"
            )
        part = self._values[:, self._used : self._used + wanted]
        self._used += wanted
        return part.to(device=like.device, dtype=like.dtype).reshape(shape)

    def finish(self) -> None:
        if self._used != self._values.shape[1]:
            raise wrong_value("values", self._values.shape[1], f"as many numbers a row as used, {self._used}")


class _Counter:
    """Hands out zeros and remembers how many."""

    def __init__(self) -> None:
        self.used = 0

    def take(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        self.used += math.prod(shape)
        return torch.zeros(shape, dtype=like.dtype, device=like.device)


def rows(draws: Draws, batch: int) -> int:
    """How many independent draws a batch needs."""
    return batch if draws == "sample" else 1


def check_draws(draws: str) -> Draws:
    if draws not in ("sample", "batch"):
        raise wrong_value("draws", draws, '"sample" (one draw a row) or "batch" (one draw for all rows)')
    return cast(Draws, draws)


def draws_are_independent(module: nn.Module) -> bool:
    """Whether all random layers draw row by row, so that the rows of one batch are independent draws."""
    return all(getattr(part, "draws", "sample") == "sample" for part in module.modules())


def sources(module: nn.Module) -> list[Noise]:
    """The different sources of noise in a module; one that is built with care has at most one."""
    parts = (getattr(part, "noise", None) for part in module.modules())
    return list({id(source): source for source in parts if isinstance(source, Noise)}.values())


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Run the module as often as needed without moving its streams."""
    states = [(source, source.state()) for source in sources(module)]
    try:
        yield
    finally:
        for source, state in states:
            source.restore(state)


def _checked(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise InputTypeError(f"seed must be a whole number; got {seed!r}")
    if seed < 0:
        raise wrong_value("seed", seed, "at least 0")
    return seed


def _key(purpose: str, seed: int, site: int) -> int:
    digest = hashlib.sha256(f"ironbound noise {purpose} {seed} {site}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
