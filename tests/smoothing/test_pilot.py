"""Choice of the noise on held-out inputs: what it finds, what it costs, and what it must not touch again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ironbound as ib
from ironbound.errors import InputError, InputTypeError
from ironbound.smoothing.draws import Draws
from ironbound.smoothing.pilot import choose_noise, fingerprint, grid


def within(width: float, token: int = 3) -> Any:
    """Class 1 where |x| is small and two of three tokens are right: too much noise hides it."""

    def base(batch: dict[str, Any]) -> Any:
        right = np.sum(np.asarray(batch["t"]) == token, axis=1) >= 2
        return right & (np.abs(np.asarray(batch["x"]))[:, 0] < width)

    return base


def make(sigma: float, beta: float) -> ib.SmoothedClassifier:
    noise = ib.Smoothing(x=ib.Gaussian(sigma), t=ib.UniformReplacement(beta, 50))
    return ib.SmoothedClassifier(within(1.0), noise, num_classes=2)


THREAT = ib.Threat(x=ib.L2(), t=ib.TokenL0(1))
INPUTS = [(str(i), {"x": [0.01 * i], "t": [3, 3, 3]}, 1) for i in range(6)]
SETTINGS: dict[str, Any] = {"threat": THREAT, "alpha": 0.01, "n": 5000, "pilot_n": 150}


def test_the_choice_certifies_most_and_the_cost_is_shown() -> None:
    found = choose_noise(
        make, grid(sigma=[0.05, 0.3, 2.0], beta=[0.2, 0.9]), INPUTS, goals={"x": 0.25}, **SETTINGS
    )
    assert found.chosen == {"sigma": 0.3, "beta": 0.2}
    assert len(found.trials) == 6
    assert found.draws == sum(t.draws for t in found.trials) == 6 * 6 * 200
    assert found.seconds > 0
    best = next(t for t in found.trials if t.settings == found.chosen)
    assert best.estimated_share == 1.0
    assert all(t.estimated_share < 1.0 for t in found.trials if t is not best)
    table = found.table()
    assert "* sigma=0.3, beta=0.2" in table
    assert "6 held-out inputs: 7,200 draws" in table


def test_the_estimate_is_about_the_draws_to_come() -> None:
    """150 pilot draws cannot certify this; 5,000 can, and do."""
    goal = {"x": 0.6}
    found = choose_noise(make, [{"sigma": 0.3, "beta": 0.05}], INPUTS, goals=goal, **SETTINGS)
    assert found.trials[0].estimated_share > 0.5
    model = make(sigma=0.3, beta=0.05)
    few, many = (model.certify(INPUTS[0][1], threat=THREAT, n=n, alpha=0.01) for n in (150, 5000))
    assert many.covers(**goal)
    assert not few.covers(**goal)


def test_wrong_answers_are_worth_nothing_and_several_goals_are_averaged() -> None:
    wrong = [(name, one, 0) for name, one, _ in INPUTS]
    assert (
        choose_noise(make, grid(sigma=[0.3], beta=[0.2]), wrong, goals={}, **SETTINGS)
        .trials[0]
        .estimated_share
        == 0.0
    )
    goals = [{"x": 0.1}, {"x": 50.0}]
    both = choose_noise(make, grid(sigma=[0.3], beta=[0.2]), INPUTS, goals=goals, **SETTINGS)
    assert both.trials[0].estimated_share == 0.5


def test_it_repeats_and_shares_no_draw_with_a_certificate() -> None:
    candidates = grid(sigma=[0.3, 0.4], beta=[0.2])
    one, two = (choose_noise(make, candidates, INPUTS, goals={"x": 0.2}, **SETTINGS) for _ in range(2))
    assert [t.estimated_shift for t in one.trials] == [t.estimated_shift for t in two.trials]
    noise = ib.Smoothing(x=ib.Gaussian(1.0))
    values = noise.check({"x": [0.0]})
    pilot = Draws(noise, values, 0, "pilot 0", "estimation").take(0, 100)["x"]
    certificate = Draws(noise, values, 0, "0", "estimation").take(0, 100)["x"]
    assert not np.intersect1d(pilot, certificate).size


def test_inputs_of_the_pilot_are_not_certified_with_its_choice() -> None:
    found = choose_noise(make, grid(sigma=[0.3], beta=[0.2]), INPUTS, goals={"x": 0.2}, **SETTINGS)
    others = [("a", {"x": [0.5], "t": [3, 3, 3]}), ("b", {"x": [0.6], "t": [3, 3, 3]})]
    assert list(found.fresh(others)) == others
    renamed = [*others, ("c", {"x": np.array([0.02]), "t": np.array([3, 3, 3])})]
    model, passed = make(**found.chosen), []
    with pytest.raises(InputError, match="'c' helped to choose"):
        passed.extend(model.certify_many(found.fresh(renamed), threat=THREAT, n=200))
    assert fingerprint({"x": [0.02], "t": [3, 3, 3]}) in found.used


def test_a_threat_on_the_end_of_a_text_is_tried_where_it_puts_the_noise() -> None:
    threat = ib.Threat(x=ib.L2(), t=ib.SuffixInPlace(1))
    options: dict[str, Any] = SETTINGS | {"threat": threat}
    found = choose_noise(make, grid(sigma=[0.3], beta=[0.9]), INPUTS, goals={"x": 0.2, "t": 1}, **options)
    assert found.trials[0].estimated_share == 1.0  # two of three tokens are never noised


def test_a_pilot_of_several_classes() -> None:
    def three(sigma: float) -> ib.SmoothedClassifier:
        def base(batch: dict[str, Any]) -> Any:
            return np.digitize(np.asarray(batch["x"])[:, 0], [-1.0, 1.0])

        return ib.SmoothedClassifier(base, ib.Smoothing(x=ib.Gaussian(sigma)), num_classes=3)

    found = choose_noise(
        three,
        grid(sigma=[0.05, 0.35, 3.0]),
        [("0", {"x": [0.0]}, 1)],
        threat=ib.Threat(x=ib.L2()),
        goals={"x": 0.5},
        alpha=0.01,
        n=5000,
    )
    assert found.chosen == {"sigma": 0.35}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"candidates": []}, "candidates"),
        ({"inputs": []}, "inputs"),
        ({"goals": []}, "goals"),
        ({"goals": {"y": 1.0}}, "target"),
        ({"threat": ib.Threat(t=ib.SuffixInPlace(1, sampling="per_budget"))}, "shared"),
    ],
)
def test_what_cannot_be_chosen_is_refused(changed: dict[str, Any], says: str) -> None:
    given: dict[str, Any] = {
        "candidates": grid(sigma=[0.3], beta=[0.2]),
        "inputs": INPUTS,
        "goals": {"x": 0.2},
    } | SETTINGS
    with pytest.raises(InputError, match=says):
        choose_noise(make, **given | changed)


def test_make_returns_a_smoothed_classifier() -> None:
    with pytest.raises(InputTypeError, match="SmoothedClassifier"):
        choose_noise(lambda sigma: sigma, [{"sigma": 1.0}], INPUTS, goals={"x": 0.2}, **SETTINGS)  # type: ignore[arg-type]
