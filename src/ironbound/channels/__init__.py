"""Channels: how noise is drawn on each part of an input, and which law it obeys. One file per kernel."""

from ironbound.channels.alphabet import Alphabet
from ironbound.channels.base import AbstractChannel, unknown_name
from ironbound.channels.categorical import Categorical
from ironbound.channels.gaussian import Gaussian
from ironbound.channels.mask import Mask
from ironbound.channels.replacement import UniformReplacement
from ironbound.channels.smoothing import Smoothing
from ironbound.channels.suffix import OnSlot, OnSuffix, narrowed

__all__ = [
    "AbstractChannel",
    "Alphabet",
    "Categorical",
    "Gaussian",
    "Mask",
    "OnSlot",
    "OnSuffix",
    "Smoothing",
    "UniformReplacement",
    "narrowed",
    "unknown_name",
]
