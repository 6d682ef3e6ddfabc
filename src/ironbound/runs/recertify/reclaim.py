"""One certificate from the counts of another.

What may be reused, and why. The stored counts are those of a fixed sample, or those at a time at which an
early-stopping rule looked. A Clopper-Pearson bound from the first, and from the second a beta-mixture bound
or one of planned looks (valid at all of them at once, hence also at one that the counts chose), hold at any
alpha in (0, 1) that was fixed before the counts were seen. Which alpha may therefore not be chosen by
looking at what comes out.

Everything else follows from the one bound on each class: given that it holds, claims for every threshold,
every budget and every radius hold together. So thresholds and budgets may be chosen by looking. A threshold
also decides which class is selected; that choice uses selection draws only, which no bound is made from.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ironbound import confidence
from ironbound.certificate import Certificate, Claim, Estimate, PerBudgetEvidence, SmoothingEvidence
from ironbound.certificate.channels import ChannelRecord, SuffixNoise
from ironbound.errors import InputError
from ironbound.runs.recertify.attack import attack_of
from ironbound.runs.recertify.change import Change
from ironbound.smoothing import per_budget
from ironbound.smoothing.assemble import assemble
from ironbound.smoothing.estimate import share_of
from ironbound.smoothing.rules import Rules
from ironbound.smoothing.statistics import Statistics
from ironbound.threats import SuffixAppend, SuffixInPlace, Threat, TokenL0


def reclaim(certificate: Certificate, change: Change) -> Certificate:
    """The certificate that the same counts give under other settings; the same one if nothing changes.

    Raises:
        InputError: its counts do not allow it, or it does not rest on counts of noisy draws.
        InvalidCertificate: the certificate itself does not verify.
    """
    certificate.verify()
    evidence = certificate.evidence
    if isinstance(evidence, SmoothingEvidence):
        return _one(certificate, evidence, change)
    if isinstance(evidence, PerBudgetEvidence):
        return _each_budget(certificate, evidence, change)
    raise InputError(
        f"input {certificate.input_id!r}: a certificate of the method {certificate.method!r} rests on no "
        "counts, so there is nothing to claim anew"
    )


def _one(certificate: Certificate, evidence: SmoothingEvidence, change: Change) -> Certificate:
    if not evidence.estimates:
        raise InputError(f"input {certificate.input_id!r}: the certificate has no counts to claim from")
    rules = _rules(certificate, evidence, change)
    alpha = certificate.alpha if change.alpha is None else change.alpha
    selection = np.array(evidence.selection, dtype=np.int64)
    label = rules.select(selection)
    if label != evidence.estimates[0].label:
        return _other_class(certificate, evidence, change, alpha, rules, label)
    records = [_budgeted(record, change) for record in evidence.channels]
    kept = evidence.estimates[:1] if rules.threshold is not None else evidence.estimates
    if rules.threshold is None and len(kept) != rules.num_classes:
        raise InputError("rivals were not counted in this run, so none can be bounded")
    share = share_of(rules.share(alpha), len(kept))
    return assemble(
        rules=rules,
        channels=records,  # type: ignore[arg-type]
        attack=attack_of(records, _order(certificate)),
        statistics=_statistics(evidence, alpha),
        input_id=certificate.input_id,
        selection=selection,
        estimates=tuple(_bounded(estimate, share) for estimate in kept),
        samples=certificate.samples,
        stop_reason=evidence.stop_reason,
        scheme=evidence.noise_scheme,
    )


def _bounded(estimate: Estimate, share: float) -> Estimate:
    """The same counts at another error probability."""
    k, n = estimate.successes, estimate.trials
    if estimate.rule != "beta_mixture":
        rule = (
            confidence.clopper_pearson_lower if estimate.side == "lower" else confidence.clopper_pearson_upper
        )
        level = share if estimate.planned is None else confidence.level_at(n, estimate.planned, share)
        return dataclasses.replace(estimate, alpha=share, bound=rule(k, n, level))
    assert estimate.prior is not None  # verified
    mixture = confidence.beta_mixture_lower if estimate.side == "lower" else confidence.beta_mixture_upper
    return dataclasses.replace(estimate, alpha=share, bound=mixture(k, n, share, estimate.prior))


def _rules(certificate: Certificate, evidence: SmoothingEvidence, change: Change) -> Rules:
    names = certificate.class_names
    calibration = evidence.calibration
    if change.threshold is not None:
        if calibration is not None:
            raise InputError(
                "threshold: that of this filter was calibrated, and what was shown is about that one; "
                "calibrate anew"
            )
        known = 1 if evidence.positive is None else evidence.positive
        positive = known if change.positive is None else change.positive
        return Rules.build(certificate.num_classes, change.threshold, positive, None, names)
    if change.rivals is not None or (evidence.form == "threshold" and evidence.tau is None):
        return Rules.build(certificate.num_classes, None, 1, "complement", names)
    if evidence.tau is None:
        return Rules.build(certificate.num_classes, None, 1, "bonferroni", names)
    positive = 1 if evidence.positive is None else evidence.positive
    return Rules.build(certificate.num_classes, evidence.tau, positive, None, names, calibration)


def _other_class(
    certificate: Certificate,
    evidence: SmoothingEvidence,
    change: Change,
    alpha: float,
    rules: Rules,
    label: int,
) -> Certificate:
    """Abstain: the threshold picks a class whose own votes were not counted.

    Votes for the other class cannot be had as "the rest", since draws that named no class are in it.
    """
    records = tuple(_budgeted(record, change) for record in evidence.channels)
    order = _order(certificate)
    claims = tuple(Claim(option.budget, None) for option in attack_of(records, order).options)
    found = Certificate.build(
        input_id=certificate.input_id,
        method=certificate.method,
        num_classes=certificate.num_classes,
        class_names=certificate.class_names,
        prediction=None,
        reason=f"this threshold selects {rules.name(label)}, whose votes the run did not count",
        alpha=alpha,
        samples=certificate.samples,
        claims=claims,
        evidence=dataclasses.replace(
            evidence,
            channels=records,
            form="threshold",
            threshold=rules.threshold_of(label),
            positive=None if rules.filter is None else rules.filter[0],
            tau=None if rules.filter is None else rules.filter[1],
            estimates=(),
        ),
    )
    found.verify()
    return found


def _each_budget(certificate: Certificate, evidence: PerBudgetEvidence, change: Change) -> Certificate:
    """Each part anew, at its share of alpha."""
    if change.max_d:
        raise InputError("max_d: with per-budget sampling each budget has draws of its own; certify anew")
    alpha = certificate.alpha if change.alpha is None else change.alpha
    share = share_of(alpha, len(evidence.parts))
    own = dataclasses.replace(change, alpha=share)
    parts = [_one(_as_ordinary(certificate, part), part, own) for part in evidence.parts]
    # Draws that named no class are counted in the whole only; the first part takes them all.
    rest = certificate.samples - sum(part.samples for part in parts)
    parts[0] = dataclasses.replace(parts[0], samples=parts[0].samples + rest)
    return per_budget.combine(evidence.channel, _threat(evidence, _order(certificate)), parts, alpha)


def _as_ordinary(certificate: Certificate, part: SmoothingEvidence) -> Certificate:
    """What `_one` asks of the certificate of one part."""
    drawn = max((estimate.trials for estimate in part.estimates), default=0)
    samples = sum(part.selection) + drawn
    return dataclasses.replace(certificate, method="smoothing", samples=samples, evidence=part)


def _threat(evidence: PerBudgetEvidence, order: Sequence[str]) -> Threat:
    """A threat with the budgets of the record; nothing else is read from it."""
    budgets: dict[str, Any] = {}
    for record in evidence.channels:
        if record.channel in order:
            most = int(record.get("max_d") or 0)
            budgets[record.channel] = TokenL0(most)
            if isinstance(record, SuffixNoise):
                suffix = SuffixInPlace if record.slot is None else SuffixAppend
                budgets[record.channel] = suffix(most)
    return Threat(**{name: budgets[name] for name in order})


def _order(certificate: Certificate) -> list[str]:
    return [name for name, _ in certificate.claims[0].budget]


def _budgeted(record: ChannelRecord, change: Change) -> ChannelRecord:
    most = change.max_d.get(record.channel)
    if most is None or most == record.get("max_d"):
        return record
    if not record.attacked or "max_d" not in record:
        raise InputError(f"max_d: {record.channel!r} is not attacked by changes that could be counted")
    if isinstance(record, SuffixNoise):
        raise InputError(
            f"max_d of {record.channel!r}: the noise was put where that attacker writes; certify anew"
        )
    return dataclasses.replace(record, max_d=most)  # type: ignore[type-var]


def _statistics(evidence: SmoothingEvidence, alpha: float) -> Statistics:
    """What `assemble` records of the statistics; targets are in no certificate."""
    target = {"-": 0.0} if evidence.stop == "target" else None
    return Statistics(alpha=alpha, stop=evidence.stop, seed=evidence.seed, target=target)
