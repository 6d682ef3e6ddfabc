"""Robust accuracy against the budget and against the number of steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from ironbound.attacks.gradient import Norm
from ironbound.attacks.robust import Attack, RobustAccuracy, robust_accuracy
from ironbound.errors import wrong_value


@dataclass(frozen=True)
class RobustnessCurves:
    """One attack at several budgets and at several numbers of steps.

    Attributes:
        against_eps: at the most steps, one entry per budget, ascending.
        against_steps: at the largest budget, one entry per number of steps, ascending. Accuracy that goes on
            falling with the steps says that the attack has not converged.
    """

    against_eps: tuple[RobustAccuracy, ...]
    against_steps: tuple[RobustAccuracy, ...]

    def table(self) -> list[dict[str, Any]]:
        """Rows with eps, steps, clean and robust accuracy; each setting once."""
        rows: dict[tuple[float, int], dict[str, Any]] = {}
        for one in (*self.against_eps, *self.against_steps):
            rows[one.eps, one.steps] = {
                "eps": one.eps,
                "steps": one.steps,
                "clean": one.clean,
                "robust": one.robust,
            }
        return list(rows.values())


def robustness_curves(
    model: nn.Module,
    images: Any,
    labels: Any,
    *,
    eps: Sequence[float],
    steps: Sequence[int] = (20,),
    norm: Norm = "linf",
    attack: Attack = "apgd",
    **settings: Any,
) -> RobustnessCurves:
    """`robust_accuracy` at each budget (with the most steps), and at each number of steps (largest budget).

    Args:
        eps, steps: what is tried; 0 among the budgets is the clean accuracy and is left out.
        settings: passed to `robust_accuracy`.
    Raises:
        InputError: nothing to try, or what `robust_accuracy` refuses.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> x, y = torch.rand(3, 2, 2), torch.tensor([0, 1, 0])
        >>> found = robustness_curves(net, x, y, eps=[0.1, 0.2], steps=[2, 5], attack="pgd")
        >>> [(row["eps"], row["steps"]) for row in found.table()]
        [(0.1, 5), (0.2, 5), (0.2, 2)]
    """
    budgets, counts = sorted({float(e) for e in eps if e > 0}), sorted(set(steps))
    if not budgets or not counts:
        raise wrong_value("eps and steps", (list(eps), list(steps)), "at least one budget > 0 and one number")
    most = counts[-1]
    done: dict[tuple[float, int], RobustAccuracy] = {}
    for budget, count in [*((e, most) for e in budgets), *((budgets[-1], s) for s in counts[:-1])]:
        done[budget, count] = robust_accuracy(
            model, images, labels, norm=norm, eps=budget, attack=attack, steps=count, **settings
        )
    return RobustnessCurves(
        tuple(done[e, most] for e in budgets), tuple(done[budgets[-1], s] for s in counts)
    )
