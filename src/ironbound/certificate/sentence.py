"""The one plain sentence of a smoothing certificate: who guarantees what, against whom, how surely."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from typing import TYPE_CHECKING

from ironbound.certificate.claim import Claim, derived_radii
from ironbound.certificate.powers import powers

if TYPE_CHECKING:
    from ironbound.certificate.per_budget import PerBudgetEvidence
    from ironbound.certificate.record import Certificate
    from ironbound.certificate.smoothing import SmoothingEvidence


def smoothing_sentence(certificate: Certificate, evidence: SmoothingEvidence) -> str:
    """The sentence for a certificate whose evidence is `evidence`; radii are rounded down to 4 digits."""
    label = certificate.prediction
    if label is None:
        reason = certificate.reason or "no reason was given"
        return f"Nothing is claimed about input {certificate.input_id!r}: {reason}."
    name = _class(certificate, label)
    above = "every other class" if evidence.threshold is None else f"{evidence.threshold!r}"
    return (
        f"Except with probability at most {certificate.alpha!r} over the {certificate.samples:,} noise "
        f"draws, the smoothed classifier's probability of {name} at input {certificate.input_id!r} stays "
        f"above {above} against every attacker who {attack(certificate, evidence)}"
        f"{_calibrated(evidence)}{_shared(evidence)}."
    )


def _shared(evidence: SmoothingEvidence) -> str:
    # The scheme's name is the record of it; see ironbound.smoothing.randomness.
    if not evidence.noise_scheme.endswith("-shared"):
        return ""
    return "; with noise that inputs of the run share, so errors of several inputs are not independent"


def _calibrated(evidence: SmoothingEvidence) -> str:
    found = evidence.calibration
    if found is None:
        return ""
    whose = f"the {found.inputs:,} benign inputs of its calibration"
    if found.scope == "population":
        whose = f"the population that {found.inputs:,} benign inputs were drawn from"
    return (
        f"; the filter's threshold {found.tau!r} is at least the mean rate at which noisy draws of {whose} "
        "are flagged"
    )


def per_budget_sentence(certificate: Certificate, evidence: PerBudgetEvidence) -> str:
    """The sentence for a certificate with one smoothed classifier for each budget."""
    label = certificate.prediction
    if label is None:
        reason = certificate.reason or "no reason was given"
        return f"Nothing is claimed about input {certificate.input_id!r}: {reason}."
    name, threshold = _class(certificate, label), evidence.parts[0].threshold
    above = "every other class" if threshold is None else f"{threshold!r}"
    part = evidence.parts[-1]
    d = _names(certificate)[evidence.channel]
    return (
        f"Except with probability at most {certificate.alpha!r} over all {certificate.samples:,} noise "
        f"draws, each {d} from 1 on has a smoothed classifier of its own, with noise on just the places of "
        f"{evidence.channel!r} that {d} changes reach ({d} = 0 is about that of 1), whose probability of "
        f"{name} at input {certificate.input_id!r} stays above {above} against every attacker who "
        f"{attack(certificate, part)}."
    )


def _class(certificate: Certificate, label: int) -> str:
    name = f"class {label}"
    if certificate.class_names is None:
        return name
    return f"{certificate.class_names[label]!r} ({name})"


def _names(certificate: Certificate) -> dict[str, str]:
    """How the number of changes of each attacked discrete channel is written: plain d if there is one."""
    budgets = certificate.evidence.budgets()
    return {name: "d" if len(budgets) == 1 else f"d({name})" for name in budgets}


def round_down(value: float, digits: int = 4) -> str:
    """Decimal digits of a non-negative number, never above it.

    Example:
        >>> round_down(1.99999), round_down(0.000123456)
        ('1.999', '0.0001234')
    """
    return f"{Context(prec=digits, rounding=ROUND_FLOOR).create_decimal_from_float(value):f}"


def round_up(value: float, digits: int = 4) -> str:
    """Decimal digits of a number, never below it.

    Example:
        >>> round_up(1.00001), round_up(0.000123456), round_up(2.0)
        ('1.001', '0.0001235', '2')
    """
    return f"{Context(prec=digits, rounding=ROUND_CEILING).create_decimal_from_float(value):f}"


def attack(certificate: Certificate, evidence: SmoothingEvidence) -> str:
    """What the attacker may do, and how much of it at each budget that is certified or not."""
    names = _names(certificate)
    return f"{powers(evidence.channels, evidence.scales(), names)}{_frontier(certificate, evidence)}"


def _frontier(certificate: Certificate, evidence: SmoothingEvidence) -> str:
    scales, names = evidence.scales(), _names(certificate)
    proved = [_line(claim, scales, names) for claim in certificate.claims if claim.mu is not None]
    proved = [part for part in proved if part]
    lost = [_budget(claim, names) for claim in certificate.claims if claim.mu is None]
    ordered = certificate.claims[len(certificate.claims) - len(lost) :]
    if len(names) == 1 and len(lost) > 1 and all(claim.mu is None for claim in ordered):
        lost = [f"any larger d up to {certificate.claims[-1].budget[0][1]}"]
    link = ", where " if scales else ", for "
    text = link + "; ".join(proved) if proved else ""
    return text + (f"; not certified: {'; '.join(lost)}" if lost else "")


def _line(claim: Claim, scales: dict[str, float], names: dict[str, str]) -> str:
    budget = _budget(claim, names)
    if not scales:
        return budget
    radius = derived_radii(claim, scales)["radius"]
    return (f"at {budget} " if budget else "") + f"R = {round_down(radius)}"


def _budget(claim: Claim, names: dict[str, str]) -> str:
    return ", ".join(f"{names[name]} = {amount}" for name, amount in claim.budget)
