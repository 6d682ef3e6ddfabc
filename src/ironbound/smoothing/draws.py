"""Noised copies of one input, addressed by draw number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ironbound.channels import Smoothing
from ironbound.channels.base import Array
from ironbound.smoothing.randomness import block_of, draws_per_block, generator, restart


class Draws:
    """The endless sequence of noised copies of one input for one purpose.

    Draw number i is the same whatever was asked for before, so any division into batches, and a start in the
    middle, see the same copies. At most one block beyond what is asked for is held in memory.

    Args:
        smoothing: the noise.
        values: the input, as `Smoothing.check` returns it.
        seed, input_id, purpose: see `randomness.generator`.

    Example:
        >>> from ironbound.channels import Gaussian
        >>> noise = Draws(Smoothing(x=Gaussian(sigma=1.0)), {"x": np.zeros(3)}, 0, "0", "estimation")
        >>> whole = noise.take(0, 100)["x"]
        >>> bool(np.array_equal(whole[40:60], noise.take(40, 60)["x"]))
        True
    """

    def __init__(
        self, smoothing: Smoothing, values: Mapping[str, Array], seed: int, input_id: str, purpose: str
    ) -> None:
        self._smoothing = smoothing
        self._values = dict(values)
        self._origin = (seed, input_id, purpose)
        self._most = draws_per_block(values)
        self._held: tuple[int, dict[str, Array]] | None = None
        self._random: np.random.Generator | None = None

    def take(self, start: int, stop: int) -> dict[str, Array]:
        """Draws start..stop-1: for each channel an array (stop - start, *shape), the caller's own."""
        return joined(list(self.parts(start, stop)))

    def parts(self, start: int, stop: int) -> Iterator[dict[str, Array]]:
        """The same in pieces, in order, which are views of what is held here: not to be written to."""
        at = start
        while at < stop:
            block, first, end = block_of(at, self._most)
            whole = self._block(block, end - first)
            end = min(end, stop)
            yield {name: array[at - first : end - first] for name, array in whole.items()}
            at = end

    def _block(self, block: int, count: int) -> dict[str, Array]:
        if self._held is None or self._held[0] != block:
            if self._random is None:
                self._random = generator(*self._origin, block)
            else:
                restart(self._random, *self._origin, block)
            noised = {
                name: channel.sample(self._values[name], self._random, count)
                for name, channel in self._smoothing.items()
            }
            self._held = (block, noised)
        return self._held[1]


def joined(parts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Pieces of draws one behind the other, in arrays of their own."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
