"""What the store and the scheduler add to a run of 1,000 inputs, as shares of the time it takes.

    python -m benchmarks.overhead [--inputs 1000] [--n 2000] [--stop fixed|target]

An untrained convolutional network of 1.4 MFLOP on 28 x 28 pictures, on one thread. The run is ordinary,
into a folder on disk; a clock is put around every call of the model, every wait for noise, every step of an
input's statistics (bounds, stopping rule, certificate and its check) and every commit. What is left is the
scheduler's: filling batches, handing out votes, rows and events.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

import ironbound as ib
from benchmarks.throughput import strided_cnn
from ironbound.data.problem import Example, Problem
from ironbound.models.torch import TorchClassifier
from ironbound.runs.config import Statistics
from ironbound.runs.plan import Plan
from ironbound.runs.runner import run
from ironbound.runs.store import Store
from ironbound.smoothing import batches, classifier


class Clock:
    """Seconds spent in each part, leaving out what parts spend in each other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._inner: list[float] = []

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self._inner.append(0.0)
        start = time.perf_counter()
        try:
            yield
        finally:
            passed = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + passed - self._inner.pop()
            if self._inner:
                self._inner[-1] += passed

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return function(*args, **kwargs)

        return timed


def problem(count: int, clock: Clock) -> Problem:
    """Random pictures, and a network that was never trained but mostly decides clearly."""
    torch.manual_seed(1)
    pictures = np.random.default_rng(0).random((count, 1, 28, 28), dtype=np.float32)
    pictures *= np.random.default_rng(1).uniform(0.0, 2.0, (count, 1, 1, 1)).astype(np.float32)
    return Problem(
        name="overhead",
        base=clock.around("model", TorchClassifier(strided_cnn().eval(), arguments=("x",))),
        smoothing=ib.Smoothing(x=ib.Gaussian(0.25)),
        threat=ib.Threat(x=ib.L2()),
        num_classes=10,
        examples=[Example(str(i), {"x": picture}) for i, picture in enumerate(pictures)],
    )


@contextmanager
def watched(clock: Clock) -> Iterator[None]:
    """Clocks around the noise, the statistics and the store."""
    draw, job, add = batches.Batches.draw, classifier.job, Store.add

    def drawing(self: Any, rows: Any) -> Any:
        with clock.part("noise"):
            drawn = draw(self, rows)
        return clock.around("noise", drawn)

    def working(*args: Any) -> Any:
        with clock.part("statistics"):
            steps = job(*args)
        votes: Any = None
        while True:
            try:
                with clock.part("statistics"):
                    need = steps.send(votes)
            except StopIteration as finished:
                return finished.value
            votes = yield need

    with (
        patch.object(batches.Batches, "draw", drawing),
        patch.object(classifier, "job", working),
        patch.object(Store, "add", clock.around("store", add)),
        patch.object(Store, "close", clock.around("store", Store.close)),
        patch.object(Store, "open", clock.around("store", Store.open)),
        patch.object(Store, "create", clock.around("store", Store.create)),
    ):
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--stop", choices=("fixed", "target"), default="fixed")
    options = parser.parse_args()
    torch.set_num_threads(1)
    target = {"x": 0.1} if options.stop == "target" else None
    clock = Clock()
    statistics = Statistics(n=options.n, stop=options.stop, target=target, alpha=0.001)
    document = {"task": "overhead", "model": {"batch_size": 500}}
    plan = Plan(problem(options.inputs, clock), statistics, None, document, None)
    with tempfile.TemporaryDirectory(dir=".") as folder, watched(clock):
        start = time.perf_counter()
        failed = run(plan, Path(folder) / "out")
        whole = time.perf_counter() - start
        with Store.open(Path(folder) / "out" / "results.sqlite") as store:
            draws = sum(row.samples for row in store.rows())
    parts = {**clock.seconds, "scheduler": whole - sum(clock.seconds.values())}
    print(
        f"{options.inputs} inputs, {draws / options.inputs:,.0f} draws each, {failed} failed: {whole:.1f} s"
    )
    for name, seconds in sorted(parts.items(), key=lambda item: -item[1]):
        each = 1e3 * seconds / options.inputs
        print(f"  {name:<12}{seconds:8.2f} s  {seconds / whole:7.2%}  {each:7.3f} ms each")
    print(f"store and scheduler: {(parts['store'] + parts['scheduler']) / whole:.2%}")


if __name__ == "__main__":
    main()
