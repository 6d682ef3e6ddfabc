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
from ironbound.smoothing.looking import Looking

N, ALPHA = 4000, 0.01


@pytest.mark.parametrize("threshold", [0.5, None])
@pytest.mark.parametrize("counts", [[60, 3, 1], [64, 0, 0], [30, 20, 14], [0, 60, 4]])
def test_what_is_foreseen_lies_between_what_is_proved_and_what_is_possible(
    counts: list[int], threshold: float | None
) -> None:
    made = estimate.looking(0, 3, ALPHA, threshold, N)
    made.update(np.array(counts), 64)
    proved, foreseen = made.pessimistic(), made.foreseen(N)
    best = clopper_pearson_lower(counts[0] + N - 64, N, ALPHA / (1 if threshold else 3))
    assert proved.p <= foreseen.p <= best + 1e-9
    if threshold is None:
        assert proved.rival is not None
        assert foreseen.rival is not None
        assert foreseen.rival <= proved.rival


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

    def unanimous(self: Looking, n: int) -> Level:
        return replace(self.pessimistic(), p=1.0)

    cases = [(p, str(i)) for p in (0.96, 0.972, 0.99) for i in range(12)]
    with_it = [certified(p, input_id=name) for p, name in cases]
    monkeypatch.setattr(Looking, "foreseen", unanimous)
    without = [certified(p, input_id=name) for p, name in cases]
    assert [c.covers(x=2.0) for c in with_it] == [c.covers(x=2.0) for c in without]
    missed = slice(0, 24)
    spent, before = (sum(c.samples for c in found[missed]) for found in (with_it, without))
    assert spent < 0.8 * before
    assert all(c.samples == d.samples for c, d in zip(with_it[24:], without[24:], strict=True))
