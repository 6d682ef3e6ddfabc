"""The checker of a calibrated threshold: its counts, its bound, and that it belongs to this certificate."""

from __future__ import annotations

from fractions import Fraction

from ironbound.certificate import (
    Calibration,
    Estimate,
    SmoothingEvidence,
    noise_alone,
    refuse,
)
from ironbound.verify.counts import check_estimate

_FIGURE = "evidence.calibration"
# Where the bound for equal probabilities also holds for the mean of unequal ones; see `Calibration`.
_MOST_ALPHA, _MOST_BOUND = 0.25, 0.5


def check_calibration(evidence: SmoothingEvidence) -> Fraction:
    """The error probability that a calibration spends, 0 without one.

    Raises:
        InvalidCertificate: the bound is not what the counts give, the design is not what its scope says, or
            threshold, class or noise are not those of the certificate.
    """
    found = evidence.calibration
    if found is None:
        return Fraction(0)
    if evidence.tau != found.tau or evidence.positive != found.positive:
        rule = (evidence.positive, evidence.tau)
        expected = f"{(found.positive, found.tau)}, as calibrated"
        raise refuse("evidence.positive and evidence.tau", rule, expected)
    check_sample(found)
    here = {record.channel: noise_alone(record) for record in evidence.channels}
    there = {record.channel: record for record in found.noise}
    if here != there or len(there) != len(found.noise):
        raise refuse(f"{_FIGURE}.noise", list(map(dict, found.noise)), "the noise of this certificate")
    return Fraction(found.alpha)


def check_sample(found: Calibration) -> None:
    """Refuse a calibration whose threshold does not follow from its counts.

    Raises:
        InvalidCertificate: with the figure that is wrong.
    """
    _check_design(found)
    estimate = Estimate(found.positive, "upper", found.flagged, found.draws, found.alpha, found.bound)
    check_estimate(estimate, _FIGURE)
    if not found.tau >= found.bound:
        raise refuse(f"{_FIGURE}.tau", found.tau, f"{found.bound!r} or more, which the draws support")


def _check_design(found: Calibration) -> None:
    if not 1 <= found.inputs <= found.draws:
        raise refuse(f"{_FIGURE}.inputs", found.inputs, f"between 1 and the {found.draws} draws")
    if found.scope == "population" and found.inputs != found.draws:
        expected = f"{found.draws}: a statement about a population needs a new input for every draw"
        raise refuse(f"{_FIGURE}.inputs", found.inputs, expected)
    if found.scope == "inputs" and found.draws % found.inputs:
        raise refuse(f"{_FIGURE}.draws", found.draws, f"equally many for each of the {found.inputs} inputs")
    if not found.alpha <= _MOST_ALPHA:
        raise refuse(f"{_FIGURE}.alpha", found.alpha, f"{_MOST_ALPHA} or less")
    if not found.bound <= _MOST_BOUND:
        raise refuse(f"{_FIGURE}.bound", found.bound, f"{_MOST_BOUND} or less")
