"""Encoders with a constant: constants under attack, rounding bounds, certificates about the input."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from fractions import Fraction
from typing import Any, cast

import mpmath as mp
import numpy as np
import pytest
import torch
from latent.distances import Array
from sklearn.base import clone
from torch import nn

from ironbound.certificate import Certificate
from ironbound.errors import InputError, InputTypeError, InvalidCertificate
from ironbound.latent import (
    EllipsoidClassifier,
    EncodedClassifier,
    EncoderRecord,
    EncoderStep,
    GaussianClassifier,
    LatentCertifier,
    LatentEvidence,
    LinearEncoder,
    LipschitzEstimate,
    NetworkEncoder,
    audit,
    estimate_lipschitz,
)
from ironbound.latent.encoders.base import input_digest, reciprocal_down
from ironbound.lipschitz import GroupSort, SpectralConv2d, SpectralLinear


def network(seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            SpectralConv2d(1, 4, 3),
            GroupSort(2),
            nn.AvgPool2d(2),
            nn.Flatten(),
            SpectralLinear(36, 8),
            nn.ReLU(),
            nn.Linear(8, 3),
        )


def images(count: int = 120, seed: int = 0) -> tuple[Array, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=count)
    centers = rng.normal(size=(3, 1, 6, 6))
    return centers[y] + 0.5 * rng.normal(size=(count, 1, 6, 6)), y


def encoders(X: Array) -> list[Any]:
    return [
        LinearEncoder.pca(X, 4),
        LinearEncoder.random_orthogonal(36, 5, seed=1),
        LinearEncoder(np.random.default_rng(2).normal(size=(3, 36)), name="any matrix"),
        NetworkEncoder(network(), (1, 6, 6)),
    ]


@pytest.mark.parametrize("which", range(4))
def test_no_pair_of_inputs_is_stretched_by_more_than_the_constant(which: int) -> None:
    """Random pairs, then the pair that power iteration through the encoder makes as bad as it can."""
    X, _ = images()
    encoder = encoders(X)[which]
    z, errors = encoder.encode(X)
    apart = np.linalg.norm(z[:60] - z[60:], axis=1)
    room = errors[:60] + errors[60:]
    assert np.all(
        apart <= encoder.lipschitz * np.linalg.norm((X[:60] - X[60:]).reshape(60, -1), axis=1) + room
    )
    worst = 0.0
    rng = np.random.default_rng(3)
    d = 1e-3 * rng.normal(size=X[0].shape)
    for _ in range(60):
        d *= 1e-3 / np.linalg.norm(d)
        steps = d + 3e-4 * rng.normal(size=(24, *d.shape)) / 6.0
        steps *= 1e-3 / np.linalg.norm(steps.reshape(24, -1), axis=1)[:, None, None, None]
        ratio = np.linalg.norm(encoder.encode(X[0] + steps)[0] - z[0], axis=1) / 1e-3
        d = steps[int(np.argmax(ratio))]
        worst = max(worst, float(ratio.max()))
    assert worst > (0.02 if which == 3 else 0.5) * encoder.lipschitz  # the search gets somewhere
    assert worst <= encoder.lipschitz * (1 + 1e-9)


def test_the_constants_of_projections_are_one() -> None:
    X, _ = images()
    for encoder in encoders(X)[:2]:
        assert 1.0 <= encoder.lipschitz < 1.0 + 1e-9
    assert 3.0 <= LinearEncoder([[0.0, 3.0]]).lipschitz < 3.0 + 1e-9
    spread = np.var(encoders(X)[0].encode(X)[0], axis=0)
    assert np.all(np.diff(spread) < 0.0)  # leading components first
    assert spread[0] > 2.0 * np.var(X.reshape(len(X), -1), axis=0).mean()
    found = encoders(X)[3]
    assert len(found.steps) == 7
    assert found.lipschitz >= np.prod([step.factor for step in found.steps])


def test_rounding_bounds_hold_against_fifty_digits() -> None:
    """The exact latent of a small network, layer by layer in mpmath."""
    layers = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), GroupSort(2), nn.Linear(4, 2))
    encoder = NetworkEncoder(layers, (6,))
    x = np.random.default_rng(0).normal(size=(20, 6)) * 1e3
    z, errors = encoder.encode(x)
    with mp.workdps(50):
        for row, found, error in zip(x, z, errors, strict=True):
            value = [mp.mpf(float(v)) for v in row]
            for layer in encoder.layers:
                if isinstance(layer, nn.Linear):
                    w, b = layer.weight.numpy(), layer.bias.numpy()
                    value = [
                        mp.fsum([mp.mpf(float(w[i, j])) * value[j] for j in range(w.shape[1])])
                        + mp.mpf(float(b[i]))
                        for i in range(w.shape[0])
                    ]
                elif isinstance(layer, nn.ReLU):
                    value = [max(v, mp.mpf(0)) for v in value]
                else:
                    value = [v for i in range(0, len(value), 2) for v in sorted(value[i : i + 2])]
            away = mp.sqrt(mp.fsum([(v - mp.mpf(float(f))) ** 2 for v, f in zip(value, found, strict=True)]))
            assert away <= error
            assert error < 1e-9


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(2, 3, 2, stride=2, padding=1, groups=1),
        nn.Conv2d(2, 2, 3, groups=2, bias=False),
        nn.AvgPool2d(3),
        nn.Linear(32, 3),
    ],
    ids=str,
)
def test_each_layers_rounding_is_bounded(layer: nn.Module) -> None:
    """Against the same layer in exact fractions; its matrix is read off from its answers to unit inputs."""
    front: list[nn.Module] = [nn.Flatten()] if isinstance(layer, nn.Linear) else []
    encoder = NetworkEncoder(nn.Sequential(*front, layer, nn.Flatten()), (2, 4, 4))
    x = np.random.default_rng(0).normal(size=(6, 2, 4, 4)) * 1e3
    z, errors = encoder.encode(x)
    shift = [Fraction(v) for v in encoder.encode(np.zeros((1, 2, 4, 4)))[0][0].tolist()]
    bare = nn.Sequential(*copy.deepcopy(encoder.layers))
    for name, value in bare.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(value)
    answers = bare(torch.eye(32, dtype=torch.float64).reshape(32, 2, 4, 4)).numpy().T.tolist()
    mean = isinstance(layer, nn.AvgPool2d)  # 1/9 is no float64
    matrix = [[Fraction(round(9 * w), 9) if mean else Fraction(w) for w in row] for row in answers]
    seen = 0.0
    for row, found, error in zip(x.reshape(6, -1).tolist(), z.tolist(), errors.tolist(), strict=True):
        away = Fraction(0)
        for weights, b, value in zip(matrix, shift, found, strict=True):
            exact = sum((w * Fraction(v) for w, v in zip(weights, row, strict=True)), b)
            away += (exact - Fraction(value)) ** 2
        assert away <= Fraction(error) ** 2
        assert error < 1e-9
        seen = max(seen, float(away))
    assert seen > 0.0  # rounding there is: a bound of 0 would not do


def test_a_projections_rounding_is_bounded() -> None:
    rng = np.random.default_rng(0)
    encoder = LinearEncoder(rng.normal(size=(3, 40)), rng.normal(size=40) * 1e3)
    x = encoder.center + rng.normal(size=(20, 40))
    z, errors = encoder.encode(x)
    seen = 0.0
    for row, found, error in zip(x.tolist(), z.tolist(), errors.tolist(), strict=True):
        moved = [Fraction(v) - Fraction(c) for v, c in zip(row, encoder.center.tolist(), strict=True)]
        away = Fraction(0)
        for w, value in zip(encoder.weight.tolist(), found, strict=True):
            away += (sum(Fraction(a) * m for a, m in zip(w, moved, strict=True)) - Fraction(value)) ** 2
        assert away <= Fraction(error) ** 2
        assert error < 1e-10
        seen = max(seen, float(away))
    assert seen > 0.0


class Blurred:
    """Twice the input, and a tenth of doubt about each latent."""

    name, lipschitz, digest = "blurred", 2.0, "0" * 64
    steps = (EncoderStep("0", "twice", 2.0),)

    def __init__(self, doubt: float) -> None:
        self.doubt = doubt

    def encode(self, X: Array) -> tuple[Array, Array]:
        z = 2.0 * np.asarray(X, dtype=np.float64)
        return z, np.full(len(z), self.doubt)


def test_digests_tell_inputs_apart() -> None:
    inputs = [np.zeros(4), np.zeros((2, 2)), np.zeros(5), np.ones(4)]
    assert len({input_digest(x) for x in inputs}) == 4
    assert (
        input_digest(np.ones(4, dtype=np.int64)) == input_digest(np.ones(4)) == input_digest(np.ones(8)[::2])
    )


def test_doubt_about_the_latent_is_taken_off() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 50)
    X = rng.normal(size=(100, 2)) + 8.0 * y[:, None]
    for head in (GaussianClassifier(), GaussianClassifier("shared")):
        model = EncodedClassifier(Blurred(0.1), head).fit(X, y)
        latent = np.asarray(model.classifier_.radius(2.0 * X))
        assert np.min(latent) > 0.5
        # Twice the doubt: the record grants the auditor as much again to compute the latent anew.
        assert model.radius(X) == pytest.approx((latent - 0.2) / 2.0, rel=1e-12)
        certificate = model.certify(X[:1])[0]
        certificate.verify()
        assert cast(float, certificate.frontier[0]) == pytest.approx((latent[0] - 0.2) / 2.0, rel=1e-12)
        assert cast(Any, certificate.evidence).encoder.error == 0.2
        blind = EncodedClassifier(Blurred(1e3), head).fit(X, y)
        assert np.all(blind.radius(X) == 0.0)
        (nothing,) = blind.certify(X[:1])
        nothing.verify()
        assert nothing.abstained
        assert "rounding error of the encoder" in nothing.statement


def test_reciprocals_are_rounded_down() -> None:
    for value in np.random.default_rng(0).uniform(0.1, 30.0, size=200).tolist():
        assert 0 <= 1 - Fraction(reciprocal_down(value)) * Fraction(value) < Fraction(1, 2**51)


def test_digests_tell_encoders_apart() -> None:
    layers = [nn.Linear(3, 2), nn.ReLU()]
    digests = {
        NetworkEncoder(nn.Sequential(*layers), (3,)).digest,
        NetworkEncoder(nn.Sequential(layers[0], nn.Identity()), (3,)).digest,
        NetworkEncoder(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), (3,)).digest,
        LinearEncoder(np.eye(2)).digest,
        LinearEncoder(np.eye(2), [0.0, 1.0]).digest,
        LinearEncoder(2.0 * np.eye(2)).digest,
        LinearEncoder(np.eye(2)[::-1]).digest,
    }
    assert len(digests) == 7


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("head", ["gaussian", "shared", "ellipsoid", "distance"])
def test_certificates_about_the_input(which: int, head: str) -> None:
    X, y = images()
    heads: dict[str, Any] = {
        "gaussian": GaussianClassifier(),
        "shared": GaussianClassifier("shared"),
        "ellipsoid": EllipsoidClassifier(calibration="conformal", coverage=0.8, random_state=0),
        "distance": EllipsoidClassifier(metric="distance"),
    }
    encoder = encoders(X)[which]
    model = EncodedClassifier(encoder, heads[head], channel="image", unit="pixel").fit(X, y)
    names = np.asarray(model.predict(X[:4]))
    for row, cert in enumerate(model.certify(X[:4], ["a", "b", "c", "d"])):
        cert.verify()
        assert Certificate.from_json(cert.to_json()) == cert
        radius = cert.frontier[0]
        assert radius is not None
        assert cert.prediction == int(np.flatnonzero(model.classes_ == names[row])[0])
        near = float(model.radius(X[row : row + 1])[0])
        assert near * (1 - 1e-9) <= radius <= near * (1 + 1e-9)
        assert encoder.name in cert.statement
        assert "pixel" in cert.statement
        if head == "distance":
            with pytest.raises(InputError, match="mahalanobis"):
                audit(cert, model.classifier_.scores_, encoder=encoder, x=X[row])
        else:
            audit(cert, model.classifier_.scores_, encoder=encoder, x=X[row])


def test_the_attacker_who_knows_everything_finds_no_smaller_shift() -> None:
    """A projection: the nearest input of another class is known exactly, and the radius reaches it."""
    X, y = images()
    encoder = LinearEncoder.pca(X, 4)
    model = EncodedClassifier(encoder, GaussianClassifier("shared")).fit(X, y)
    radii = model.radius(X[:20])
    line: Any = cast(Any, model.classifier_).scores_
    z = model.latents(X[:20])
    own = np.argmax(line.scores(z), axis=1)
    for row in range(20):
        best, nearest = np.inf, np.zeros_like(X[row])
        for j in range(3):
            if j != own[row]:
                w = line.weights[own[row]] - line.weights[j]
                gap = float(np.diff(line.scores(z[row : row + 1])[0][[j, own[row]]])[0])
                step = -(gap / (w @ w)) * (encoder.weight.T @ w).reshape(X[row].shape)
                length = float(np.linalg.norm(step))
                if length < best:
                    best, nearest = length, step
        clean = model.predict(X[row : row + 1])[0]
        assert model.predict(X[row : row + 1] + nearest * (1 + 1e-6))[0] != clean
        assert model.predict(X[row : row + 1] + nearest * (1 - 1e-6))[0] == clean
        assert best * (1 - 1e-9) <= radii[row] <= best


@pytest.fixture(scope="module")
def encoded() -> tuple[EncodedClassifier, Certificate, Array]:
    X, y = images()
    model = EncodedClassifier(NetworkEncoder(network(), (1, 6, 6)), GaussianClassifier()).fit(X, y)
    return model, model.certify(X[:1])[0], X


def changed(certificate: Certificate, **figures: Any) -> Certificate:
    evidence = cast(LatentEvidence, certificate.evidence)
    encoder = dataclasses.replace(cast(EncoderRecord, evidence.encoder), **figures)
    return dataclasses.replace(certificate, evidence=dataclasses.replace(evidence, encoder=encoder))


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ({"name": ""}, "name must be"),
        ({"digest": "abc"}, "digest must be"),
        ({"input": "abc"}, "input must be"),
        ({"steps": ()}, "steps must be"),
        ({"lipschitz": 1e-3}, "lipschitz must be"),
        ({"scale": 1e3}, "scale must be"),
        ({"scale": 0.0}, "scale must be"),
        ({"error": -1e-30}, "error must be"),
        ({"error": 1e3}, "mu must be below"),
        ({"steps": (EncoderStep("one", "claimed", 1e9),)}, "lipschitz must be"),
        ({"steps": (EncoderStep("one", "claimed", -1.0),)}, "factor must be"),
    ],
)
def test_impossible_encoders_are_refused(
    encoded: tuple[EncodedClassifier, Certificate, Array], figures: dict[str, Any], message: str
) -> None:
    cert = changed(encoded[1], **figures)
    bare = dataclasses.replace(cert, claims=(dataclasses.replace(cert.claims[0], margin=None),))
    with pytest.raises(InvalidCertificate, match=message):
        bare.seal().verify()


def test_a_changed_encoder_breaks_the_fingerprint(
    encoded: tuple[EncodedClassifier, Certificate, Array],
) -> None:
    for figures in ({"name": "other"}, {"digest": "0" * 64}, {"input": "0" * 64}, {"error": 1.0}):
        with pytest.raises(InvalidCertificate, match="fingerprint"):
            changed(encoded[1], **figures).verify()
    bare = dataclasses.replace(
        encoded[1], evidence=dataclasses.replace(cast(LatentEvidence, encoded[1].evidence), encoder=None)
    )
    with pytest.raises(InvalidCertificate, match=r"fingerprint|radius"):
        bare.verify()


def test_the_audit_goes_back_to_the_encoder(encoded: tuple[EncodedClassifier, Certificate, Array]) -> None:
    """A forged constant passes the checker, which sees the record only, but not the audit."""
    model, cert, X = encoded
    scores = cast(Any, model.classifier_).scores_
    encoder: Any = model.encoder
    audit(cert, scores, encoder=encoder, x=X[0])
    with pytest.raises(InputError, match="about the input of"):
        audit(cert, scores)
    with pytest.raises(InvalidCertificate, match=r"encoder\.input"):
        audit(cert, scores, encoder=encoder, x=X[1])
    with pytest.raises(InvalidCertificate, match=r"encoder\.digest"):
        audit(cert, scores, encoder=NetworkEncoder(network(1), (1, 6, 6)), x=X[0])
    forged = changed(cert, steps=(EncoderStep("one", "claimed", 0.125),), lipschitz=0.125, scale=8.0).seal()
    forged.verify()
    with pytest.raises(InvalidCertificate, match=r"encoder\.steps"):
        audit(forged, scores, encoder=encoder, x=X[0])
    exact = changed(cert, error=0.0)
    exact = dataclasses.replace(exact, claims=(dataclasses.replace(cert.claims[0], margin=None),)).seal()
    with pytest.raises(InvalidCertificate, match=r"encoder\.error"):
        audit(exact, scores, encoder=encoder, x=X[0])


def test_estimates_reach_no_certificate() -> None:
    """CLEVER lies below the constant of the ledger, has no number to divide by, and is refused by type."""
    X, y = images()
    net = network().double().eval()
    found = estimate_lipschitz(net, X[0], radius=0.5, batches=4, batch_size=8)
    bound = NetworkEncoder(network(), (1, 6, 6)).lipschitz
    assert 0.0 < found.largest <= bound
    with pytest.raises(TypeError, match="does not turn into a number"):
        float(found)
    with pytest.raises(TypeError):
        _ = 1.0 / cast(Any, found)

    class Guess:
        name, digest, steps = "guess", "0" * 64, ()
        lipschitz = found

        def encode(self, X: Array) -> tuple[Array, Array]:
            return X.reshape(len(X), -1), np.zeros(len(X))

    for wrong in (Guess(), found):
        with pytest.raises(InputTypeError, match="estimate"):
            EncodedClassifier(cast(Any, wrong), GaussianClassifier()).fit(X, y)
    with pytest.raises(InputTypeError, match="smooth it"):
        EncodedClassifier(cast(Any, net), GaussianClassifier()).fit(X, y)
    assert isinstance(found, LipschitzEstimate)


def test_the_estimate_of_a_linear_map_is_its_norm() -> None:
    layer = nn.Linear(5, 4).double()
    found = estimate_lipschitz(layer, np.zeros(5), radius=1.0, batches=3)
    norm = float(torch.linalg.matrix_norm(layer.weight.detach(), 2))
    assert 0.9 * norm < found.estimated <= norm * (1 + 1e-9)


def test_wrong_encoders_are_named() -> None:
    with pytest.raises(InputTypeError, match=r"nn\.Sequential"):
        NetworkEncoder(nn.Linear(2, 2), (2,))
    with pytest.raises(InputError, match="the rounding of Tanh"):
        NetworkEncoder(nn.Sequential(nn.Linear(2, 2), nn.Tanh()), (2,))
    with pytest.raises(InputError, match="no Lipschitz rule"):
        NetworkEncoder(nn.Sequential(nn.Linear(2, 2), nn.LSTM(2, 2)), (2,))
    with pytest.raises(InputError, match="one vector"):
        NetworkEncoder(nn.Sequential(nn.Conv2d(1, 1, 1)), (1, 2, 2))
    with pytest.raises(InputError, match="inputs of 3 numbers"):
        LinearEncoder(np.eye(3)).encode(np.zeros((1, 2)))
    with pytest.raises(InputError, match="size must be between"):
        LinearEncoder.pca(np.zeros((5, 3)), 4)
    with pytest.raises(InputError, match="finite"):
        LinearEncoder([[np.nan]])


def test_an_encoder_keeps_to_the_numbers_that_its_constant_belongs_to() -> None:
    encoder = LinearEncoder.pca(images()[0], 4)
    for values in (encoder.weight, encoder.center):
        with pytest.raises(ValueError, match="read-only"):
            values *= 10.0
    with pytest.raises(AttributeError):
        encoder.weight = 10.0 * encoder.weight  # type: ignore[misc]
    deep = NetworkEncoder(network(), (1, 6, 6))
    before = deep.encode(images()[0])[0]
    cast(Any, deep.layers[-1]).weight.mul_(10.0)
    assert np.array_equal(deep.encode(images()[0])[0], before)
    source = np.eye(2)
    kept = LinearEncoder(source)
    source *= 10.0
    assert np.array_equal(kept.encode(np.ones((1, 2)))[0], [[1.0, 1.0]])


def test_rounding_is_seen_where_squares_underflow() -> None:
    encoder, small = LinearEncoder(np.random.default_rng(0).normal(size=(3, 8))), 2.0**-600
    x = np.random.default_rng(1).normal(size=(5, 8))
    assert np.all(encoder.encode(x * small)[1] >= encoder.encode(x)[1] * small)


def test_errors_of_one_layer_are_enlarged_by_the_next() -> None:
    """A difference of large numbers, then a thousandfold: the second layer's own rounding is small."""
    first, second = nn.Linear(2, 1, bias=False), nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0, -1.0]]))
        second.weight.copy_(torch.tensor([[1000.0]]))
    x = np.array([[1e9, 1e9 + 1.0]])
    alone = NetworkEncoder(nn.Sequential(first), (2,)).encode(x)[1]
    both = NetworkEncoder(nn.Sequential(first, second), (2,)).encode(x)[1]
    assert both >= 1000.0 * alone


@pytest.mark.parametrize("layer", [nn.Linear(2, 1), nn.Conv2d(1, 1, (1, 2))], ids=str)
def test_a_large_bias_rounds_the_sum(layer: nn.Linear | nn.Conv2d) -> None:
    nn.init.ones_(layer.weight)
    nn.init.constant_(cast(Any, layer.bias), 1e9)
    shape = (2,) if isinstance(layer, nn.Linear) else (1, 1, 2)
    x = np.array([0.1, 0.7])
    z, errors = NetworkEncoder(nn.Sequential(layer, nn.Flatten()), shape).encode(x.reshape(1, *shape))
    exact = sum((Fraction(v) for v in x.tolist()), Fraction(10**9))
    assert 0 < abs(exact - Fraction(float(z[0, 0]))) <= Fraction(float(errors[0]))


def test_a_projections_rounding_is_that_of_the_worst_order_of_sums() -> None:
    """n u |W| |x - c|, which rounding of one sign reaches, however much less random numbers need."""
    encoder = LinearEncoder(np.random.default_rng(0).normal(size=(3, 400)))
    x = np.random.default_rng(1).normal(size=(5, 400))
    worst = 400 * 2.0**-53 * np.linalg.norm(encoder.weight) * np.linalg.norm(x, axis=1)
    assert np.all(encoder.encode(x)[1] >= worst)


def test_random_projections_prefer_no_direction() -> None:
    """Without a random sign the first entry of every projection would be negative, as LAPACK has it."""
    signs = [LinearEncoder.random_orthogonal(4, 1, seed=seed).weight[0, 0] > 0.0 for seed in range(60)]
    assert 15 < sum(signs) < 45


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_inputs_that_are_no_numbers_are_refused(bad: float) -> None:
    X, y = images()
    model = EncodedClassifier(LinearEncoder.pca(X, 4), GaussianClassifier("shared")).fit(X, y)
    wrong = np.full((1, 1, 6, 6), bad)
    for answer in (model.predict, model.radius, model.certify):
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            answer(wrong)


def test_latents_of_another_width_are_refused() -> None:
    """One number would be stretched over all the axes of the classifier, and no checker could tell."""
    X, y = images()
    model = EncodedClassifier(LinearEncoder.pca(X, 4), GaussianClassifier("shared")).fit(X, y)
    model.set_params(encoder=LinearEncoder.pca(X, 1))
    with pytest.raises(ValueError, match="features"):
        model.certify(X[:1])


def test_encoded_classifiers_are_estimators() -> None:
    X, y = images()
    model = EncodedClassifier(LinearEncoder.pca(X, 4), GaussianClassifier("shared"))
    again = cast(Any, clone(model)).fit(X, y)
    model.fit(X, y)
    assert np.array_equal(again.radius(X), model.radius(X))
    assert np.array_equal(pickle.loads(pickle.dumps(model)).radius(X), model.radius(X))
    assert model.score(X, y) > 0.8
    assert model.get_params()["classifier__covariance"] == "shared"


def test_certifiers_are_told_apart_by_encoder_and_classifier() -> None:
    X, y = images()
    half = LinearEncoder(0.5 * LinearEncoder.pca(X, 4).weight)
    models = [
        EncodedClassifier(encoder, GaussianClassifier(kind)).fit(X, y)
        for encoder in (LinearEncoder.pca(X, 4), half)
        for kind in ("shared", "full")
    ]
    certifiers = [LatentCertifier(model) for model in models]
    assert len({certifier.digest for certifier in certifiers}) == 4
    assert certifiers[0].digest == LatentCertifier(models[0]).digest
    found = certifiers[2].settings
    assert (found["lipschitz"], found["classifier"]) == (half.lipschitz, "GaussianClassifier")
    assert 0.5 <= half.lipschitz < 0.51


def test_ellipsoids_with_one_rho_are_exact() -> None:
    """common_rho turns unequal conformal radii into one: coverage grows, and the rule becomes quadratic."""
    X, y = images(300)
    z = LinearEncoder.pca(X, 3).encode(X)[0]
    kind: dict[str, Any] = {"calibration": "conformal", "coverage": 0.9, "random_state": 0}
    apart, same = (EllipsoidClassifier(**kind, common_rho=c).fit(z, y) for c in (False, True))
    assert not apart.exact_
    assert same.exact_
    assert np.all(same.rho_ == apart.rho_.max())
    assert np.all(same.holds(z).mean(axis=0) >= apart.holds(z).mean(axis=0))
    closed = same.ellipsoids_.radii(z).radius
    assert np.all(same.radius(z) >= closed)
    assert np.median(same.radius(z) / np.maximum(closed, 1e-300)) > 1.01
    for model in (apart, same):
        for row, cert in enumerate(model.certify(z[:5])):
            cert.verify()
            audit(cert, model.scores_)
            assert cert.frontier[0] == pytest.approx(model.radius(z[row : row + 1])[0], rel=1e-9)
