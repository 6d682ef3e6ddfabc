"""A target is given up when the draws to come would have to be improbably favourable; hardly ever wrongly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ironbound import L2, Gaussian, SmoothedClassifier, Smoothing, Threat
from ironbound.confidence import clopper_pearson_lower
from ironbound.smoothing import estimate
from ironbound.smoothing.goal import Level
from ironbound.smoothing.statistics import looks

N, ALPHA = 4000, 0.01


def running(counts: list[int], trials: int, threshold: float | None) -> estimate.Running:
    made = estimate.Running(0, len(counts), ALPHA, threshold)
    made.update(np.array(counts), trials)
    return made


@pytest.mark.parametrize("threshold", [0.5, None])
@pytest.mark.parametrize("counts", [[60, 3, 1], [64, 0, 0], [30, 20, 14], [500, 9, 3], [0, 60, 4]])
def test_what_is_foreseen_lies_between_what_is_proved_and_what_is_possible(
    counts: list[int], threshold: float | None
) -> None:
    trials = sum(counts)
    made = running(counts, trials, threshold)
    proved, foreseen = made.pessimistic(), made.foreseen(N)
    best = clopper_pearson_lower(counts[0] + N - trials, N, ALPHA / (1 if threshold else 3))
    assert proved.p <= foreseen.p <= best + 1e-9
    if threshold is None:
        assert proved.rival is not None
        assert foreseen.rival is not None
        assert foreseen.rival <= proved.rival


def test_at_the_end_it_is_a_little_more_than_was_proved() -> None:
    made = running([3900, 60, 40], N, 0.5)
    assert made.foreseen(N).p == pytest.approx(clopper_pearson_lower(3900, N, ALPHA / 2.5), abs=1e-12)
    assert made.foreseen(N).p > made.pessimistic().p


@pytest.mark.parametrize("p", [0.6, 0.97, 0.999])
def test_the_end_is_hardly_ever_better_than_foreseen(p: float) -> None:
    """At every look of a run, over many runs; the draws are those of a known probability."""
    generator = np.random.default_rng(0)
    surprises = 0
    repeats = 300
    for _ in range(repeats):
        made = estimate.Running(0, 2, ALPHA, 0.5)
        least, drawn = 1.0, 0
        for look in looks(N):
            hits = int(generator.binomial(look - drawn, p))
            made.update(np.array([hits, look - drawn - hits]), look - drawn)
            drawn = look
            least = min(least, made.foreseen(N).p)
        surprises += made.pessimistic().p > least
    assert surprises <= 6


class Coin:
    """Votes for class 1 with probability p, by the first coordinate of the noise."""

    def __init__(self, p: float) -> None:
        from scipy.stats import norm

        self.cut = norm.ppf(p)

    def __call__(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        return (batch["x"][:, 0] < self.cut).astype(np.int64)


def certified(p: float, **settings: Any) -> Any:
    model = SmoothedClassifier(Coin(p), Smoothing(x=Gaussian(1.0)), 2)
    return model.certify(
        {"x": [0.0]}, threat=Threat(x=L2()), alpha=ALPHA, n=N, stop="target", target={"x": 2.0}, **settings
    )


def test_it_saves_draws_and_changes_no_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Radius 2 needs p > 0.977: just missed, far missed, reached."""

    def unanimous(self: estimate.Running, n: int) -> Level:
        return replace(self.pessimistic(), p=1.0)

    cases = [(p, str(i)) for p in (0.96, 0.972, 0.99) for i in range(12)]
    with_it = [certified(p, input_id=name) for p, name in cases]
    monkeypatch.setattr(estimate.Running, "foreseen", unanimous)
    without = [certified(p, input_id=name) for p, name in cases]
    assert [c.covers(x=2.0) for c in with_it] == [c.covers(x=2.0) for c in without]
    missed = slice(0, 24)
    spent, before = (sum(c.samples for c in found[missed]) for found in (with_it, without))
    assert spent < 0.8 * before
    assert all(c.samples == d.samples for c, d in zip(with_it[24:], without[24:], strict=True))
