"""Which categories an attacker may write into which fields of a table row."""

from __future__ import annotations

import numpy as np

from ironbound.attacks.tokens import Writable
from ironbound.channels import Categorical
from ironbound.channels.base import Array


def writable_fields(channel: Categorical, clean: Array, d: int) -> Writable:
    """Any d fields, each to one of its own categories.

    Args:
        channel: the noise, which knows how many categories each field has.
        clean: codes (k,).
        d: number of fields that may change.

    Example:
        >>> found = writable_fields(Categorical([2, 3], 0.25), np.array([0, 2]), 1)
        >>> found.allows(np.array([0, 1])), found.allows(np.array([1, 1])), found.allows(np.array([2, 2]))
        (True, False, False)
    """
    codes = tuple(np.arange(arity, dtype=np.int64) for arity in channel.arities)
    return Writable(clean, tuple(range(clean.size)), codes, d, channel)
