"""What comes back: answer paths, and answers as labels or scores."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ironbound.errors import InputError, InputTypeError
from ironbound.models.http.faults import Fault, Unusable
from ironbound.models.http.meaning import Meaning, gathered
from ironbound.models.http.path import AnswerPath


@pytest.mark.parametrize(
    ("text", "document", "expected"),
    [
        ("", "spam", "spam"),
        ("label", {"label": 1}, 1),
        ("result.label", {"result": {"label": "a"}}, "a"),
        ("choices[0].score", {"choices": [{"score": 0.5}]}, 0.5),
        ("[1][0].x", [0, [{"x": None}]], None),
        ('a["odd.key"][2]', {"a": {"odd.key": [0, 1, 2]}}, 2),
        ("two words.x-y", {"two words": {"x-y": True}}, True),
    ],
)
def test_paths_lead_to_their_answer(text: str, document: Any, expected: Any) -> None:
    assert AnswerPath.parse(text).read(document, 1) == [expected]


@given(st.lists(st.one_of(st.integers(0, 5), st.text("abc_- é", min_size=1)), max_size=6), st.integers())
def test_any_nesting_can_be_addressed(steps: list[int | str], answer: int) -> None:
    document: Any = answer
    text = ""
    for step in reversed(steps):
        document = [None] * step + [document] if isinstance(step, int) else {step: document, "other": 0}
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else ("." if text else "") + step
    if all(step != "other" for step in steps):
        assert AnswerPath.parse(text).read(document, 1) == [answer]


@pytest.mark.parametrize(
    "text", [".a", "a.", "a..b", "a[", "a[-1]", "a[x]", "[*][*]", "[0]a", 'a["b]', "a[1.5]"]
)
def test_what_is_no_path(text: str) -> None:
    with pytest.raises(InputError, match="answer must be a path"):
        AnswerPath.parse(text)


def test_a_path_is_text() -> None:
    with pytest.raises(InputTypeError, match="answer"):
        AnswerPath.parse(["label"])


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"labels": 1, "scores": 2}, r"the answer has no key 'result'; its keys are 'labels', 'scores'"),
        ({"result": [1]}, "'result' is a list, not an object"),
        ({"result": {}}, "'result' has no key 'label'; its keys are none"),
        ("x" * 1000, r"the answer is 'x+\.\.\.'"),
        (None, "is None"),
    ],
)
def test_a_missing_answer_says_where_the_path_broke_off(document: Any, message: str) -> None:
    with pytest.raises(Fault, match=message) as caught:
        AnswerPath.parse("result.label").read(document, 1)
    assert caught.value.hopeless
    assert len(caught.value.reason) < 300


def test_lists_of_answers_must_fit_the_draws() -> None:
    path = AnswerPath.parse("out[*].y")
    assert path.read({"out": [{"y": 1}, {"y": 2}]}, 2) == [1, 2]
    for wrong, message in (
        ([], "0 answers to 2"),
        ([{"y": 1}] * 3, "3 answers to 2"),
        ({"y": 1}, "needs a list"),
    ):
        with pytest.raises(Fault, match=message):
            path.read({"out": wrong}, 2)
    first, second = path.read({"out": [{"y": 1}, {"z": 2}]}, 2)
    assert first == 1
    assert isinstance(second, Unusable)
    with pytest.raises(Fault, match="no key 'y'"):  # missing for all: the path is wrong
        path.read({"out": [{"z": 1}, {"z": 2}]}, 2)


HUGE = 10**400


@pytest.mark.parametrize(
    ("labels", "value", "expected"),
    [
        (None, 1, 1),
        (None, 1.0, 1),
        (None, True, 1),
        (None, -7, -1),
        (None, HUGE, -1),
        (None, [0.25, 0.75], (0.25, 0.75)),
        (None, [1, -math.inf], (1.0, -math.inf)),
        (["ham", "spam"], "spam", 1),
        (["ham", "spam"], [0.1, 0.9], (0.1, 0.9)),
        (["ham", "spam"], {"spam": 0.9, "ham": 0.1, "eggs": 7}, (0.1, 0.9)),
        ({"yes": 1, "no": 0, "unsure": -1}, "unsure", -1),
        ({"true": 1, "false": 0}, True, 1),
        ({True: 0, False: 1}, True, 0),
        ({1: 0, 2: 1}, 2, 1),
        ({"1": 0, "2": 1}, 2.0, 1),
        ({"null": 0, "x": 1}, None, 0),
        (lambda answer: "spam" in answer, "it is spam", 1),
        (lambda answer: None, "what?", -1),
        (lambda answer: np.int64(2), 0, 2),
    ],
)
def test_answers_that_mean_something(labels: Any, value: Any, expected: Any) -> None:
    assert Meaning.build(labels, None)(value) == expected


@pytest.mark.parametrize(
    ("labels", "value", "hopeless", "reason"),
    [
        (None, "spam", True, "give labels"),
        (None, 0.93, True, "give threshold"),
        (None, math.nan, False, "NaN"),
        (None, None, True, "None"),
        (None, {"label": 1}, True, "an object"),
        (None, [0.5], True, "2 or more scores"),
        (None, [0.5, "x"], True, "must be numbers"),
        (None, [True, False], True, "must be numbers"),
        (None, [0.5, math.nan], False, "NaN"),
        (None, [0.5, HUGE], False, "too large"),
        (["ham", "spam"], "eggs", False, "'eggs' is not in labels"),
        (["ham", "spam"], [1, 2, 3], True, "2 scores were expected, not 3"),
        (["ham", "spam"], {"spam": 1.0}, True, "an object"),
        ({"1": 0, "true": 1}, False, False, "not in labels"),
        ({"yes": 1}, ["yes"], True, "a list"),
        ({"yes": 1}, math.nan, False, "not in labels"),
        (lambda answer: answer["x"], [], False, "labels raised TypeError"),
    ],
)
def test_answers_that_mean_nothing(labels: Any, value: Any, hopeless: bool, reason: str) -> None:
    meaning = Meaning.build(labels, None)(value)
    assert isinstance(meaning, Unusable)
    assert meaning.hopeless == hopeless
    assert reason in meaning.reason


def test_a_threshold_turns_scores_into_labels() -> None:
    meaning = Meaning.build(None, 0.5)
    assert [meaning(score) for score in (0.5, 0.500001, 1, -math.inf, math.inf, HUGE)] == [0, 1, 1, 0, 1, 1]
    # A NaN is neither above nor below: it must not become class 0.
    for bad in (math.nan, True, "0.9", None, [0.9]):
        assert isinstance(meaning(bad), Unusable)


def test_a_function_that_returns_no_label_is_a_mistake() -> None:
    with pytest.raises(InputError, match="whole number or None"):
        Meaning.build(lambda answer: "spam", None)(0)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(
    ("labels", "threshold", "message"),
    [
        (["a"], None, "two or more"),
        (["a", "a"], None, "distinct"),
        ({"a": 1.5}, None, r"labels\['a'\]"),
        ({"a": True}, None, r"labels\['a'\]"),
        ({"a": -2}, None, r"labels\['a'\]"),
        ({"a": -1}, None, "at least one class"),
        ({1: 0, "1": 1}, None, "twice"),
        (["a", "b"], 0.5, "exclude each other"),
        (None, math.nan, "threshold"),
        (None, True, "threshold"),
    ],
)
def test_labels_that_cannot_be_used(labels: Any, threshold: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Meaning.build(labels, threshold)


def test_labels_of_a_wrong_type() -> None:
    for labels in ("spam", 3, {(1, 2): 0}):
        with pytest.raises(InputTypeError, match="labels"):
            Meaning.build(labels, None)  # type: ignore[arg-type]


@given(st.lists(st.one_of(st.integers(-1, 3), st.just(None)), max_size=20))
def test_gathering_keeps_order_and_count(given: list[int | None]) -> None:
    outcomes = [Unusable("x") if one is None else one for one in given]
    assert gathered(outcomes, 0).tolist() == [-1 if one is None else one for one in given]
    rows = [Unusable("x") if one is None else (float(one), 0.0) for one in given]
    scores = gathered(rows, 2)
    assert scores.shape == (len(given), 2)
    assert [None if math.isnan(row[0]) else int(row[0]) for row in scores] == given
