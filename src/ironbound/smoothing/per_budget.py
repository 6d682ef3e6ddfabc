"""Per-budget sampling: for each budget of an attack on the end of a text, a smoothed classifier of its own.

Each part is the ordinary certification of its classifier, whose noise covers just the places that its budget
reaches, at alpha divided by the number of budgets (the mathematics, section 4): all parts hold together.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from ironbound.certificate import Certificate, Claim, PerBudgetEvidence, SmoothingEvidence
from ironbound.channels import OnSlot, OnSuffix, Smoothing, narrowed
from ironbound.errors import InputError, wrong_value
from ironbound.smoothing import estimate
from ironbound.smoothing import job as ordinary
from ironbound.smoothing.job import Callback
from ironbound.smoothing.rules import Rules
from ironbound.smoothing.shared import SharedNoise
from ironbound.smoothing.statistics import Statistics
from ironbound.smoothing.underway import Job
from ironbound.smoothing.voting import Reading
from ironbound.threats import Continuous, SuffixAppend, SuffixInPlace, Threat


def channels(threat: Threat) -> list[str]:
    """Channels of a threat that ask for per-budget sampling."""
    return [
        name
        for name, budget in threat.items()
        if isinstance(budget, SuffixInPlace | SuffixAppend) and budget.sampling == "per_budget"
    ]


def job(
    smoothing: Smoothing,
    rules: Rules,
    reading: Reading,
    threat: Threat,
    statistics: Statistics,
    input_id: str,
    callback: Callback | None = None,
    shared: SharedNoise | None = None,
) -> Job:
    """One certificate over all budgets; arguments as for `ironbound.smoothing.job.job`.

    With stop="target" each budget waits for its own attack: the target's other amounts, and d changes.

    Raises:
        InputError: two channels ask for it, the noise has a place of its own, or n is too small for a share.
    """
    channel, budget = _asked(smoothing, threat)
    if rules.calibration is not None:
        raise InputError(
            f"per-budget sampling on {channel!r} has a classifier for each budget, and the threshold was "
            'calibrated for one; use sampling="shared"'
        )
    share = estimate.share_of(statistics.alpha, budget.max_d)
    estimate.check_attainable(
        statistics.n, share, statistics.stop, rules.num_classes, rules.least_threshold()
    )
    jobs: list[Job] = []
    for d in range(1, budget.max_d + 1):
        part = Threat(**{**threat, channel: narrowed(budget, d)})
        targets = [{**amounts, channel: d} for amounts in statistics.targets] or None
        own = replace(statistics, alpha=share, target=targets)
        jobs.append(ordinary.job(smoothing, rules, reading, part, own, input_id, callback, shared))

    def work() -> Job:
        parts: list[Certificate] = []
        for one in jobs:
            parts.append((yield from one))
        return combine(channel, threat, parts, statistics.alpha)

    return work()


def combine(channel: str, threat: Threat, parts: list[Certificate], alpha: float) -> Certificate:
    """One verified certificate from those of the budgets 1, 2, .. of a channel.

    Args:
        channel: the text channel.
        threat: the threat against the input.
        parts: ordinary smoothing certificates, that of budget d at place d - 1.
        alpha: total error probability, at least what the parts spend together.
    Raises:
        InvalidCertificate: the result does not verify; this would be a fault of the library.
    """
    first = parts[0]
    discrete = {name: budget.max_d for name, budget in threat.items() if not isinstance(budget, Continuous)}
    claims: list[Claim] = []
    for amounts in product(*(range(most + 1) for most in discrete.values())):
        place = tuple(zip(discrete, amounts, strict=True))
        part = parts[max(dict(place)[channel], 1) - 1]
        agreed = first.prediction is not None and part.prediction == first.prediction
        found = next(claim for claim in part.claims if claim.budget == place)
        claims.append(found if agreed else Claim(place, None))
    evidence = tuple(part.evidence for part in parts)
    assert all(isinstance(part, SmoothingEvidence) for part in evidence)
    certificate = Certificate.build(
        input_id=first.input_id,
        method=PerBudgetEvidence.method,
        num_classes=first.num_classes,
        class_names=first.class_names,
        prediction=first.prediction,
        reason=first.reason,
        alpha=alpha,
        samples=sum(part.samples for part in parts),
        claims=tuple(claims),
        evidence=PerBudgetEvidence(channel=channel, parts=evidence),  # type: ignore[arg-type]
    )
    certificate.verify()
    return certificate


def _asked(smoothing: Smoothing, threat: Threat) -> tuple[str, SuffixInPlace | SuffixAppend]:
    asked = channels(threat)
    if len(asked) != 1:
        raise wrong_value("the channels with per-budget sampling", asked, "one channel; share the others")
    channel = asked[0]
    budget = threat[channel]
    assert isinstance(budget, SuffixInPlace | SuffixAppend)
    if isinstance(smoothing.get(channel), OnSuffix | OnSlot):
        raise InputError(
            f"per-budget sampling puts the noise on {channel!r} where each budget reaches: give its kernel "
            f"alone; got {smoothing[channel]!r}"
        )
    return channel, budget
