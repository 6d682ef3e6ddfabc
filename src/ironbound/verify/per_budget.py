"""The checker of certificates with one smoothed classifier for each budget: a smoothing record for each."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import cast

from ironbound.certificate import (
    Certificate,
    ChannelRecord,
    PerBudgetEvidence,
    ReplacementNoise,
    SmoothingEvidence,
    SuffixNoise,
    about,
    refuse,
)
from ironbound.errors import InvalidCertificate
from ironbound.verify import smoothing

MOST_PARTS = 4096


def check(certificate: Certificate) -> None:
    """Each part on its own, that they belong together, and what they spend in all.

    Raises:
        InvalidCertificate: with the first figure that is wrong.
    """
    evidence = cast(PerBudgetEvidence, certificate.evidence)
    parts = evidence.parts
    if not 1 <= len(parts) <= MOST_PARTS:
        raise refuse("evidence.parts", f"{len(parts)} parts", f"between 1 and {MOST_PARTS}")
    for i, part in enumerate(parts):
        if part.calibration is not None:
            # Its noise lies elsewhere for every budget, and what its alpha pays for would have to be counted.
            raise refuse(f"evidence.parts[{i}].calibration", part.calibration, "absent in per-budget parts")
        try:
            smoothing.check(_alone(certificate, part))
        except InvalidCertificate as error:
            raise InvalidCertificate(f"evidence.parts[{i}]: {error}") from None
        _placed(evidence, i)
        _same(parts[0], part, evidence.channel, i)
    spent = sum((Fraction(e.alpha) for part in parts for e in part.estimates), Fraction(0))
    if spent > Fraction(certificate.alpha):
        raise refuse("alpha", certificate.alpha, f"at least {about(spent)}, what all parts spend together")
    drawn = sum(sum(part.selection) + max((e.trials for e in part.estimates), default=0) for part in parts)
    if certificate.samples < drawn:
        raise refuse("samples", certificate.samples, f"{drawn} or more, the draws of all parts")
    if certificate.prediction is not None and _label(parts[0]) != certificate.prediction:
        expected = f"{_label(parts[0])}, the class of the first part"
        raise refuse("prediction", certificate.prediction, expected)


def margin(certificate: Certificate, index: int) -> float:
    """Margin of one claim for the classifier of its own budget."""
    evidence = cast(PerBudgetEvidence, certificate.evidence)
    claim = certificate.claims[index]
    amount = claim.amount(evidence.channel)
    if not 0 <= amount <= len(evidence.parts):
        raise refuse(f"claims[{index}].budget", claim.budget, "a budget that has a part")
    part = evidence.part_of(claim)
    if claim.mu is not None and _label(part) != certificate.prediction:
        expected = f"null: the classifier of this budget is about class {_label(part)}"
        raise refuse(f"claims[{index}].mu", claim.mu, expected)
    return smoothing.margin(replace(certificate, evidence=part), index)


def _label(part: SmoothingEvidence) -> int | None:
    return part.estimates[0].label if part.estimates else None


def _alone(certificate: Certificate, part: SmoothingEvidence) -> Certificate:
    """The certificate that a part would be by itself, about its own class; alpha and samples come later."""
    return replace(certificate, evidence=part, prediction=_label(part))


def _placed(evidence: PerBudgetEvidence, i: int) -> None:
    """Part i is about budget i + 1, and noises just the places that it reaches."""
    figure = f"evidence.parts[{i}]"
    found = [record for record in evidence.parts[i].channels if record.channel == evidence.channel]
    if not found or not isinstance(found[0], SuffixNoise) or not found[0].attacked:
        expected = "an attacked channel with noise on the end of a text"
        raise refuse("evidence.channel", evidence.channel, expected)
    for name in ("positions", "max_d"):
        if found[0][name] != i + 1:
            raise refuse(f"{figure}.{evidence.channel}.{name}", found[0][name], f"{i + 1}, the budget")


def _same(first: SmoothingEvidence, part: SmoothingEvidence, channel: str, i: int) -> None:
    """Parts differ in where the noise lies and in what was drawn, and in nothing else."""
    figure = f"evidence.parts[{i}]"
    for name in ("form", "positive", "tau", "stop", "seed", "noise_scheme"):
        if getattr(part, name) != getattr(first, name):
            raise refuse(f"{figure}.{name}", getattr(part, name), "that of the first part")
    if _label(part) == _label(first) and part.threshold != first.threshold:
        raise refuse(f"{figure}.threshold", part.threshold, "that of the first part")
    mine = {record.channel: record for record in part.channels}
    others = {record.channel: record for record in first.channels}
    if set(mine) != set(others):
        raise refuse(f"{figure}.channels", sorted(mine), f"those of the first part, {sorted(others)}")
    for name, record in mine.items():
        if name != channel and record != others[name]:
            raise refuse(f"{figure}.channels.{name}", dict(record), "as in the first part")
    one, other = (cast(SuffixNoise, records[channel]) for records in (mine, others))
    if _common(one) != _common(other):
        raise refuse(f"{figure}.channels.{channel}", dict(one), "as in the first part but for its places")
    if one.outside[: len(other.outside)] != other.outside or 1 in one.outside[len(other.outside) :]:
        raise refuse(
            f"{figure}.channels.{channel}.outside", one.outside, "those of the parts before, and more"
        )


def _common(record: SuffixNoise) -> ChannelRecord:
    kernel = record.kernel
    if isinstance(kernel, ReplacementNoise):
        kernel = replace(kernel, outside=0)
    return replace(record, positions=0, max_d=0, outside=(), kernel=replace(kernel, length=0))  # type: ignore[call-arg]
