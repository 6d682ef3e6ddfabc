"""Whether a record could be an honest one: its claims found anew from counts, noise and recorded figures.

SciPy's quantiles and the solver's laws stand in for the checker's own code. What no one can see from a record
(docs/certificate.md) is no reason here either.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache

import numpy as np
from scipy import stats

from ironbound.certificate import (
    AdaptiveNoise,
    AnisotropicNoise,
    Certificate,
    Claim,
    Estimate,
    GaussianNoise,
    PerBudgetEvidence,
    SmoothingEvidence,
)
from ironbound.errors import InputError
from ironbound.latent.center_evidence import CenterEvidence
from ironbound.latent.evidence import LatentEvidence
from ironbound.lipschitz.margin_evidence import MarginEvidence, RivalMargin
from ironbound.lipschitz.ramp import ramp_radius
from ironbound.lipschitz.ramp_evidence import RampEvidence
from ironbound.lipschitz.records import BETS, Histogram
from ironbound.runs.recertify.attack import attack_of
from ironbound.smoothing.goal import Level

# How much nearer to the claim than the exact value a bound is taken.
CLOSE = 1 + 1e-9


def bound_of(e: Estimate) -> float:
    """The confidence bound that the counts give, a little more favourable to the claim than the exact one."""
    k, n, a = e.successes, e.trials, e.alpha
    k = k if e.side == "lower" else n - k
    if e.rule == "clopper_pearson_looks":
        a *= _share_of_look(e)
    if e.rule != "beta_mixture":
        bound = 0.0 if k == 0 else float(stats.beta.ppf(a, k, n - k + 1))
    else:
        assert e.prior is not None
        bound = _mixture_end(k, n, a, *(e.prior if e.side == "lower" else e.prior[::-1]))
    bound = min(1.0, bound * CLOSE + 1e-300)
    return bound if e.side == "lower" else 1.0 - bound


def _share_of_look(e: Estimate) -> float:
    """What of alpha one planned look has: half at the end, the other half shared by those before."""
    looks = [64]
    while looks[-1] <= 10 * (e.planned or 0) / 11:
        looks.append(int(looks[-1] * 1.25))
    early = looks[:-1]
    if e.planned is None or e.trials not in (*early, e.planned):
        return 1e-300  # no such look: it proves nothing
    if not early:
        return 1.0
    return 0.5 if e.trials == e.planned else 0.5 / len(early)


@cache
def _mixture_end(k: int, n: int, alpha: float, a: float, b: float) -> float:
    """Where the mixture of likelihood ratios reaches 1 / alpha, by logarithms of Beta tails and bisection."""
    if k == 0:
        return 0.0

    def reached(p: float) -> bool:
        before, after = stats.beta.logsf(p, a, b), stats.beta.logsf(p, a + k, b + n - k)
        whole = math.lgamma(a + k) + math.lgamma(b + n - k) - math.lgamma(a + b + n)
        whole -= math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
        ratio = after + whole - before - k * math.log(p) - (n - k) * math.log1p(-p)
        return bool(ratio >= -math.log(alpha) - 1e-7)

    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if reached(middle) else (low, middle)
    return low


def underivable(certificate: Certificate) -> str | None:
    """Why no honest prover could have made this record; None if one could."""
    evidence = certificate.evidence
    if isinstance(evidence, SmoothingEvidence):
        return _votes(certificate, evidence) or _claims(certificate, evidence, certificate.claims)
    if isinstance(evidence, PerBudgetEvidence):
        spent = sum((Fraction(e.alpha) for part in evidence.parts for e in part.estimates), Fraction(0))
        if spent > Fraction(certificate.alpha):
            return "alpha is spent several times"
        for d, part in enumerate(evidence.parts, start=1):
            own = tuple(c for c in certificate.claims if max(c.amount(evidence.channel), 1) == d)
            wrong = _votes(certificate, part) or _claims(certificate, part, own)
            if wrong:
                return wrong
        return None
    if isinstance(evidence, CenterEvidence):
        member = evidence.membership
        wrong = _votes(certificate, member) or _claims(certificate, member, certificate.claims)
        reach = _distance(evidence.center, 0.0)
        if not 2 * evidence.radius <= reach * CLOSE:
            return "the ball is larger than the latent certificate allows"
        return wrong or (None if member.estimates[0].label == 1 else "the ball was not bounded")
    mu = certificate.claims[0].mu
    if mu is None:
        return None
    return (
        None
        if mu <= _longest(certificate) * CLOSE + 1e-12
        else f"mu = {mu}, provable {_longest(certificate)}"
    )


def _votes(certificate: Certificate, evidence: SmoothingEvidence) -> str | None:
    found, votes = evidence.estimates, evidence.selection
    spent = sum((Fraction(e.alpha) for e in found), Fraction(0))
    if evidence.calibration is not None:
        calibration = evidence.calibration
        spent += Fraction(calibration.alpha)
        flags = Estimate(1, "upper", calibration.flagged, calibration.draws, calibration.alpha, 0.5)
        if evidence.tau != calibration.tau or not calibration.tau >= bound_of(flags) - 1e-9:
            return "the threshold was not calibrated so"
        if calibration.draws % calibration.inputs or (
            calibration.scope == "population" and calibration.inputs != calibration.draws
        ):
            return "no design of draws over inputs"
    if spent > Fraction(certificate.alpha):
        return "more error probability is spent than stated"
    if not found:
        return None
    label = votes.index(max(votes))
    if evidence.tau is not None and evidence.positive is not None:
        share = Fraction(votes[evidence.positive]) > Fraction(evidence.tau) * sum(votes)
        label = evidence.positive if share else 1 - evidence.positive
        least = Fraction(evidence.tau) if share else 1 - Fraction(evidence.tau)
        if evidence.threshold is None or Fraction(evidence.threshold) < least:
            return "the rule asks for more"
    elif evidence.threshold is not None and evidence.threshold < 0.5:
        return "a rival may have more"
    if found[0].label != label:
        return "another class was selected"
    if certificate.samples < sum(votes) + max(e.trials for e in found):
        return "draws counted twice"
    if evidence.stop != "fixed" and any(e.rule == "clopper_pearson" for e in found):
        return "a fixed bound for a sample that stopped"
    return _tallied(certificate, evidence)


def _tallied(certificate: Certificate, evidence: SmoothingEvidence) -> str | None:
    """Whether some sequence of votes gives the counts; every u of draws that named no class is tried."""
    if evidence.form == "threshold":
        return None
    first, *others = evidence.estimates
    if len(others) != certificate.num_classes - 1:
        return "not every rival is bounded"
    if len({e.trials for e in evidence.estimates}) > 1:
        total = sum(e.successes for e in evidence.estimates)
        return None if total >= min(e.trials for e in evidence.estimates) else "votes of nobody"
    fits = any(
        first.successes + sum(e.successes - u for e in others) + u == first.trials
        for u in range(min(e.successes for e in others) + 1)
    )
    return None if fits else "counts that are none of votes"


def _claims(certificate: Certificate, evidence: SmoothingEvidence, claims: tuple[Claim, ...]) -> str | None:
    if not evidence.estimates:
        return None if all(claim.mu is None for claim in claims) else "claims without counts"
    for record in evidence.channels:
        if isinstance(record, GaussianNoise) and record.attacked and record.sigma > _largest_unit(record):
            return f"{record.channel}: a shift of {record.sigma} may be more than one unit of the noise"
    p, *others = (bound_of(e) for e in evidence.estimates)
    level = Level(p, evidence.threshold, None if evidence.threshold is not None else max(others))
    order = [name for name, _ in claims[0].budget]
    try:
        attack = attack_of(evidence.channels, order)
    except InputError as error:
        return f"no such attack: {error}"
    possible = {claim.budget: claim.mu for claim in attack.claims(level)}
    for claim in claims:
        most = possible.get(claim.budget)
        if claim.mu is not None and (most is None or claim.mu > most * (1 + 1e-6) + 1e-9):
            return f"{claim.budget}: mu = {claim.mu}, provable {most}"
    return None


def _largest_unit(record: GaussianNoise) -> float:
    """The longest shift that is certainly at most one unit of the noise; 0 for a norm that has none."""
    if isinstance(record, AdaptiveNoise):
        count = record.coordinates if record.norm == "linf" else 1
        unit = 1 / math.sqrt(count * (record.first**-2.0 + record.second**-2.0))
        return unit * CLOSE if record.threat == record.norm else 0.0
    if isinstance(record, AnisotropicNoise) and record.sigmas is not None:
        return min(record.sigmas) if record.threat == "l2" else 0.0
    return math.inf if record.threat == "l2" else 0.0


def _longest(certificate: Certificate) -> float:
    """The longest shift that the figures of the other kinds prove, found anew."""
    evidence = certificate.evidence
    if isinstance(evidence, LatentEvidence):
        return _distance(evidence, 0.0 if evidence.encoder is None else evidence.encoder.error)
    if isinstance(evidence, MarginEvidence):
        spent = sum(Fraction(r.differences.alpha) for r in evidence.rivals)
        if spent > Fraction(certificate.alpha) or len(evidence.rivals) != certificate.num_classes - 1:
            return -1.0
        reach = [_mean(r.differences) / max(_constant(evidence, r), 1e-300) for r in evidence.rivals]
        return min(reach)
    assert isinstance(evidence, RampEvidence)
    if evidence.scores.alpha > certificate.alpha or (evidence.scores.low, evidence.scores.high) != (0, 1):
        return -1.0
    lipschitz = evidence.slope * _constant(evidence, evidence)
    radius = ramp_radius(min(1.0, _mean(evidence.scores) * CLOSE), evidence.sigma, lipschitz)
    return -1.0 if radius is None else radius / evidence.sigma * (1 + 1e-6)


def _constant(evidence: MarginEvidence | RampEvidence, proof: RivalMargin | RampEvidence) -> float:
    if proof.form == "network":
        return math.sqrt(2.0) * evidence.ledger_lines[0].factor
    (features,) = (
        line.factor for line in evidence.ledger_lines if (line.depth, line.module) == (1, "features")
    )
    return features * proof.readout


def _mean(found: Histogram) -> float:
    """The betting bound again, by bisection in plain floats."""
    at = np.array([level / found.levels for level, _ in found.counts])
    number = np.array([count for _, count in found.counts], dtype=np.float64)

    def reached(m: float) -> bool:
        logs = np.array([(np.log1p(c * (at / m - 1.0)) * number).sum() for c in BETS])
        return bool(np.logaddexp.reduce(logs) - math.log(len(BETS)) >= -math.log(found.alpha) - 1e-6)

    low, high = 1e-9, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if reached(middle) else (low, middle)
    return found.low + high * (found.high - found.low)


def _distance(evidence: LatentEvidence, error: float) -> float:
    """The best that any multipliers prove of the recorded quadrics, on a fine grid of them."""
    least = math.inf
    for rival in evidence.rivals:
        squares, curvature = np.array(rival.squares), np.array(rival.curvature)
        lowest = float(curvature.min())
        if lowest >= 0.0 and np.all((squares == 0) | (curvature > 0)):
            where = squares > 0
            if rival.gap > float((squares[where] / curvature[where]).sum()) * (1 - 1e-9):
                continue  # no shift lets it win
        most = 1e9 if lowest >= 0.0 else -1.0 / lowest
        lam = (
            most * (1.0 - np.geomspace(1e-9, 1.0, 4000)) if lowest < 0.0 else np.geomspace(1e-9, most, 40_000)
        )
        with np.errstate(all="ignore"):
            values = lam * rival.gap - lam**2 * (squares / (1.0 + lam[:, None] * curvature)).sum(axis=1)
        least = min(least, math.sqrt(max(0.0, float(values.max()))))
    return least * (1 + 1e-4) - error
