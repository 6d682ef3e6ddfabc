"""Certificates made by hand for the tests: mpmath and plain enumeration, nothing of the library's solvers.

Every discrete law is the product of the outcome tables of single positions, enumerated in full, for every
choice that the attacker has; every bound is solved to 40 digits and only then rounded.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from typing import Any

import mpmath as mp

from ironbound.certificate import Certificate, Claim, Estimate, PerBudgetEvidence, SmoothingEvidence

mp.mp.dps = 40

Outcomes = tuple[tuple[Fraction, Fraction], ...]
Law = tuple[tuple[Fraction, Fraction], ...]


def exact(x: float | Fraction) -> Any:
    numerator, denominator = x.as_integer_ratio()
    return mp.mpf(numerator) / denominator


def closed(symbols: int, beta: float) -> Outcomes:
    """One replaced token, both symbols of the alphabet (math notes, section 3, first table row)."""
    b = Fraction(beta)
    other = b / (symbols - 1)
    return ((1 - b, other), (other, 1 - b), (other * (symbols - 2), other * (symbols - 2)))


def in_to_out(s: int, beta: float) -> Outcomes:
    b = Fraction(beta)
    return ((1 - b, b / s), (Fraction(0), 1 - b), (b, b * (s - 1) / s))


def out_to_in(s: int, beta: float) -> Outcomes:
    return tuple((q, p) for p, q in in_to_out(s, beta))


def masked(beta: float) -> Outcomes:
    """A masked token; also an outside token replaced by another outside one."""
    b = Fraction(beta)
    return ((1 - b, Fraction(0)), (Fraction(0), 1 - b), (b, b))


@cache
def law(*positions: Outcomes) -> Law:
    """Joint law of independent positions, outcomes of equal ratio merged."""
    merged: dict[Any, tuple[Fraction, Fraction]] = {}
    for combination in itertools.product(*positions):
        p, q = Fraction(1), Fraction(1)
        for one in combination:
            p, q = p * one[0], q * one[1]
        if p or q:
            ratio = q / p if p else None
            before = merged.get(ratio, (Fraction(0), Fraction(0)))
            merged[ratio] = (before[0] + p, before[1] + q)
    return tuple(merged.values())


def lower(at: Law, mu: float, p: float) -> tuple[Any, Any]:
    """(lowest attacked probability given at least p, the dual variable u at which the dual attains it)."""
    if mu == 0:
        return _knapsack(at, p)
    atoms = [(exact(a), exact(b), mp.log(exact(b) / exact(a))) for a, b in at if a and b]
    only_p = exact(sum((a for a, b in at if not b), Fraction(0)))
    goal, shift = exact(p), exact(mu)
    if goal <= only_p:
        return mp.mpf(0), mp.mpf(-1000)

    u, excess = mp.mpf(_float_root(at, mu, float(goal))), mp.mpf(1)
    for _ in range(4):  # Newton, from a root in floating point
        z = [(u - ell) / shift + shift / 2 for _, _, ell in atoms]
        excess = only_p + sum(a * mp.ncdf(t) for (a, _, _), t in zip(atoms, z, strict=True)) - goal
        u -= excess * shift / sum(a * mp.npdf(t) for (a, _, _), t in zip(atoms, z, strict=True))
    assert abs(excess) < mp.mpf(10) ** -20
    return sum(b * mp.ncdf((u - ell) / shift - shift / 2) for _, b, ell in atoms), u


def _float_root(at: Law, mu: float, goal: float) -> float:
    only_p, atoms = _floats(at)
    root2 = math.sqrt(2.0)

    def below(u: float) -> float:
        return only_p + sum(0.5 * a * math.erfc(-((u - ell) / mu + mu / 2) / root2) for a, _, ell in atoms)

    low, high = -1.0, 1.0
    while below(low) > goal:
        low *= 2
    while below(high) < goal:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) < goal else (low, middle)
    return low


@cache
def _floats(at: Law) -> tuple[float, list[tuple[float, float, float]]]:
    atoms = [(float(a), float(b), math.log(b / a)) for a, b in at if a and b]
    return float(sum((a for a, b in at if not b), Fraction(0))), atoms


def _float_clearance(at: Law, mu: float, p: float, threshold: float | None, rival: Fraction | None) -> float:
    def value(goal: float) -> float:
        only_p, atoms = _floats(at)
        if goal <= only_p:
            return 0.0
        u = _float_root(at, mu, goal)
        return sum(0.5 * b * math.erfc(-((u - ell) / mu - mu / 2) / math.sqrt(2.0)) for _, b, ell in atoms)

    rest = threshold if rival is None else 1.0 - value(float(1 - rival))
    assert rest is not None
    return value(p) - rest


def _knapsack(at: Law, p: float) -> tuple[Any, Any]:
    left, value = Fraction(p), Fraction(0)
    left -= sum((a for a, b in at if not b), Fraction(0))
    for a, b in sorted(((a, b) for a, b in at if a and b), key=lambda ab: ab[1] / ab[0]):
        if left <= 0:
            break
        taken = min(left, a)
        left, value = left - taken, value + taken * b / a
        if left == 0:
            return exact(value), mp.log(exact(b) / exact(a))
    return exact(value), mp.mpf(-1000)


def upper(at: Law, mu: float, r: float) -> tuple[Any, Any]:
    """Highest attacked probability given at most r; its dual variable is that of the complementary test."""
    value, u = lower(at, mu, 1 - Fraction(r))  # type: ignore[arg-type]
    return 1 - value, u


def clearance(at: Law, mu: float, p: float, threshold: float | None, rival: Fraction | None) -> Any:
    value = lower(at, mu, p)[0]
    return value - exact(threshold) if threshold is not None else value - upper(at, mu, rival)[0]  # type: ignore[arg-type]


def claim(
    budget: tuple[tuple[str, int], ...],
    laws: Sequence[Law],
    p: float,
    threshold: float | None,
    rival: Fraction | None,
    *,
    continuous: bool,
) -> Claim:
    """The strongest claim at a budget whose candidate laws are given, rounded down."""
    if any(clearance(at, 0.0, p, threshold, rival) <= 0 for at in laws):
        return Claim(budget, None)
    mu = min(_largest(at, p, threshold, rival) for at in laws) if continuous else 0.0
    witnesses = tuple(dict.fromkeys(float(lower(at, mu, p)[1]) for at in laws))
    others = () if rival is None else tuple(dict.fromkeys(float(upper(at, mu, rival)[1]) for at in laws))  # type: ignore[arg-type]
    return Claim(budget, mu, witnesses, others)


def _largest(at: Law, p: float, threshold: float | None, rival: Fraction | None) -> float:
    low, high = 1e-6, 8.0
    if clearance(at, low, p, threshold, rival) <= 0:
        return 0.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _float_clearance(at, middle, p, threshold, rival) > 0 else (low, middle)
    mu = low * (1 - 1e-9)
    assert 0 < clearance(at, mu, p, threshold, rival) < 1e-6
    return mu


def tail(k: int, n: int, p: Any) -> Any:
    """P(Bin(n, p) >= k) by the shorter sum."""
    q = 1 - p
    if n - k < k:
        return mp.fsum(mp.binomial(n, j) * p**j * q ** (n - j) for j in range(k, n + 1))
    return 1 - mp.fsum(mp.binomial(n, j) * p**j * q ** (n - j) for j in range(k))


def _first_float_below(holds: Callable[[Any], bool]) -> float:
    """Largest float in (0, 1) at which a falling property holds, by bisection over floats."""
    low, high = 0.0, 1.0
    while True:
        middle = low + (high - low) / 2
        if not low < middle < high:
            return low
        low, high = (middle, high) if holds(exact(middle)) else (low, middle)


@cache
def clopper_pearson(k: int, n: int, alpha: float, side: str) -> float:
    """The canonical one-sided end: rounded away from the claim to the nearest float."""
    level = exact(alpha)
    if side == "lower":
        return 0.0 if k == 0 else _first_float_below(lambda p: tail(k, n, p) <= level)
    if k == n:
        return 1.0
    last_bad = _first_float_below(lambda p: 1 - tail(k + 1, n, p) > level)
    return math.nextafter(last_bad, 1.0)


@cache
def beta_mixture(k: int, n: int, alpha: float, side: str = "lower") -> float:
    """Lower end: largest float p0 with M_n(p0) >= 1/alpha for the flat prior Beta(1, 1).

    int_p^1 x^k (1-x)^(n-k) dx = P(Bin(n+1, p) <= k) / ((n+1) C(n, k)), by repeated partial integration.
    """

    def martingale(p: Any) -> Any:
        q = 1 - p
        integral = (1 - tail(k + 1, n + 1, p)) / ((n + 1) * mp.binomial(n, k))
        return integral / (p**k * q ** (n - k) * q)

    if side == "lower":
        return 0.0 if k == 0 else _first_float_below(lambda p: martingale(p) * exact(alpha) >= 1)
    k = n - k  # the mirror image, for failures
    return (
        1.0
        if k == 0
        else math.nextafter(_first_float_below(lambda p: martingale(1 - p) * exact(alpha) < 1), 1.0)
    )


def estimates(counts: Sequence[int], n: int, alpha: float, form: str) -> tuple[Estimate, ...]:
    """Clopper-Pearson bounds for the most frequent label, and for its rivals where the form asks for them."""
    label = max(range(len(counts)), key=lambda c: (counts[c], -c))
    rivals = [c for c in range(len(counts)) if c != label] if form == "rivals" else []
    share = math.nextafter(alpha / (1 + len(rivals)), 0.0) if rivals else alpha
    sides = [(label, "lower"), *((c, "upper") for c in rivals)]
    return tuple(
        Estimate(c, side, counts[c], n, share, clopper_pearson(counts[c], n, share, side))  # type: ignore[arg-type]
        for c, side in sides
    )


def certificate(
    channels: Sequence[dict[str, Any]],
    laws: Callable[..., Sequence[Law]],
    *,
    form: str = "threshold",
    threshold: float | None = 0.5,
    bounds: tuple[Estimate, ...],
    selection: tuple[int, ...],
    **other: Any,
) -> Certificate:
    """A sealed certificate; `laws(*amounts)` lists every law the attacker can choose at a budget."""
    discrete = {c["channel"]: c["max_d"] for c in channels if c.get("max_d") is not None}
    continuous = any(c["noise"].startswith("gaussian") and c.get("threat") for c in channels)
    p = bounds[0].bound
    rival = None
    if form == "rivals":
        threshold = None
        rival = min(max(Fraction(e.bound) for e in bounds[1:]), 1 - Fraction(p))
    claims = []
    for amounts in itertools.product(*(range(most + 1) for most in discrete.values())):
        budget = tuple(zip(discrete, amounts, strict=True))
        claims.append(claim(budget, laws(*amounts), p, threshold, rival, continuous=continuous))
    figures: dict[str, Any] = {
        "input_id": "row 7",
        "method": "smoothing",
        "num_classes": len(selection),
        "prediction": bounds[0].label,
        "alpha": 0.01,
        "samples": sum(selection) + max(e.trials for e in bounds),
        "claims": tuple(claims),
    }
    evidence: dict[str, Any] = {
        "channels": tuple(channels),
        "form": form,
        "threshold": threshold,
        "positive": None,
        "tau": None,
        "selection": selection,
        "estimates": bounds,
        "stop": "fixed",
        "stop_reason": "all draws were made",
        "seed": 0,
        "noise_scheme": "by hand",
    }
    for name, item in other.items():
        (evidence if name in evidence else figures)[name] = item
    return Certificate.build(evidence=SmoothingEvidence(**evidence), **figures)


IMAGE = {
    "channel": "image",
    "noise": "gaussian",
    "sigma": 0.5,
    "unit": "pixels",
    "low": 0.0,
    "high": 1.0,
    "threat": "l2",
}


def _tokens(**changes: Any) -> dict[str, Any]:
    return {
        "channel": "tokens",
        "noise": "uniform_replacement",
        "beta": 0.6,
        "alphabet": 240,
        "length": 16,
        "threat": "token_l0",
        "max_d": 2,
        "attacker": "closed",
    } | changes


@cache
def image_and_tokens() -> Certificate:
    """Two classes, threshold 1/2, frontier over d = 0, 1, 2."""
    return certificate(
        [IMAGE, _tokens()],
        lambda d: [law(*[closed(240, 0.6)] * d)],
        bounds=estimates((30, 9970), 10_000, 0.01, "threshold"),
        selection=(1, 99),
        class_names=("claim is false", "claim is true"),
    )


@cache
def open_tokens() -> Certificate:
    """An open alphabet, 2 of 5 clean tokens outside it; no continuous channel is attacked."""

    def laws(d: int) -> list[Law]:
        inside, outside = [closed(30, 0.25), in_to_out(30, 0.25)], [out_to_in(30, 0.25), masked(0.25)]
        kinds = [[*inside] for _ in range(3)] + [[*outside] for _ in range(2)]
        found = {}
        for places in itertools.combinations(range(5), d):
            for options in itertools.product(*(kinds[i] for i in places)):
                found[tuple(sorted(options))] = law(*sorted(options))
        return list(found.values())

    return certificate(
        [IMAGE | {"threat": None}, _tokens(beta=0.25, alphabet=30, length=5, outside=2, attacker="open")],
        laws,
        threshold=0.05,
        positive=0,
        tau=0.05,
        bounds=estimates((995, 5), 1000, 0.01, "threshold"),
        selection=(100, 0),
    )


@cache
def fields_of_ten() -> Certificate:
    """Three classes in the rivals form, four fields of mixed arity and rate, one numeric channel."""
    arities, betas = (2, 5, 9, 3), (0.25, 0.25, 0.5, 0.5)
    each = [closed(v, b) for v, b in zip(arities, betas, strict=True)]
    return certificate(
        [
            {"channel": "fields", "noise": "categorical", "arities": arities, "betas": betas}
            | {"threat": "fields_l0", "max_d": 2},
            {"channel": "numeric", "noise": "gaussian", "sigma": 0.25, "unit": "std", "threat": "l2"},
        ],
        lambda d: [law(*subset) for subset in itertools.combinations(each, d)],
        form="rivals",
        bounds=estimates((1965, 25, 10), 2000, 0.01, "rivals"),
        selection=(90, 6, 4),
    )


@cache
def everything_at_once() -> Certificate:
    """Two continuous and two discrete channels (mask and replacement), stopped early with a beta mixture."""
    bound = beta_mixture(1498, 1500, 0.01)
    return certificate(
        [
            {"channel": "a", "noise": "gaussian", "sigma": 0.5, "threat": "l2"},
            {"channel": "b", "noise": "gaussian", "sigma": 2.0, "threat": "l2"},
            {"channel": "c", "noise": "mask", "beta": 0.8, "mask_id": 7, "length": 3}
            | {"threat": "token_l0", "max_d": 1},
            _tokens(channel="d", beta=0.7, alphabet=50, length=2, max_d=1),
        ],
        lambda c, d: [law(*[masked(0.8)] * c, *[closed(50, 0.7)] * d)],
        bounds=(Estimate(1, "lower", 1498, 1500, 0.01, bound, "beta_mixture", (1.0, 1.0)),),
        selection=(0, 50),
        stop="target",
    )


@cache
def abstained() -> Certificate:
    """Nothing certified, and said so."""
    return certificate(
        [IMAGE],
        lambda: [law()],
        bounds=estimates((52, 48), 100, 0.01, "threshold"),
        selection=(6, 4),
        prediction=None,
        reason="the lower bound 0.4 does not exceed the threshold 0.5",
    )


@cache
def flagged() -> Certificate:
    """A filter flags an input from a share of 0.05 on: 15 of 100 selection draws are enough."""
    bound = clopper_pearson(200, 1000, 0.01, "lower")
    return certificate(
        [IMAGE, _tokens(beta=0.9, alphabet=20)],
        lambda d: [law(*[closed(20, 0.9)] * d)],
        threshold=0.05,
        positive=1,
        tau=0.05,
        bounds=(Estimate(1, "lower", 200, 1000, 0.01, bound),),
        selection=(85, 15),
        class_names=("pass", "flag"),
    )


def _kernel(noise: dict[str, Any], positions: int, outside: int = 0) -> dict[str, Any]:
    """The record of a token noise on some positions only."""
    return {"channel": "tokens", "length": positions, "threat": None} | noise | {"outside": outside}


@cache
def end_of_text() -> Certificate:
    """The last tokens rewritten, by any token; the second but last of the clean ones is no symbol."""
    symbols = {
        "noise": "named_replacement",
        "alphabet_name": "plain tokens",
        "alphabet_id": "ab" * 32,
        "beta": 0.7,
        "alphabet": 30,
    }

    def laws(d: int) -> list[Law]:
        inside, outside = [closed(30, 0.7), in_to_out(30, 0.7)], [out_to_in(30, 0.7), masked(0.7)]
        kinds = [inside, outside, inside][:d]  # the places that d changes reach: the last first
        return [law(*sorted(options)) for options in itertools.product(*kinds)]

    return certificate(
        [
            IMAGE,
            {"channel": "tokens", "noise": "suffix", "kernel": _kernel(symbols, 3, outside=1), "length": 9}
            | {"positions": 3, "outside": (2,), "threat": "suffix_in_place", "max_d": 2, "attacker": "open"},
        ],
        laws,
        bounds=estimates((15, 9985), 10_000, 0.01, "threshold"),
        selection=(0, 100),
    )


@cache
def one_classifier_for_each_budget() -> Certificate:
    """A slot of four pads behind the text; counts of its own, at alpha / 2, for each of the budgets 1, 2."""

    def part(d: int, successes: int) -> Certificate:
        mask = {"channel": "tokens", "noise": "mask", "beta": 0.8, "mask_id": 7, "length": d, "threat": None}
        slot = {"channel": "tokens", "noise": "suffix", "kernel": mask, "length": 9, "positions": d}
        slot |= {"slot": 4, "pad": 0, "threat": "suffix_append", "max_d": d, "attacker": "open"}
        return certificate(
            [IMAGE, slot],
            lambda amount: [law(*[masked(0.8)] * amount)],
            bounds=estimates((2000 - successes, successes), 2000, 0.005, "threshold"),
            selection=(1, 49),
            alpha=0.005,
        )

    # More successes at the larger budget: the shift of its own classifier may well be the larger one.
    first, second = part(1, 1700), part(2, 1999)
    return Certificate.build(
        input_id="row 7",
        method="smoothing_per_budget",
        num_classes=2,
        prediction=1,
        alpha=0.01,
        samples=first.samples + second.samples,
        claims=(*first.claims, second.claims[2]),
        evidence=PerBudgetEvidence(channel="tokens", parts=(first.evidence, second.evidence)),  # type: ignore[arg-type]
    )


def _dropped(deleted: int, inserted: int, rate: float) -> Law:
    """The three outcomes under deletion noise: what both texts share, more of one, more of the other."""
    a, b, zero = Fraction(rate) ** deleted, Fraction(rate) ** inserted, Fraction(0)
    return law(((a, b), (1 - a, zero), (zero, 1 - b)))


@cache
def edits_of_a_text() -> Certificate:
    """Insertions and deletions under deletion noise: which of the two is worse is not known beforehand."""
    return certificate(
        [
            IMAGE,
            {"channel": "text", "noise": "deletion", "rate": 0.9, "width": 20, "pad": 0, "length": 7}
            | {"threat": "edits", "max_d": 2, "operations": ("insert", "delete")},
        ],
        lambda d: [_dropped(j, d - j, 0.9) for j in range(d + 1)],
        bounds=estimates((10, 9990), 10_000, 0.01, "threshold"),
        selection=(0, 100),
    )


@cache
def synonyms_and_uneven_noise() -> Certificate:
    """Two tokens with synonyms, one change more than that; Gaussian noise of two strengths."""
    sigmas = (0.5, 2.0)
    digest = hashlib.sha256(",".join(map(repr, sigmas)).encode()).hexdigest()
    image = IMAGE | {"noise": "gaussian_anisotropic", "largest": 2.0, "coordinates": 2}
    small, large = closed(2, 0.45), closed(6, 0.45)
    return certificate(
        [
            image | {"sigmas": sigmas, "sigmas_id": digest},
            {"channel": "words", "noise": "synonyms", "beta": 0.45, "sets": ((2, 1), (6, 1)), "length": 5}
            | {"sets_id": "ab" * 32, "threat": "synonym_l0", "max_d": 3},
        ],
        lambda d: [[law()], [law(large)], [law(small, large)], [law(small, large)]][d],
        bounds=estimates((10, 9990), 10_000, 0.01, "threshold"),
        selection=(0, 100),
    )


ALL: dict[str, Callable[[], Certificate]] = {
    made.__name__: made  # type: ignore[attr-defined]
    for made in (
        image_and_tokens,
        open_tokens,
        fields_of_ten,
        everything_at_once,
        abstained,
        flagged,
        end_of_text,
        one_classifier_for_each_budget,
        edits_of_a_text,
        synonyms_and_uneven_noise,
    )
}
