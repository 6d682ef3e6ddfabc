"""Several classes, several continuous channels, noise of uneven strength: attacks in the worst direction."""

from __future__ import annotations

import json
import math
import os
from typing import Any

import numpy as np
import pytest
from scipy import stats

import ironbound as ib
from ironbound import laws
from ironbound.certificate import SmoothingEvidence
from ironbound.certificate.codec import digest
from ironbound.errors import InputError, InvalidCertificate
from ironbound.smoothing.goal import Attack, Level

FULL = os.environ.get("IRONBOUND_SLOW") == "full"


def linear(**weights: Any) -> Any:
    """Class 1 where sum w . x > -1: a base that is worst for a shift along the weights."""

    def base(batch: dict[str, Any]) -> Any:
        total = sum(np.asarray(batch[name], dtype=np.float64) @ np.array(w) for name, w in weights.items())
        return np.asarray(total) > -1.0

    return base


# In units of each channel's noise the plane is at this distance.
SIGMAS = {"a": 0.5, "b": 2.0}
DISTANCE = 1.0 / math.hypot(0.4, 0.3)


def two_channels() -> ib.SmoothedClassifier:
    noise = ib.Smoothing(**{name: ib.Gaussian(sigma) for name, sigma in SIGMAS.items()})
    base = linear(a=[0.4 / SIGMAS["a"]], b=[0.3 / SIGMAS["b"]])
    return ib.SmoothedClassifier(base, noise, num_classes=2)


def test_several_continuous_channels_share_one_ball() -> None:
    threat = ib.Threat(a=ib.L2(), b=ib.L2())
    cert = two_channels().certify({"a": [0.0], "b": [0.0]}, threat=threat, n=20_000, alpha=0.001)
    mu = cert.frontier[0]
    assert mu is not None
    assert 0.95 * DISTANCE < mu <= DISTANCE
    # The attack straight at the plane, split as the weights split it, in the units of each channel.
    for share in (0.9, 0.999, 1.01, 1.3):
        shift = {"a": 0.8 * share * mu * SIGMAS["a"], "b": 0.6 * share * mu * SIGMAS["b"]}
        assert cert.covers(**shift) == (share < 1)
        if share < 1:
            keeps = stats.norm.cdf(DISTANCE - math.hypot(shift["a"] / SIGMAS["a"], shift["b"] / SIGMAS["b"]))
            assert keeps > 0.5
    assert cert.covers(a=0.99 * mu * SIGMAS["a"])
    assert not cert.covers(a=0.99 * mu * SIGMAS["b"])
    assert "(r(a)/0.5)^2 + (r(b)/2.0)^2" in cert.statement


def test_one_attacked_channel_of_two_keeps_its_own_radius() -> None:
    cert = two_channels().certify({"a": [0.0], "b": [0.0]}, threat=ib.Threat(b=ib.L2()), n=2000)
    radius = cert.frontier[0]
    assert radius is not None
    assert radius <= DISTANCE * SIGMAS["b"]
    assert not cert.covers(a=1e-9)


@pytest.mark.slow
def test_joint_radii_are_wrong_at_most_as_often_as_they_say() -> None:
    runs, alpha = (4000 if FULL else 300), 0.1
    model, threat = two_channels(), ib.Threat(a=ib.L2(), b=ib.L2())
    inputs = ((str(i), {"a": [0.0], "b": [0.0]}) for i in range(runs))
    attack = {"a": 0.8 * DISTANCE * SIGMAS["a"] * 1.000001, "b": 0.6 * DISTANCE * SIGMAS["b"] * 1.000001}
    wrong = sum(
        cert.covers(**attack) for cert in model.certify_many(inputs, threat=threat, alpha=alpha, n=300, n0=10)
    )
    assert stats.binom.sf(wrong - 1, runs, alpha) > 1e-6
    assert wrong > 0


UNEVEN = [0.25, 1.0, 4.0]


def uneven(weights: list[float]) -> tuple[ib.SmoothedClassifier, ib.AnisotropicGaussian]:
    channel = ib.AnisotropicGaussian(UNEVEN, unit="cm")
    return ib.SmoothedClassifier(linear(x=weights), ib.Smoothing(x=channel), num_classes=2), channel


def test_uneven_noise_certifies_an_ellipsoid_and_the_ball_inside_it() -> None:
    # A plane at weighted distance 2: straight along the coordinate of least noise, its 2-norm is 2 * 0.25.
    for axis, sigma in enumerate(UNEVEN):
        weights = [0.0, 0.0, 0.0]
        weights[axis] = 1.0 / (2.0 * sigma)
        model, channel = uneven(weights)
        cert = model.certify({"x": [0.0] * 3}, threat=ib.Threat(x=ib.L2()), n=20_000, alpha=0.001)
        claim = cert.claims[0]
        assert claim.mu is not None
        assert 1.85 < claim.mu <= 2.0
        radius = cert.frontier[0]
        assert radius is not None
        assert radius <= claim.mu * 0.25
        shift = [0.0, 0.0, 0.0]
        shift[axis] = -1.8 * sigma
        assert channel.norm(shift) <= claim.mu  # within the ellipsoid, and the base still answers 1
        assert stats.norm.cdf(2.0 + shift[axis] / sigma) > 0.5
        shift[axis] = -2.0 * sigma
        assert channel.norm(shift) > claim.mu  # on the plane: a fair coin
        assert cert.covers(x=0.45)
        assert not cert.covers(x=0.51)
        assert "sum (delta_i/sigma_i)^2 at most (R/0.25)^2" in cert.statement
        assert ib.Certificate.from_json(cert.to_json()) == cert


def test_the_weighted_norm_is_rounded_up() -> None:
    channel = ib.AnisotropicGaussian(UNEVEN)
    rng = np.random.default_rng(0)
    for _ in range(200):
        shift = rng.standard_normal(3)
        exact = math.sqrt(math.fsum((float(x) / s) ** 2 for x, s in zip(shift, UNEVEN, strict=True)))
        assert exact <= channel.norm(shift) <= exact * (1 + 1e-14)


def test_early_stopping_measures_uneven_noise_by_its_least_sigma() -> None:
    model, _ = uneven([2.0, 0.0, 0.0])
    threat = ib.Threat(x=ib.L2())
    cert = model.certify({"x": [0.0] * 3}, threat=threat, n=50_000, stop="target", target={"x": 0.4})
    assert cert.covers(x=0.4)
    assert cert.samples < 20_000


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("sigma", 0.5, "sigma"),
        ("largest", 5.0, "largest"),
        ("coordinates", 4, "sigmas"),
        ("sigmas", [0.25, 1.0, 3.0], "largest"),
        ("sigmas", [0.25, 1.5, 4.0], "sigmas_id"),
        ("sigmas_id", "00", "sigmas_id"),
    ],
)
def test_a_changed_strength_of_noise_is_refused(name: str, value: Any, says: str) -> None:
    model, _ = uneven([2.0, 0.0, 0.0])
    data = json.loads(model.certify({"x": [0.0] * 3}, threat=ib.Threat(x=ib.L2()), n=200).to_json())
    data["evidence"]["channels"][0][name] = value
    fields = {key: item for key, item in data.items() if key != "fingerprint"}
    with pytest.raises(InvalidCertificate, match=says if name != "sigma" else "radi|sigma"):
        ib.Certificate.from_json(json.dumps(fields | {"fingerprint": digest(fields)})).verify()


@pytest.mark.parametrize("bad", [[], [1.0, 0.0], [1.0, float("nan")], [[1.0], [-1.0]], 1.0])
def test_strengths_of_noise_are_positive_numbers(bad: Any) -> None:
    with pytest.raises(InputError, match="sigmas"):
        ib.AnisotropicGaussian(bad)
    with pytest.raises(InputError, match="shape of sigmas"):
        ib.AnisotropicGaussian([1.0, 2.0]).check([0.0] * 3, "x")


def test_hybrid_certificates_of_several_classes_are_tight() -> None:
    """The worst base of three classes gives A the least likely ratios and B the most likely ones."""
    sigma, beta, size, far = 0.5, 0.6, 20, 0.25
    smoothing = ib.Smoothing(x=ib.Gaussian(sigma), t=ib.UniformReplacement(beta, size))
    clean, written = [3, 4, 5], [13, 4, 5]
    step = math.log((1 - beta) * (size - 1) / beta)

    def ratio(batch: dict[str, Any]) -> Any:
        token = batch["t"][:, 0]
        shift = (2 * batch["x"][:, 0] * far - far**2) / (2 * sigma**2)
        return step * ((token == 13).astype(float) - (token == 3)) + shift

    values = {"x": [0.0], "t": clean}

    def draws(x: float, tokens: list[int], seed: int) -> Any:
        generator = np.random.default_rng(seed)
        at = smoothing.check({"x": [x], "t": tokens})
        batch = {name: channel.sample(at[name], generator, 400_000) for name, channel in smoothing.items()}
        return ratio(batch)

    # B has the top 4 % of the clean ratios; A the lowest ones, up to where the attack makes the two equal.
    at_clean, at_attack = draws(0.0, clean, 1), draws(far, written, 2)
    top = float(np.quantile(at_clean, 0.96))
    cut = float(np.quantile(at_attack, np.mean(at_attack > top)))
    p, rival = float(np.mean(at_clean <= cut)), float(np.mean(at_clean > top))
    threat = ib.Threat(x=ib.L2(), t=ib.TokenL0(1))
    claims = Attack.build(smoothing, smoothing.check(values), threat).claims(Level(p, None, rival))
    mu = claims[1].mu
    assert mu is not None
    assert abs(mu * sigma - far) < 0.02  # tight: the certificate ends where this attack begins

    def base(batch: dict[str, Any]) -> Any:
        score = ratio(batch)
        return np.where(score <= cut, 0, np.where(score > top, 1, 2))

    model = ib.SmoothedClassifier(base, smoothing, num_classes=3)
    cert = model.certify(values, threat=threat, alpha=0.001, n=40_000)
    assert cert.prediction == 0
    radius = cert.frontier[1]
    assert radius is not None
    assert 0.3 * far < radius <= far * 1.02
    for x, wins in ((radius - 0.02, True), (far + 0.08, False)):
        score = draws(x, written, 3)
        assert bool(np.mean(score <= cut) > np.mean(score > top)) == wins
    # The binary form proves less: it asks for more than half.
    assert isinstance(cert.evidence, SmoothingEvidence)
    bound = cert.evidence.estimates[0].bound
    half = laws.shift(laws.uniform_replacement(1, size, beta), bound, threshold=0.5)
    assert half is None or half.mu * sigma < radius
