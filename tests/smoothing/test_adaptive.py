"""Adaptive smoothing: the composed law against exact integrals over the first stage, coverage, tampering."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

import ironbound as ib
from ironbound import confidence, laws
from ironbound.certificate.codec import digest
from ironbound.channels.adaptive import effective_sigma
from ironbound.errors import InputError, InvalidCertificate

FIRST, SECOND = 1.0, 0.6
# Nodes and weights of integrals under N(0, 1), exact for smooth functions far beyond what is asked here.
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(60)
WEIGHTS = WEIGHTS / WEIGHTS.sum()

Mask = Any


def ones(seen: Any) -> Any:
    return np.ones_like(seen)


def first_only(seen: Any) -> Any:
    return np.ones_like(seen) * np.array([1.0, 0.0])


def smooth(seen: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-2.0 * seen[..., ::-1]))  # each entry masked by what the other one showed


MASKS: dict[str, Mask] = {"ones": ones, "first": first_only, "smooth": smooth}


def stage_two(norm: str, mask: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation of the second release, from the definition."""
    if norm == "l2":
        return np.full(len(mask), SECOND)
    return SECOND * np.sqrt(np.maximum((mask**2).mean(axis=1), 1e-12))


def exact_lower(norm: str, mask: Mask, delta: NDArray[np.float64], p: float) -> float:
    """min E_Q[h] with E_P[h] >= p over all tests of both releases, by integrating over the first (2-d).

    log dQ/dP = (delta . z / s1 - |delta|^2 / (2 s1^2)) + N(-c^2/2, c^2) with c = |w(m1) delta| / s; the clean
    input is 0.
    """
    z = np.stack(np.meshgrid(NODES, NODES), axis=-1).reshape(-1, 2)
    weight = np.outer(WEIGHTS, WEIGHTS).ravel()
    seen = FIRST * z
    w = mask(seen)
    c = np.linalg.norm(w * delta, axis=1) / stage_two(norm, w)
    mu1 = np.linalg.norm(delta) / FIRST
    here = z @ delta / FIRST - mu1**2 / 2
    there = np.exp(here)  # dQ/dP of the first release

    def share(u: float) -> float:
        return float(weight @ stats.norm.cdf((u - here + c**2 / 2) / c))

    u = float(optimize.brentq(lambda at: share(at) - p, -60.0, 60.0, xtol=1e-13))  # type: ignore[arg-type]
    return float((weight * there) @ stats.norm.cdf((u - here - c**2 / 2) / c))


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("delta", [(0.4, 0.4), (0.4, 0.0), (-0.3, 0.7)])
def test_no_classifier_of_both_releases_beats_the_composed_law(
    norm: str, name: str, delta: tuple[float, float]
) -> None:
    shift = np.array(delta)
    channel = ib.AdaptiveGaussian(FIRST, SECOND, MASKS[name], name, norm, 2)  # type: ignore[arg-type]
    r = float(np.abs(shift).max()) if norm == "linf" else math.hypot(*delta)
    budget = ib.LInf() if norm == "linf" else ib.L2()
    (law,) = channel.laws(budget, r, np.zeros(2))
    for p in (0.7, 0.95, 0.999):
        exact = exact_lower(norm, MASKS[name], shift, p)
        assert law.lower(p) <= exact + 1e-9
        # Where the whole shift is shown, the law is attained: it is no weaker than it has to be ...
        full = name == "ones" and (norm == "l2" or delta == (0.4, 0.4))
        full = full or (name == "first" and delta == (0.4, 0.0) and norm == "l2")
        if full:
            assert exact <= law.lower(p) + 1e-6
            # ... and either stage alone would promise too much.
            assert laws.gaussian(law.mu * 0.97).lower(p) > exact
            assert laws.gaussian(r / FIRST).lower(p) > exact


def test_the_effective_sigma_is_the_largest_float_that_may_be_claimed() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        a, b = (float(v) for v in np.exp(rng.normal(size=2)))
        count = int(rng.integers(1, 5000))
        found = effective_sigma(a, b, count)
        exact = 1 / (count * (1 / Fraction(a) ** 2 + 1 / Fraction(b) ** 2))
        assert Fraction(found) ** 2 <= exact < Fraction(math.nextafter(found, math.inf)) ** 2


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("name", MASKS)
def test_what_is_shown_is_unbiased_with_the_stated_variance(norm: str, name: str) -> None:
    channel = ib.AdaptiveGaussian(FIRST, SECOND, MASKS[name], name, norm, 2)  # type: ignore[arg-type]
    x = channel.check([0.3, -0.2], "x")
    z = np.stack(np.meshgrid(NODES, NODES), axis=-1).reshape(-1, 2)
    weight = np.outer(WEIGHTS, WEIGHTS).ravel()
    w = MASKS[name](x + FIRST * z)
    s = stage_two(norm, w)[:, None]
    precision = 1 / FIRST**2 + w**2 / s**2
    # Given the first release the rest is Gaussian: P(shown <= t) is an integral over the first alone.
    for i, t in ((0, 0.3), (0, 0.8), (1, 0.5)):
        mean = ((x + FIRST * z) / FIRST**2 + w**2 * x / s**2)[:, i] / precision[:, i]
        spread = ((w / s) / precision)[:, i]
        below = np.where(
            spread > 0, stats.norm.cdf((t - mean) / np.where(spread > 0, spread, 1.0)), mean <= t
        )
        exact = float(weight @ below)
        shown = channel.sample(x, np.random.default_rng(3), 100_000)[:, i]
        # The quadrature is coarse where a coordinate is not masked in at all and the integrand is a step.
        assert abs(float(np.mean(shown <= t)) - exact) < (0.006 if spread.min() > 0 else 0.05)


def test_in_the_max_norm_noise_moves_away_from_the_mask_and_in_the_2_norm_it_does_not() -> None:
    plain = effective_sigma(FIRST, SECOND)
    spreads = {}
    for norm in ("l2", "linf"):
        channel = ib.AdaptiveGaussian(FIRST, SECOND, first_only, "first", norm, 2)  # type: ignore[arg-type]
        spreads[norm] = channel.sample(np.zeros(2), np.random.default_rng(0), 50_000).std(axis=0)
    assert spreads["l2"][0] == pytest.approx(plain, rel=0.02)
    assert spreads["l2"][1] > plain * 1.5
    assert spreads["linf"][0] < plain * 0.85
    assert spreads["linf"][1] == pytest.approx(FIRST, rel=0.02)


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_masks_above_1_show_no_more_than_a_mask_of_1(norm: str) -> None:
    shown = [
        ib.AdaptiveGaussian(FIRST, SECOND, mask, "m", norm, 2).sample(  # type: ignore[arg-type]
            np.zeros(2), np.random.default_rng(0), 100
        )
        for mask in (ones, lambda seen: 5.0 * np.ones_like(seen), lambda seen: 1.0 + seen**2)
    ]
    assert np.array_equal(shown[0], shown[1])
    assert np.array_equal(shown[0], shown[2])


def says_positive(batch: dict[str, Any]) -> Any:
    return (batch["x"].sum(axis=1) > -0.75).astype(int)


def vote(shift: float, norm: str) -> float:
    """P(sum of what is shown > -0.75) under the smooth mask, exactly, with the input (shift, shift)."""
    z = np.stack(np.meshgrid(NODES, NODES), axis=-1).reshape(-1, 2)
    weight = np.outer(WEIGHTS, WEIGHTS).ravel()
    x = np.array([shift, shift])
    seen = x + FIRST * z
    w = smooth(seen)
    s = stage_two(norm, w)[:, None]
    precision = 1 / FIRST**2 + w**2 / s**2
    mean = ((seen / FIRST**2 + w**2 * x / s**2) / precision).sum(axis=1)
    spread = np.sqrt((((w / s) / precision) ** 2).sum(axis=1))
    return float(weight @ stats.norm.sf((-0.75 - mean) / spread))


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_certificates_hold_as_often_as_they_say(norm: str) -> None:
    # 20,000 samples of n draws of a vote whose probability is known, each with the radius it certifies.
    n, alpha, runs = 400, 0.05, 20_000
    p = vote(0.0, norm)
    sigma = effective_sigma(FIRST, SECOND, 2 if norm == "linf" else 1)
    counts = np.random.default_rng(5).binomial(n, p, size=runs)
    wrong = 0
    for k in np.unique(counts):
        lower = confidence.clopper_pearson_lower(int(k), n, alpha)
        radius = laws.radius(laws.gaussian(0.0), p=lower, sigma=sigma, threshold=0.5)
        if radius is None:
            continue
        size = radius if norm == "linf" else radius / math.sqrt(2)
        assert norm == "l2" or vote(-size * 0.5, norm) < p  # the attack does move the vote
        # The certificate is wrong where its bound is, or where the attack along the diagonal turns the vote.
        if lower > p or not vote(-size, norm) > 0.5:
            wrong += int(np.sum(counts == k))
    assert stats.binom.sf(wrong - 1, runs, alpha) > 1e-6
    assert wrong > 0


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_a_certificate_holds_against_the_exact_attack_and_says_its_norm(norm: str) -> None:
    channel = ib.AdaptiveGaussian(FIRST, SECOND, smooth, "smooth", norm, 2, unit="cm")  # type: ignore[arg-type]
    model = ib.SmoothedClassifier(says_positive, ib.Smoothing(x=channel), num_classes=2)
    budget = ib.LInf() if norm == "linf" else ib.L2()
    cert = model.certify({"x": [0.0, 0.0]}, threat=ib.Threat(x=budget), n=20_000, alpha=0.001)
    radius = cert.frontier[0]
    assert cert.prediction == 1
    assert radius is not None
    assert radius > 0.1
    size = radius if norm == "linf" else radius / math.sqrt(2)
    assert vote(-size, norm) > 0.5
    assert cert.covers(x=radius * 0.999)
    assert not cert.covers(x=radius * 1.001)
    assert ("shifts every entry of 'x' by at most R (cm)" in cert.statement) == (norm == "linf")
    assert ("2-norm of at most R (cm)" in cert.statement) == (norm == "l2")
    assert ib.Certificate.from_json(cert.to_json()) == cert


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("sigma", math.nextafter(effective_sigma(FIRST, SECOND, 2), 1.0), "radi|sigma"),
        ("first", 1.01, "sigma"),
        ("first", 0.9, "sigma"),
        ("second", 0.59, "sigma"),
        ("second", -0.6, "second"),
        ("norm", "l2", "threat"),
        ("threat", "l2", "threat"),
        ("coordinates", 3, "sigma"),
        ("coordinates", 0, "coordinates"),
        ("mask_id", "", "mask_id"),
        ("composition", "parallel", "composition"),
        ("noise", "gaussian", "threat|entries|first"),
    ],
)
def test_a_changed_record_is_refused(name: str, value: Any, says: str) -> None:
    channel = ib.AdaptiveGaussian(FIRST, SECOND, smooth, "smooth", "linf", 2)
    model = ib.SmoothedClassifier(says_positive, ib.Smoothing(x=channel), num_classes=2)
    data = json.loads(model.certify({"x": [0.0] * 2}, threat=ib.Threat(x=ib.LInf()), n=200).to_json())
    data["evidence"]["channels"][0][name] = value
    with pytest.raises(InvalidCertificate):  # as it stands, by its digest at the latest
        ib.Certificate.from_json(json.dumps(data)).verify()
    fields = {key: item for key, item in data.items() if key != "fingerprint"}
    resealed = json.dumps(fields | {"fingerprint": digest(fields)})
    with pytest.raises(InvalidCertificate, match=says):
        ib.Certificate.from_json(resealed).verify()


def test_masks_that_mix_rows_or_are_no_numbers_are_refused() -> None:
    def ranked(seen: Any) -> Any:
        return (seen > seen.mean(axis=0)).astype(float)

    def broken(seen: Any) -> Any:
        return np.full_like(seen, np.nan)

    def flat(seen: Any) -> Any:
        return np.ones(len(seen))

    for mask, says in ((ranked, "mixes"), (broken, "finite"), (flat, "shape")):
        channel = ib.AdaptiveGaussian(FIRST, SECOND, mask, "bad", "linf", 2)
        with pytest.raises(InputError, match=says):
            channel.sample(np.zeros(2), np.random.default_rng(0), 50)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"first": 0.0}, "sigma"),
        ({"norm": "l1"}, "norm"),
        ({"coordinates": 0}, "coordinates"),
        ({"mask": None}, "mask"),
        ({"mask_id": ""}, "mask_id"),
        ({"low": 1.0, "high": 0.0}, "low"),
    ],
)
def test_settings_that_cannot_be_are_named(changes: dict[str, Any], says: str) -> None:
    good: dict[str, Any] = {"first": 1.0, "second": 0.5, "mask": ones, "mask_id": "ones", "coordinates": 2}
    with pytest.raises(InputError, match=says):
        ib.AdaptiveGaussian(**{**good, **changes})


def test_early_stopping_measures_a_shift_in_the_norm_of_the_channel() -> None:
    channel = ib.AdaptiveGaussian(FIRST, SECOND, ones, "ones", "linf", 2)
    model = ib.SmoothedClassifier(says_positive, ib.Smoothing(x=channel), num_classes=2)
    threat = ib.Threat(x=ib.LInf())
    samples = [
        model.certify({"x": [0.5] * 2}, threat=threat, n=50_000, stop="target", target={"x": r}).samples
        for r in (0.3, 0.6, 0.75)
    ]
    assert all(a < b for a, b in pairwise(samples)), samples
