"""What normalisation adds to a training step of HyCASNet, and what the network costs beside a plain one.

    python -m benchmarks.normalisation

The step (forward, loss, backward, AdamW) is timed with and without the computation that makes every norm at
most 1: without it the layers use their raw weights as they are. Steps alternate, processor time is measured,
and the fastest of each kind counts, so that other work on the machine disturbs little. Then:
parameters, multiply-adds, time for a batch of 64, and one certificate by n = 1,000 votes, against a residual
network of the same layout; and ledger bounds by depth.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from ironbound.lipschitz import (
    HyCASConfig,
    HyCASNet,
    Noise,
    RandomisedBase,
    StreamGate,
    blocks_for_depth,
    bound,
    cost,
    projection,
)
from ironbound.models.torch import TorchClassifier
from ironbound.smoothing import SmoothedClassifier
from ironbound.threats import L2, Threat
from ironbound.training.networks import PlainResNet

SHAPE = (1, 28, 28)


@contextmanager
def raw_weights(net: nn.Module) -> Iterator[None]:
    """While open, nothing is normalised."""
    layers = [part for part in net.modules() if hasattr(part, "_fold") and not isinstance(part, StreamGate)]
    folds: list[Any] = [part._fold for part in layers]
    before = [fold._compute for fold in folds]
    scales = projection._aol_scales
    for fold in folds:
        fold._compute = lambda raw: raw
    projection._aol_scales = lambda weights: torch.ones(len(weights), weights.shape[2], dtype=weights.dtype)
    try:
        yield
    finally:
        projection._aol_scales = scales
        for fold, compute in zip(folds, before, strict=True):
            fold._compute = compute


def stepper(net: nn.Module, batch: int) -> Callable[[], None]:
    optimiser = torch.optim.AdamW(net.parameters(), 1e-4)
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(batch, *SHAPE, generator=generator)
    y = torch.randint(2, (batch,), generator=generator)

    def step() -> None:
        loss = nn.functional.cross_entropy(net(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def seconds(work: Callable[[], object]) -> float:
    """Processor time of a piece of work, on one thread."""
    start = time.process_time()
    work()
    return time.process_time() - start


def steps(repeats: int = 15) -> None:
    print(f"{'network':34s}{'raw ms':>9s}{'normalised ms':>15s}{'added':>8s}")
    for name, changes in (
        ("small, 28x28", {}),
        ("small, 28x28, gram", {"method": "gram"}),
        ("small, 28x28, fold 2", {"fold": 2}),
        ("small, one stream, fold 2", {"fold": 2, "streams": (("spectral",),) * 2, "injection": False}),
    ):
        config = HyCASConfig.preset("small", SHAPE, 2, draws="batch", **changes)
        net = HyCASNet(config, noise=Noise(0), generator=torch.Generator().manual_seed(0)).train()
        step = stepper(net, 64)
        step()
        raw, whole = [], []
        for _ in range(repeats):
            with raw_weights(net):
                raw.append(seconds(step))
            whole.append(seconds(step))
        print(f"{name:34s}{min(raw) * 1e3:9.1f}{min(whole) * 1e3:15.1f}{min(whole) / min(raw) - 1:8.1%}")


def networks() -> None:
    print(f"\n{'network':34s}{'parameters':>11s}{'mult.-adds':>12s}{'batch ms':>10s}{'n=1000, s':>11s}")
    small = partial(HyCASConfig.preset, "small", SHAPE, 2, fold=2)
    found: dict[str, nn.Module] = {"plain residual": PlainResNet(SHAPE, 2, 16, (1, 1), 2)}
    one = {"streams": (("spectral",),) * 2, "injection": False}
    for name, changes in (("one stream, no RANI", one), ("HyCAS", {})):
        net = HyCASNet(small(**changes), noise=Noise(0), generator=torch.Generator().manual_seed(0))
        found[name] = net
    for name, net in found.items():
        net.eval()
        used = cost(net, SHAPE)
        x = torch.rand(64, *SHAPE)
        with torch.no_grad():
            batch = min(seconds(lambda net=net, x=x: net(x)) for _ in range(10))
        base = RandomisedBase(net, SHAPE)
        model = SmoothedClassifier(TorchClassifier(base), base.smoothing(0.5), 2)
        inputs = base.inputs(np.full(SHAPE, 0.5, np.float32))
        whole = seconds(lambda m=model, i=inputs: m.certify(i, threat=Threat(image=L2()), n=1000))
        print(f"{name:34s}{used.parameters:11,d}{used.multiply_adds:12,d}{batch * 1e3:10.1f}{whole:11.2f}")


def depths() -> None:
    print(f"\n{'depth':>5s}{'normalized':>12s}{'residual':>12s}   (ledger bound, width 16, fresh weights)")
    for depth in (4, 8, 18):
        values = []
        for mode in ("normalized", "residual"):
            config = HyCASConfig(SHAPE, 2, width=16, blocks=blocks_for_depth(depth), mode=mode, fold=2)
            net = HyCASNet(config, noise=Noise(0), generator=torch.Generator().manual_seed(0)).eval()
            values.append(bound(net, SHAPE).value)
        print(f"{depth:5d}{values[0]:12.4f}{values[1]:12.4g}")


def main() -> None:
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, batch 64\n")
    steps()
    networks()
    depths()


if __name__ == "__main__":
    main()
