"""Noised copies of one input, addressed by draw number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ironbound.channels import AbstractChannel, Smoothing
from ironbound.channels.base import Array
from ironbound.smoothing.randomness import (
    block_of,
    draws_per_block,
    generator,
    restart,
    shared_generator,
)
from ironbound.smoothing.shared import SharedNoise


@dataclass(frozen=True)
class Sum:
    """Noised copies that are still to be made: a value, and noise that other inputs use as well."""

    channel: AbstractChannel
    value: Array
    noise: Array

    def __len__(self) -> int:
        return len(self.noise)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one copy."""
        return self.value.shape

    @property
    def dtype(self) -> Any:
        """Type of the copies."""
        return self.value.dtype

    def into(self, out: Array) -> None:
        """Write the copies."""
        self.channel.add_noise(self.value, self.noise, out)


Piece = Array | Sum


class Draws:
    """The endless sequence of noised copies of one input for one purpose.

    Draw number i is the same whatever was asked for before, so any division into batches, and a start in the
    middle, see the same copies. At most one block beyond what is asked for is held in memory.

    Args:
        smoothing: the noise.
        values: the input, as `Smoothing.check` returns it.
        seed, input_id, purpose: see `randomness.generator`.
        shared: where the noise that all inputs share is held, or None: each input has noise of its own.

    Example:
        >>> from ironbound.channels import Gaussian
        >>> noise = Draws(Smoothing(x=Gaussian(sigma=1.0)), {"x": np.zeros(3)}, 0, "0", "estimation")
        >>> whole = noise.take(0, 100)["x"]
        >>> bool(np.array_equal(whole[40:60], noise.take(40, 60)["x"]))
        True
    """

    def __init__(
        self,
        smoothing: Smoothing,
        values: Mapping[str, Array],
        seed: int,
        input_id: str,
        purpose: str,
        shared: SharedNoise | None = None,
    ) -> None:
        self._smoothing = smoothing
        self._values = dict(values)
        self._origin = (seed, input_id, purpose)
        self._shared = shared
        self._most = draws_per_block(values)
        self._held: tuple[int, dict[str, Piece]] | None = None
        self._random: np.random.Generator | None = None

    def take(self, start: int, stop: int) -> dict[str, Array]:
        """Draws start..stop-1: for each channel an array (stop - start, *shape), the caller's own."""
        return joined(list(self.parts(start, stop)))

    def parts(self, start: int, stop: int) -> Iterator[dict[str, Piece]]:
        """The same in pieces, in order, which are views of what is held here: not to be written to."""
        at = start
        while at < stop:
            block, first, end = block_of(at, self._most)
            whole = self._block(block, end - first)
            end = min(end, stop)
            yield {name: _cut(piece, at - first, end - first) for name, piece in whole.items()}
            at = end

    def _block(self, block: int, count: int) -> dict[str, Piece]:
        if self._held is None or self._held[0] != block:
            own = self._own if self._shared is None else self._common
            self._held = (block, own(block, count))
        return self._held[1]

    def _own(self, block: int, count: int) -> dict[str, Piece]:
        if self._random is None:
            self._random = generator(*self._origin, block)
        else:
            restart(self._random, *self._origin, block)
        return {
            name: channel.sample(self._values[name], self._random, count)
            for name, channel in self._smoothing.items()
        }

    def _common(self, block: int, count: int) -> dict[str, Piece]:
        assert self._shared is not None
        seed, _, purpose = self._origin
        found: dict[str, Piece] = {}
        for name, channel in self._smoothing.items():
            value = self._values[name]
            noise = self._shared.block(channel, name, value, (seed, purpose), block, count)
            if noise is None:
                found[name] = channel.sample(value, shared_generator(seed, name, purpose, block), count)
            else:
                found[name] = Sum(channel, value, noise)
        return found


def joined(parts: Sequence[Mapping[str, Piece]]) -> dict[str, Array]:
    """Pieces of draws one behind the other, in arrays of their own."""
    return {name: _joined([part[name] for part in parts]) for name in parts[0]}


def _joined(pieces: list[Piece]) -> Array:
    first = pieces[0]
    if not isinstance(first, Sum):
        return np.concatenate(pieces)  # type: ignore[arg-type]  # one channel's pieces are of one kind
    whole = np.empty((sum(map(len, pieces)), *first.shape), dtype=first.dtype)
    at = 0
    for piece in pieces:
        assert isinstance(piece, Sum)
        piece.into(whole[at : at + len(piece)])
        at += len(piece)
    return whole


def _cut(piece: Piece, start: int, stop: int) -> Piece:
    if isinstance(piece, Sum):
        return Sum(piece.channel, piece.value, piece.noise[start:stop])
    return piece[start:stop]
