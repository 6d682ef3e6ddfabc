"""Lipschitz networks: layers with a norm that is true, and the ledger that multiplies them.

    norms, kernels   upper bounds of operator norms
    ledger, rules    the bound of a whole network, with its derivation
    spectral, orthogonal, groupsort, frequency, projection, rani, gate, plumbing   the layers
    hycas            the network of the paper, at any width and depth
    margin           radii of the classifier of the expected logits; bounded_mean proves its margins
    ramp             radii that combine smoothing with a Lipschitz constant
    noise            the internal randomness, passed in
    certify          sealed certificates: ExpectedLogits (margin_evidence), RampSmoothed (ramp_evidence)
    randomised       internal draws as a channel under randomised smoothing
    blocks           draws that are addressed by number
    costs            parameters and multiply-adds
    plain            export to plain torch layers

Source: Dhar et al., HyCAS, ICLR 2026 (arXiv 2605.01519); corrections in math notes "Lipschitz".
"""

from ironbound.lipschitz import rules as _rules  # registers the rules of the common layers
from ironbound.lipschitz.bounded_mean import mean_lower
from ironbound.lipschitz.certify import ExpectedLogits, RampSmoothed
from ironbound.lipschitz.costs import Cost, cost
from ironbound.lipschitz.frequency import LowPassDCT
from ironbound.lipschitz.gate import ConvexResidual, StreamGate, Streams
from ironbound.lipschitz.groupsort import GroupSort
from ironbound.lipschitz.hycas import HyCASConfig, HyCASNet, blocks_for_depth
from ironbound.lipschitz.kernels import torus_norm_bound
from ironbound.lipschitz.ledger import LipschitzBound, Step, bound, rule
from ironbound.lipschitz.margin import (
    MarginBounds,
    MarginResult,
    Rival,
    certify_margin,
    certify_scores,
    margin_bounds,
)
from ironbound.lipschitz.noise import Noise
from ironbound.lipschitz.norms import (
    aol_scale,
    conv2d_norm_bound,
    dense_norm_bound,
    gram_norm_bound,
)
from ironbound.lipschitz.orthogonal import OrthogonalMix
from ironbound.lipschitz.plain import export_plain
from ironbound.lipschitz.plumbing import PixelSum, Scale
from ironbound.lipschitz.projection import RandomProjectionConv2d
from ironbound.lipschitz.ramp import ramp_radius
from ironbound.lipschitz.randomised import RandomisedBase
from ironbound.lipschitz.rani import RANI
from ironbound.lipschitz.spectral import SpectralConv2d, SpectralLinear

__all__ = [
    "RANI",
    "ConvexResidual",
    "Cost",
    "ExpectedLogits",
    "GroupSort",
    "HyCASConfig",
    "HyCASNet",
    "LipschitzBound",
    "LowPassDCT",
    "MarginBounds",
    "MarginResult",
    "Noise",
    "OrthogonalMix",
    "PixelSum",
    "RampSmoothed",
    "RandomProjectionConv2d",
    "RandomisedBase",
    "Rival",
    "Scale",
    "SpectralConv2d",
    "SpectralLinear",
    "Step",
    "StreamGate",
    "Streams",
    "aol_scale",
    "blocks_for_depth",
    "bound",
    "certify_margin",
    "certify_scores",
    "conv2d_norm_bound",
    "cost",
    "dense_norm_bound",
    "export_plain",
    "gram_norm_bound",
    "margin_bounds",
    "mean_lower",
    "ramp_radius",
    "rule",
    "torus_norm_bound",
]

del _rules
