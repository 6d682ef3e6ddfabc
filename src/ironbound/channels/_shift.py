"""The vectorised draw of "another symbol than the clean one", shared by tokens and fields."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]


def shifts(
    others: Codes, rates: NDArray[np.float64], generator: np.random.Generator, count: int
) -> NDArray[np.int64]:
    """For each position an index 0..others-1 of a replacement (probability `rate`), or `others`: keep.

    One uniform draw u decides both: floor(u * others / rate) is below `others` with probability `rate`,
    and then uniform. u lies on a grid of 2^-53, so each position's distribution is within others * 2^-53
    in total variation of the ideal one.

    Args:
        others: number of replacement symbols of each position, shape (m,).
        rates: replacement rate of each position, shape (m,).
    Returns:
        Shape (count, m).
    """
    uniform = generator.random((count, others.size))
    uniform *= others / rates
    np.minimum(uniform, others, out=uniform)
    return uniform.astype(np.int64)


def replace_codes(
    codes: Codes, arities: Codes, rates: NDArray[np.float64], generator: np.random.Generator, count: int
) -> NDArray[np.int64]:
    """Codes 0..arity-1, each replaced at its rate by one of the other arity - 1 codes; shape (count, m).

    The k-th other code is the one k + 1 steps on, cyclically; a full round (k = arity - 1) keeps the code.
    """
    drawn = shifts(arities - 1, rates, generator, count)
    drawn += codes + 1
    # Reduce modulo the arity: seen as unsigned numbers, drawn - arity is the smaller one iff it is >= 0.
    wrapped = (drawn - arities).view(np.uint64)
    np.minimum(drawn.view(np.uint64), wrapped, out=wrapped)
    return wrapped.view(np.int64)
