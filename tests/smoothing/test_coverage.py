"""The promise itself: the share of wrong certificates stays within alpha, for every stopping rule."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from scipy import stats

import ironbound as ib
from ironbound.smoothing.estimate import Running, from_counts
from ironbound.smoothing.statistics import looks

FALSE_ALARM = 1e-6
FULL = os.environ.get("IRONBOUND_SLOW") == "full"
ALPHA = 0.05
TRUTH = 0.8416212335729143  # Phi^-1(0.8): the true radius of the base below in units of the noise


def within(wrong: int, runs: int, alpha: float) -> bool:
    return bool(stats.binom.sf(wrong - 1, runs, alpha) > FALSE_ALARM)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"stop": "fixed"},
        {"stop": "target", "target": {"x": 1.0001 * TRUTH}},  # stops exactly where it errs
        {"stop": "precision", "precision": 0.2},
    ],
    ids=["fixed", "target", "precision"],
)
def test_certificates_are_wrong_at_most_as_often_as_they_say(options: dict[str, Any]) -> None:
    runs = 5000 if FULL else 300
    model = ib.SmoothedClassifier(
        lambda batch: batch["x"][:, 0] < TRUTH, ib.Smoothing(x=ib.Gaussian(sigma=1.0)), num_classes=2
    )
    inputs = ((str(i), {"x": [0.0]}) for i in range(runs))
    wrong = claimed = 0
    for cert in model.certify_many(inputs, threat=ib.Threat(x=ib.L2()), alpha=ALPHA, n=400, n0=20, **options):
        wrong += cert.covers(x=TRUTH * (1 + 1e-9)) or cert.prediction == 0
        claimed += not cert.abstained
    assert claimed > 0.9 * runs
    assert within(wrong, runs, ALPHA)
    if (
        options["stop"] == "fixed"
    ):  # Clopper-Pearson at one p: not far below its level, else it is no bound at all
        assert wrong > 0


@pytest.mark.slow
@pytest.mark.parametrize("p", [(0.8, 0.2, 0.0), (0.5, 0.3, 0.2), (0.34, 0.33, 0.33)])
def test_all_bounds_of_a_certificate_hold_together(p: tuple[float, ...]) -> None:
    """Rivals form: the label's lower and every rival's upper bound fail together in at most alpha of runs."""
    runs = 10_000 if FULL else 3000
    generator = np.random.default_rng(3)
    counts = generator.multinomial(200, p, size=runs)
    wrong = 0
    for row in counts:
        first, *rest = from_counts(0, row, 200, ALPHA, None)
        wrong += first.bound > p[0] or any(e.bound < p[e.label] for e in rest)
    assert within(wrong, runs, ALPHA)


@pytest.mark.slow
def test_running_bounds_hold_at_the_worst_time() -> None:
    """An adversary stops each run at the first look at which the lower bound exceeds the truth."""
    runs, n, p = (10_000 if FULL else 800), 600, 0.6
    generator = np.random.default_rng(4)
    wrong = 0
    for _ in range(runs):
        running, at = Running(0, 2, ALPHA, 0.5), 0
        for look in looks(n):
            k = int(generator.binomial(look - at, p))
            running.update(np.array([k, look - at - k]), look - at)
            at = look
            if running.pessimistic().p > p:
                wrong += 1
                break
    assert within(wrong, runs, ALPHA)


def test_the_alarm_itself_works() -> None:
    assert within(50, 1000, 0.05)
    assert not within(110, 1000, 0.05)
