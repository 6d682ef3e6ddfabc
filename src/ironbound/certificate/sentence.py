"""The one plain sentence of a smoothing certificate: who guarantees what, against whom, how surely."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Context
from typing import TYPE_CHECKING

from ironbound.certificate.channels import (
    CategoricalNoise,
    GaussianNoise,
    GridNoise,
    NamedReplacementNoise,
    ReplacementNoise,
    SuffixNoise,
)
from ironbound.certificate.claim import Claim, derived_radii

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
    powers = _powers(evidence, _names(certificate))
    return (
        f"Except with probability at most {certificate.alpha!r} over the {certificate.samples:,} noise "
        f"draws, the smoothed classifier's probability of {name} at input {certificate.input_id!r} stays "
        f"above {above} against every attacker who {powers}{_frontier(certificate, evidence)}."
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
    names = _names(certificate)
    d = names[evidence.channel]
    return (
        f"Except with probability at most {certificate.alpha!r} over all {certificate.samples:,} noise "
        f"draws, each {d} from 1 on has a smoothed classifier of its own, with noise on just the places of "
        f"{evidence.channel!r} that {d} changes reach ({d} = 0 is about that of 1), whose probability of "
        f"{name} at input {certificate.input_id!r} stays above {above} against every attacker who "
        f"{_powers(part, names)}{_frontier(certificate, part)}."
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


def _powers(evidence: SmoothingEvidence, names: dict[str, str]) -> str:
    moved: list[str] = []
    several = len(evidence.scales()) > 1
    for record in evidence.channels:
        if not record.attacked:
            continue
        channel = repr(record.channel)
        if isinstance(record, GaussianNoise):
            size = f"r({record.channel})" if several else "R"
            moved.append(f"shifts {channel} by a 2-norm of at most {size} ({_unit(record)})")
            continue
        d = names[record.channel]
        if isinstance(record, CategoricalNoise):
            moved.append(f"changes at most {d} of the {len(record.arities)} fields of {channel}")
            continue
        if isinstance(record, SuffixNoise):
            moved.append(_suffix(record, d))
            continue
        tokens = f"replaces at most {d} of the {record['length']} tokens of {channel}"
        if isinstance(record, ReplacementNoise):
            tokens += " by any token" if record.attacker == "open" else f" by tokens of {_set(record)}"
        moved.append(tokens)
    if not moved:
        return "changes nothing"
    ball = " + ".join(f"(r({name})/{sigma!r})^2" for name, sigma in evidence.scales().items())
    return " and ".join(moved) + (f", with {ball} at most R^2" if several else "")


def _suffix(record: SuffixNoise, d: str) -> str:
    if record.threat == "suffix_append":
        places = f"writes at most the first {d} of the {record.slot} pads behind {record.channel!r}"
    else:
        places = f"rewrites at most the last {d} of the {record.length} tokens of {record.channel!r}"
    if not isinstance(record.kernel, ReplacementNoise):
        return places
    written = "any token" if record.attacker == "open" else f"tokens of {_set(record.kernel)}"
    return f"{places} with {written}"


def _set(noise: ReplacementNoise) -> str:
    """What is known of the symbols that noise (and a closed attacker) writes."""
    if not isinstance(noise, NamedReplacementNoise):
        return "the noise alphabet"
    return f"{noise.alphabet_name!r} ({noise.alphabet:,} ids, {str(noise.alphabet_id)[:12]})"


def _unit(record: GaussianNoise) -> str:
    unit = record.unit
    if record.low is not None and record.high is not None:
        unit += f", range {record.low:g} to {record.high:g}"
    if isinstance(record, GridNoise):
        unit += ", in whole steps" if record.grid == 1 else f", in whole steps of 1/{record.grid}"
    return unit


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
