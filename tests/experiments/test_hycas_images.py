"""The pattern of the HyCAS experiments, on networks that are hardly trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ironbound.data import sets
from ironbound.data.images import ImageSet
from ironbound.errors import ConfigError, InputError
from ironbound.experiments import hycas_choice, hycas_images
from ironbound.experiments.context import Context
from ironbound.experiments.paired import mcnemar, only
from ironbound.training.data import held_out, official_test, pictures
from ironbound.training.recipe import Recipe
from ironbound.training.tasks import spread

TINY: dict[str, Any] = {
    "data": "pneumonia",
    "certified": ["RS:votes", "HyCAS:votes", "HyCAS:expected", "HyCAS:ramp"],
    "fewer": {},
    "options": {},
    "paired": [["HyCAS:votes", "RS:votes"]],
    "attacked": [],
    "strong": [],
    "strong_images": 2,
    "strengths": [],
    "judge": 1,
    "images": 2,
    "attacked_images": 2,
    "draws": 60,
    "alpha": 0.05,
    "radii": [0.0, 0.5],
    "plot": [0.0, 0.5],
    "eps": [8],
    "eot": 1,
    "attack_steps": 1,
    "notes": [],
    "networks": {
        "RS": {"network": "plain", "steps": 2, "batch": 8, "width": 8, "blocks": [1], "auxiliary": 0.0},
        "HyCAS": {"steps": 2, "batch": 8, "width": 8, "blocks": [1], "fold": 4},
    },
}


def test_a_row_is_one_classifier_and_no_row_is_a_maximum(tmp_path: Path) -> None:
    try:
        sets.pneumonia("val")
    except InputError as error:
        pytest.skip(str(error))
    context = Context("tiny", TINY, {}, tmp_path)
    result = hycas_images.figure(context)
    first, even, costs, pairs = result.tables
    assert [str(row[0]) for row in first.rows] == [
        f"{name}, {hycas_images.NAMES[kind]}"
        for name, kind in (("RS", "votes"), ("HyCAS", "votes"), ("HyCAS", "expected"), ("HyCAS", "ramp"))
    ]
    assert [row[0] for row in even.rows] == [row[0] for row in first.rows]
    assert [row[2] for row in pairs.rows] == TINY["radii"]
    assert costs.rows[0][3] is None
    assert 0.0 < float(costs.rows[1][3] or 0.0) <= 2.0
    assert (tmp_path / "tiny.png").stat().st_size > 1000
    # The same call again reads everything.
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("pieces/*.json")}
    assert len(before) == 4
    assert hycas_images.figure(context).tables[0].rows == first.rows
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("pieces/*.json")} == before


def test_a_row_more_makes_nothing_again_and_a_changed_network_its_own_pieces(tmp_path: Path) -> None:
    try:
        sets.pneumonia("val")
    except InputError as error:
        pytest.skip(str(error))
    few = {**TINY, "certified": ["RS:votes"], "paired": [], "networks": {"RS": TINY["networks"]["RS"]}}
    hycas_images.figure(Context("tiny", few, {}, tmp_path))
    (piece,) = tmp_path.glob("pieces/*.json")
    made = piece.stat().st_mtime_ns
    attacked = {**few, "attacked": ["RS"], "strong": ["RS"], "strengths": [[1, 1, 1]], "notes": ["more"]}
    attacked |= {"attacked_pairs": [["RS", "RS"]]}
    held = {"candidates": ["RS"], "images": 3, "draws": 40, "alpha": 0.05, "radii": [0.25]}
    published = {"columns": ["who", "r = 1"], "rows": [["HyCAS", 41.4]], "note": "another set"}
    tables = hycas_images.figure(Context("tiny", {**attacked, "held_out": held}, published, tmp_path)).tables
    assert piece.stat().st_mtime_ns == made
    under_attack, pairs, strong, strongest, chosen, last = tables[-6:]
    assert under_attack.rows[0][:2] == ("RS", 2)
    assert [len(row) for table in (under_attack, pairs, strong, chosen) for row in table.rows] == [5, 7, 2, 5]
    assert pairs.rows[0][3:] == strongest.rows[0][3:] == (2, 0, 0, 1.0)
    assert last.rows == (("HyCAS", 41.4),)
    for fewer in ({"RS:attack": 1}, {}):
        wrong = {**attacked, "fewer": fewer, "attacked_pairs": [["RS", "HyCAS"]]}
        with pytest.raises(ConfigError, match="attacked_pairs: RS and HyCAS must both be attacked"):
            hycas_images.figure(Context("tiny", wrong, {}, tmp_path))
    hycas_images.figure(Context("tiny", {**few, "draws": 61}, {}, tmp_path))
    assert piece.stat().st_mtime_ns != made


def test_pairs_need_the_same_images(tmp_path: Path) -> None:
    row = {"id": "a", "label": 1, "prediction": 1, "frontier": [[0, 1.0]]}
    wrong = row | {"prediction": 0}
    abstained = row | {"prediction": None, "frontier": [[0, None]]}
    assert only([row, row, wrong, row], [row, wrong, row, abstained], 0.5) == (2, 1)
    assert only([row], [row | {"frontier": [[0, 0.4]]}], 0.5) == (1, 0)
    with pytest.raises(InputError, match="same images"):
        only([row], [row | {"id": "b"}], 0.5)
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(1, 9) == pytest.approx(2 * 11 / 1024)
    assert mcnemar(9, 1) == mcnemar(1, 9)
    context = Context("tiny", {**TINY, "fewer": {"RS:votes": 1}}, {}, tmp_path)
    with pytest.raises(ConfigError, match="on the same images"):
        hycas_images._paired(context, {"RS:votes": [], "HyCAS:votes": []})


def test_choices_are_made_on_the_images_that_training_judges_by() -> None:
    recipe = Recipe(name="")
    try:
        held, test = held_out(recipe), official_test(recipe)
    except InputError as error:
        pytest.skip(str(error))
    assert np.array_equal(held.scaled(), pictures(recipe).held_x.numpy())
    seen = {image.tobytes() for image in held.images}
    assert sum(image.tobytes() in seen for image in test.images) == 0


def test_candidates_are_shown_held_out_images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    try:
        held = spread(held_out(Recipe(name="")), 3)
    except InputError as error:
        pytest.skip(str(error))
    seen: list[ImageSet] = []

    def votes(context: Context, trained: Any, name: str, data: ImageSet) -> list[Any]:
        seen.append(data)
        return [{"label": int(y), "prediction": int(y), "frontier": [[0, 0.3]]} for y in data.labels]

    def answers(
        context: Context, trained: Any, narrow: Any, name: str, data: ImageSet, key: str, budgets: list[int]
    ) -> Any:
        seen.append(data)
        return {"clean": 100.0, "right": {"8": [1, 1, 1]}}

    monkeypatch.setattr(hycas_choice, "_votes", votes)
    monkeypatch.setattr(hycas_choice, "answers", answers)
    chosen = {"candidates": ["RS"], "images": 3, "draws": 40, "alpha": 0.05, "radii": [0.25, 0.5]}
    context = Context("tiny", {**TINY, "held_out": chosen}, {}, tmp_path)
    table = hycas_choice.candidates(context, lambda name: pytest.fail(name), lambda name, depends: context)
    assert [np.array_equal(data.images, held.images) for data in seen] == [True, True]
    assert table.rows == (("RS", 100.0, 100.0, 0.0, 0.0, 100.0, 100.0),)
