"""Likelihood-ratio laws: the one object that a smoothing certificate needs to know about its noise.

Build a law per channel, `compose` them, and ask for `lower`, `upper`, a `radius` or a `frontier`.
Source: Delattre et al., HRS, ICML 2026 (arXiv 2605.12876); corrections and extensions in each docstring.
"""

from ironbound.laws.constructors import compose, fields, gaussian, identity, mask, uniform_replacement
from ironbound.laws.edits import OPERATIONS, edit_laws
from ironbound.laws.law import Law
from ironbound.laws.radius import Shift, certified, frontier, radii, radius, required, shift
from ironbound.laws.worst import field_laws, replacement_laws

__all__ = [
    "OPERATIONS",
    "Law",
    "Shift",
    "certified",
    "compose",
    "edit_laws",
    "field_laws",
    "fields",
    "frontier",
    "gaussian",
    "identity",
    "mask",
    "radii",
    "radius",
    "replacement_laws",
    "required",
    "shift",
    "uniform_replacement",
]
