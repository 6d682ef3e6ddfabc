"""Margin and ramp certificates: proved by their records, true under attack, refused when tampered with."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ironbound.certificate import Certificate, SmoothingEvidence
from ironbound.errors import InputError, InvalidCertificate
from ironbound.lipschitz import (
    ExpectedLogits,
    HyCASConfig,
    HyCASNet,
    Noise,
    RampSmoothed,
    RandomisedBase,
    ramp_radius,
)
from ironbound.lipschitz.blocks import BLOCK, internal_size, normal_block, scores
from ironbound.lipschitz.certify import ramp_scores
from ironbound.lipschitz.checking import bound_of, check_histogram
from ironbound.lipschitz.margin_evidence import MarginEvidence
from ironbound.lipschitz.ramp_evidence import RampEvidence
from ironbound.lipschitz.records import Histogram, counted
from ironbound.smoothing import SmoothedClassifier
from ironbound.threats import L2, Threat

CONFIG = HyCASConfig.preset("tiny", (1, 6, 6), 3)


def network(config: HyCASConfig = CONFIG, seed: int = 0) -> HyCASNet:
    net = HyCASNet(config, noise=Noise(seed), generator=torch.Generator().manual_seed(seed))
    return net.eval()


def sure(net: HyCASNet) -> HyCASNet:
    """The same network with a bias that settles the class."""
    with torch.no_grad():
        net.head.bias.copy_(torch.tensor([0.5, 0.0, -0.1]))  # type: ignore[union-attr]
    return net


PICTURE = {"image": np.full((1, 6, 6), 0.5, np.float32)}


def margin_certificate(**changes: Any) -> Certificate:
    return ExpectedLogits(sure(network()), (1, 6, 6), n=300, **changes).certify(PICTURE, input_id="a")


def ramp_certificate(**changes: Any) -> Certificate:
    settings: dict[str, Any] = {"sigma": 0.25, "n": 300, "slope": 1.0, **changes}
    return RampSmoothed(sure(network()), (1, 6, 6), **settings).certify(PICTURE, input_id="a")


@pytest.mark.parametrize("make", [margin_certificate, ramp_certificate])
def test_a_certificate_verifies_and_survives_json(make: Callable[[], Certificate]) -> None:
    cert = make()
    cert.verify()
    again = Certificate.from_json(cert.to_json())
    again.verify()
    assert again == cert
    assert cert.prediction == 0
    assert (cert.frontier[0] or 0.0) > 0.05
    assert "Except with probability at most 0.001" in cert.statement
    assert math.isclose(sum(cert.ledger.values()), cert.alpha, rel_tol=1e-9)


@pytest.mark.parametrize("make", [margin_certificate, ramp_certificate])
def test_the_same_seed_gives_the_same_record_whatever_was_drawn_before(make: Any) -> None:
    assert make() == make()
    assert make(seed=1) != make()


def test_draws_do_not_depend_on_how_many_are_asked_for_or_on_the_networks_own_streams() -> None:
    net, x = network(), torch.full((1, 6, 6), 0.5)
    size = internal_size(net, (1, 6, 6))
    address: dict[str, Any] = {
        "sigma": 0.1,
        "seed": 0,
        "input_id": "a",
        "purpose": "estimation",
        "size": size,
    }
    short = torch.cat(list(scores(net, x, 70, **address)))
    net(torch.zeros(3, 1, 6, 6))
    long = torch.cat(list(scores(net, x, 200, **address)))
    assert short.shape == (70, 3)
    assert torch.allclose(short[:BLOCK], long[:BLOCK], atol=1e-6)
    assert torch.allclose(short[BLOCK:], long[BLOCK:70], atol=1e-6)
    assert len({float(v) for v in long[:, 0]}) > 190
    other = torch.cat(list(scores(net, x, 70, **{**address, "purpose": "selection"})))
    quiet = torch.cat(list(scores(net, x, 130, **{**address, "sigma": 0.0})))
    assert len({float(v) for v in quiet[:, 0]}) > 120  # internal draws alone tell all rows apart
    assert not torch.allclose(short, other, atol=1e-4)
    assert not torch.equal(normal_block(0, "a", "x", 0, 2), normal_block(0, "a", "x", 1, 2))


def test_supplied_numbers_stay_in_their_row() -> None:
    net = network()
    size = internal_size(net, (1, 6, 6))
    numbers = torch.randn(4, size, generator=torch.Generator().manual_seed(0))
    x = torch.rand(4, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad(), net.noise.supplied(numbers):
        together = net(x)
    for row in (2, 0):
        with torch.no_grad(), net.noise.supplied(numbers[row : row + 1]):
            assert torch.allclose(net(x[row : row + 1])[0], together[row], atol=1e-5)
    for wrong in (numbers[:, :-1], torch.cat([numbers, numbers], dim=1)):
        with pytest.raises(InputError, match="values must be"), net.noise.supplied(wrong), torch.no_grad():
            net(x)
    with pytest.raises(InputError, match='draws="sample"'):
        internal_size(network(replace(CONFIG, draws="batch")), (1, 6, 6))


class Lottery(nn.Module):
    """Known expectations: logits c_k + a_k x plus an internal draw of +-s; the slope is known."""

    def __init__(self, spread: float) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 2)
        self.spread = spread
        self.noise = Noise(0)
        self.site = self.noise.register()
        with torch.no_grad():
            self.linear.weight.copy_(torch.tensor([[-1.0], [1.0]]))
            self.linear.bias.copy_(torch.tensor([0.3, 0.0]))

    def forward(self, x: Tensor) -> Tensor:
        coin = torch.sign(self.noise.normal(self.site, (len(x), 1), x)) * self.spread
        return self.linear(x) + coin * torch.tensor([1.0, -1.0])


@pytest.fixture
def _rule_for_lottery() -> Any:
    from ironbound.lipschitz import Step, ledger, rule

    @rule(Lottery)
    def found(module: nn.Module, shape: tuple[int, ...], name: str) -> Step:
        return Step(name, "a linear layer and a draw that does not look at it", math.sqrt(2.0) * (1 + 1e-12))

    yield
    del ledger._RULES[Lottery]


@pytest.mark.usefixtures("_rule_for_lottery")
@pytest.mark.parametrize("limit", [0.5, 4.0])
def test_an_attacker_who_knows_all_expectations_never_beats_a_margin_certificate(limit: float) -> None:
    """Both draws of the coin are enumerated, and so is a fine grid of shifts within the radius."""
    model = ExpectedLogits(Lottery(0.2), (1,), n=2000, limit=limit, channel="image")
    for i, x in enumerate(np.linspace(-0.6, 0.8, 15)):
        cert = model.certify({"image": np.array([x], np.float32)}, input_id=str(i))
        cert.verify()
        if cert.prediction is None:
            continue
        radius = cert.frontier[0] or 0.0
        at = float(np.float32(x)) + np.linspace(-radius, radius, 501)
        logits = np.stack([0.3 - at, at])
        z = np.mean([limit * np.tanh((logits + np.array([[c], [-c]])) / limit) for c in (0.2, -0.2)], axis=0)
        ahead = (z[0] - z[1]) if cert.prediction == 0 else (z[1] - z[0])
        assert ahead.min() > 0.0
        # The boundary is at x = 0.15: the radius is not vacuous either.
        assert radius <= abs(float(np.float32(x)) - 0.15)
        if limit == 4.0 and abs(x - 0.15) > 0.3:
            assert radius > 0.3 * abs(x - 0.15)


@pytest.mark.usefixtures("_rule_for_lottery")
@pytest.mark.parametrize("slope", [0.5, 20.0])
def test_an_attacker_who_knows_all_expectations_never_beats_a_ramp_certificate(slope: float) -> None:
    """Expectations over noise and coin by quadrature; every shift within the radius is tried."""
    sigma = 0.4
    model = RampSmoothed(Lottery(0.2), (1,), n=2000, sigma=sigma, slope=slope)
    z = np.linspace(-8, 8, 4001)
    weight = np.exp(-z * z / 2)
    weight /= weight.sum()
    for i, x in enumerate(np.linspace(-0.8, 1.0, 10)):
        cert = model.certify({"image": np.array([x], np.float32)}, input_id=str(i))
        cert.verify()
        if cert.prediction is None:
            continue
        radius = cert.frontier[0] or 0.0
        for shift in (-radius, -radius / 2, 0.0, radius):
            at = float(np.float32(x)) + shift + sigma * z
            logits = np.stack([0.3 - at, at], axis=1)
            mean = 0.0
            for coin in (0.2, -0.2):
                score = ramp_scores(logits + np.array([coin, -coin]), slope)[:, cert.prediction]
                mean += float(weight @ score) / 2
            assert mean > 0.5
        if abs(x - 0.15) > 0.4:
            assert radius > 0.3 * abs(x - 0.15)


@pytest.mark.parametrize(("p", "spread"), [(0.5, 0.5), (0.9, 0.3), (0.98, 0.14)])
def test_the_histogram_bound_fails_no_more_often_than_alpha(p: float, spread: float) -> None:
    random, alpha, runs = np.random.default_rng(0), 0.05, 1500
    high = random.random((runs, 200)) < p
    values = np.where(high, 1.0, 0.0) * spread + (1 - spread) * random.random((runs, 200))
    mean = p * spread + (1 - spread) / 2
    failures = sum(counted(row, 0.0, 1.0, alpha).share > mean for row in values)
    # A binomial with 1,500 runs at 5 % exceeds 100 with probability 2e-3; the mixture is far below.
    assert failures <= 100
    assert np.mean([counted(row, 0.0, 1.0, alpha).share for row in values[:50]]) > mean - 0.2


def test_a_margin_certificate_abstains_at_a_tie_in_all_but_alpha_of_runs() -> None:
    random = np.random.default_rng(1)
    values = random.choice([-1.0, 1.0], size=(2000, 100))
    wrong = sum(bound_of(counted(row, -2.0, 2.0, 0.05)) > 0 for row in values)
    assert wrong <= 130  # 5 % of 2,000 is 100; more than 130 has probability 1e-3


def test_the_bound_is_that_of_the_exact_capital() -> None:
    """The record's share is one at which the exact capital reaches 1/alpha, and a little more does not."""
    values = np.random.default_rng(2).random(400)
    found = counted(values, 0.0, 1.0, 0.01)
    check_histogram(found, "h")
    assert found.draws == 400
    with pytest.raises(InvalidCertificate, match="capital"):
        check_histogram(replace(found, share=found.share * (1 + 1e-6)), "h")
    assert counted(np.full(50, np.nan), 0.0, 1.0, 0.01).share == 0.0


def changed(cert: Certificate, change: Callable[[dict[str, Any]], None]) -> Certificate:
    """The certificate with other figures and a matching fingerprint, as a skilled forger would leave it."""
    data = json.loads(cert.to_json())
    change(data)
    for claim in data["claims"]:
        mu = claim["mu"]
        scale = data["evidence"].get("sigma", 1.0)
        claim["radius"] = None if mu is None else math.nextafter(mu * scale, 0.0)
        claim["radii"] = {data["evidence"]["channel"]: claim["radius"]}
    from ironbound.certificate.codec import digest

    data["fingerprint"] = digest({k: v for k, v in data.items() if k != "fingerprint"})
    return Certificate.from_json(json.dumps(data))


def _set(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = to(data[path[-1]]) if callable(to) else to

    return change


SHARED = [
    (_set("claims", 0, "mu", to=lambda v: v * 1.01), "mu must be small enough"),
    (_set("claims", 0, "margin", to=lambda v: v / 2), "margin must be"),
    (_set("alpha", to=1e-4), "alpha must be at least"),
    (_set("prediction", to=1), "prediction must be 0"),
    (_set("samples", to=10_000), "samples must be"),
    (_set("evidence", "selection", to=[0.1, 0.9, 0.2]), "must be"),
    (_set("evidence", "model", to="abc"), "SHA-256"),
    (_set("evidence", "channel", to=""), "channel must be a name"),
    (_set("evidence", "unit", to="pixels) or of any (other"), "printable words without brackets"),
    (_set("evidence", "ledger_lines", 0, "factor", to=0.01), "product of its parts"),
    (_set("evidence", "ledger_lines", 1, "depth", to=3), "at most one below"),
    (_set("evidence", "ledger_lines", 0, "factor", to=-1.0), "must be"),
    (_set("claims", 0, "witnesses", to=[1.0]), "empty for this method"),
]


@pytest.mark.parametrize(("change", "named"), SHARED)
@pytest.mark.parametrize("make", [margin_certificate, ramp_certificate])
def test_a_changed_record_is_refused(make: Any, change: Any, named: str) -> None:
    with pytest.raises(InvalidCertificate, match=named):
        changed(make(), change).verify()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_set("evidence", "rivals", 0, "lipschitz", to=lambda v: v * 0.9), "lipschitz must be"),
        (_set("evidence", "rivals", 0, "differences", "share", to=lambda v: v * 1.001), "capital"),
        (_set("evidence", "rivals", 0, "differences", "alpha", to=0.5), "alpha must be at least"),
        (_set("evidence", "rivals", 0, "differences", "low", to=-1.0), "on the interval"),
        (
            _set("evidence", "rivals", 0, "differences", "counts", 0, 1, to=lambda v: v + 50),
            "samples must be",
        ),
        (_set("evidence", "rivals", 0, "differences", "counts", 0, 0, to=5000), "distinct levels"),
        (_set("evidence", "rivals", to=lambda v: v[:1]), r"labels of evidence\.rivals"),
        (_set("evidence", "limit", to=0.5), "on the interval"),
        (_set("evidence", "ledger_lines", 1, "module", to="body"), "no line for the features"),
    ],
)
def test_a_changed_margin_record_is_refused(change: Any, named: str) -> None:
    cert = margin_certificate()
    assert isinstance(cert.evidence, MarginEvidence)
    assert cert.evidence.rivals[0].form == "pairwise"
    with pytest.raises(InvalidCertificate, match=named):
        changed(cert, change).verify()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_set("evidence", "lipschitz", to=lambda v: v * 0.9), "lipschitz must be"),
        (_set("evidence", "slope", to=lambda v: v * 1.1), "lipschitz must be"),
        (_set("evidence", "scores", "share", to=lambda v: v * 1.001), "capital"),
        (_set("evidence", "scores", "high", to=1.5), "on the interval"),
        (_set("evidence", "form", to="network"), "network's constant"),
        (_set("evidence", "sigma", to=0.5), "must be"),
        (_set("evidence", "sigma", to=0.0), "sigma must be above 0"),
    ],
)
def test_a_changed_ramp_record_is_refused(change: Any, named: str) -> None:
    cert = ramp_certificate()
    assert isinstance(cert.evidence, RampEvidence)
    with pytest.raises(InvalidCertificate, match=named):
        changed(cert, change).verify()


def test_a_ramp_certificate_claims_what_the_solver_finds_and_not_more() -> None:
    cert = ramp_certificate()
    evidence = cert.evidence
    assert isinstance(evidence, RampEvidence)
    known = ramp_radius(evidence.scores.share, evidence.sigma, evidence.lipschitz)
    steep = ramp_radius(evidence.scores.share, evidence.sigma, math.inf)
    assert known is not None
    assert steep is not None
    assert known * (1 - 1e-6) <= (cert.frontier[0] or 0.0) <= known
    assert known >= steep


def test_what_cannot_be_certified_is_an_abstention_that_verifies() -> None:
    net = network()
    with torch.no_grad():
        net.head.raw.zero_()
        net.head.raw[:, 0] = 1.0  # all logits are equal
    for model in (
        ExpectedLogits(net, (1, 6, 6), n=100),
        RampSmoothed(net, (1, 6, 6), sigma=0.1, n=100),
    ):
        cert = model.certify(PICTURE, input_id="a")
        cert.verify()
        assert cert.prediction is None
        assert cert.reason
        assert "Nothing is claimed" in cert.statement


def test_smoothing_counts_input_noise_and_internal_draws_together_and_repeats_them() -> None:
    base = RandomisedBase(sure(network()), (1, 6, 6))
    smoothing = base.smoothing(0.25, low=0.0, high=1.0)
    certs = [
        SmoothedClassifier(_torch(base), smoothing, 3, rivals="complement", batch_size=size).certify(
            base.inputs(PICTURE["image"]), threat=Threat(image=L2()), n=300, n0=20, alpha=0.01
        )
        for size in (None, 7)
    ]
    assert certs[0] == certs[1]
    certs[0].verify()
    evidence = certs[0].evidence
    assert isinstance(evidence, SmoothingEvidence)
    assert {record.channel: record.attacked for record in evidence.channels} == {
        "image": True,
        "internal": False,
    }
    assert evidence.scales() == {"image": 0.25}
    assert not certs[0].covers(image=0.01, internal=0.01)


def test_internal_draws_of_the_smoothed_base_are_those_of_its_channel() -> None:
    """A network that answers by its internal draw alone: votes have the probability of the draw."""

    class Coin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.noise = Noise(0)
            self.site = self.noise.register()

        def forward(self, x: Tensor) -> Tensor:
            drawn = self.noise.normal(self.site, (len(x), 1), x)
            return torch.cat([drawn + 1.0, -drawn - 1.0], dim=1)  # class 0 with probability Phi(1) = 0.8413

    base = RandomisedBase(Coin(), (2,))
    assert base.size == 1
    model = SmoothedClassifier(_torch(base), base.smoothing(1.0), 2)
    cert = model.certify(base.inputs(np.zeros(2, np.float32)), threat=Threat(image=L2()), n=4000, alpha=0.01)
    assert isinstance(cert.evidence, SmoothingEvidence)
    share = cert.evidence.estimates[0].successes / 4000
    assert abs(share - 0.8413) < 5 * math.sqrt(0.8413 * 0.1587 / 4000)


def _torch(base: nn.Module) -> Any:
    from ironbound.models.torch import TorchClassifier

    return TorchClassifier(base)


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda net: ExpectedLogits(net, (1, 6, 6), limit=0.0), "limit must be"),
        (lambda net: ExpectedLogits(net, (1, 6, 6), alpha=0.0), "alpha must be"),
        (lambda net: ExpectedLogits(net, (1, 6, 6), n=1), "n, n0 must be"),
        (lambda net: RampSmoothed(net, (1, 6, 6), sigma=0.0), "sigma must be"),
        (lambda net: RampSmoothed(net, (1, 6, 6), sigma=1.0, slope=math.inf), "slope must be"),
        (
            lambda net: ExpectedLogits(net, (1, 6, 6)).certify({"image": np.zeros((1, 5, 5))}, input_id="a"),
            "shape",
        ),
    ],
)
def test_settings_that_cannot_be_used_are_refused(build: Callable[[nn.Module], Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        build(network())


def test_the_exact_bound_is_what_the_share_says() -> None:
    assert bound_of(Histogram(-2.0, 2.0, 4096, ((4096, 1),), 0.1, 0.75)) == Fraction(1)
