"""What an answer means: a label, a row of scores, or nothing usable."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ironbound.errors import InputError, InputTypeError, wrong_value
from ironbound.models.http.faults import Unusable, shown

Row = tuple[float, ...]
Labels = Sequence[str] | Mapping[Any, int] | Callable[[Any], "int | None"] | None

NO_CLASS = -1
_LARGEST = 2**31


@dataclass(frozen=True)
class Meaning:
    """From the JSON value of an answer to a label or to scores; see `Meaning.build`."""

    names: tuple[str, ...] | None
    places: Mapping[str, int] | None
    function: Callable[[Any], int | None] | None
    threshold: float | None

    @staticmethod
    def build(labels: Labels, threshold: float | None) -> Meaning:
        """Check how answers are to be read.

        Args:
            labels: None: answers are labels 0..C-1 (true is 1), or lists of C scores. Names in class order:
                answers are names, lists of scores, or objects name -> score. A mapping from answers to
                labels, where -1 says that an answer names no class; numbers and true, false may be written
                as text. A function from the answer to a label or None.
            threshold: answers are single scores; the label is 1 above the threshold, else 0.
        Raises:
            InputError, InputTypeError: naming the argument.

        Example:
            >>> Meaning.build(["ham", "spam"], None)("spam")
            1
            >>> Meaning.build({"yes": 1, "no": 0, "unsure": -1}, None)("unsure")
            -1
            >>> Meaning.build(None, 0.5)(0.93)
            1
            >>> Meaning.build(None, None)([0.2, 0.8])
            (0.2, 0.8)
        """
        if threshold is not None:
            if labels is not None:
                raise InputError(
                    "labels and threshold exclude each other; with a threshold labels are 0 and 1"
                )
            if isinstance(threshold, bool) or not math.isfinite(threshold):
                raise wrong_value("threshold", threshold, "a finite score")
            return Meaning(None, None, None, float(threshold))
        if labels is None:
            return Meaning(None, None, None, None)
        if isinstance(labels, Mapping):
            return Meaning(None, _places(labels), None, None)
        if isinstance(labels, Sequence) and not isinstance(labels, str | bytes):
            names = tuple(labels)
            if (
                not all(isinstance(name, str) for name in names)
                or len(set(names)) != len(names)
                or len(names) < 2
            ):
                raise wrong_value("labels", list(names), "two or more distinct class names in class order")
            return Meaning(names, {name: i for i, name in enumerate(names)}, None, None)
        if callable(labels):
            return Meaning(None, None, labels, None)
        raise InputTypeError(
            f"labels must be class names, a dict answer -> label or a function; got {labels!r}"
        )

    def __call__(self, value: Any) -> int | Row | Unusable:
        if self.function is not None:
            return self._called(value)
        if self.threshold is not None:
            if isinstance(value, bool) or not isinstance(value, int | float):
                return Unusable(f"a score was expected, not {shown(value)}", hopeless=True)
            return Unusable("the score is NaN") if value != value else int(value > self.threshold)
        if isinstance(value, dict) and self.names is not None and set(self.names) <= set(value):
            value = [value[name] for name in self.names]
        if isinstance(value, list) and (self.places is None or self.names is not None):
            return self._row(value)
        if self.places is not None:
            return self._placed(value, self.places)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int):
            return int(value) if 0 <= value < _LARGEST else NO_CLASS
        if isinstance(value, float) and math.isnan(value):
            return Unusable("the label is NaN")
        advice = "; give threshold" if isinstance(value, float) else "; give labels"
        return Unusable(
            f"a label or a list of scores was expected, not {shown(value)}{advice}", hopeless=True
        )

    def _called(self, value: Any) -> int | Unusable:
        assert self.function is not None
        try:
            label = self.function(value)
        except Exception as error:  # an answer that the user's function did not expect
            return Unusable(f"labels raised {type(error).__name__} for the answer {shown(value)}")
        if label is None:
            return NO_CLASS
        if isinstance(label, int | np.integer | np.bool_):
            return int(label) if 0 <= label < _LARGEST else NO_CLASS
        raise InputError(f"the function labels must return a whole number or None; got {label!r}")

    def _row(self, value: list[Any]) -> Row | Unusable:
        wanted = len(self.names) if self.names is not None else None
        if len(value) < 2 or (wanted is not None and len(value) != wanted):
            return Unusable(f"{wanted or '2 or more'} scores were expected, not {len(value)}", hopeless=True)
        for score in value:
            if isinstance(score, bool) or not isinstance(score, int | float):
                return Unusable(f"scores must be numbers, not {shown(score)}", hopeless=True)
        try:
            row = tuple(float(score) for score in value)
        except OverflowError:
            return Unusable("a score is too large for a float")
        return Unusable("a score is NaN") if any(math.isnan(score) for score in row) else row

    def _placed(self, value: Any, places: Mapping[str, int]) -> int | Unusable:
        if isinstance(value, dict | list):
            return Unusable(f"one of the labels was expected, not {shown(value)}", hopeless=True)
        label = places.get(_text(value))
        if label is None:
            known = ", ".join(shown(name) for name in list(places)[:6])
            return Unusable(f"the answer {shown(value)} is not in labels ({known}); -1 there means no class")
        return label


def gathered(answers: Sequence[object], width: int) -> NDArray[Any]:
    """Labels (B,) if the width is 0, else scores (B, width).

    What is neither a label nor a row is a draw without an answer: -1, or a row of NaN.

    Example:
        >>> gathered([1, Unusable("HTTP 500"), 0], 0)
        array([ 1, -1,  0])
        >>> gathered([(0.2, 0.8), Unusable("HTTP 500")], 2)
        array([[0.2, 0.8],
               [nan, nan]])
    """
    if not width:
        return np.array([a if isinstance(a, int) else NO_CLASS for a in answers], dtype=np.int64)
    scores = np.full((len(answers), width), np.nan)
    for i, answer in enumerate(answers):
        if isinstance(answer, tuple):
            scores[i] = answer
    return scores


def _places(labels: Mapping[Any, Any]) -> dict[str, int]:
    places: dict[str, int] = {}
    for key, label in labels.items():
        if isinstance(label, bool) or not isinstance(label, int) or not NO_CLASS <= label < _LARGEST:
            raise wrong_value(f"labels[{key!r}]", label, "a class 0..C-1, or -1 for no class")
        if key is not None and not isinstance(key, str | int | float):
            raise InputTypeError(f"labels must have text or numbers as keys; got {key!r}")
        if _text(key) in places:
            raise InputError(f"labels lists the answer {_text(key)!r} twice, as text and as a value")
        places[_text(key)] = label
    if not any(label >= 0 for label in places.values()):
        raise wrong_value("labels", dict(labels), "a dict with at least one class")
    return places


def _text(value: Any) -> str:
    """Text as it is, other scalars as JSON writes them (whole floats as whole numbers)."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value)
