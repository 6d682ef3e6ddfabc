"""One block of noise serving many inputs: an option that trades independence across inputs for speed.

With shared noise the draws of an input depend on the run's seed, the purpose, the channel and the block, and
no more on the input. What holds and what does not:

* Each input on its own: draw i is the input under noise number i, these noises are independent of each other
  and have the channel's law. That is all a certificate rests on; its alpha is untouched. Selection and
  estimation draws come from different streams and stay independent of each other.
* Several inputs together: the same noise that misleads about one input may mislead about another. The
  *expected* share of wrong certificates is still at most alpha, and a union bound over inputs still holds, as
  neither asks for independence. But wrong certificates may come in clusters: nothing may follow from their
  number being binomial (a confidence interval for a rate over inputs, a standard error of a table's entry).

Results do not depend on batch size, order, number of workers or restarts, exactly as with own noise. Channels
whose noise does not depend on the entries of the input (Gaussian, in floats or on the grid; one sigma for
each coordinate) draw it once and add it to each input. Others (tokens, fields, adaptive noise) draw for each
input anew, from the shared stream: well defined, and no cheaper.
"""

from __future__ import annotations

from typing import Any

from ironbound.channels import AbstractChannel
from ironbound.channels.base import Array
from ironbound.smoothing.randomness import shared_generator

# What is held of the noise: 128 MiB, the 40,000 first draws of 28 x 28 pixels in float32. What lies beyond is
# drawn anew for each input; it is the first draws that every input needs.
MOST_BYTES = 2**27


class SharedNoise:
    """Blocks of noise by address, the first ones held so that they need not be drawn again.

    Args:
        most: bytes to hold.

    Example:
        >>> import numpy as np
        >>> from ironbound.channels import Gaussian
        >>> shared, channel, origin = SharedNoise(), Gaussian(0.5), (0, "estimation")
        >>> x = shared.block(channel, "x", np.zeros(3), origin, 0, 64)
        >>> x is shared.block(channel, "x", np.ones(3), origin, 0, 64), x.flags.writeable
        (True, False)
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._room = most
        self._held: dict[Any, Array] = {}

    def block(
        self,
        channel: AbstractChannel,
        name: str,
        value: Array,
        origin: tuple[int, str],
        block: int,
        count: int,
    ) -> Array | None:
        """The noise of one block on one channel, not to be written to; None where it depends on the value.

        Args:
            channel, name: the kernel, and the channel's name.
            value: a checked input; of which shape and type matter.
            origin: (seed, purpose).
            block, count: the block's index, and its number of draws.
        """
        address = (origin, name, channel, value.shape, value.dtype.str, block, count)
        found = self._held.get(address)
        if found is None:
            # Two threads may draw the same block at once; they draw the same numbers.
            found = channel.pure_noise(value, shared_generator(origin[0], name, origin[1], block), count)
            if found is not None:
                found.flags.writeable = False
                if found.nbytes <= self._room:
                    self._room -= found.nbytes
                    self._held[address] = found
        return found
