"""Accuracy of a network under attack: APGD, AutoAttack, Square (through ART) and our own PGD."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ironbound.attacks.gradient import Averaged, Norm, check_norm, pgd, projected, sizes
from ironbound.attacks.toolbox import parts_of, through_art
from ironbound.errors import InputError, InputTypeError, wrong_value

Attack = Literal["apgd", "autoattack", "square", "pgd"]
Array = NDArray[Any]


@dataclass(frozen=True)
class RobustAccuracy:
    """What an attack left of a network's accuracy. An estimate from above: a better attack may find more.

    Attributes:
        norm, eps, attack, steps, eot, restarts, draws, seed: the settings.
        clean: share of images that are right without attack.
        robust: share that are right without attack and under it.
        right: for each image whether it stayed right.
        largest: largest perturbation found in `norm`, re-measured in float64; at most eps but for rounding.
        adversarial: the attacked images, float32, as the input.
    """

    norm: Norm
    eps: float
    attack: Attack
    steps: int
    eot: int
    restarts: int
    draws: int
    seed: int
    clean: float
    robust: float
    right: tuple[bool, ...]
    largest: float
    adversarial: Array = field(repr=False, compare=False)

    def record(self) -> dict[str, Any]:
        """Plain values for JSON, without the images."""
        names = ("norm", "eps", "attack", "steps", "eot", "restarts", "draws", "seed", "clean", "robust")
        return {name: getattr(self, name) for name in names} | {
            "inputs": len(self.right),
            "largest": self.largest,
            "typed": "estimated",
        }


def robust_accuracy(
    model: nn.Module,
    images: Array | Tensor,
    labels: Array | Tensor,
    *,
    norm: Norm = "linf",
    eps: float = 8 / 255,
    attack: Attack = "apgd",
    steps: int = 20,
    eot: int = 1,
    restarts: int = 1,
    draws: int | None = None,
    batch_size: int = 64,
    low: float = 0.0,
    high: float = 1.0,
    seed: int = 0,
) -> RobustAccuracy:
    """Share of images on which the network is right before and after an attack.

    The network runs in eval mode and draws its own randomness afresh in every pass; gradients are averaged
    over `eot` passes in each step. Whether an image stays right is judged afterwards, by the mean of `draws`
    fresh passes, never by the passes that the attack looked at. The budget is checked again at the end.

    Args:
        model: images (B, ...) in [low, high] to logits (B, C).
        images, labels: (N, ...) and (N,).
        norm, eps: the budget; "linf" or "l2", in the units of the images.
        attack: "apgd" (Croce and Hein 2020, cross-entropy), "autoattack" (APGD on cross-entropy, APGD on the
            logit difference ratio where there are more than two classes, then Square), "square" (black box),
            all through the Adversarial Robustness Toolbox; or "pgd", which needs no extra.
        steps: iterations of each gradient attack; Square makes ten times as many queries.
        eot: passes averaged per gradient; 1 for a network without randomness.
        restarts: random starts of each attack.
        draws: passes averaged by the judge; 1 if eot is 1, else 4 times eot.
        batch_size: images attacked together.
        seed: of random starts and of Square's squares. The network's own draws are its own.
    Raises:
        InputError: an argument cannot be used, or the extra [attacks] is missing.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> with torch.no_grad():
        ...     _ = net[1].weight.copy_(torch.eye(2, 4)), net[1].bias.zero_()
        >>> x = torch.tensor([[[0.6, 0.4], [0.0, 0.0]], [[0.9, 0.1], [0.0, 0.0]]])
        >>> found = robust_accuracy(net, x, torch.tensor([0, 0]), eps=0.2, attack="pgd")
        >>> found.clean, found.robust
        (1.0, 0.5)
    """
    check_norm(norm)
    data, target = checked_images(model, images, labels, low, high)
    _check(attack, eps, steps, restarts, batch_size)
    judge = Averaged(model, (1 if eot == 1 else 4 * eot) if draws is None else draws)
    modes = [(part, part.training) for part in model.modules()]
    try:
        model.eval()
        before = right_answers(judge, data, target, batch_size)
        found = data.clone()
        right = before.clone()
        for turn, part in ((t, p) for t in range(restarts) for p in _parts(model, data, attack)):
            for rows in torch.nonzero(right).flatten().split(batch_size):
                if not len(rows):
                    continue  # an empty tensor splits into one empty part
                some = data[rows], target[rows]
                start = seed + 7919 * turn + int(rows[0])
                settings: dict[str, Any] = {"low": low, "high": high, "seed": start}
                for candidate in _attacked(model, *some, part, norm, eps, steps, eot, **settings):
                    kept = projected(candidate, some[0], norm, eps, low, high)
                    fell = right[rows] & ~right_answers(judge, kept, some[1], batch_size)
                    found[rows[fell]] = kept[fell]
                    right[rows[fell]] = False
    finally:
        for part, training in modes:
            part.training = training
    count = max(1, len(target))
    largest = float(sizes(found - data, norm).max()) if len(target) else 0.0
    return RobustAccuracy(
        norm, float(eps), attack, steps, eot, restarts, judge.draws, seed,
        clean=int(before.sum()) / count,
        robust=int(right.sum()) / count,
        right=tuple(right.tolist()),
        largest=largest,
        adversarial=found.numpy(),
    )  # fmt: skip


def _parts(model: nn.Module, images: Tensor, attack: Attack) -> tuple[Any, ...]:
    """The attacks that make up this one; each is tried on what the ones before it left."""
    if attack == "pgd" or not len(images):
        return ("pgd",)
    with torch.no_grad():
        classes = int(model(images[:1]).shape[1])
    return parts_of(attack, classes)


def _attacked(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    part: Any,
    norm: Norm,
    eps: float,
    steps: int,
    eot: int,
    *,
    low: float,
    high: float,
    seed: int,
) -> list[Tensor]:
    """Candidates of one batch from one random start."""
    limits: dict[str, Any] = {"low": low, "high": high}
    if part == "pgd":
        generator = torch.Generator().manual_seed(seed)
        settings: dict[str, Any] = {"norm": norm, "eps": eps, "steps": steps, "draws": eot}
        return [pgd(model, images, labels, generator=generator, **settings, **limits)]
    return through_art(Averaged(model, eot), images, labels, part, norm, eps, steps, seed=seed, **limits)


def right_answers(judge: nn.Module, images: Tensor, labels: Tensor, batch_size: int) -> Tensor:
    with torch.no_grad():
        parts = [judge(part).argmax(dim=1) for part in images.split(batch_size)]
    return torch.cat(parts) == labels if parts else torch.zeros(0, dtype=torch.bool)


def checked_images(
    model: nn.Module, images: Array | Tensor, labels: Array | Tensor, low: float, high: float
) -> tuple[Tensor, Tensor]:
    if not isinstance(model, nn.Module):
        raise InputTypeError(f"model must be a torch.nn.Module; got {type(model).__name__}")
    data = torch.as_tensor(np.asarray(images, dtype=np.float32)).clone()
    target = torch.as_tensor(np.asarray(labels, dtype=np.int64)).clone()
    if data.dim() < 2 or target.dim() != 1 or len(data) != len(target):
        raise InputError(
            f"images (N, ...) and labels (N,) must belong together; got {tuple(data.shape)} and "
            f"{tuple(target.shape)}"
        )
    if len(data) and not (low <= float(data.min()) and float(data.max()) <= high):
        seen = f"{float(data.min()):g} .. {float(data.max()):g}"
        raise wrong_value("images", seen, f"in the range {low:g} .. {high:g}; give low and high")
    return data, target


def _check(attack: str, eps: float, steps: int, restarts: int, batch_size: int) -> None:
    if attack not in get_args(Attack):
        raise wrong_value("attack", attack, " or ".join(f'"{name}"' for name in get_args(Attack)))
    if not (math.isfinite(eps) and eps > 0):
        raise wrong_value("eps", eps, "a finite budget > 0")
    for name, value in (("steps", steps), ("restarts", restarts), ("batch_size", batch_size)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise wrong_value(name, value, "a whole number >= 1")
