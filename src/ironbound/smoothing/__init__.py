"""Randomised smoothing: from a base classifier and noise to certificates.

rules       which class wins, and what its probability has to exceed
randomness  which generator draws what; draws: noised copies by number; shared: noise that serves many inputs
voting      the base's answers; predict: a label without a certificate
estimate    counts to bounds; looking: at planned looks; stopping: when to stop
goal        bounds to claims, through the laws; assemble: everything into a verified certificate
job         the certification of one input; scheduler: many of them through shared batches
batches     one batch after another, drawn ahead and asked about; repeatable: whether the base repeats itself
calibrate   a filter's threshold from benign inputs
per_budget  one smoothed classifier for each budget of an attack on the end of a text
classifier  the class that users hold; pilot: choosing its noise on held-out data
"""

from ironbound.smoothing.calibrate import calibrate, draws_needed
from ironbound.smoothing.classifier import SmoothedClassifier
from ironbound.smoothing.job import Progress
from ironbound.smoothing.pilot import Pilot, choose_noise
from ironbound.smoothing.repeatable import Repeatability, UnrepeatableError
from ironbound.smoothing.statistics import Statistics

__all__ = [
    "Pilot",
    "Progress",
    "Repeatability",
    "SmoothedClassifier",
    "Statistics",
    "UnrepeatableError",
    "calibrate",
    "choose_noise",
    "draws_needed",
]
