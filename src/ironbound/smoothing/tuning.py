"""The batch size at which a base answers most draws per second: measured, as it is seldom the largest.

On a processor, a batch whose intermediate results no longer fit its cache can take three times as long per
draw.
"""

from __future__ import annotations

import time

from ironbound.channels import Smoothing
from ironbound.smoothing.batches import out_of_memory
from ironbound.smoothing.draws import Draws
from ironbound.smoothing.voting import Reading, Voters

# A smaller batch is preferred to a larger one that is faster by less than this share.
_WORTH = 1.05


def best_batch_size(
    voters: Voters, noise: Smoothing, reading: Reading, *, most: int = 8192, seconds: float = 0.1
) -> int:
    """The fastest of 16, 32, .. draws in a batch, as far as memory goes.

    Args:
        voters: the base.
        noise, reading: whose noised copies it is asked about; these draws are used for nothing else.
        most: largest size to try.
        seconds: spent on each size, and at least two calls.
    """
    draws = Draws(noise, reading.values, 0, "", "examination")
    chosen, fastest = 1, 0.0
    size = 16
    while size <= most:
        try:
            batch = draws.take(0, size)
            voters.ask(batch, reading)
            found = 0.0
            begun = time.perf_counter()
            for _ in range(1000):
                started = time.perf_counter()
                voters.ask(batch, reading)
                ended = time.perf_counter()
                found = max(found, size / max(ended - started, 1e-9))
                if ended - begun > seconds:
                    break
        except Exception as error:
            if not out_of_memory(error):
                raise
            break
        if found > _WORTH * fastest:
            chosen, fastest = size, found
        elif found < fastest / 2:
            break  # far beyond the best
        size *= 2
    return chosen
