"""A problem refuses examples that results could not be told apart by, or that no class fits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ironbound.channels import Gaussian, Smoothing
from ironbound.data import Example, Problem, load_task, task_description, task_names
from ironbound.errors import InputError
from ironbound.threats import L2, Threat


def problem(examples: Sequence[Example], names: tuple[str, ...] | None = None) -> Problem:
    return Problem(
        name="p",
        base=lambda batch: batch["x"][:, 0] > 0,
        smoothing=Smoothing(x=Gaussian(1.0)),
        threat=Threat(x=L2()),
        num_classes=2,
        class_names=names,
        examples=examples,
    )


def example(name: str, label: int | None = None) -> Example:
    return Example(name, {"x": np.zeros(1)}, label)


def test_a_sound_problem_is_accepted() -> None:
    assert len(problem([example("a", 1), example("b")], ("no", "yes")).examples) == 2


@pytest.mark.parametrize(
    ("examples", "names", "message"),
    [
        ([], None, "examples must be at least one input"),
        ([example("a"), example("a")], None, "distinct; this one occurs twice; got 'a'"),
        ([example("a", 2)], None, "label of example 'a' must be a class in 0..1"),
        ([example("a", -1)], None, "label of example 'a'"),
        ([example("a")], ("only",), "class_names must be 2 names"),
    ],
)
def test_an_unsound_one_is_refused(
    examples: list[Example], names: tuple[str, ...] | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        problem(examples, names)


def test_every_task_has_a_description() -> None:
    assert task_names()[:3] == ("digits-claims", "digits", "adult")
    assert all(task_description(name) for name in task_names())


def test_an_unknown_task_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="did you mean 'digits-claims'"):
        load_task("digit-claims")
