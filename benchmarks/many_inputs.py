"""Memory and resumption of a long run: 100,000 inputs with early stopping, interrupted and continued.

    python -m benchmarks.many_inputs --inputs 100000 [--folder DIR] [--seconds 200]

A linear model of 16 numbers, sigma = 0.5; the question is whether each input is certified at radius 0.1, with
at most 10,000 draws at alpha = 0.001. Each call works for `--seconds` and is repeated until all is done.
Resident memory is read from the operating system after every thousand inputs, into DIR.csv. Resuming is timed
from the call of `run`, model and data loaded, to the commit of the first new input.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from ironbound.channels import Gaussian, Smoothing
from ironbound.channels.base import Array
from ironbound.data.problem import Example, Problem
from ironbound.runs.config import Statistics
from ironbound.runs.plan import Plan
from ironbound.runs.runner import Event, run
from ironbound.threats import L2, Threat

EVERY = 1_000


class Inputs(Sequence[Example]):
    """Examples made when they are asked for: 16 numbers around the decision boundary."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    @overload
    def __getitem__(self, place: int) -> Example: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Example]: ...
    def __getitem__(self, place: int | slice) -> Example | Sequence[Example]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(self.size))]
        if not 0 <= place < self.size:
            raise IndexError(place)
        values = np.random.default_rng(place).normal(0.0, 1.0, 16).astype(np.float32)
        return Example(str(place), {"x": values}, label=int(values.mean() > 0))


def base(batch: dict[str, Array]) -> Array:
    return (batch["x"].sum(axis=1) / 4.0 > 0).astype(np.int64)


def plan(size: int) -> Plan:
    problem = Problem(
        name="many",
        base=base,
        smoothing=Smoothing(x=Gaussian(0.5)),
        threat=Threat(x=L2()),
        num_classes=2,
        examples=Inputs(size),
        model_digest="linear",
        data_digest=str(size),
    )
    statistics = Statistics(n=10_000, stop="target", target={"x": 0.1}, alpha=0.001)
    return Plan(problem, statistics, None, {"task": "many"}, None)


def resident() -> float:
    """Resident memory of this process in MB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, default=Path("runs/many-inputs"))
    parser.add_argument("--seconds", type=float, default=200.0)
    options = parser.parse_args()
    made = plan(options.inputs)
    curve = options.folder.with_suffix(".csv")
    if not options.folder.exists():
        curve.parent.mkdir(parents=True, exist_ok=True)
        curve.write_text("inputs,seconds,resident_mb,draws_per_input\n")
    started = time.perf_counter()
    seen: dict[str, Any] = {"draws": 0, "rows": 0, "first": None, "last": None}

    def hear(event: Event) -> None:
        seen["last"] = event
        if event.kind == "start":
            print(f"{event.before} inputs are there; opened after {time.perf_counter() - started:.2f} s")
        if event.row is None:
            return
        if seen["first"] is None:
            seen["first"] = time.perf_counter() - started
            print(f"first new input committed after {seen['first']:.2f} s")
        seen["draws"] += event.row.samples
        seen["rows"] += 1
        if event.done % EVERY == 0:
            mean = seen["draws"] / seen["rows"]
            with curve.open("a") as file:
                passed = time.perf_counter() - started
                file.write(f"{event.done},{passed:.1f},{resident():.1f},{mean:.0f}\n")

    failed = run(made, options.folder, hear, deadline=time.monotonic() + options.seconds)
    passed = time.perf_counter() - started
    last = seen["last"]
    print(f"{last.kind}: {last.done} of {last.total}, {failed} failed, {passed:.1f} s, {resident():.0f} MB")
    if seen["rows"]:
        print(f"{seen['rows'] / passed:.0f} inputs/s, {seen['draws'] / seen['rows']:.0f} draws each")


if __name__ == "__main__":
    main()
