"""What an attacker may do: a budget for each channel, and a `Threat` that maps channel names to budgets."""

from ironbound.threats.continuous import L2, Continuous, LInf
from ironbound.threats.edits import Edits
from ironbound.threats.fields import FieldsL0
from ironbound.threats.suffix import SuffixAppend, SuffixInPlace
from ironbound.threats.threat import Budget, Suffix, Threat, TokenBudget
from ironbound.threats.tokens import SynonymL0, TokenL0

__all__ = [
    "L2",
    "Budget",
    "Continuous",
    "Edits",
    "FieldsL0",
    "LInf",
    "Suffix",
    "SuffixAppend",
    "SuffixInPlace",
    "SynonymL0",
    "Threat",
    "TokenBudget",
    "TokenL0",
]
