"""What an attacker may do: a budget for each channel, and a `Threat` that maps channel names to budgets."""

from ironbound.threats.continuous import L2
from ironbound.threats.fields import FieldsL0
from ironbound.threats.suffix import SuffixAppend, SuffixInPlace
from ironbound.threats.threat import Budget, Suffix, Threat, TokenBudget
from ironbound.threats.tokens import TokenL0

__all__ = [
    "L2",
    "Budget",
    "FieldsL0",
    "Suffix",
    "SuffixAppend",
    "SuffixInPlace",
    "Threat",
    "TokenBudget",
    "TokenL0",
]
