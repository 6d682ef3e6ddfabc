"""Constructors of laws: Gaussian, uniform replacement, mask, categorical fields; and their composition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ironbound.errors import wrong_value
from ironbound.laws import _powers
from ironbound.laws._powers import Product
from ironbound.laws.law import Law
from ironbound.laws.positions import Position, masked, replaced

Array = NDArray[np.float64]

# Extended precision carries about 19 digits where the platform has it. Where it does not (longdouble is
# float64 there), a product of hundreds of masses loses digits, and the law has to say so.
_EXTENDED = float(np.finfo(np.longdouble).eps)
_ROUNDING = float(np.finfo(np.float64).eps)


def identity() -> Law:
    """The law of no change at all: log-ratio 0 with certainty."""
    return _law([(_powers.unit(), 0)], 0)


def gaussian(mu: float) -> Law:
    """Gaussian noise N(0, sigma^2 I) and a shift of 2-norm r: mu = r / sigma (Cohen et al. 2019).

    Example:
        >>> round(gaussian(mu=1.0).lower(0.99), 6)  # Phi(Phi^-1(0.99) - 1)
        0.907638
    """
    if not (0.0 <= mu < math.inf):
        raise wrong_value("mu", mu, "a finite number >= 0, the 2-norm of the shift divided by sigma")
    one = np.zeros(1)
    return Law(one, one.copy(), one.copy(), float(mu))


def uniform_replacement(d: int, alphabet: int, beta: float) -> Law:
    """d changed positions under uniform replacement: 2d + 1 atoms at multiples of Lambda (HRS, section 4).

    Args:
        d: number of positions that the attacker changed, >= 0.
        alphabet: number of symbols V that the noise draws from; clean and attacked symbols are among them.
        beta: probability that a position is replaced, in (0, 1].
    Raises:
        InputError: d < 0, alphabet < 2, or beta outside (0, 1].

    Example:
        >>> law = uniform_replacement(d=3, alphabet=32_000, beta=0.25)
        >>> law.log_ratio.size
        7
    """
    return positions_law([(replaced(alphabet, beta), _budget(d))])


def mask(d: int, beta: float) -> Law:
    """d changed positions under mask noise: lower(p) = v Phi(Phi^-1((p - 1 + v)/v) - mu) with v = beta^d."""
    return positions_law([(masked(beta), _budget(d))])


def fields(arities: Sequence[int], betas: float | Sequence[float]) -> Law:
    """Law of changing *all* the given categorical fields; see `field_laws` for "any d of them".

    Args:
        arities: number of categories of each changed field, each >= 2.
        betas: one replacement rate for all of them, or one each.

    Example:
        >>> law = fields([16, 7], 0.1)
        >>> law.lower(0.99) > fields([42, 16], 0.1).lower(0.99)
        True
    """
    return positions_law([(position, 1) for position in field_positions(arities, betas)])


def field_positions(arities: Sequence[int], betas: float | Sequence[float]) -> list[Position]:
    """One position per field; a scalar rate is given to each."""
    rates = [float(betas)] * len(arities) if isinstance(betas, int | float) else [float(b) for b in betas]
    if len(rates) != len(arities):
        raise wrong_value("betas", betas, f"one rate, or one for each of the {len(arities)} fields")
    return [replaced(arity, beta) for arity, beta in zip(arities, rates, strict=True)]


def compose(*laws: Law) -> Law:
    """Law of several independent channels changed at once: log-ratios add, mu^2 adds.

    Example:
        >>> law = compose(mask(d=1, beta=0.5), gaussian(mu=0.6), gaussian(mu=0.8))
        >>> round(law.mu, 12), law.log_ratio.size
        (1.0, 3)
    """
    discrete = [law for law in laws if law.log_ratio.size > 1]
    mu = math.hypot(*(law.mu for law in laws)) if laws else 0.0
    if len(discrete) == 0:
        return Law(np.zeros(1), np.zeros(1), np.zeros(1), mu)
    if len(discrete) == 1:
        only = discrete[0]
        return Law(only.log_ratio, only.log_p, only.log_q, mu, only.tolerance, only.masses)
    product = _powers.unit()
    for law in discrete:
        product = product.times(_as_product(law))
    return _finish(product, mu, sum(law.tolerance for law in discrete) + 16 * _ROUNDING)


def positions_law(counted: Sequence[tuple[Position, int]]) -> Law:
    """Law of the given numbers of changed positions of each kind. Cached: laws are immutable."""
    merged: dict[Position, int] = {}
    for position, count in counted:
        merged[position] = merged.get(position, 0) + count
    return _positions_law(tuple((position, count) for position, count in merged.items() if count))


@lru_cache(maxsize=4096)
def _positions_law(counted: tuple[tuple[Position, int], ...]) -> Law:
    return _law([(_powers.power(position, count), count) for position, count in counted], len(counted))


def _law(powers: Sequence[tuple[Product, int]], kinds: int) -> Law:
    product = _powers.unit()
    total = 0
    for factor, count in powers:
        product, total = product.times(factor), total + count
    # Each changed position adds a few roundings to its factor, each merge of kinds a few more.
    return _finish(product, 0.0, 64 * _EXTENDED * (total + 1) * 16 + 16 * _ROUNDING * max(kinds, 1))


def _finish(product: Product, mu: float, tolerance: float) -> Law:
    low, high = np.longdouble(-np.inf), np.longdouble(np.inf)
    ell = product.log_q - product.log_p
    log_p, log_q = product.log_p, product.log_q
    if product.p_below > 0:
        ell, log_q = np.concatenate([[low], ell]), np.concatenate([[low], log_q])
        log_p = np.concatenate([[np.log(product.p_below)], log_p])
    if product.q_above > 0:
        ell, log_p = np.concatenate([ell, [high]]), np.concatenate([log_p, [low]])
        log_q = np.concatenate([log_q, [np.log(product.q_above)]])
    masses = (np.exp(log_p).astype(np.float64), np.exp(log_q).astype(np.float64))
    return Law(_float(ell), _float(log_p), _float(log_q), mu, tolerance, masses)


def _float(values: NDArray[np.longdouble]) -> Array:
    return values.astype(np.float64)


def _as_product(law: Law) -> Product:
    finite = np.isfinite(law.log_ratio)
    below, above = law.log_p[law.log_ratio == -np.inf], law.log_q[law.log_ratio == np.inf]
    return Product(
        law.log_p[finite].astype(np.longdouble),
        law.log_q[finite].astype(np.longdouble),
        np.exp(below.astype(np.longdouble)).sum(),
        np.exp(above.astype(np.longdouble)).sum(),
    )


def _budget(d: int) -> int:
    if int(d) != d or d < 0:
        raise wrong_value("d", d, "a whole number of changed positions >= 0")
    return int(d)
