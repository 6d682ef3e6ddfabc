"""Can a white-box evaluation be trusted? Checks after Athalye et al. 2018 and Carlini et al. 2019."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ironbound.attacks.gradient import Averaged, Norm
from ironbound.attacks.robust import checked_images, right_answers, robust_accuracy

# Shares of right answers that differ by less than this many standard errors are not called different.
_ERRORS = 2.0


@dataclass(frozen=True)
class GradientReport:
    """Signs of masked gradients.

    Attributes:
        zero_gradients: share of images whose averaged gradient is zero or not finite.
        white_box: accuracy under the gradient attack.
        square: accuracy under the black-box Square attack, at the same budget.
        transfer: accuracy on images made for the surrogate; None without one.
        larger: accuracy under the gradient attack at ten times the budget.
        inputs: number of images.
        reasons: what is suspicious, in words; empty if nothing is.
    """

    zero_gradients: float
    white_box: float
    square: float
    transfer: float | None
    larger: float
    inputs: int
    reasons: tuple[str, ...]

    @property
    def masked(self) -> bool:
        """Whether the white-box figure must not be trusted."""
        return bool(self.reasons)

    def __str__(self) -> str:
        return "; ".join(self.reasons) if self.reasons else "no sign of masked gradients"


def gradient_checks(
    model: nn.Module,
    images: Any,
    labels: Any,
    *,
    norm: Norm = "linf",
    eps: float = 8 / 255,
    steps: int = 20,
    eot: int = 1,
    surrogate: nn.Module | None = None,
    low: float = 0.0,
    high: float = 1.0,
    seed: int = 0,
    **settings: Any,
) -> GradientReport:
    """Compare the white-box attack with attacks that need no gradients of the model.

    A black-box or transferred attack that does better than the white-box one, by more than two standard
    errors, says that the gradients lead nowhere; so do gradients that vanish.

    Args:
        model, images, labels, norm, eps, steps, eot, seed, settings: see `robust_accuracy` (APGD is used).
        surrogate: another network for the same task, whose adversarial images are tried on the model.
    Raises:
        InputError: as `robust_accuracy`.
    """
    common: dict[str, Any] = {
        "norm": norm, "steps": steps, "eot": eot, "low": low, "high": high, "seed": seed, **settings
    }  # fmt: skip
    data, target = checked_images(model, images, labels, low, high)
    zero = _zero_gradients(model, data, target, eot)
    white = robust_accuracy(model, data, target, eps=eps, attack="apgd", **common)
    square = robust_accuracy(model, data, target, eps=eps, attack="square", **common)
    larger = robust_accuracy(model, data, target, eps=10 * eps, attack="apgd", **common)
    transfer = None
    if surrogate is not None:
        made = robust_accuracy(surrogate, data, target, eps=eps, attack="apgd", **common)
        moved = torch.from_numpy(made.adversarial)
        modes = [(part, part.training) for part in model.modules()]
        model.eval()
        transfer = float(right_answers(Averaged(model, white.draws), moved, target, 256).double().mean())
        for part, training in modes:
            part.training = training
    count = len(target)
    slack = _ERRORS * (max(white.robust * (1 - white.robust), 0.25 / count) / count) ** 0.5
    reasons: list[str] = []
    if zero > 0.05:
        reasons.append(f"the gradient vanishes on {zero:.0%} of the images")
    if square.robust < white.robust - slack:
        reasons.append(f"Square leaves {square.robust:.1%} right, the gradient attack {white.robust:.1%}")
    if transfer is not None and transfer < white.robust - slack:
        reasons.append(
            f"transferred images leave {transfer:.1%} right, the gradient attack {white.robust:.1%}"
        )
    if larger.robust > white.robust + slack:
        reasons.append(f"ten times the budget leaves more right ({larger.robust:.1%})")
    return GradientReport(zero, white.robust, square.robust, transfer, larger.robust, count, tuple(reasons))


def _zero_gradients(model: nn.Module, images: Tensor, labels: Tensor, eot: int) -> float:
    modes = [(part, part.training) for part in model.modules()]
    model.eval()
    try:
        at = images.clone().requires_grad_()
        loss = functional.cross_entropy(Averaged(model, eot)(at), labels, reduction="sum")
        gradient = torch.autograd.grad(loss, at, allow_unused=True)[0] if loss.requires_grad else None
    finally:
        for part, training in modes:
            part.training = training
    if gradient is None:
        return 1.0
    flat = gradient.flatten(1)
    usable = flat.isfinite().all(dim=1) & (flat.abs().amax(dim=1) > 0)
    return 1.0 - float(usable.double().mean())
