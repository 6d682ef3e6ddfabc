"""From a mixture to the data: how far a probability can fall when the KL divergence is at most eps.

If KL(data || mixture) <= eps then for every event, q its probability under the mixture and p under the data,
kl(p || q) <= eps (data processing), so that p is at least each of the bounds below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ironbound.errors import wrong_value
from ironbound.latent._rounding import Array

_STEPS = 1100  # down to the smallest positive float64; nearly always 60 suffice


@overload
def transfer(q: float, eps: float, method: str = ...) -> float: ...
@overload
def transfer(q: NDArray[np.float64], eps: ArrayLike, method: str = ...) -> Array: ...
@overload
def transfer(q: ArrayLike, eps: NDArray[np.float64], method: str = ...) -> Array: ...
def transfer(q: ArrayLike, eps: ArrayLike, method: str = "binary_kl") -> float | Array:
    """Lower bound on P_data(event), rounded down, given q = P_mixture(event) and KL(data || mixture) <= eps.

    * "binary_kl": min {p : kl(p || q) <= eps}, the best that follows from KL alone;
    * "pinsker": q - sqrt(eps / 2);
    * "bretagnolle_huber": q - sqrt(1 - exp(-eps)), useful for large eps.

    Args:
        q: probabilities in [0, 1] (for a certificate, a lower bound on the mixture's probability).
        eps: divergences in nats, >= 0; infinity gives 0. Broadcast against q.
    Returns:
        A float for two numbers, otherwise an array of the common shape.
    Raises:
        InputError: q or eps out of range or NaN, or an unknown method.

    Example:
        >>> round(transfer(0.95, 0.01), 4), round(transfer(0.95, 0.01, "pinsker"), 4)
        (0.9164, 0.8793)
    """
    if method not in METHODS:
        raise wrong_value("method", method, f"one of {', '.join(sorted(METHODS))}")
    chance, spread = np.broadcast_arrays(np.asarray(q, dtype=np.float64), np.asarray(eps, dtype=np.float64))
    if not np.all((chance >= 0.0) & (chance <= 1.0)):
        raise wrong_value("q", q, "a probability in [0, 1]")
    if not np.all(spread >= 0.0):
        raise wrong_value("eps", eps, "a divergence of at least 0, in nats")
    found = METHODS[method](chance.ravel(), spread.ravel()).reshape(chance.shape)
    return float(found) if found.ndim == 0 else found


def _pinsker(q: Array, eps: Array) -> Array:
    return _rounded(q - np.sqrt(eps / 2.0))


def _bretagnolle_huber(q: Array, eps: Array) -> Array:
    return _rounded(q - np.sqrt(-np.expm1(-eps)))


def _rounded(value: Array) -> Array:
    """A difference of numbers in [0, 1], each within a few ulp, moved below the exact one; never negative."""
    return np.maximum(value - 2.0**-50, 0.0)


def _binary_kl(q: Array, eps: Array) -> Array:
    """Bisection that keeps the end at which kl exceeds eps beyond doubt, hence p below the exact minimum."""
    low, high = np.zeros(q.shape), q.copy()
    # At p = 0 the divergence is -log(1 - q); where that is within eps, nothing is left.
    nothing = ~(_divergence(low, q) > eps)
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        if not np.any((middle > low) & (middle < high)):
            break
        beyond = _divergence(middle, q) > eps
        low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
    # Where the divergence is lost in rounding, the closed forms are the better proofs.
    low = np.maximum(np.where(nothing, 0.0, low), np.maximum(_pinsker(q, eps), _bretagnolle_huber(q, eps)))
    # KL = 0 means equal laws; and an event of probability 1 stays one under any finite divergence.
    return np.where((eps == 0.0) | ((q == 1.0) & (eps < np.inf)), q, low)


def _divergence(p: Array, q: Array) -> Array:
    """kl(p || q) for p <= q, rounded down: with x = q - p both logarithms are log1p of exact-signed
    quotients.
    """
    with np.errstate(all="ignore"):
        x = q - p
        first = np.where(p > 0.0, p * np.log1p(-x / q), 0.0)
        second = np.where(q < 1.0, (1.0 - p) * np.log1p(x / (1.0 - q)), np.where(p < 1.0, np.inf, 0.0))
        # Each term within a few ulp of itself; the logarithm of a quotient near -1 within those of the
        # quotient.
        doubt = 2.0**-49 * (np.abs(first) + np.abs(second) + x)
        value = first + second - np.where(np.isfinite(doubt), doubt, 0.0)
    return np.where(q > 0.0, np.where(np.isnan(value), 0.0, value), 0.0)


METHODS: dict[str, Callable[[Array, Array], Array]] = {
    "binary_kl": _binary_kl,
    "pinsker": _pinsker,
    "bretagnolle_huber": _bretagnolle_huber,
}
