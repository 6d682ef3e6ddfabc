"""Deterministic certificates from Gaussian structure in a latent space (GML).

procedure             how a model was fitted; models as files
gaussian, ellipsoid   the estimators: fit, predict, radius
radius                exact distance to where a rival wins, through the S-lemma dual
quadratic, linear     class scores, with the rounding of their values
margins               closed forms from Lipschitz constants, for screening and comparison
existence             what radius any classifier could reach (overlap, separation), and what ours does
encoders, encoded     Lipschitz encoders in front, and certificates about their input
head, center          encoders without a constant, under noise
transfer              from the mixture to the data, given their KL divergence
reporting             does an encoder suit: words, pictures, one HTML page
diagnostics           how far the data are from the mixture
"""

from __future__ import annotations

from ironbound.latent.audit import audit
from ironbound.latent.center import CenterSmoothing
from ironbound.latent.center_evidence import CenterEvidence
from ironbound.latent.certifier import LatentCertifier
from ironbound.latent.certify import model_digest
from ironbound.latent.diagnostics import (
    Accuracy,
    KLEstimate,
    Normality,
    TVBound,
    certified_accuracy,
    kl_estimate,
    mardia,
    tv_lower_bound,
)
from ironbound.latent.ellipsoid import EllipsoidClassifier
from ironbound.latent.encoded import EncodedClassifier
from ironbound.latent.encoder_record import EncoderRecord, EncoderStep
from ironbound.latent.encoders import (
    LinearEncoder,
    LipschitzEncoder,
    LipschitzEstimate,
    NetworkEncoder,
    estimate_lipschitz,
)
from ironbound.latent.encoders.adapters import HuggingFaceEncoder, MiniLM, TorchEncoder
from ironbound.latent.evidence import LatentEvidence, RivalQuadric
from ironbound.latent.existence import ExistenceReport, Reach, existence
from ironbound.latent.gaussian import GaussianClassifier
from ironbound.latent.head import EncoderHead
from ironbound.latent.linear import LinearScores
from ironbound.latent.overlap import nearest_shift, optimal_robust_error, overlap_bound
from ironbound.latent.procedure import load, save
from ironbound.latent.quadratic import Quadratics
from ironbound.latent.radius import QuadraticRadii, Radii
from ironbound.latent.reporting import LatentReport, report
from ironbound.latent.separation import ellipsoid_distance
from ironbound.latent.transfer import transfer

__all__ = [
    "Accuracy",
    "CenterEvidence",
    "CenterSmoothing",
    "EllipsoidClassifier",
    "EncodedClassifier",
    "EncoderHead",
    "EncoderRecord",
    "EncoderStep",
    "ExistenceReport",
    "GaussianClassifier",
    "HuggingFaceEncoder",
    "KLEstimate",
    "LatentCertifier",
    "LatentEvidence",
    "LatentReport",
    "LinearEncoder",
    "LinearScores",
    "LipschitzEncoder",
    "LipschitzEstimate",
    "MiniLM",
    "NetworkEncoder",
    "Normality",
    "QuadraticRadii",
    "Quadratics",
    "Radii",
    "Reach",
    "RivalQuadric",
    "TVBound",
    "TorchEncoder",
    "audit",
    "certified_accuracy",
    "ellipsoid_distance",
    "estimate_lipschitz",
    "existence",
    "kl_estimate",
    "load",
    "mardia",
    "model_digest",
    "nearest_shift",
    "optimal_robust_error",
    "overlap_bound",
    "report",
    "save",
    "transfer",
    "tv_lower_bound",
]
