"""The published procedure for hybrid radii, written down from the paper's description, to compare with.

HRS (arXiv 2605.12876): list the likelihood ratios of the changed positions one by one, find the level t of
the worst test by bisection in [1e-12, 1e12], and the radius by bisection around that. An input counts as
certified where the radius found is above 0. The level search is logarithmic and runs to full precision; the
radius search ends at 1e-4, below what the paper prints.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Array = NDArray[np.float64]
Atoms = tuple[Array, Array, Array]  # likelihood ratio q/p, mass p, mass q

FLOOR, SMALLEST, LARGEST = 1e-12, 1e-12, 1e12
LEVEL_STEPS, RADIUS_STEP = 120, 1e-4


def replaced(d: int, alphabet: int, beta: float) -> Atoms:
    """d replaced tokens: one atom for each number of kept and of exchanged symbols, (d+1)(d+2)/2 of them."""
    keep, other = 1 - beta, beta / (alphabet - 1)
    rest = other * (alphabet - 2)
    rows: list[tuple[float, float, float]] = []
    for i in range(d + 1):
        for j in range(d + 1 - i):
            ways = math.comb(d, i) * math.comb(d - i, j)
            p = ways * keep**i * other**j * rest ** (d - i - j)
            q = ways * other**i * keep**j * rest ** (d - i - j)
            rows.append((q / p, p, q))
    return _columns(rows)


def changed_fields(arities: Sequence[int], beta: float) -> Atoms:
    """The given fields changed, all of them: one atom for each combination of outcomes, 3^d of them."""
    each = [
        ((1 - beta, beta / (v - 1)), (beta / (v - 1), 1 - beta), (beta * (v - 2) / (v - 1),) * 2)
        for v in arities
    ]
    rows: list[tuple[float, float, float]] = []
    for combination in itertools.product(*each):
        p = math.prod(a for a, _ in combination)
        q = math.prod(b for _, b in combination)
        if p > 0:
            rows.append((q / p, p, q))
    return _columns(rows)


def attacked(atoms: Atoms, p: float, mu: float) -> float:
    """Lowest attacked probability at a shift of mu > 0 sigmas: the level t by bisection, then its Q-mass."""
    ratio, mass_p, mass_q = atoms
    log_ratio = np.log(ratio + FLOOR)

    def tails(t: float) -> tuple[Array, Array]:
        z = (math.log(t) - log_ratio) / mu
        return ndtr(z + mu / 2), ndtr(z - mu / 2)

    low, high = SMALLEST, LARGEST
    for _ in range(LEVEL_STEPS):
        middle = math.sqrt(low * high)
        if float(mass_p @ tails(middle)[0]) > p:
            high = middle
        else:
            low = middle
    return float(mass_q @ tails(low)[1])


def radius(atoms: Atoms, p: float, sigma: float, threshold: float, largest: float = 20.0) -> float:
    """Radius by bisection, the certain end of the last step; 0 where nothing is certified."""

    def holds(r: float) -> bool:
        return attacked(atoms, p, r / sigma) > threshold

    return bisected(holds, largest * sigma, RADIUS_STEP)


def bisected(holds: Callable[[float], bool], largest: float, step: float) -> float:
    """The largest value, to within a step, up to which a property holds that does not come back."""
    low, high = 0.0, largest
    while high - low > step:
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _columns(rows: list[tuple[float, float, float]]) -> Atoms:
    table = np.array(rows)
    return table[:, 0], table[:, 1], table[:, 2]
