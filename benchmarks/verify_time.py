"""Time to re-check a certificate, against the time that its noise draws took.

    python -m benchmarks.verify_time

An image of 16 pixels and a text of 64 tokens from a vocabulary of 32,000, nine token budgets, n = 10,000. The
base classifier is a comparison of two means; with a real one the share of the check is smaller. Counts that
were checked before are remembered within a process, so this is what the certificates of one run cost.
"""

from __future__ import annotations

import time

import numpy as np

import ironbound as ib
from ironbound.channels.base import Array


def base(batch: dict[str, Array]) -> Array:
    return (batch["image"].mean(axis=1) + (batch["tokens"] < 16_000).mean(axis=1) > 0.2).astype(np.int64)


def main() -> None:
    smoothing = ib.Smoothing(image=ib.Gaussian(0.5), tokens=ib.UniformReplacement(0.9, 32_000))
    model = ib.SmoothedClassifier(base, smoothing, num_classes=2)
    threat = ib.Threat(image=ib.L2(), tokens=ib.TokenL0(8))
    inputs = {"image": np.full(16, 0.25), "tokens": np.arange(64)}
    made = model.certify(inputs, threat=threat, n=10_000)
    certified: list[float] = []
    checked: list[float] = []
    for i in range(10):
        start = time.perf_counter()
        made = model.certify(inputs, threat=threat, n=10_000, input_id=str(i))
        certified.append(time.perf_counter() - start)
        stored = ib.Certificate.from_json(made.to_json())
        start = time.perf_counter()
        stored.verify()
        checked.append(time.perf_counter() - start)
    whole, check = (1e3 * float(np.median(times)) for times in (certified, checked))
    budgets = sum(claim.certified for claim in made.claims)
    print(f"\nRe-checking a certificate of nine budgets, {budgets} of them certified; medians of ten")
    print(f"certify with n = 10,000: {whole:.1f} ms; re-check: {check:.1f} ms ({check / whole:.1%})")


if __name__ == "__main__":
    main()
