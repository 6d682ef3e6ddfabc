"""Sampled local Lipschitz constants (CLEVER): estimates from below, of use for comparing encoders only.

Source: Weng et al. 2018 (arXiv 1801.10578). Goodfellow 2018 (arXiv 1804.07870) shows how far such an estimate
can lie below the truth. The result is a type of its own that no certificate accepts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ironbound.errors import wrong_value

CAVEAT = (
    "largest gradient seen, extrapolated; the true constant may be larger, so that no radius follows from it"
)


@dataclass(frozen=True)
class LipschitzEstimate:
    """An *estimated* local Lipschitz constant. It is no bound: certificates refuse it.

    Attributes:
        estimated: location of the fitted limit law, never below `largest`.
        largest: the largest gradient norm seen, which the true constant is certainly not below.
        radius: of the ball that was sampled. samples: points in it.
    """

    estimated: float
    largest: float
    radius: float
    samples: int
    caveat: str = CAVEAT

    def __float__(self) -> float:
        raise TypeError(f"an estimated Lipschitz constant does not turn into a number: {CAVEAT}")


def estimate_lipschitz(
    encoder: Callable[[Tensor], Tensor],
    x: ArrayLike,
    *,
    radius: float,
    batches: int = 20,
    batch_size: int = 32,
    seed: int = 0,
) -> LipschitzEstimate:
    """CLEVER for a map to several dimensions: spectral norms of Jacobians at points of a ball about x.

    The maxima of batches follow a reverse Weibull law in the limit, whose location is the estimate; it is
    fitted with SciPy. A Jacobian's norm is found by power iteration, itself from below.

    Args:
        encoder: differentiable map from a batch (N, *shape) to latents (N, D); a torch module in eval mode.
        x: one input, of any shape.
        radius: of the ball, > 0. batches, batch_size: how many maxima, of how many points each.

    Example:
        >>> found = estimate_lipschitz(torch.nn.Linear(2, 2).double(), [0.0, 0.0], radius=1.0, batches=5)
        >>> found.estimated >= found.largest
        True
    """
    if not 0.0 < radius < float("inf"):
        raise wrong_value("radius", radius, "positive and finite")
    if batches < 2 or batch_size < 1:
        raise wrong_value("batches, batch_size", (batches, batch_size), "at least 2 and 1")
    center = torch.as_tensor(np.asarray(x, dtype=np.float64))
    parameter = next(iter(getattr(encoder, "parameters", lambda: iter(()))()), None)
    dtype = torch.float64 if parameter is None else parameter.dtype
    generator = torch.Generator().manual_seed(seed)
    maxima: list[float] = []
    for _ in range(batches):
        points = center + _ball(batch_size, center.shape, radius, generator)
        maxima.append(float(_jacobian_norms(encoder, points.to(dtype), generator).max()))
    largest = max(maxima)
    return LipschitzEstimate(_location(np.array(maxima)), largest, radius, batches * batch_size)


def _ball(count: int, shape: torch.Size, radius: float, generator: torch.Generator) -> Tensor:
    """Points uniform in a ball about 0."""
    size = int(np.prod(shape)) or 1
    direction = torch.randn(count, size, generator=generator, dtype=torch.float64)
    direction /= direction.norm(dim=1, keepdim=True)
    reach = torch.rand(count, 1, generator=generator, dtype=torch.float64) ** (1.0 / size)
    return (radius * reach * direction).reshape(count, *shape)


def _jacobian_norms(encoder: Callable[[Tensor], Tensor], x: Tensor, generator: torch.Generator) -> Tensor:
    """Spectral norms (N,) of the Jacobians at each row, by 8 steps of power iteration on J^T J."""
    x = x.detach()
    v = torch.randn(x.shape, generator=generator, dtype=x.dtype)
    found = torch.zeros(len(x), dtype=x.dtype)
    for _ in range(8):
        v = cast(Tensor, v)
        v = v / v.flatten(1).norm(dim=1).clamp_min(1e-300).reshape(-1, *[1] * (x.ndim - 1))
        _, moved = cast(Any, torch.autograd.functional).jvp(encoder, x, v)
        moved = cast(Tensor, moved)
        found = moved.flatten(1).norm(dim=1).detach()
        _, v = cast(Any, torch.autograd.functional).vjp(encoder, x, moved.detach())
    return found


def _location(maxima: np.ndarray) -> float:
    from scipy.stats import weibull_max

    largest = float(maxima.max())
    if float(np.ptp(maxima)) <= 1e-9 * largest:
        return largest  # a linear map: every gradient is the same
    _, location, _ = weibull_max.fit(maxima, loc=largest * (1.0 + 1e-3))
    return max(largest, float(location)) if np.isfinite(location) else largest
