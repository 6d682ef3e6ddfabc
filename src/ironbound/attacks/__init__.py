"""Attacks: what an attacker finds in practice, beside what a certificate rules out.

`robust_accuracy`, `robustness_curves` and `gradient_checks` ask networks (APGD, AutoAttack and Square through
the Adversarial Robustness Toolbox, extra [attacks]); `JointAttack` searches all channels of an input at once,
against a smoothed classifier or its base. What attacks find are estimates: no certificate rests on them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ironbound.attacks.curves import RobustnessCurves as RobustnessCurves
    from ironbound.attacks.curves import robustness_curves as robustness_curves
    from ironbound.attacks.gradient import Averaged as Averaged
    from ironbound.attacks.gradient import Noised as Noised
    from ironbound.attacks.gradient import pgd as pgd
    from ironbound.attacks.joint import JointAttack as JointAttack
    from ironbound.attacks.masking import GradientReport as GradientReport
    from ironbound.attacks.masking import gradient_checks as gradient_checks
    from ironbound.attacks.outcome import AttackResult as AttackResult
    from ironbound.attacks.robust import RobustAccuracy as RobustAccuracy
    from ironbound.attacks.robust import robust_accuracy as robust_accuracy

# Found on first use: torch is loaded only by those who attack something.
_HOMES = {
    "AttackResult": "outcome",
    "JointAttack": "joint",
    "Averaged": "gradient",
    "Noised": "gradient",
    "pgd": "gradient",
    "GradientReport": "masking",
    "gradient_checks": "masking",
    "RobustAccuracy": "robust",
    "robust_accuracy": "robust",
    "RobustnessCurves": "curves",
    "robustness_curves": "curves",
}

__all__ = [
    "AttackResult",
    "Averaged",
    "GradientReport",
    "JointAttack",
    "Noised",
    "RobustAccuracy",
    "RobustnessCurves",
    "gradient_checks",
    "pgd",
    "robust_accuracy",
    "robustness_curves",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"ironbound.attacks.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'ironbound.attacks' has no attribute {name!r}")
