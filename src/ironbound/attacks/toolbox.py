"""The Adversarial Robustness Toolbox (extra [attacks]) behind one function.

What was found in version 1.20 and is worked around here: APGD judges an image by one (noisy) answer at the
last iterate and returns the *random start* of images that it takes for robust, so that its best iterate is
lost; we hand over one batch at a time and also read the best iterate. Its logit difference ratio needs three
classes. Its AutoAttack imports the package multiprocess, which it does not depend on, so that `generate`
fails in a plain installation; we run the parts of the ensemble one after the other instead, each on what the
earlier ones left, as AutoAttack does. It draws from NumPy's global generator, which is put back afterwards.
Its Square attack in the 2-norm divides by the length left in the budget where the published algorithm
multiplies, so that an exhausted budget divides by zero: what is not finite is dropped; the attack is weak.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ironbound.attacks.gradient import Norm
from ironbound.errors import InputError, wrong_value

_SQUARE_PER_STEP = 10

Part = Literal["cross_entropy", "difference_logits_ratio", "square"]


def parts_of(attack: str, classes: int) -> tuple[Part, ...]:
    """The attacks that make up an attack, in order.

    Example:
        >>> parts_of("autoattack", 10)
        ('cross_entropy', 'difference_logits_ratio', 'square')
        >>> parts_of("autoattack", 2), parts_of("apgd", 10)
        (('cross_entropy', 'square'), ('cross_entropy',))
    """
    if attack == "square":
        return ("square",)
    if attack == "apgd":
        return ("cross_entropy",)
    return (
        ("cross_entropy", "difference_logits_ratio", "square") if classes > 2 else ("cross_entropy", "square")
    )


def through_art(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    part: Part,
    norm: Norm,
    eps: float,
    steps: int,
    *,
    low: float,
    high: float,
    seed: int,
) -> list[Tensor]:
    """Candidates (B, ...) of one batch; whether they succeed is for the caller to judge.

    Raises:
        InputError: the toolbox is not installed; Square asked about what is no image.
    """
    least = 3 if norm == "linf" else 10  # in l2 the toolbox begins with 5 x 5 tiles
    if part == "square" and (images.dim() != 4 or min(images.shape[-2:]) < least):
        expected = f"(N, channels, height, width) with sides >= {least} for the Square attack"
        raise wrong_value("images", tuple(images.shape), expected)
    art = _art()
    classes = int(network(images[:1]).shape[1])
    estimator = art["PyTorchClassifier"](
        model=network,
        loss=nn.CrossEntropyLoss(),
        input_shape=tuple(images.shape[1:]),
        nb_classes=classes,
        clip_values=(low, high),
        device_type="cpu" if images.device.type == "cpu" else "gpu",
    )
    size = np.inf if norm == "linf" else 2
    count = len(images)
    wanted = np.eye(classes, dtype=np.float32)[labels.numpy()]
    budget: dict[str, Any] = {"norm": size, "eps": float(eps), "batch_size": count, "verbose": False}
    if part == "square":
        queries = _SQUARE_PER_STEP * steps
        # Squares of the default first size, 0.8 of the area, do not fit into images of few pixels.
        side = min(images.shape[-2:])
        first = min(0.8, ((side - 1.5) / side) ** 2)
        attack = art["SquareAttack"](estimator, max_iter=queries, nb_restarts=1, p_init=first, **budget)
    else:
        attack = art["AutoProjectedGradientDescent"](
            estimator, eps_step=2.0 * float(eps), max_iter=steps, nb_random_init=1, loss_type=part, **budget
        )
    clean = images.numpy()
    with _global_numpy(seed), np.errstate(divide="ignore", invalid="ignore"):
        found = [_tensor(attack.generate(clean, wanted))]
    best = getattr(attack, "x_max", None)
    if best is not None and np.shape(best) == clean.shape:
        found.append(_tensor(best))
    return [torch.where(one.isfinite(), one, images) for one in found]


def _tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def _art() -> dict[str, Any]:
    try:
        from art.attacks.evasion import AutoProjectedGradientDescent, SquareAttack
        from art.estimators.classification import PyTorchClassifier
    except ImportError as error:
        raise InputError(
            f"this attack needs adversarial-robustness-toolbox ({error}): install ironbound[attacks], or use "
            'attack="pgd"'
        ) from error
    return {
        "AutoProjectedGradientDescent": AutoProjectedGradientDescent,
        "SquareAttack": SquareAttack,
        "PyTorchClassifier": PyTorchClassifier,
    }


@contextmanager
def _global_numpy(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator, which the toolbox draws from, and put it back afterwards."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
