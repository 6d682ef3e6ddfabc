"""The base classifier, asked about noised copies of inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ironbound.channels import Smoothing
from ironbound.channels.base import Array
from ironbound.errors import InputTypeError, wrong_value
from ironbound.models.base import BaseClassifier
from ironbound.smoothing.answers import labels, plain
from ironbound.smoothing.rules import Rules

# Without a batch size, a batch holds about this many values, and draws within these limits. Larger batches
# leave the caches of a processor: a small CNN took three times as long per draw.
_BATCH_VALUES, _ACCELERATOR_VALUES = 2**18, 2**24
_FEWEST_DRAWS, _MOST_DRAWS = 16, 8192


@dataclass(frozen=True)
class Reading:
    """A checked input, and the original tensor of each channel that came as one."""

    values: dict[str, Array]
    tensors: dict[str, Any]


@dataclass
class Room:
    """The batch size that the memory turned out to allow; None as long as it was never short."""

    most: int | None = None


@dataclass(frozen=True)
class Voters:
    """Asks the base in batches; `ahead` says whether a second thread draws the next batch meanwhile."""

    base: BaseClassifier
    smoothing: Smoothing
    rules: Rules
    batch_size: int | None
    ahead: bool | None = None
    room: Room = field(default_factory=Room)

    def __post_init__(self) -> None:
        size = self.batch_size
        if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
            raise wrong_value("batch_size", size, "a whole number of draws >= 1")

    def read(self, inputs: Mapping[str, Any]) -> Reading:
        """Raises InputError for channels that are missing, unknown or unusable."""
        if not isinstance(inputs, Mapping):
            got = type(inputs).__name__
            raise InputTypeError(f"inputs must be a dict of the channels {list(self.smoothing)}; got {got}")
        tensors = {name: value for name, value in inputs.items() if hasattr(value, "detach")}
        plain = {name: _plain(v) if name in tensors else v for name, v in inputs.items()}
        return Reading(self.smoothing.check(plain), tensors)

    def ask(self, batch: Mapping[str, Array], reading: Reading) -> NDArray[np.int64]:
        """The base's label for each row of a batch; channels that came as tensors go as tensors."""
        count = len(next(iter(batch.values())))
        return labels(self._answer(batch, reading), count, self.rules.num_classes, self.rules.class_names)

    def scores(self, batch: Mapping[str, Array], reading: Reading) -> NDArray[Any]:
        """The base's scores (B, C) where it returns scores, else its labels (B,)."""
        answer = self._answer(batch, reading)
        count = len(next(iter(batch.values())))
        named = labels(answer, count, self.rules.num_classes, self.rules.class_names)
        return plain(answer) if len(np.shape(answer)) == 2 else named

    def _answer(self, batch: Mapping[str, Array], reading: Reading) -> Any:
        given: dict[str, Any] = dict(batch)
        for name, tensor in reading.tensors.items():
            given[name] = _like(tensor, batch[name])
        try:
            return self.base(given)
        except SystemExit as error:  # a model may not end the run, least of all as if all had gone well
            raise RuntimeError(f"the base called sys.exit({error.code!r})") from error

    def batch_of(self, reading: Reading) -> int:
        """Draws per call of the base: the user's number, or as many as fit a fixed number of values."""
        values = sum(array.size for array in reading.values.values())
        most = _ACCELERATOR_VALUES if _on_accelerator(self.base) else _BATCH_VALUES
        size = self.batch_size or max(_FEWEST_DRAWS, min(_MOST_DRAWS, most // values))
        return size if self.room.most is None else min(size, self.room.most)


def _on_accelerator(base: object) -> bool:
    """Whether the base wraps a torch module that does not lie on the processor."""
    parameters = getattr(getattr(base, "module", None), "parameters", None)
    own = None if parameters is None else next(parameters(), None)
    return own is not None and own.device.type != "cpu"


def _plain(tensor: Any) -> Array:
    own = tensor.detach().cpu()
    # bfloat16 has no NumPy counterpart; float32 holds its values exactly.
    return own.float().numpy() if str(own.dtype) == "torch.bfloat16" else own.numpy()


def _like(tensor: Any, array: Array) -> Any:
    """The array as a tensor on the device of the user's own."""
    import torch

    return torch.from_numpy(array).to(tensor.device)
