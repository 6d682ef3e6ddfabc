"""Every kind of answer that a base may give, and every kind that it may not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ironbound.errors import InputError
from ironbound.smoothing.answers import labels

NAN = float("nan")


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (np.array([0, 2, 1]), [0, 2, 1]),
        (np.array([0, 3, -1]), [0, -1, -1]),
        (np.array([0.0, NAN, 2.0]), [0, -1, 2]),
        (np.array([np.inf, -np.inf, 1.0]), [-1, -1, 1]),
        (np.array([0, 255, 1], dtype=np.uint8), [0, -1, 1]),
        (np.array([True, False, True]), [1, 0, 1]),
        ([2, None, 1], [2, -1, 1]),
        ([0, 1.5, "b"], None),
        (torch.tensor([0, 2, 7]), [0, 2, -1]),
        (np.array([[0.1, 0.7, 0.2], [NAN, 0.9, 0.1], [5.0, -2.0, 5.0]]), [1, -1, 0]),
        (np.array([[-np.inf, 0.0, np.inf], [3, 2, 1], [0, 0, 0]]), [2, 0, 0]),
        (torch.tensor([[0.1, 0.7, 0.2], [NAN, 0.9, 0.1], [3.0, 2.0, 5.0]]), [1, -1, 2]),
        (torch.eye(3, dtype=torch.bfloat16), [0, 1, 2]),
        (torch.eye(3, requires_grad=True), [0, 1, 2]),
        (np.array([[1, 2, 3], [9, 8, 7], [0, 1, 0]]), [2, 0, 1]),
    ],
    ids=str,
)
def test_answers(output: Any, expected: list[int] | None) -> None:
    if expected is None:
        with pytest.raises(InputError, match="class_names"):
            labels(output, 3, 3)
    else:
        found = labels(output, 3, 3)
        assert found.tolist() == expected
        assert found.dtype == np.int64


def test_names_are_looked_up_and_others_name_no_class() -> None:
    names = ["safe", "unsafe"]
    assert labels(["unsafe", "safe", "?", None], 4, 2, names).tolist() == [1, 0, -1, -1]
    assert labels(np.array(["unsafe", "Safe"]), 2, 2, names).tolist() == [1, -1]
    with pytest.raises(InputError, match="class_names"):
        labels(["unsafe"], 1, 2)


@pytest.mark.parametrize(
    "output",
    [
        np.zeros(2),
        np.zeros((3, 2)),
        np.zeros((3, 1)),
        np.zeros((3, 3, 1)),
        np.float64(0.5),
        [[1.0], [1.0, 2.0], [3.0]],
        np.zeros(3, dtype=complex),
        np.zeros((3, 3), dtype=complex),
        None,
    ],
    ids=repr,
)
def test_wrong_shapes_are_refused(output: Any) -> None:
    with pytest.raises(InputError, match="base"):
        labels(output, 3, 3)


def test_one_number_between_classes_is_refused_rather_than_rounded() -> None:
    with pytest.raises(InputError, match=r"0.7.*one column per class"):
        labels(np.array([0.0, 0.7, 1.0]), 3, 2)
