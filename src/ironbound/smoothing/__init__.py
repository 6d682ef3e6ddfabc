"""Randomised smoothing: from a base classifier and noise to certificates.

rules       which class wins, and what its probability has to exceed
randomness  which generator draws what; draws: noised copies by number; voting: the base's answers, counted
estimate    counts to bounds; stopping: when to stop counting
goal        bounds to claims, through the laws; assemble: everything into a verified certificate
job         the certification of one input; scheduler: many of them through shared batches
classifier  the class that users hold
"""

from ironbound.smoothing.classifier import SmoothedClassifier
from ironbound.smoothing.job import Progress
from ironbound.smoothing.statistics import Statistics

__all__ = ["Progress", "SmoothedClassifier", "Statistics"]
