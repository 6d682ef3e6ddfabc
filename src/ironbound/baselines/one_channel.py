"""Smoothing of one channel alone: image-only and text-only certificates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ironbound.channels import Smoothing
from ironbound.errors import wrong_value
from ironbound.models.base import as_base
from ironbound.smoothing import SmoothedClassifier


def one_channel(
    base: object,
    smoothing: Smoothing,
    inputs: Mapping[str, Any],
    channel: str,
    num_classes: int,
    **rules: Any,
) -> SmoothedClassifier:
    """A classifier of one channel under noise, in which the other channels of this input are fixed.

    Its certificates hold against attackers of that channel and say nothing about any other: with an image
    channel it is classical randomised smoothing (Cohen et al. 2019), with a text channel the certificate of
    the fractional knapsack (Lee et al. 2019), both computed by the same laws as joint certificates.

    Args:
        base: as for `SmoothedClassifier`, of all channels.
        smoothing: the noise, at least that of `channel`.
        inputs: the input whose other channels are fixed, as they are and without noise.
        channel: the channel that is noised and attacked.
        num_classes: C >= 2.
        rules: further arguments of `SmoothedClassifier` (threshold, positive, class_names, ...).
    Raises:
        InputError: the channel is not among the inputs or not in the smoothing.

    Example:
        >>> import ironbound as ib
        >>> noise = ib.Smoothing(x=ib.Gaussian(sigma=0.5), t=ib.UniformReplacement(beta=0.25, alphabet=9))
        >>> both = lambda batch: (batch["x"][:, 0] > 0) & (batch["t"][:, 0] == 3)
        >>> inputs = {"x": [2.0], "t": [3, 4]}
        >>> alone = one_channel(both, noise, inputs, "x", 2)
        >>> alone.certify({"x": [2.0]}, threat=ib.Threat(x=ib.L2()), n=1000).prediction
        1
    """
    for name, known in (("inputs", inputs), ("smoothing", smoothing)):
        if channel not in known:
            raise wrong_value("channel", channel, f"one of the channels of {name}: {', '.join(known)}")
    others = {name: value for name, value in inputs.items() if name != channel}
    noise = Smoothing(**{channel: smoothing[channel]})
    return SmoothedClassifier(_fixed(as_base(base), others, channel), noise, num_classes, **rules)


def _fixed(
    base: Callable[..., Any], others: Mapping[str, Any], channel: str
) -> Callable[[Mapping[str, Any]], Any]:
    def asked(batch: Mapping[str, Any]) -> Any:
        size = len(batch[channel])
        return base({**batch, **{name: _repeated(value, size) for name, value in others.items()}})

    return asked


def _repeated(value: Any, size: int) -> Any:
    """A batch of equal rows; a torch tensor stays one."""
    if hasattr(value, "expand"):
        return value.expand(size, *value.shape)
    array = np.asarray(value)
    return np.broadcast_to(array, (size, *array.shape)).copy()
