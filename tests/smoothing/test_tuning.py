"""The batch size is chosen by the clock; here the clock is made of wax."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ironbound as ib
from ironbound.channels.base import Array
from ironbound.smoothing import tuning

NOISE = ib.Smoothing(x=ib.Gaussian(0.5))
CLEAN = {"x": np.zeros(4, dtype=np.float32)}


class Clock:
    """Time passes only while the base works: `cost(size)` seconds a call."""

    def __init__(self, cost: Any, limit: int = 10**9) -> None:
        self.now, self.cost, self.limit = 0.0, cost, limit
        self.asked: list[int] = []

    def perf_counter(self) -> float:
        return self.now

    def __call__(self, batch: dict[str, Array]) -> Array:
        size = len(batch["x"])
        if size > self.limit:
            raise MemoryError
        self.asked.append(size)
        self.now += self.cost(size)
        return np.zeros(size, dtype=int)


def tuned(monkeypatch: pytest.MonkeyPatch, clock: Clock, **settings: Any) -> int:
    monkeypatch.setattr(tuning, "time", clock)
    model = ib.SmoothedClassifier(clock, NOISE, num_classes=2)
    size = model.tune(CLEAN, **settings)
    assert model._voters.batch_size == size  # pyright: ignore[reportPrivateUsage]
    return size


def test_the_fastest_size_is_found_where_larger_ones_are_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(lambda size: 0.001 + 1e-5 * size * (4 if size > 256 else 1))
    assert tuned(monkeypatch, clock) == 256
    assert max(clock.asked) <= 1024  # far beyond the best nothing more is tried


def test_a_size_that_is_hardly_faster_is_not_worth_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tuned(monkeypatch, Clock(lambda size: 1e-5 * size + 1e-6)) == 16


def test_the_largest_size_is_tried_and_memory_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tuned(monkeypatch, Clock(lambda size: 0.01), most=2048) == 2048
    assert tuned(monkeypatch, Clock(lambda size: 0.01, limit=500)) == 256


def test_another_error_of_the_base_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(batch: dict[str, Array]) -> Array:
        raise ValueError("no such layer")

    with pytest.raises(ValueError, match="no such layer"):
        ib.SmoothedClassifier(broken, NOISE, num_classes=2).tune(CLEAN)


def test_certificates_are_those_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for tune in (True, False):
        model = ib.SmoothedClassifier(lambda batch: batch["x"][:, 0] < 0.5, NOISE, num_classes=2)
        if tune:
            model.tune(CLEAN, seconds=0.0)
        found.append(model.certify(CLEAN, threat=ib.Threat(x=ib.L2()), n=3000))
    assert found[0] == found[1]
