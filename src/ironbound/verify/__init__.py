"""The independent checker: every claim of a certificate, re-derived in ball arithmetic from its evidence.

It shares no code with the solvers (laws, confidence): it knows the records, and the theorems, once more.

    general     what holds for every kind: fingerprint, classes, the frontier's shape
    smoothing   the randomised-smoothing kind, which uses
    per_budget  one smoothed classifier for each budget: a smoothing record for each of them
    noise       ranges of the recorded noise and budgets
    counts      confidence bounds from counts
    positions   one changed token or field; which changes are worst
    products    several changes at once, in exact rationals
    bounds      the dual bounds of Neyman and Pearson at the stored witnesses
    balls       deciding inequalities at growing precision

A new kind registers a `Checker` under its method name.
"""

from ironbound.verify import per_budget, smoothing
from ironbound.verify.general import Checker, complete, register, verify

register("smoothing", Checker(smoothing.check, smoothing.margin))
register("smoothing_per_budget", Checker(per_budget.check, per_budget.margin, ordered=False))

__all__ = ["Checker", "complete", "register", "verify"]
