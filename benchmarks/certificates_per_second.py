"""Radii per second through `laws.radii`, on one core, against a nested root search.

    python -m benchmarks.certificates_per_second

The peer is the textbook procedure: for each probability bisect the radius, and for each radius bisect the
likelihood-ratio level; SciPy's brentq does both searches. It has the same atoms and no other overhead.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import time
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from ironbound import laws
from ironbound.laws import Law

COUNT, PEER_COUNT, SIGMA, THRESHOLD = 20_000, 20, 0.5, 0.5


def nested_search(law: Law, p: float) -> float:
    """Radius by two nested root searches; nan where not certified at r = 0."""
    ell, mass_p, mass_q = law.log_ratio, np.exp(law.log_p), np.exp(law.log_q)

    def attacked(mu: float) -> float:
        def excess(u: float) -> float:
            return float(mass_p @ ndtr((u - ell) / mu + mu / 2)) - p

        reach = 40 * mu + mu * mu + 1
        u = root(excess, ell[0] - reach, ell[-1] + reach, 1e-13)
        return float(mass_q @ ndtr((u - ell) / mu - mu / 2))

    if attacked(1e-6) <= THRESHOLD:
        return float("nan")
    return SIGMA * root(lambda mu: attacked(mu) - THRESHOLD, 1e-6, 40.0, 1e-12)


def root(function: Callable[[float], float], low: float, high: float, tolerance: float) -> float:
    return float(cast(Any, brentq)(function, low, high, xtol=tolerance))


def per_second(work: Callable[[], object], count: int) -> float:
    """Best of three, since the machine is noisy."""
    times: list[float] = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return count / min(times)


def main() -> None:
    rng = np.random.default_rng(0)
    p = 1.0 - 10.0 ** rng.uniform(-5, -0.4, size=COUNT)
    print(f"\nRadii per second, one core, {COUNT} distinct p in (0.6, 1 - 1e-5), threshold {THRESHOLD}")
    print(
        f"{'law':38s}{'certified':>10s}{'ironbound/s':>14s}{'nested/s':>10s}{'ratio':>8s}{'largest gap':>13s}"
    )
    for d in (0, 1, 2, 4, 8):
        for alphabet, beta in ((240, 0.6), (32_000, 0.9)):
            law = laws.uniform_replacement(d, alphabet, beta)
            found = laws.radii(law, p, SIGMA, threshold=THRESHOLD)
            ours = per_second(lambda law=law: laws.radii(law, p, SIGMA, threshold=THRESHOLD), COUNT)
            some = p[:PEER_COUNT].tolist()
            peer_found = np.array([nested_search(law, x) for x in some])
            peer = per_second(lambda law=law, some=some: [nested_search(law, x) for x in some], PEER_COUNT)
            gap = np.abs(peer_found - found[:PEER_COUNT])
            shown = f"{np.nanmax(gap):13.1e}" if np.isfinite(gap).any() else f"{'-':>13s}"
            name = f"uniform d={d} alphabet={alphabet} beta={beta}"
            certified = float(np.isfinite(found).mean())
            print(f"{name:38s}{certified:10.1%}{ours:14,.0f}{peer:10,.0f}{ours / peer:8,.0f}{shown}")


if __name__ == "__main__":
    main()
