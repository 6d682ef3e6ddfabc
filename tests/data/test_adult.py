"""adult: the files, OpenML's copy, and the folded classifier against the pipeline it stands for."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ironbound.data import adult, adult_table
from ironbound.data.adult_table import CATEGORICAL, COLUMNS, NUMERIC, AdultTable
from ironbound.data.linear_table import LinearTable, fold, one_hot
from ironbound.errors import InputError

FOLDER = Path(os.environ.get("IRONBOUND_DATA") or Path(__file__).parents[3] / "shared" / "data")
needs_files = pytest.mark.skipif(
    not (FOLDER / "adult").is_dir(), reason="the Adult files are not in IRONBOUND_DATA"
)


@pytest.fixture(scope="module")
def parts() -> tuple[AdultTable, AdultTable]:
    if not (FOLDER / "adult").is_dir():
        pytest.skip("the Adult files are not in IRONBOUND_DATA")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IRONBOUND_DATA", str(FOLDER))
        return adult_table.load()


def small(table: AdultTable, rows: int) -> AdultTable:
    return AdultTable(table.numeric[:rows], table.categorical[:rows], table.income[:rows], table.categories)


def test_the_published_counts(parts: tuple[AdultTable, AdultTable]) -> None:
    training, test = parts
    assert training.numeric.shape == (32_561, 6)
    assert test.categorical.shape == (16_281, 8)
    assert training.arities == (9, 16, 7, 15, 6, 5, 2, 42)
    marks = np.array([values.index("?") if "?" in values else -1 for values in training.categories])
    unknown = [int((table.categorical == marks).any(axis=1).sum()) for table in parts]
    assert unknown == [2_399, 1_221]
    assert test.describe(0).startswith("age 25, workclass Private, fnlwgt 226802, education 11th")


def as_openml(parts: tuple[AdultTable, ...]) -> Any:
    """The tables as scikit-learn returns OpenML's copy: numbers for categories, NaN for unknown values."""
    numeric = np.concatenate([p.numeric for p in parts])
    codes = np.concatenate([p.categorical for p in parts])
    columns, categories = [], {}
    for name in COLUMNS:
        if name in NUMERIC:
            columns.append(numeric[:, NUMERIC.index(name)])
            continue
        at = CATEGORICAL.index(name)
        values = [v for v in parts[0].categories[at] if v != "?"]
        categories[name] = values
        place = [values.index(v) if v != "?" else np.nan for v in parts[0].categories[at]]
        columns.append(np.array(place)[codes[:, at]])
    target = np.array(adult_table.CLASS_NAMES)[np.concatenate([p.income for p in parts])]
    return SimpleNamespace(
        data=np.stack(columns, axis=1), feature_names=list(COLUMNS), categories=categories, target=target
    )


@pytest.mark.parametrize("reverse", [False, True])
def test_openml_gives_the_same_tables(
    parts: tuple[AdultTable, AdultTable], reverse: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IRONBOUND_DATA", raising=False)
    bunch = as_openml(parts[::-1] if reverse else parts)
    loaded = adult_table.load(tmp_path, fetch=lambda **settings: bunch)
    for one, other in zip(parts, loaded, strict=True):
        assert adult.digest(one) == adult.digest(other)


def test_no_data_and_no_network_is_one_clear_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IRONBOUND_DATA", raising=False)

    def offline(**settings: Any) -> Any:
        raise OSError("no route to host")

    with pytest.raises(InputError, match=r"could not be fetched from OpenML.*set IRONBOUND_DATA"):
        adult_table.load(tmp_path, fetch=offline)


def test_truncated_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "adult"
    folder.mkdir()
    monkeypatch.setenv("IRONBOUND_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"adult\.data must be the file of that name"):
        adult_table.load()
    row = "39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, Own-child, White, Male, 2174, 0"
    (folder / "adult.data").write_text(row + ", 40, United-States, <=50K\n")
    (folder / "adult.test").write_text("|1x3 Cross validator\n" + row + ", 40, United-States, <=50K.\n\n")
    with pytest.raises(InputError, match=r"must have 32561 rows.*found 1 and 0"):
        adult_table.load()
    (folder / "adult.data").write_text(row + "\n")
    with pytest.raises(InputError, match=r"adult\.data, line 1: expected 15 cells; got 12"):
        adult_table.load()


def test_the_folded_classifier_answers_like_the_pipeline_over_dataframes(
    parts: tuple[AdultTable, AdultTable],
) -> None:
    """The same noise, through names, units and one-hot columns here, through codes there."""
    pytest.importorskip("pandas")
    from ironbound.models import TableSchema, TabularClassifier

    table = small(parts[0], 4_000)
    frame = table.frame().astype(dict.fromkeys(NUMERIC, "float64"))
    assert tuple(frame.columns) == COLUMNS
    pipeline = adult.pipeline(table, {**adult.SETTINGS, "penalty": 1.0}).fit(frame, table.income)
    folded = fold(pipeline[-1].coef_, float(pipeline[-1].intercept_[0]), len(NUMERIC), table.arities)
    known = dict(zip(CATEGORICAL, table.categories, strict=True))
    schema = TableSchema.fit(frame, categories=known)
    whole = TabularClassifier(pipeline, schema)
    noise = schema.smoothing(sigma=0.5, beta=0.25)
    generator = np.random.default_rng(0)
    inputs = schema.encode(frame)
    assert np.array_equal(inputs["categorical"], table.categorical)
    differing = 0
    for row in range(0, 4_000, 400):
        values = noise.check({name: channel[row] for name, channel in inputs.items()})
        batch = {name: noise[name].sample(values[name], generator, 300) for name in noise}
        score = folded.score(batch)
        agree = np.asarray(whole(batch)) == folded(batch)
        assert np.all(agree | (np.abs(score) < 1e-9))
        differing += np.count_nonzero(folded(batch) != folded(batch)[0])
    assert differing > 0  # the noise did change answers, so agreement says something


@given(
    arities=st.lists(st.integers(2, 6), min_size=1, max_size=5),
    numbers=st.integers(1, 4),
    seed=st.integers(0, 2**32),
)
def test_folding_changes_no_score(arities: list[int], numbers: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    weights = generator.normal(size=numbers + sum(arities))
    numeric = generator.normal(size=(20, numbers))
    codes = generator.integers(0, arities, size=(20, len(arities)))
    expected = one_hot(numeric, codes, tuple(arities)) @ weights + 0.5
    model = fold(weights, 0.5, numbers, tuple(arities))
    assert np.allclose(model.score({"numeric": numeric, "categorical": codes}), expected, atol=1e-12)
    assert LinearTable.from_arrays(model.arrays()).digest == model.digest


def test_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="number of coefficients must be"):
        fold(np.ones(4), 0.0, 1, (2, 2))
    with pytest.raises(InputError, match="finite"):
        LinearTable(np.array([np.nan]), (np.ones(2),), 0.0)


def test_training_follows_its_seed(parts: tuple[AdultTable, AdultTable], tmp_path: Path) -> None:
    table = small(parts[0], 1_500)
    one, same, other = (adult.fit(table, {**adult.SETTINGS, "seed": s}).digest for s in (0, 0, 1))
    assert one == same != other
    assert adult.model(table, cache=tmp_path).digest == adult.model(table, cache=tmp_path).digest == one


@needs_files
def test_the_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ironbound.smoothing import SmoothedClassifier

    monkeypatch.setenv("IRONBOUND_DATA", str(FOLDER))
    problem = adult.load(cache=tmp_path, rows=200)
    batch = {name: np.stack([e.inputs[name] for e in problem.examples]) for name in problem.smoothing}
    right = problem.base(batch) == np.array([e.label for e in problem.examples])
    assert np.mean(right) > 0.78  # the majority class alone reaches 0.764
    model = SmoothedClassifier(problem.base, problem.smoothing, 2)
    found = list(
        model.certify_many([(e.id, e.inputs) for e in problem.examples[:20]], threat=problem.threat, n=2_000)
    )
    assert all(list(c.frontier) == [0, 1, 2, 3] for c in found)
    assert any((c.frontier[0] or 0.0) > 0.5 for c in found)
    assert any(c.frontier[1] is not None for c in found)
    assert all(c.frontier[2] is None for c in found)  # beyond reach at this n
