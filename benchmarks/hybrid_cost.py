"""Cost of certifying image and text together, against the image alone, at equal n. One core.

    python -m benchmarks.hybrid_cost [--task mnist-claims --inputs 4]

Whole `certify` calls on a built-in task of picture and text: draws, network, bounds, frontier, self-check.
Three ways, in turns, since machines are noisy; of each way the least processor time for every input, summed.
The network of digits-claims takes 4 microseconds a draw, the hard case; that of mnist-claims 30.

Nothing is remembered from one call to the next: the caches of searches and checks are emptied before each.

* image alone: noise on the image, the text as it is; no token is attacked.
* image under token noise: noise on both, attack on the image only.
* hybrid: noise on both, attack on both, the frontier for d = 0, 1, .. from the same draws.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import gc
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import ironbound as ib
from ironbound.certificate import Certificate
from ironbound.data import Example
from ironbound.data.tasks import load_task
from ironbound.smoothing import goal
from ironbound.verify import bounds, counts, positions, products


class WithText:
    """The classifier of one text: the base sees it unchanged beside every noised image."""

    def __init__(self, base: Any, tokens: Any) -> None:
        self.base, self.tokens = base, np.repeat(np.asarray(tokens)[None], 8192, axis=0)

    def __call__(self, batch: Mapping[str, Any]) -> Any:
        return self.base({**batch, "tokens": self.tokens[: len(batch["image"])]})


def forget() -> None:
    """Empty what is kept of earlier searches and checks, and collect garbage outside the measured time."""
    for module in (goal, positions, products, counts, bounds):
        for kept in vars(module).values():
            if hasattr(kept, "cache_clear"):
                kept.cache_clear()
    gc.collect()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--task", choices=["digits-claims", "mnist-claims"], default="digits-claims")
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--inputs", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    problem = load_task(given.task)
    examples = problem.examples[: given.inputs]
    image = ib.Smoothing(image=problem.smoothing["image"])
    shift = ib.Threat(image=ib.L2())
    both = ib.SmoothedClassifier(problem.base, problem.smoothing, problem.num_classes)

    # One classifier for each text, made beforehand: what is checked once for a classifier is not timed.
    alone = {
        example.id: ib.SmoothedClassifier(
            WithText(problem.base, example.inputs["tokens"]), image, problem.num_classes
        )
        for example in examples
    }

    def image_alone(example: Example) -> Certificate:
        inputs = {"image": example.inputs["image"]}
        return alone[example.id].certify(inputs, threat=shift, n=given.n, alpha=0.01)

    def image_under_noise(example: Example) -> Certificate:
        return both.certify(example.inputs, threat=shift, n=given.n, alpha=0.01)

    def hybrid(example: Example) -> Certificate:
        return both.certify(example.inputs, threat=problem.threat, n=given.n, alpha=0.01)

    ways: dict[str, Callable[[Example], Certificate]] = {
        "image alone": image_alone,
        "image under token noise": image_under_noise,
        "hybrid": hybrid,
    }
    times = {name: np.full((given.rounds, len(examples)), np.inf) for name in ways}
    for turn in range(-1, given.rounds):  # the first turn warms up
        for i, example in enumerate(examples):
            for name, way in ways.items():
                forget()
                start = time.process_time()
                way(example)
                if turn >= 0:
                    times[name][turn, i] = time.process_time() - start
    total = {name: float(each.min(axis=0).sum()) for name, each in times.items()}
    print(f"\nWhole certify calls on {given.task}, n = {given.n:,}, {len(examples)} inputs, one core")
    for name, seconds in total.items():
        share = seconds / total["image alone"]
        print(f"{name:28s}{1e3 * seconds / len(examples):9.1f} ms an input{share:9.3f} x image alone")
    print(f"hybrid over image under token noise: {total['hybrid'] / total['image under token noise']:.3f}")
    print(f"frontier of the last input: {hybrid(examples[-1]).frontier}")


if __name__ == "__main__":
    main()
