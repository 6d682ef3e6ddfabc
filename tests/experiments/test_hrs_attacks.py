"""Attacks against bounds, and attacked inputs that a product of one-channel certificates calls safe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ironbound import laws
from ironbound.confidence import clopper_pearson_lower, clopper_pearson_upper
from ironbound.data import adult, adult_table
from ironbound.data.linear_table import LinearTable
from ironbound.experiments import hrs_attacks, hrs_naive, naive_attempt, naive_example
from ironbound.experiments.context import Context
from ironbound.experiments.naive_worst import WorstCase, attacked, worst
from ironbound.experiments.registry import experiment


def context(name: str, folder: Path, **settings: Any) -> Context:
    found = experiment(name)
    return Context(name, {**found.settings["smoke"], **settings}, found.published, folder)


@pytest.fixture(scope="module")
def constructed() -> tuple[Any, WorstCase]:
    found = worst(0.99, 2000, 0.01, 0.25, 0.8)
    assert found is not None
    return found


def test_the_worst_case_is_what_neyman_and_pearson_say(constructed: tuple[Any, WorstCase]) -> None:
    _, classifier = constructed
    d = classifier.clean.size
    law = laws.compose(
        laws.uniform_replacement(d=d, alphabet=classifier.alphabet, beta=classifier.beta),
        laws.gaussian(classifier.mu),
    )
    below, above = classifier.probability(0.0, 0)
    assert 0.0 < above - below < 1e-12
    assert abs(below - 0.99) < 1e-9  # the cut was chosen for this probability
    low, high = classifier.probability(1.0, d)
    # No test of this clean probability has a lower attacked one, and this test has that one.
    assert law.lower(below) <= high
    assert low <= 1 - law.upper(1 - above) + 1e-9
    assert high < 0.5


def test_enclosures_agree_with_draws(constructed: tuple[Any, WorstCase]) -> None:
    problem, classifier = constructed
    inputs, draws = problem.examples[0].inputs, 20_000
    d = classifier.clean.size
    for share, changed in ((0.0, 0), (0.9, 0), (0.0, d), (0.9, d)):
        image = (inputs["image"] + share * classifier.shift).astype(np.float32)
        tokens = inputs["tokens"].copy()
        tokens[:changed] = classifier.other[:changed]
        kept = naive_attempt.votes(
            problem, {"image": image, "tokens": tokens}, 1, draws, f"{share}-{changed}"
        )
        low, high = classifier.probability(share, changed)
        assert clopper_pearson_lower(kept, draws, 1e-5) <= high
        assert clopper_pearson_upper(kept, draws, 1e-5) >= low


def test_the_constructed_attack_breaks_the_product_alone(
    constructed: tuple[Any, WorstCase], tmp_path: Path
) -> None:
    problem, classifier = constructed
    given = context("naive-product", tmp_path, judge=4000)
    row = naive_attempt.attempt(given, problem, problem.examples[0], 2000)
    assert row["tried"]
    assert row["broken"]
    assert not row["joint"]
    assert row["moved"] <= row["radius"]
    assert row["changed"] <= row["budget"]
    # Each attack alone leaves the answer as it was: both certificates are sound.
    assert classifier.probability(row["along"], 0)[0] > 0.5
    assert classifier.probability(0.0, row["changed"])[0] > 0.5
    assert classifier.probability(row["along"], row["changed"])[1] < 0.5


def test_nothing_is_constructed_where_no_word_is_certified() -> None:
    assert worst(0.9, 2000, 0.01, 0.25, 0.25) is None


def test_the_attack_stays_in_the_picture(constructed: tuple[Any, WorstCase]) -> None:
    problem, classifier = constructed
    there = attacked(classifier, problem.examples[0].inputs, 0.1, 1)
    assert float(np.linalg.norm(there["image"].astype(float) - classifier.image)) <= 0.1
    assert 0.0 <= there["image"].min() <= there["image"].max() <= 1.0
    assert np.count_nonzero(there["tokens"] != problem.examples[0].inputs["tokens"]) == 1


def test_no_single_change_is_worse_than_the_linear_attack() -> None:
    generator = np.random.default_rng(3)
    table = LinearTable(generator.normal(size=3), tuple(generator.normal(size=k) for k in (2, 5, 4)), 0.1)
    inputs = {"numeric": generator.normal(size=3), "categorical": np.array([0, 3, 1])}
    for label, sign in ((1, 1.0), (0, -1.0)):
        found = naive_attempt.linear_attack(table, inputs, label, 0.5, 1)
        assert np.linalg.norm(found["numeric"] - inputs["numeric"]) <= 0.5
        assert np.count_nonzero(found["categorical"] != inputs["categorical"]) == 1
        mine = sign * table.score({name: value[None] for name, value in found.items()})[0]
        for field, arity in enumerate((2, 5, 4)):
            for code in range(arity):
                direction = generator.normal(size=3)
                moved = inputs["numeric"] + 0.5 * direction / np.linalg.norm(direction)
                codes = inputs["categorical"].copy()
                codes[field] = code
                assert sign * table.score({"numeric": moved[None], "categorical": codes[None]})[0] >= mine


@pytest.fixture(scope="module")
def tables() -> tuple[adult_table.AdultTable, adult_table.AdultTable]:
    try:
        return adult_table.load()
    except ValueError:
        pytest.skip("adult is not in IRONBOUND_DATA")


def test_the_smoke_size_of_the_product_runs(
    tmp_path: Path, tables: tuple[adult_table.AdultTable, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adult_table, "load", lambda *given: tables)
    given = context(
        "naive-product",
        tmp_path,
        tasks={"adult": {"inputs": 3, "draws": 500}},
        worst={"sigmas": [], "betas": [], "shares": []},
    )
    result = hrs_naive.table(given)
    assert result.ok
    assert result.tables[0].rows[0][:2] == ("adult", 3)


def test_an_attacked_row_is_shown_value_by_value(
    tmp_path: Path, tables: tuple[adult_table.AdultTable, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adult_table, "load", lambda *given: tables)  # reading it takes seconds
    training, test = tables
    given = context("naive-product", tmp_path, judge=3000, tasks={"adult": {"inputs": 24, "draws": 10_000}})
    problem = adult.load(rows=24)
    row = naive_attempt.attempt(given, problem, problem.examples[23], 10_000)
    assert row["broken"]
    table = naive_example.concrete(given, row)
    cells = {str(cell[0]): cell[1:] for cell in table.rows}
    assert cells["age"][0] == f"{test.numeric[23, 0]:.0f}"
    ((place, _, after),) = row["written"]
    name, values = adult_table.CATEGORICAL[place], training.categories[place]
    assert cells[name] == (values[test.categorical[23, place]], f"**{values[after]}**")
    unchanged = [one for one in adult_table.CATEGORICAL if one != name]
    assert all(cells[one][0] == cells[one][1] for one in unchanged)
    assert naive_example.changes("adult", row) == f"{name}: {cells[name][0]} to {values[after]}"
    # The numbers shown are those that were moved: as far as the row says, in standard deviations.
    kept = json.loads((tmp_path / "pieces" / "example-row-00023.json").read_text())["value"]
    shift = (np.array(kept["after"]) - kept["before"]) / training.numeric.std(axis=0)
    assert np.linalg.norm(shift) == pytest.approx(row["moved"])
    assert cells["the joint certificate covers it"] == ("yes", "no")


KEPT = {"input": "a", "covered": True, "changes": 1, "outcome": "kept", "share": 0.8}
TURNED = {"input": "a", "covered": False, "changes": 3, "outcome": "changed", "share": 0.1}


@pytest.mark.parametrize("covered", [False, True])
def test_a_broken_certificate_fails_the_experiment(
    covered: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hrs_attacks, "_attempts", lambda *given: [KEPT, {**TURNED, "covered": covered}])
    given = context("attack-against-bound", tmp_path, tasks={"digits": 2}, curves=[], chunk=2)
    result = hrs_attacks.table(given)
    assert result.ok is not covered
    assert result.tables[0].rows[0] == ("digits", "certified", 1, 1, 1, 1, 0, 0, 0.0)
    assert ("1 broken" if covered else "0 broken") in result.tables[0].note


def test_the_curve_stands_beside_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"radius": 0.5, "covered": True, "outcome": "kept"},
        {"radius": 0.5, "covered": False, "outcome": "changed"},
        {"radius": 1.0, "covered": False, "outcome": "unsettled"},
        {"radius": 1.0, "covered": False, "outcome": "changed"},
    ]
    monkeypatch.setattr(hrs_attacks, "_at_radii", lambda *given: rows)
    curve = {"task": "digits", "inputs": 2, "changes": 0, "radii": [0.5, 1.0]}
    result = hrs_attacks.table(context("attack-against-bound", tmp_path, tasks={}, curves=[curve]))
    assert result.tables[1].rows == ((0.5, 2, 50.0, 50.0, 0), (1.0, 2, 100.0, 50.0, 0))
    assert result.ok


def test_the_smoke_size_of_the_attacks_runs(tmp_path: Path) -> None:
    given = context("attack-against-bound", tmp_path, tasks={"digits": 2})
    result = hrs_attacks.table(given)
    assert result.ok
    # An attack of this size leaves none of them: it is no weak attack.
    assert result.tables[1].rows[-1][2:] == (100.0, 100.0, 0)
