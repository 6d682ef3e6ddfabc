"""Channels: how noise is drawn on each part of an input, and which law it obeys. One file per kernel."""

from ironbound.channels.adaptive import AdaptiveGaussian
from ironbound.channels.alphabet import Alphabet
from ironbound.channels.anisotropic import AnisotropicGaussian
from ironbound.channels.base import AbstractChannel, unknown_name
from ironbound.channels.categorical import Categorical
from ironbound.channels.deletion import Deletion
from ironbound.channels.gaussian import Gaussian
from ironbound.channels.mask import Mask
from ironbound.channels.replacement import UniformReplacement
from ironbound.channels.smoothing import Smoothing
from ironbound.channels.suffix import OnSlot, OnSuffix, narrowed
from ironbound.channels.synonyms import SynonymReplacement

__all__ = [
    "AbstractChannel",
    "AdaptiveGaussian",
    "Alphabet",
    "AnisotropicGaussian",
    "Categorical",
    "Deletion",
    "Gaussian",
    "Mask",
    "OnSlot",
    "OnSuffix",
    "Smoothing",
    "SynonymReplacement",
    "UniformReplacement",
    "narrowed",
    "unknown_name",
]
