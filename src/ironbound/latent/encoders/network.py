"""Torch networks as encoders: the constant from the Lipschitz ledger, run in float64."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ironbound.data.registry import arrays_digest
from ironbound.errors import InputTypeError, wrong_value
from ironbound.latent._rounding import Array
from ironbound.latent.encoder_record import EncoderStep
from ironbound.latent.encoders.rounding import own_error
from ironbound.lipschitz import export_plain
from ironbound.lipschitz.ledger import Step, derive, output_shape

_BATCH = 512


class NetworkEncoder:
    """A chain of layers whose Lipschitz constant is the product of theirs, by the ledger's rules.

    The network is copied, its normalised layers turned into plain ones, and run in float64, so that the
    rounding error of each latent can be bounded and is small.

    Args:
        network: an `nn.Sequential` of layers with a Lipschitz rule and a known rounding error (see
            `encoders.rounding`), with one latent vector (N, D) as its output. Sequences may be nested.
        input_shape: of one input, without a batch axis.
        name: for certificates.
    Raises:
        InputError: a layer without a rule, by name, or an output that is no vector.
        InputTypeError: not an nn.Sequential.

    Example:
        >>> layers = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU())
        >>> encoder = NetworkEncoder(layers, (2, 2))
        >>> z, errors = encoder.encode(np.ones((5, 2, 2)))
        >>> z.shape, [step.rule for step in encoder.steps][1], bool(errors.max() < 1e-14)
        ((5, 3), 'largest singular value', True)
    """

    def __init__(self, network: nn.Module, input_shape: tuple[int, ...], *, name: str = "network") -> None:
        if not isinstance(network, nn.Sequential):
            raise InputTypeError(
                f"network must be an nn.Sequential, layer by layer; got {type(network).__name__}"
            )
        self.name = name
        self.input_shape = tuple(input_shape)
        plain = export_plain(network).double().requires_grad_(False)
        self._layers: list[nn.Module] = _flattened(plain)
        shape, found = self.input_shape, list[Step]()
        for place, layer in enumerate(self._layers):
            found.append(derive(layer, shape, f"{place} {type(layer).__name__}"))
            own_error(layer, torch.zeros(1, *shape, dtype=torch.float64))
            shape = output_shape(layer, shape, found[-1].module)
        if len(shape) != 1:
            raise wrong_value("the network's output", shape, "one vector for each input; end with nn.Flatten")
        self.size = shape[0]
        self._factors = [step.factor for step in found]
        self._steps = tuple(EncoderStep(step.module, step.rule, step.factor) for step in found)
        product = 1.0
        for factor in self._factors:
            product *= factor * (1.0 + 2.0**-51)
        if not product > 0.0:
            raise wrong_value("network", "a constant map", "one whose Lipschitz constant is above 0")
        self._lipschitz = product
        weights = {key: value.numpy() for key, value in plain.state_dict().items()}
        self._digest = hashlib.sha256((repr(plain) + arrays_digest(weights)).encode()).hexdigest()

    @property
    def layers(self) -> list[nn.Module]:
        """Copies of the plain layers, first to last; constants and digest belong to those that are run."""
        return copy.deepcopy(self._layers)

    @property
    def lipschitz(self) -> float:
        """Product of the ledger's factors, rounded up."""
        return self._lipschitz

    @property
    def steps(self) -> tuple[EncoderStep, ...]:
        """One for each layer."""
        return self._steps

    @property
    def digest(self) -> str:
        """SHA-256 of the plain network: its layers and their weights."""
        return self._digest

    def encode(self, X: NDArray[Any]) -> tuple[Array, Array]:
        """Latents (N, D) of inputs (N, *input_shape), and bounds (N,) on their rounding errors."""
        x = np.asarray(X)
        if x.shape[1:] != self.input_shape:
            raise wrong_value("X", x.shape, f"of shape (N, {', '.join(map(str, self.input_shape))})")
        latents, errors = np.empty((len(x), self.size)), np.empty(len(x))
        with torch.no_grad():
            for start in range(0, len(x), _BATCH):
                rows = slice(start, start + _BATCH)
                batch = torch.from_numpy(np.array(x[rows], dtype=np.float64))
                error = torch.zeros(len(batch), dtype=torch.float64)
                for layer, factor in zip(self._layers, self._factors, strict=True):
                    error = (error * factor + own_error(layer, batch)) * (1.0 + 1e-12)
                    batch = layer(batch)
                latents[rows], errors[rows] = batch.numpy(), error.numpy()
        return latents, errors


def _flattened(module: nn.Module) -> list[nn.Module]:
    if isinstance(module, nn.Sequential):
        return [layer for part in module for layer in _flattened(part)]
    return [module.eval()]
