"""The checker of randomised-smoothing certificates: counts, error probabilities, worst cases, witnesses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from typing import cast

from ironbound.certificate import (
    Certificate,
    Claim,
    SmoothingEvidence,
    about,
    refuse,
)
from ironbound.verify.bounds import Goal, proved_margin
from ironbound.verify.calibration import check_calibration
from ironbound.verify.counts import check_estimate
from ironbound.verify.noise import check_channels
from ironbound.verify.positions import MOST_CHOICES, Choice, choices
from ironbound.verify.products import Joint, joint


def check(certificate: Certificate) -> None:
    """Everything but the claims themselves, which `margin` proves one by one.

    Raises:
        InvalidCertificate: with the first figure that is wrong.
    """
    evidence = cast(SmoothingEvidence, certificate.evidence)
    check_channels(evidence.channels)
    _form(certificate, evidence)
    _votes(certificate, evidence)
    _rule(certificate, evidence)
    _draws(certificate, evidence)
    _spending(certificate, evidence)
    for i, estimate in enumerate(evidence.estimates):
        check_estimate(estimate, f"evidence.estimates[{i}]")


def margin(certificate: Certificate, index: int) -> float:
    """Margin of one claim under every law that the attacker may choose at its budget."""
    evidence = cast(SmoothingEvidence, certificate.evidence)
    claim = certificate.claims[index]
    figure = f"claims[{index}]"
    if claim.mu is None:
        raise refuse(f"{figure}.mu", None, "certified, to have a margin")
    if not evidence.estimates:
        raise refuse("evidence.estimates", evidence.estimates, "present where something is claimed")
    laws = attacker_laws(evidence, claim)
    return proved_margin(laws, claim.mu, _goal(evidence), claim.witnesses, claim.rival_witnesses, figure)


def attacker_laws(evidence: SmoothingEvidence, claim: Claim) -> list[Joint]:
    """Joint laws among which the worst attack at the claim's discrete budget is found."""
    attacked = [record for record in evidence.channels if record.channel in evidence.budgets()]
    each: list[tuple[Choice, ...]] = []
    total = 1
    for record in attacked:
        each.append(choices(record, claim.amount(record.channel)))
        total *= len(each[-1])
        if total > MOST_CHOICES:
            raise refuse(
                "the attacker's choices", f"{total} or more", f"at most {MOST_CHOICES} to be checked"
            )
    return [joint(tuple(part for choice in parts for part in choice)) for parts in product(*each)]


def _goal(evidence: SmoothingEvidence) -> Goal:
    p = evidence.estimates[0].bound
    if evidence.form == "threshold":
        return Goal(p, evidence.threshold, None)
    rivals = [Fraction(estimate.bound) for estimate in evidence.estimates[1:]]
    return Goal(p, None, min(max(rivals), 1 - Fraction(p)))  # no rival has more than the prediction leaves


def _form(certificate: Certificate, evidence: SmoothingEvidence) -> None:
    """Which labels are bounded, from which side; what the prediction has to stay above."""
    if evidence.form == "rivals":
        if evidence.threshold is not None:
            raise refuse("evidence.threshold", evidence.threshold, "null in the rivals form")
    elif evidence.threshold is None or not 0.0 < evidence.threshold < 1.0:
        raise refuse("evidence.threshold", evidence.threshold, "a probability in (0, 1)")
    elif evidence.tau is None and evidence.threshold < 0.5:
        # Below a majority a rival may have more; only a filter's own rule makes such a level decisive.
        raise refuse("evidence.threshold", evidence.threshold, "1/2 or more, as no filter's rule is given")
    estimates = evidence.estimates
    if certificate.prediction is None and not estimates:
        return
    wanted = certificate.num_classes if evidence.form == "rivals" else 1
    if len(estimates) != wanted:
        raise refuse(
            "evidence.estimates", f"{len(estimates)} estimates", f"{wanted}, for the {evidence.form} form"
        )
    for i, estimate in enumerate(estimates):
        side = "upper" if i else "lower"
        if estimate.side != side:
            raise refuse(f"evidence.estimates[{i}].side", estimate.side, repr(side))
        if not 0 <= estimate.label < certificate.num_classes:
            raise refuse(
                f"evidence.estimates[{i}].label",
                estimate.label,
                f"a class in 0..{certificate.num_classes - 1}",
            )
    labels = [estimate.label for estimate in estimates]
    if len(set(labels)) != len(labels):
        raise refuse("the labels of evidence.estimates", labels, "one for each class")


def _votes(certificate: Certificate, evidence: SmoothingEvidence) -> None:
    selection = evidence.selection
    if len(selection) != certificate.num_classes:
        raise refuse("evidence.selection", selection, f"{certificate.num_classes} counts, one for each class")
    if min(selection) < 0:
        raise refuse("evidence.selection", selection, "counts of 0 or more")


def _rule(certificate: Certificate, evidence: SmoothingEvidence) -> None:
    """A filter's rule speaks about one of two classes, and decides which threshold the prediction has."""
    positive, tau = evidence.positive, evidence.tau
    if positive is None or tau is None:
        if positive is not None or tau is not None:
            raise refuse("evidence.positive and evidence.tau", (positive, tau), "both given, or both null")
        return
    if certificate.num_classes != 2 or evidence.form != "threshold":
        raise refuse("evidence.tau", tau, "null but for two classes in the threshold form")
    if positive not in (0, 1):
        raise refuse("evidence.positive", positive, "one of the two classes")
    if not 0.0 < tau < 1.0:
        raise refuse("evidence.tau", tau, "a probability in (0, 1)")
    selected, _ = _selected(evidence)
    rest = 1 - Fraction(tau)
    rounded = float(rest) if Fraction(float(rest)) >= rest else math.nextafter(float(rest), 2.0)
    expected = tau if selected == positive else rounded
    if evidence.threshold != expected:
        raise refuse("evidence.threshold", evidence.threshold, f"{expected!r}, by the rule of the filter")


def _selected(evidence: SmoothingEvidence) -> tuple[int, str]:
    """The class that the selection draws pick, and why."""
    votes = evidence.selection
    if evidence.positive is None or evidence.tau is None:
        return votes.index(max(votes)), "the class with most selection draws (the lowest of equals)"
    above = votes[evidence.positive] > Fraction(evidence.tau) * sum(votes)
    chosen = evidence.positive if above else 1 - evidence.positive
    return chosen, f"as class {evidence.positive} needs a share above {evidence.tau!r} of the selection draws"


def _draws(certificate: Certificate, evidence: SmoothingEvidence) -> None:
    """Selected class, numbers of draws, and a bound that fits the stopping rule."""
    selection, estimates = evidence.selection, evidence.estimates
    selected, because = _selected(evidence)
    if certificate.prediction is not None and certificate.prediction != selected:
        raise refuse("prediction", certificate.prediction, f"{selected}, {because}")
    if not estimates:
        return
    if estimates[0].label != selected:
        raise refuse("evidence.estimates[0].label", estimates[0].label, f"{selected}, the selected class")
    needed = sum(selection) + max(estimate.trials for estimate in estimates)
    if certificate.samples < needed:
        raise refuse(
            "samples", certificate.samples, f"{needed} or more, selection and estimation draws together"
        )
    for i, estimate in enumerate(estimates):
        if evidence.stop != "fixed" and estimate.rule == "clopper_pearson":
            valid = f"draws that stop by {evidence.stop!r} need a bound valid at any time"
            expected = f"'beta_mixture' or 'clopper_pearson_looks': {valid}"
            raise refuse(f"evidence.estimates[{i}].rule", estimate.rule, expected)
        if estimate.planned != estimates[0].planned:
            expected = f"{estimates[0].planned}, as all bounds look at the same draws"
            raise refuse(f"evidence.estimates[{i}].planned", estimate.planned, expected)
        if estimate.rule == "clopper_pearson" and estimate.trials != estimates[0].trials:
            expected = f"{estimates[0].trials}, as all fixed bounds count the same draws"
            raise refuse(f"evidence.estimates[{i}].trials", estimate.trials, expected)
    if evidence.form == "rivals":
        _tally([(estimate.successes, estimate.trials) for estimate in estimates])


def _tally(counts: Sequence[tuple[int, int]]) -> None:
    """Refuse counts (successes, trials) that no votes give, the prediction's first.

    Each draw votes for the prediction, for one rival, or names no class and counts for every rival. So all
    classes together count n draws at least n times, and no draw counts for the prediction and a rival. Where
    all count the same n draws, of which u named no class, their sum is n + (C - 2) u.
    """
    (first, trials), rivals = counts[0], counts[1:]
    figure = "the successes of evidence.estimates"
    total, fewest = sum(k for k, _ in counts), min(n for _, n in counts)
    if total < fewest:
        raise refuse(figure, [k for k, _ in counts], f"{fewest} or more together, a vote for each draw")
    for k, n in rivals:
        if first + k > max(trials, n):
            expected = f"at most {max(trials, n)} for the prediction and a rival together"
            raise refuse(figure, (first, k), expected)
    if len({n for _, n in counts}) == 1:
        unnamed, rest = divmod(total - trials, len(rivals) - 1) if len(rivals) > 1 else (0, total - trials)
        if rest or unnamed > min(k for k, _ in rivals):
            expected = f"those of {trials} votes; draws that named no class count for every rival"
            raise refuse(figure, [k for k, _ in counts], expected)


def _spending(certificate: Certificate, evidence: SmoothingEvidence) -> None:
    if not 0.0 < certificate.alpha < 1.0:
        raise refuse("alpha", certificate.alpha, "a probability strictly between 0 and 1")
    spent = check_calibration(evidence)
    spent += sum((Fraction(estimate.alpha) for estimate in evidence.estimates), Fraction(0))
    if spent > Fraction(certificate.alpha):
        raise refuse(
            "alpha", certificate.alpha, f"at least {about(spent)}, what the estimates spend together"
        )
