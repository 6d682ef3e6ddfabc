"""Rounding bounds for float64 work, and a matrix product that is accurate enough to certify an eigenbasis.

The running-error model is Higham, *Accuracy and Stability of Numerical Algorithms* (2002), chapter 3; the
splitting is Ozaki, Ogita, Oishi, Rump, "Error-free transformations of matrix multiplication" (2012).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

UNIT = 2.0**-53
"""Largest relative error of one rounded float64 operation."""

TINY = 1e-300
"""Far above what underflow takes from any sum of products, far below any figure that matters."""


def gamma(operations: int, unit: float = UNIT) -> float:
    """n u / (1 - n u): bounds the relative error of a sum of products of n terms, in any order.

    Example:
        >>> 64 * UNIT < gamma(64) < 64.001 * UNIT
        True
    """
    return operations * unit / (1.0 - operations * unit) * (1.0 + 1e-12)


def frozen(values: Array) -> Array:
    """The array itself, from now on read-only: figures were derived from it."""
    values.flags.writeable = False
    return values


def lengths(rows: Array) -> Array:
    """Upper bounds (n,) on the 2-norms of rows (n, D), also where their squares are no float64.

    Example:
        >>> found = lengths(np.array([[3.0, 4.0], [3e-200, 4e-200], [3e200, 4e200]]))
        >>> (found / [5.0, 5e-200, 5e200]).round(13).tolist()
        [1.0, 1.0, 1.0]
    """
    with np.errstate(over="ignore", invalid="ignore"):
        found = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    odd = np.flatnonzero(~((found > 1e-140) & (found < 1e150)))
    if odd.size:
        largest = np.max(np.abs(rows[odd]), axis=1, initial=0.0)
        with np.errstate(invalid="ignore"):
            part = rows[odd] / np.where((largest > 0.0) & np.isfinite(largest), largest, 1.0)[:, None]
        with np.errstate(over="ignore", invalid="ignore"):
            whole = np.sqrt(np.einsum("ij,ij->i", part, part)) * largest
        found[odd] = np.where(largest > 0.0, np.nextafter(whole, np.inf), whole)
    return found * (1.0 + gamma(rows.shape[1] + 8))


def norm(matrix: Array) -> float:
    """Upper bound on the Frobenius norm of a matrix of any shape."""
    return float(lengths(matrix.reshape(1, -1))[0])


def split(matrix: Array, bits: int, axis: int) -> tuple[Array, Array]:
    """Leading and trailing part of a matrix; the leading part has `bits` bits relative to its line's
    maximum.
    """
    largest = np.max(np.abs(matrix), axis=axis, keepdims=True)
    _, exponent = np.frexp(largest)
    shift = np.ldexp(1.5, exponent + (53 - bits))
    head = (matrix + shift) - shift
    return head, matrix - head


def accurate_product(left: Array, right: Array, minus: Array | None = None) -> tuple[Array, float]:
    """`left @ right - minus` in about twice the working precision before the last rounding.

    Args:
        left: shape (n, m). right: shape (m, p). minus: shape (n, p), taken as exact.
    Returns:
        The product (n, p), and a bound on the Frobenius norm of its error.
    """
    inner = left.shape[1]
    bits = (53 - math.ceil(math.log2(max(inner, 2)))) // 2 - 1
    a, a_rest = split(left, bits, axis=1)
    b, b_rest = split(right, bits, axis=0)
    # Every partial sum of a @ b is a multiple of one power of two and below 2**53 of it: no rounding at all.
    exact = a @ b
    small = a @ b_rest + a_rest @ right
    lead = exact if minus is None else exact - minus
    total = lead + small
    spread = gamma(inner + 2) * (norm(a) * norm(b_rest) + norm(a_rest) * norm(right))
    rounding = 2.0 * UNIT * (norm(small) + norm(total) + (0.0 if minus is None else norm(lead)))
    return total, float((spread + rounding) * (1.0 + 1e-9))
