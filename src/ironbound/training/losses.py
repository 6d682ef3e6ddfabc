"""Losses: cross-entropy under noise, consistency, auxiliary losses, adversarial training, TRADES."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ironbound.lipschitz import HyCASNet, Streams
from ironbound.lipschitz.hycas import Stream
from ironbound.training.recipe import Recipe


class StreamWeights(nn.Module):
    """Learned weights of the auxiliary losses: exp(-s) loss + s for each stream.

    Source: Kendall et al. 2018 (arXiv 1705.07115).
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        self.names = names
        self.log_variance = nn.Parameter(torch.zeros(len(names)))

    def forward(self, place: int, loss: Tensor) -> Tensor:
        s = self.log_variance[place]
        return torch.exp(-s) * loss + s


def stream_names(net: nn.Module) -> tuple[str, ...]:
    """Streams that occur anywhere in a network, in a fixed order; empty for one without."""
    found = {name for part in net.modules() if isinstance(part, Streams) for name in part.streams}
    return tuple(sorted(found)) if len(found) > 1 else ()


def loss_of(
    net: nn.Module, weights: StreamWeights, x: Tensor, y: Tensor, recipe: Recipe, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Loss of one batch x (B, C, H, W) in [0, 1], y (B,), and the logits (B, classes) under the first draw of
    noise; random numbers come from `generator`."""
    size = len(y)
    x, y = x.repeat(recipe.copies, 1, 1, 1), y.repeat(recipe.copies)
    noise = recipe.sigma * torch.randn(x.shape, generator=generator).to(x.device)
    attacked = x + noise
    if recipe.method != "noise":
        shift = worst_shift(net, attacked, y, recipe, generator)
        attacked = attacked + shift
    if recipe.method == "trades":
        clean = recipe.temperature * net(x + noise)
        other = functional.log_softmax(recipe.temperature * net(attacked), dim=1)
        apart = functional.kl_div(
            other, functional.log_softmax(clean, 1), reduction="batchmean", log_target=True
        )
        loss = functional.cross_entropy(clean, y) + recipe.beta * apart
        return loss + _divided(clean, recipe), clean[:size]
    logits = recipe.temperature * net(attacked)
    loss = functional.cross_entropy(logits, y) + _divided(logits, recipe)
    if weights.names and recipe.auxiliary > 0.0:
        place = int(torch.randint(len(weights.names), (1,), generator=generator))
        with cast(HyCASNet, net).only(cast(Stream, weights.names[place])):
            alone = functional.cross_entropy(recipe.temperature * net(attacked), y)
        loss = loss + recipe.auxiliary * weights(place, alone)
    return loss, logits[:size]


def _divided(logits: Tensor, recipe: Recipe) -> Tensor | float:
    """What the recipe charges for answers that differ between the draws of an image."""
    if recipe.consistency == 0.0:
        return 0.0
    return disagreement(logits, recipe.copies, recipe.consistency, recipe.entropy)


def disagreement(logits: Tensor, copies: int, consistency: float, entropy: float) -> Tensor:
    """consistency * mean KL(mean answer || answer) + entropy * entropy of the mean answer, over images.

    Source: Jeong and Shin 2020 (arXiv 2006.04062), equation 9.

    Args:
        logits: (copies * B, classes), all images under the first draw of noise, then under the second, ...

    Example:
        >>> same = torch.tensor([[2.0, 0.0]]).repeat(3, 1)
        >>> round(float(disagreement(same, 3, 1.0, 0.0)), 6)
        0.0
    """
    each = functional.log_softmax(logits, dim=1).unflatten(0, (copies, -1))
    log_mean = mean_answer(logits, copies)
    mean = log_mean.exp()
    apart = (mean * (log_mean - each)).sum(dim=2).mean()
    return consistency * apart - entropy * (mean * log_mean).sum(dim=1).mean()


def mean_answer(logits: Tensor, copies: int) -> Tensor:
    """Logarithms of the mean probabilities of an image's copies: (copies * B, classes) -> (B, classes).

    Example:
        >>> turned = torch.tensor([[9.0, 0.0], [0.0, 9.0]])
        >>> mean_answer(turned, 2).exp()
        tensor([[0.5000, 0.5000]])
    """
    each = functional.log_softmax(logits, dim=1).unflatten(0, (copies, -1))
    return torch.logsumexp(each, dim=0) - math.log(copies)


def worst_shift(net: nn.Module, x: Tensor, y: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """A shift within the recipe's ball that raises the loss: projected gradient ascent from a random start.

    Internal draws are fresh in every step, so the ascent follows their expectation. With "smoothadv" all
    copies of an image are shifted alike, against their mean answer; else each copy by itself.
    """
    training = net.training
    net.eval()
    step = 2.5 * recipe.eps / recipe.attack_steps
    alike = recipe.copies if recipe.method == "smoothadv" else 1
    start = (2 * torch.rand((len(x) // alike, *x.shape[1:]), generator=generator) - 1).to(x.device)
    shift = _inside(start * recipe.eps, recipe)
    clean = None
    if recipe.method == "trades":
        with torch.no_grad():
            clean = functional.softmax(recipe.temperature * net(x), dim=1)
    for _ in range(recipe.attack_steps):
        shift = shift.detach().requires_grad_(True)
        logits = recipe.temperature * net(x + shift.repeat(alike, 1, 1, 1))
        if clean is None:
            loss = functional.nll_loss(mean_answer(logits, alike), y[: len(shift)])
        else:
            loss = functional.kl_div(functional.log_softmax(logits, 1), clean, reduction="batchmean")
        (slope,) = torch.autograd.grad(loss, shift)
        if recipe.norm == "linf":
            shift = shift + step * slope.sign()
        else:
            size = slope.flatten(1).norm(dim=1).clamp_min(1e-12).reshape(-1, 1, 1, 1)
            shift = shift + step * slope / size
        shift = _inside(shift.detach(), recipe)
    net.train(training)
    return shift.detach().repeat(alike, 1, 1, 1)


def _inside(shift: Tensor, recipe: Recipe) -> Tensor:
    if recipe.norm == "linf":
        return shift.clamp(-recipe.eps, recipe.eps)
    size = shift.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
    return shift * (recipe.eps / size.clamp_min(recipe.eps))
