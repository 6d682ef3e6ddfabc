"""Denoised smoothing: a one-shot diffusion denoiser in front of the classifier (Carlini et al., 2022).

A noised input x + sigma n looks, once scaled, like the state x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) n of a
diffusion process at the time t where (1 - a_t) / a_t = sigma^2 (a_t: product of 1 - beta up to t). One step
of the diffusion model then gives an estimate of x_0 for the classifier.

Units. The noise is the user's: drawn in the user's units, where radii are measured. The diffusion model has
units of its own, mostly [-1, 1], in which the same noise has another size: for images in [0, 1] it is *twice*
sigma. The time is matched there. (Matching it to the user's sigma denoises for half the noise; drawing that
noise in the model's units and reporting radii in the user's overstates them about twofold.) All of this comes
after the noise and is part of the base classifier: a wrong match costs accuracy, and never soundness.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from ironbound.errors import InputError, wrong_value
from ironbound.models.base import BaseClassifier, as_base

Predicts = Literal["noise", "sample", "velocity"]
Predict = Callable[[torch.Tensor, int], torch.Tensor]

# A schedule whose nearest time is this far from the noise (in the ratio of sizes) does not know such noise.
_FARTHEST = 1.25


@dataclass(frozen=True)
class Schedule:
    """How much of the signal is left at each time of a diffusion process.

    Args:
        remaining: a_t for t = 0, 1, .., in (0, 1), falling ("alphas_cumprod").
    Raises:
        InputError: they are not.

    Example:
        >>> schedule = Schedule.linear()
        >>> schedule.time_of(0.5), round(schedule.noise_at(schedule.time_of(0.5)), 3)
        (144, 0.499)
    """

    remaining: tuple[float, ...]

    def __post_init__(self) -> None:
        values = np.asarray(self.remaining, dtype=np.float64)
        good = values.ndim == 1 and values.size > 0 and bool(np.all((values > 0) & (values < 1)))
        if not good or not bool(np.all(np.diff(values) < 0)):
            raise wrong_value("remaining", f"{values.size} values", "falling, each strictly between 0 and 1")

    @classmethod
    def linear(cls, steps: int = 1000, first: float = 1e-4, last: float = 0.02) -> Schedule:
        """The schedule of Ho et al. (2020): beta grows linearly."""
        return cls(tuple(np.cumprod(1.0 - np.linspace(first, last, steps)).tolist()))

    @classmethod
    def cosine(cls, steps: int = 1000, offset: float = 0.008) -> Schedule:
        """The schedule of Nichol and Dhariwal (2021), beta at most 0.999."""
        at = np.cos((np.arange(steps + 1) / steps + offset) / (1 + offset) * np.pi / 2) ** 2
        return cls(tuple(np.cumprod(1.0 - np.minimum(1.0 - at[1:] / at[:-1], 0.999)).tolist()))

    def noise_at(self, time: int) -> float:
        """Noise at a time, for a signal of full size, in the model's units: sqrt((1 - a_t) / a_t)."""
        left = self.remaining[time]
        return math.sqrt((1.0 - left) / left)

    def time_of(self, sigma: float) -> int:
        """The time whose noise is nearest to `sigma` (in ratio).

        Args:
            sigma: in the model's units.
        Raises:
            InputError: the process never has such noise.
        """
        if not 0.0 < sigma < math.inf:
            raise wrong_value("sigma", sigma, "a finite number > 0")
        left = np.asarray(self.remaining)
        apart = np.abs(0.5 * np.log((1.0 - left) / left) - math.log(sigma))
        time = int(np.argmin(apart))
        if not apart[time] <= math.log(_FARTHEST):
            low, high = self.noise_at(0), self.noise_at(len(left) - 1)
            raise wrong_value(
                "sigma", sigma, f"between {low:.4g} and {high:.4g} in the diffusion model's units"
            )
        return time


@dataclass(frozen=True)
class OneShotDenoiser:
    """Noised inputs to estimates of the clean ones, both in the user's units.

    Args:
        predict: the diffusion model: from states (B, ...) in its own units and a time to its prediction.
        schedule: of the diffusion model.
        sigma: of the noise, in the user's units: the sigma of the channel.
        low, high: the user's values of black and white.
        model_low, model_high: the model's, mostly -1 and 1.
        predicts: what `predict` returns: the "noise" n, the "sample" x_0, or the "velocity"
            sqrt(a) n - sqrt(1 - a) x_0.
    Raises:
        InputError: a range is empty, `predicts` is unknown, or the schedule never has such noise.

    Example:
        >>> denoiser = OneShotDenoiser(lambda x, t: torch.zeros_like(x), Schedule.linear(), sigma=0.25)
        >>> denoiser.sigma_model, denoiser.time
        (0.5, 144)
    """

    predict: Predict
    schedule: Schedule
    sigma: float
    low: float = 0.0
    high: float = 1.0
    model_low: float = -1.0
    model_high: float = 1.0
    predicts: Predicts = "noise"

    def __post_init__(self) -> None:
        for name, low, high in (
            ("low and high", self.low, self.high),
            ("model_low and model_high", self.model_low, self.model_high),
        ):
            if not -math.inf < low < high < math.inf:
                raise wrong_value(name, (low, high), "finite, the first below the second")
        if self.predicts not in ("noise", "sample", "velocity"):
            raise wrong_value("predicts", self.predicts, '"noise", "sample" or "velocity"')
        _ = self.time

    @property
    def scale(self) -> float:
        """How many of the model's units one of the user's is."""
        return (self.model_high - self.model_low) / (self.high - self.low)

    @property
    def sigma_model(self) -> float:
        """The noise in the model's units."""
        return self.sigma * self.scale

    @property
    def time(self) -> int:
        """The time that the noise is matched to."""
        return self.schedule.time_of(self.sigma_model)

    def state(self, noised: torch.Tensor) -> torch.Tensor:
        """What the diffusion model sees of noised inputs."""
        inside = self.model_low + (noised - self.low) * self.scale
        return math.sqrt(self.schedule.remaining[self.time]) * inside

    def __call__(self, noised: torch.Tensor) -> torch.Tensor:
        """Estimates of the clean inputs, clipped to the range."""
        time = self.time
        left = self.schedule.remaining[time]
        signal, noise = math.sqrt(left), math.sqrt(1.0 - left)
        state = self.state(noised)
        with torch.no_grad():
            predicted = self.predict(state, time).to(state)
        if predicted.shape != state.shape:
            raise InputError(
                f"predict must return the shape of its input, {tuple(state.shape)}; "
                f"got {tuple(predicted.shape)}"
            )
        if self.predicts == "noise":
            predicted = (state - noise * predicted) / signal
        elif self.predicts == "velocity":
            predicted = signal * state - noise * predicted
        clipped = predicted.clamp(self.model_low, self.model_high)
        return self.low + (clipped - self.model_low) / self.scale


class Denoised:
    """A base classifier that sees one channel denoised.

    Args:
        base: any base classifier, trained on clean inputs.
        denoiser: from noised inputs (B, ...) to estimates of the clean ones, such as a `OneShotDenoiser`.
        channel: the channel.

    Example:
        >>> halved = Denoised(lambda batch: (batch["x"][:, 0] > 0.5).long(), lambda x: x / 2, "x")
        >>> halved({"x": np.array([[0.9], [1.1]])}).tolist()
        [0, 1]
    """

    def __init__(
        self, base: object, denoiser: Callable[[torch.Tensor], torch.Tensor], channel: str = "image"
    ) -> None:
        self.base: BaseClassifier = as_base(base)
        self.denoiser = denoiser
        self.channel = channel

    def __call__(self, batch: Mapping[str, Any], /) -> Any:
        """The base's answers on the denoised batch."""
        if self.channel not in batch:
            raise InputError(f"the denoiser works on the channel {self.channel!r}; got {sorted(batch)}")
        noised = batch[self.channel]
        if not isinstance(noised, torch.Tensor):
            noised = torch.from_numpy(np.ascontiguousarray(noised))
        return self.base({**batch, self.channel: self.denoiser(noised)})
