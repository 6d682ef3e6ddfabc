"""Certificates: frozen, finite, exact in JSON, and one sentence long. `ironbound.verify` re-checks them."""

from ironbound.certificate.calibration import Calibration, noise_alone
from ironbound.certificate.channels import (
    AdaptiveNoise,
    AnisotropicNoise,
    CategoricalNoise,
    ChannelRecord,
    DeletionNoise,
    GaussianNoise,
    GridNoise,
    MaskNoise,
    NamedReplacementNoise,
    ReplacementNoise,
    SuffixNoise,
    SynonymNoise,
    channel_record,
)
from ironbound.certificate.claim import Claim
from ironbound.certificate.kinds import Evidence, evidence_type, register
from ironbound.certificate.per_budget import PerBudgetEvidence
from ironbound.certificate.record import Certificate
from ironbound.certificate.refusal import about, check_digest, check_words, refuse
from ironbound.certificate.smoothing import Estimate, SmoothingEvidence

__all__ = [
    "AdaptiveNoise",
    "AnisotropicNoise",
    "Calibration",
    "CategoricalNoise",
    "Certificate",
    "ChannelRecord",
    "Claim",
    "DeletionNoise",
    "Estimate",
    "Evidence",
    "GaussianNoise",
    "GridNoise",
    "MaskNoise",
    "NamedReplacementNoise",
    "PerBudgetEvidence",
    "ReplacementNoise",
    "SmoothingEvidence",
    "SuffixNoise",
    "SynonymNoise",
    "about",
    "channel_record",
    "check_digest",
    "check_words",
    "evidence_type",
    "noise_alone",
    "refuse",
    "register",
]
