"""The torch adapter: eval mode and no gradients inside, everything as before outside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.svm import LinearSVC

from ironbound.errors import InputError, InputTypeError
from ironbound.models import TorchClassifier, as_base


class Recorder(torch.nn.Module):
    """Remembers how it was called."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 2, dtype=dtype)
        self.frozen = torch.nn.BatchNorm1d(3).eval()
        self.seen: dict[str, Any] = {}
        self.fail = False

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        self.seen = {name: tensor.dtype for name, tensor in batch.items()}
        self.seen["training"] = [part.training for part in self.modules()]
        self.seen["grad"] = torch.is_grad_enabled()
        if self.fail:
            raise RuntimeError("boom")
        return self.layer(batch["x"])


def flags(net: torch.nn.Module) -> list[bool]:
    return [part.training for part in net.modules()]


BATCH = {"x": np.zeros((4, 3)), "tokens": np.zeros((4, 2), dtype=np.int64)}


def test_mode_gradients_and_types_inside_and_outside() -> None:
    net = Recorder().train()
    net.frozen.eval()
    before = flags(net)
    assert before == [True, True, False]
    scores = as_base(net)(BATCH)
    assert scores.shape == (4, 2)
    assert not scores.requires_grad
    assert net.seen["training"] == [False, False, False]
    assert net.seen["grad"] is False
    assert net.seen["x"] == torch.float32
    assert net.seen["tokens"] == torch.int64
    assert flags(net) == before
    assert torch.is_grad_enabled()


def test_the_training_flags_come_back_when_the_module_raises() -> None:
    net = Recorder().train()
    net.frozen.eval()
    net.fail = True
    with pytest.raises(RuntimeError, match="boom"):
        as_base(net)(BATCH)
    assert flags(net) == [True, True, False]


def test_inputs_take_the_precision_of_the_module() -> None:
    net = Recorder(torch.float64)
    TorchClassifier(net)({"x": np.zeros((4, 3), dtype=np.float32)})
    assert net.seen["x"] == torch.float64


def test_a_module_without_parameters_gets_the_input_as_it_is() -> None:
    class Bare(torch.nn.Module):
        def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
            assert batch["x"].dtype == torch.float64
            return batch["x"][:, :2]

    assert TorchClassifier(Bare())(BATCH).shape == (4, 2)


def test_arguments_are_picked_by_name_in_the_order_of_forward() -> None:
    base = TorchClassifier(torch.nn.Linear(3, 2), arguments=["x"])
    assert base(BATCH).shape == (4, 2)
    with pytest.raises(InputError, match="'y'"):
        TorchClassifier(torch.nn.Linear(3, 2), arguments=["y"])(BATCH)


def test_only_modules_are_wrapped() -> None:
    with pytest.raises(InputTypeError, match="module"):
        TorchClassifier(len)  # type: ignore[arg-type]
    assert as_base(len) is len
    with pytest.raises(InputTypeError, match="base"):
        as_base(3)
    with pytest.raises(InputTypeError, match="TabularClassifier"):
        as_base(LinearSVC())
