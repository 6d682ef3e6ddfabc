"""Where the answer lies in the JSON that an endpoint returns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ironbound.errors import InputTypeError, wrong_value
from ironbound.models.http.faults import Fault, Unusable, shown

Step = str | int

_EACH = "[*]"
_STEP = re.compile(
    r'(?P<each>\[\*\])|\[(?P<place>\d{1,9})\]|\["(?P<quoted>[^"]*)"\]|(?P<dot>\.?)(?P<key>[^.\[\]"]+)'
)


class Absent(Exception):
    """Nothing lies at the end of the path; the message says where it broke off."""


@dataclass(frozen=True)
class AnswerPath:
    """Steps to the answer; with `[*]`, steps to the list of answers and from each of its items on."""

    text: str
    before: tuple[Step, ...]
    after: tuple[Step, ...] | None

    @staticmethod
    def parse(text: object) -> AnswerPath:
        """Read a path such as "result.label", "choices[0].score", 'a["odd.key"]' or "predictions[*].label".

        The empty path is the whole document. `[*]` stands for the list that has one item for each draw.

        Raises:
            InputTypeError: not text. InputError: not such a path.

        Example:
            >>> AnswerPath.parse("choices[0].score").read({"choices": [{"score": 0.5}]}, 1)
            [0.5]
            >>> AnswerPath.parse("[*].label").read([{"label": "a"}, {"label": "b"}], 2)
            ['a', 'b']
        """
        if not isinstance(text, str):
            raise InputTypeError(f"answer must be a path such as 'result.label'; got {text!r}")
        parts: list[list[Step]] = [[]]
        at = 0
        while at < len(text):
            found = _STEP.match(text, at)
            # A dot separates keys: it neither leads the path nor may it be left out between two of them.
            dotted = found is not None and found["key"] is not None and (found["dot"] == ".") != (at > 0)
            if found is None or dotted or (found["each"] and len(parts) == 2):
                raise wrong_value("answer", text, "a path such as 'result.label' or 'choices[0].score'")
            if found["each"]:
                parts.append([])
            elif found["place"] is not None:
                parts[-1].append(int(found["place"]))
            else:
                parts[-1].append(found["quoted"] if found["quoted"] is not None else found["key"])
            at = found.end()
        return AnswerPath(text, tuple(parts[0]), tuple(parts[1]) if len(parts) == 2 else None)

    @property
    def batched(self) -> bool:
        return self.after is not None

    def read(self, document: Any, count: int) -> list[Any]:
        """The answers of `count` draws in order; `Unusable` for a draw that has none.

        Raises:
            Fault: there is no answer for any draw, or not one for each.
        """
        try:
            found = _walk(document, self.before)
        except Absent as gap:
            raise self._fault(str(gap)) from gap
        if self.after is None:
            return [found]
        if not isinstance(found, list):
            raise self._fault(f"{_EACH} needs a list, and there is {shown(found)}")
        if len(found) != count:
            reason = f"the endpoint gave {len(found)} answers to {count} draws"
            raise Fault(reason, "one item for each draw is needed, in their order", again=True, replied=True)
        answers: list[Any] = []
        for item in found:
            try:
                answers.append(_walk(item, self.after))
            except Absent as gap:
                answers.append(Unusable(f"no answer at {self.text!r}: {gap}", hopeless=True))
        if all(isinstance(answer, Unusable) for answer in answers):
            raise self._fault(answers[0].reason.partition(": ")[2])
        return answers

    def _fault(self, gap: str) -> Fault:
        # Some endpoints report trouble of the moment in an answer of another form, so it is asked again.
        hint = f"change answer={self.text!r} to the path of the answer"
        return Fault(f"no answer at {self.text!r}: {gap}", hint, again=True, replied=True, hopeless=True)


def _walk(value: Any, steps: tuple[Step, ...]) -> Any:
    at = "the answer"
    for step in steps:
        if isinstance(step, int):
            if not isinstance(value, list):
                raise Absent(f"{at} is {shown(value)}, not a list")
            if step >= len(value):
                raise Absent(f"{at} has {len(value)} items")
            value, at = value[step], f"item {step}"
        else:
            if not isinstance(value, dict):
                raise Absent(f"{at} is {shown(value)}, not an object with the key {step!r}")
            if step not in value:
                keys = ", ".join(shown(key) for key in list(value)[:8])
                raise Absent(f"{at} has no key {step!r}; its keys are {keys or 'none'}")
            value, at = value[step], repr(step)
    return value
