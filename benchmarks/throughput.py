"""Noisy draws per second through SmoothedClassifier against the bare model's forward passes, in one run.

    python -m benchmarks.throughput [--threads 1] [--seconds 0.3] [--rounds 12] [--clock wall|cpu]

The bare model's best batch size is found first (it is not the largest), and everything is asked in batches
of that size. Ways and peers are measured in turn, over and over, and the best of each is kept. On a machine
that other jobs use as well, --clock cpu counts the processor time of all threads instead; what drawing ahead
saves does not show then, as it is time and no work. The peers are the textbook loop (torch noise, a Python
loop over batches, counts by NumPy) and, where it is installed, ART's randomised smoothing.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import nn

import ironbound as ib
from ironbound.models.torch import TorchClassifier

Model = nn.Module
CLOCK: Callable[[], float] = time.perf_counter
SIGMA = 0.5


def plain_cnn() -> Model:
    """28x28 pixels, two convolutions with pooling, 1.4 MFLOP (multiplications and additions)."""
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * 49, 110), nn.ReLU(), nn.Linear(110, 10)),
    )


def strided_cnn() -> Model:
    """28x28 pixels, three convolutions with stride 2, 1.4 MFLOP: the same work in fewer, faster passes."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU()),
        *(nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(1024, 128), nn.ReLU(), nn.Linear(128, 10)),
    )


def mlp() -> Model:
    """64 features, two hidden layers of 128."""
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 2))


CASES: dict[str, tuple[Callable[[], Model], tuple[int, ...], int]] = {
    "CNN, pooling": (plain_cnn, (1, 28, 28), 10),
    "CNN, strides": (strided_cnn, (1, 28, 28), 10),
    "MLP, 64 features": (mlp, (64,), 2),
}


def flops(model: Model, shape: tuple[int, ...]) -> float:
    """Multiplications and additions of one forward pass."""
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(torch.zeros(1, *shape))
    return float(counter.get_total_flops())


def rate(step: Callable[[], int], seconds: float) -> float:
    """Draws per second of something that does some of them at each call."""
    done, start = 0, CLOCK()
    while (spent := CLOCK() - start) < seconds or done == 0:
        done += step()
    return done / spent


def bare(model: Model, shape: tuple[int, ...], size: int) -> Callable[[], int]:
    """The forward pass alone, on a batch that is there already."""
    batch = torch.randn(size, *shape)

    def step() -> int:
        with torch.no_grad():
            model(batch)
        return size

    return step


def ours(
    model: Model,
    shape: tuple[int, ...],
    classes: int,
    size: int,
    n: int,
    ahead: bool,
    shared: bool = False,
    **noise: Any,
) -> Callable[[], int]:
    """`certify` as users call it, n draws for each input: noise, votes, bounds, a verified certificate.

    `shared`: the draws of all inputs use the same noise, most of which is there after the first input.
    """
    smoothing = ib.Smoothing(x=ib.Gaussian(SIGMA, **noise))
    base = TorchClassifier(model, arguments=["x"])
    classifier = ib.SmoothedClassifier(
        base, smoothing, num_classes=classes, batch_size=size, draw_ahead=ahead
    )
    data = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32) / np.float32(255)
    numbers = itertools.count()

    def step() -> int:
        threat, name = ib.Threat(x=ib.L2()), str(next(numbers))
        asked = {"threat": threat, "n": n, "alpha": 0.001, "input_id": name, "shared_noise": shared}
        return classifier.certify({"x": data}, **asked).samples

    return step


def textbook(model: Model, shape: tuple[int, ...], classes: int, size: int, n: int) -> Callable[[], int]:
    """The loop of Cohen et al. (2019): repeat the input, add torch.randn_like, argmax, count."""
    x = torch.rand(*shape)

    def step() -> int:
        counts = np.zeros(classes, dtype=int)
        with torch.no_grad():
            for _ in range(n // size):
                batch = x.repeat((size, *[1] * len(shape)))
                noise = torch.randn_like(batch) * SIGMA
                predictions = model(batch + noise).argmax(1)
                for label in predictions.cpu().numpy():
                    counts[label] += 1
        return int(counts.sum())

    return step


def art(model: Model, shape: tuple[int, ...], classes: int, size: int, n: int) -> Callable[[], int] | None:
    """ART's randomised smoothing: its prediction of one input, without the bounds of its `certify`."""
    if find_spec("art") is None:
        return None
    from art.estimators.certification.randomized_smoothing import PyTorchRandomizedSmoothing

    smoothed = PyTorchRandomizedSmoothing(
        model=model,
        loss=nn.CrossEntropyLoss(),
        input_shape=shape,
        nb_classes=classes,
        sample_size=n,
        scale=SIGMA,
        alpha=0.001,
    )
    x = np.random.default_rng(0).random((1, *shape)).astype(np.float32)

    def step() -> int:
        smoothed.predict(x, batch_size=size, verbose=False)
        return n

    return step


def measure(name: str, seconds: float, rounds: int) -> None:
    """Print one table: each way's draws per second, and its share of the bare model's."""
    build, shape, classes = CASES[name]
    torch.manual_seed(0)
    model = build().eval()
    sizes = [2**k for k in range(5, 13)]
    found = {size: max(rate(bare(model, shape, size), seconds / 4) for _ in range(3)) for size in sizes}
    size = max(found, key=lambda s: found[s])
    threads = torch.get_num_threads()
    print(f"\n{name}: {flops(model, shape) / 1e6:.2f} MFLOP, {threads} thread(s) for the model")
    print("batch: draws/s  " + ", ".join(f"{s}: {r:,.0f}" for s, r in found.items()) + f"; best {size}")
    n = size * max(1, round(found[size] * seconds / size))
    known = (model, shape, classes, size, n)
    ways: dict[str, Callable[[], int] | None] = {
        "bare model": bare(model, shape, size),
        "ironbound, one thread": ours(*known, ahead=False),
        "ironbound, one thread, exact=True": ours(*known, ahead=False, exact=True),
        "ironbound, noise drawn ahead": ours(*known, ahead=True),
        "ironbound, noise drawn ahead, exact=True": ours(*known, ahead=True, exact=True),
        "ironbound, one thread, shared_noise=True": ours(*known, ahead=False, shared=True),
        "ironbound, one thread, shared_noise=True, exact=True": ours(
            *known, ahead=False, shared=True, exact=True
        ),
        "textbook loop": textbook(*known),
        "ART": art(*known),
    }
    best = dict.fromkeys(ways, 0.0)
    for _ in range(rounds):
        for way, step in ways.items():
            if step is not None:
                best[way] = max(best[way], rate(step, seconds))
    print("| way | draws/s | share of the bare model |\n|---|---|---|")
    for way, value in best.items():
        if value:
            print(f"| {way} | {value:,.0f} | {value / best['bare model']:.1%} |")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description="noisy draws per second against the bare model")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--case", choices=list(CASES), action="append")
    options = parser.parse_args()
    os.environ.setdefault("TQDM_DISABLE", "1")
    torch.set_num_threads(options.threads)
    if options.clock == "cpu":
        global CLOCK
        CLOCK = time.process_time
    for name in options.case or CASES:
        measure(name, options.seconds, options.rounds)


if __name__ == "__main__":
    main()
