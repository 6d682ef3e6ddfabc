"""What a count of successes proves: exact binomial ends, anytime-valid sequences, and the alpha ledger.

    binomial   Clopper-Pearson ends for a sample size fixed in advance
    mixture    the beta-mixture bound of one count, valid whenever sampling stopped
    sequences  the running form of that bound, for many inputs at once
    looks      Clopper-Pearson ends at looks that were planned beforehand
    ledger     how the error probability of one certificate is divided

Every bound that a certificate rests on is *canonical*: of all float64 numbers on the safe side of the exact
end it is the one nearest to that end, and ball arithmetic decides the side. A changed count therefore always
shows as a changed bound.
"""

from __future__ import annotations

from ironbound.confidence.binomial import (
    clopper_pearson_lower,
    clopper_pearson_upper,
    largest_lower,
    smallest_sample,
)
from ironbound.confidence.ledger import AlphaLedger
from ironbound.confidence.looks import level_at, planned_looks
from ironbound.confidence.mixture import DEFAULT_PRIOR, beta_mixture_lower, beta_mixture_upper
from ironbound.confidence.sequences import BetaMixtureSequence

__all__ = [
    "DEFAULT_PRIOR",
    "AlphaLedger",
    "BetaMixtureSequence",
    "beta_mixture_lower",
    "beta_mixture_upper",
    "clopper_pearson_lower",
    "clopper_pearson_upper",
    "largest_lower",
    "level_at",
    "planned_looks",
    "smallest_sample",
]
