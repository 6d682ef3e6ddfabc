"""Lipschitz networks: norm bounds that are upper bounds, and the ledger that multiplies them.

Source: Dhar et al., HyCAS, ICLR 2026 (arXiv 2605.01519); corrections in math notes "Lipschitz".
"""

from ironbound.lipschitz import rules as _rules  # registers the rules of the common layers
from ironbound.lipschitz.ledger import LipschitzBound, Step, bound, rule
from ironbound.lipschitz.norms import (
    aol_scale,
    conv2d_norm_bound,
    dense_norm_bound,
    gram_norm_bound,
)

__all__ = [
    "LipschitzBound",
    "Step",
    "aol_scale",
    "bound",
    "conv2d_norm_bound",
    "dense_norm_bound",
    "gram_norm_bound",
    "rule",
]

del _rules
