"""Projected gradient descent with expectation over a network's own randomness (Athalye et al. 2018, EOT)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ironbound.errors import wrong_value

Norm = Literal["linf", "l2"]


class Averaged(nn.Module):
    """Mean of the logits of `draws` forward passes, each with the network's own fresh randomness.

    Attacks differentiate through the mean, which is expectation over transformation; a judge asks it anew.

    Args:
        network: images (B, ...) to logits (B, C); may draw noise of its own in every pass.
        draws: forward passes, >= 1. For a network without randomness 1 is enough.
    Raises:
        InputError: draws is not a whole number >= 1.

    Example:
        >>> noisy = lambda x: x + torch.randn_like(x)
        >>> tuple(Averaged(noisy, 64)(torch.zeros(5, 3)).shape)
        (5, 3)
    """

    def __init__(self, network: nn.Module, draws: int = 1) -> None:
        super().__init__()
        if isinstance(draws, bool) or not isinstance(draws, int) or draws < 1:
            raise wrong_value("draws", draws, "a whole number of forward passes >= 1")
        self.network = network
        self.draws = draws

    def forward(self, images: Tensor) -> Tensor:
        total = self.network(images)
        for _ in range(self.draws - 1):
            total = total + self.network(images)
        return total / self.draws


class Noised(nn.Module):
    """A network behind Gaussian noise, fresh in every pass: what an attack on a smoothed classifier meets.

    Args:
        network: images (B, ...) to logits (B, C).
        sigma: standard deviation of the noise, in the units of the images.
        generator: draws it.

    Example:
        >>> noised = Noised(nn.Identity(), 0.5, torch.Generator().manual_seed(0))
        >>> 0.45 < float(noised(torch.zeros(1, 2000)).std()) < 0.55
        True
    """

    def __init__(self, network: nn.Module, sigma: float, generator: torch.Generator) -> None:
        super().__init__()
        self.network = network
        self.sigma = sigma
        self.generator = generator

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images + self.sigma * torch.randn(images.shape, generator=self.generator))


def check_norm(norm: str) -> None:
    """Refuse what is neither "linf" nor "l2"."""
    if norm not in ("linf", "l2"):
        raise wrong_value("norm", norm, '"linf" or "l2"')


def sizes(shift: Tensor, norm: Norm) -> Tensor:
    """Norm of each row of a batch, (B,), in float64.

    Example:
        >>> sizes(torch.tensor([[3.0, -4.0]]), "l2"), sizes(torch.tensor([[3.0, -4.0]]), "linf")
        (tensor([5.], dtype=torch.float64), tensor([4.], dtype=torch.float64))
    """
    flat = shift.double().flatten(1)
    return flat.abs().amax(dim=1) if norm == "linf" else flat.norm(dim=1)


def projected(images: Tensor, clean: Tensor, norm: Norm, eps: float, low: float, high: float) -> Tensor:
    """The images moved into the ball of radius eps about `clean`, and into the range [low, high].

    Cutting off at the range moves no pixel away from a clean one in it, so both hold at the end.
    """
    shift = images - clean
    if norm == "linf":
        shift = shift.clamp(-eps, eps)
    else:
        size = sizes(shift, norm).clamp_min(1e-30)
        factor = (eps / size).clamp_max(1.0).to(shift.dtype)
        shift = shift * factor.view(-1, *(1,) * (shift.dim() - 1))
    return (clean + shift).clamp(low, high)


def steepest(gradient: Tensor, norm: Norm) -> Tensor:
    """The direction of norm 1 in which the loss grows fastest; zero where the gradient is.

    Example:
        >>> steepest(torch.tensor([[3.0, -4.0]]), "l2")
        tensor([[ 0.6000, -0.8000]])
    """
    if norm == "linf":
        return gradient.sign()
    size = gradient.flatten(1).norm(dim=1).clamp_min(1e-30)
    return gradient / size.view(-1, *(1,) * (gradient.dim() - 1))


def pgd(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    norm: Norm = "linf",
    eps: float = 8 / 255,
    steps: int = 20,
    draws: int = 1,
    step: float | None = None,
    low: float = 0.0,
    high: float = 1.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Images within the budget on which the cross-entropy was largest, after `steps` gradient steps.

    Args:
        network: images (B, ...) to logits (B, C).
        images, labels: (B, ...) in [low, high], and (B,).
        norm, eps: the budget, in the units of the images.
        steps: gradient steps, each with `draws` fresh passes (expectation over transformation).
        step: length of a step; 2.5 eps / steps if None.
        generator: draws the random start; none if None.
    Raises:
        InputError: norm is not known.

    Example:
        >>> weights = torch.nn.Linear(2, 2)
        >>> found = pgd(weights, torch.full((1, 2), 0.5), torch.tensor([0]), eps=0.1, steps=5)
        >>> bool((found - 0.5).abs().max() <= 0.1 + 1e-6)
        True
    """
    check_norm(norm)
    asked = Averaged(network, draws)
    length = 2.5 * eps / steps if step is None else step
    at = images.detach()
    if generator is not None:
        noise = torch.randn(images.shape, generator=generator, dtype=images.dtype)
        at = projected(images + eps * steepest(noise, norm), images, norm, eps, low, high)
    best, worst = at, torch.full((len(images),), -torch.inf, dtype=images.dtype)
    for _ in range(steps):
        at = at.detach().requires_grad_()
        losses = functional.cross_entropy(asked(at), labels, reduction="none")
        (gradient,) = torch.autograd.grad(losses.sum(), at)
        best, worst = _larger(best, worst, at.detach(), losses.detach())
        moved = at.detach() + length * steepest(gradient, norm)
        at = projected(moved, images, norm, eps, low, high)
    with torch.no_grad():
        return _larger(best, worst, at, functional.cross_entropy(asked(at), labels, reduction="none"))[0]


def _larger(best: Tensor, worst: Tensor, at: Tensor, losses: Tensor) -> tuple[Tensor, Tensor]:
    better = losses > worst
    shaped = better.view(-1, *(1,) * (at.dim() - 1))
    return torch.where(shaped, at, best), torch.where(better, losses, worst)
