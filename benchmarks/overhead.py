"""What the store and the scheduler add to a run of 1,000 inputs, as shares of the time it takes.

    python -m benchmarks.overhead [--inputs 1000] [--n 2000] [--stop fixed|target]

An untrained convolutional network of 1.4 MFLOP on 28 x 28 pictures, on one thread. The run is ordinary, into
a folder on disk; a clock is put around every call of the model, the reading of its answers (argmax, checks,
counting), every wait for noise, every step of an input's statistics (bounds, stopping rule, certificate and
its check) and every commit. What is left is the scheduler's: filling batches, handing out votes, rows and
events, and the clocks. On a machine with other work the wall shows waiting for a core as well, mostly where
two threads hand over; the main thread's own processor time does not (the noise is drawn by another thread).
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
    """Time spent in each part, without what parts spend in each other: by the wall, and of this thread."""

    def __init__(self) -> None:
        self.spent: dict[str, tuple[float, float]] = {}
        self._inner: list[tuple[float, float]] = []

    @staticmethod
    def now() -> tuple[float, float]:
        return time.perf_counter(), time.thread_time()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self._inner.append((0.0, 0.0))
        wall, own = self.now()
        try:
            yield
        finally:
            wall, own = time.perf_counter() - wall, time.thread_time() - own
            inside = self._inner.pop()
            before = self.spent.get(name, (0.0, 0.0))
            self.spent[name] = before[0] + wall - inside[0], before[1] + own - inside[1]
            if self._inner:
                outer = self._inner[-1]
                self._inner[-1] = outer[0] + wall, outer[1] + own

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
        patch.object(batches.Batches, "_ask", clock.around("answers", batches.Batches._ask)),
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
        start = np.array(clock.now())
        failed = run(plan, Path(folder) / "out")
        whole = np.array(clock.now()) - start
        with Store.open(Path(folder) / "out" / "results.sqlite") as store:
            draws = sum(row.samples for row in store.rows())
    count = options.inputs
    parts = {name: np.array(spent) for name, spent in clock.spent.items()}
    parts["scheduler"] = whole - sum(parts.values())
    print(f"{count} inputs, {draws / count:,.0f} draws each, {failed} failed: {whole[0]:.1f} s")
    print("               ms each   share of the wall   share of the main thread's processor time")
    for name, (wall, own) in sorted(parts.items(), key=lambda item: -item[1][0]):
        print(f"  {name:<12}{1e3 * wall / count:8.3f}{wall / whole[0]:12.2%}{own / whole[1]:16.2%}")
    share = (parts["store"] + parts["scheduler"]) / whole
    print(f"store and scheduler: {share[0]:.2%} of the wall, {share[1]:.2%} of the processor time")


if __name__ == "__main__":
    main()
