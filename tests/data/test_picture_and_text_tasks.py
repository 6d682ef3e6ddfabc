"""mnist-claims and fashion-products: balanced, reproducible, and better than guessing when trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import binom

from ironbound.data import fashion_products, mnist_benign, mnist_claims, mnist_filter
from ironbound.data.registry import data_folder
from ironbound.errors import InputError
from ironbound.experiments.measure import clean
from ironbound.smoothing import SmoothedClassifier

QUICK = {"steps": 60}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def test_mnist_claims_need_both_picture_and_text(folder: Path) -> None:
    if data_folder("mnist") is None:
        pytest.skip("mnist is not in IRONBOUND_DATA")
    problem = mnist_claims.load(cache=folder, settings=mnist_claims.SETTINGS | QUICK)
    labels = np.array([example.label for example in problem.examples])
    assert labels.tolist() == [1, 0] * 900
    shown = np.array([int(example.text[9]) for example in problem.examples])
    for digit in range(10):
        assert labels[shown == digit].mean() == 0.5
    assert clean(problem, 200) > 70.0
    again = mnist_claims.load(cache=folder, settings=mnist_claims.SETTINGS | QUICK)
    assert (again.model_digest, again.data_digest) == (problem.model_digest, problem.data_digest)


def test_fashion_products_has_the_two_usages_of_the_test_part(folder: Path) -> None:
    if data_folder("multimodal") is None:
        pytest.skip("multimodal is not in IRONBOUND_DATA")
    problem = fashion_products.load(cache=folder, settings=fashion_products.SETTINGS | QUICK)
    labels = np.array([example.label for example in problem.examples])
    assert np.bincount(labels).tolist() == [224, 92]
    title = problem.examples[0].inputs["title"]
    assert title.shape == (fashion_products.LENGTH,)
    # The noise may draw every word that the model knows, and no other.
    channel = problem.smoothing["title"]
    drawn = channel.sample(np.full(4000, 5), np.random.default_rng(0), 1)
    assert drawn.min() == 0
    with pytest.raises(InputError):
        channel.check(np.array([drawn.max() + 1]), "title")


@pytest.mark.parametrize("attack", ["append", "anywhere"])
def test_mnist_filter_is_calibrated_on_images_that_nothing_else_saw(attack: str, folder: Path) -> None:
    if data_folder("mnist") is None:
        pytest.skip("mnist is not in IRONBOUND_DATA")
    quick = {"steps": 60, "choosing": 3000, "draws": 3000, "allowed": 3, "attack": attack}
    settings = mnist_filter.SETTINGS | quick
    network = mnist_filter.model(cache=folder, settings=settings)
    found = mnist_benign.calibrated(network, cache=folder, settings=settings)
    # tau is an upper confidence bound: above the share that was seen, and reached by the exact tail.
    assert found.flagged / found.draws < found.tau
    assert abs(binom.cdf(found.flagged, found.draws, found.tau) - settings["alpha"]) < 1e-9
    problem = mnist_filter.load(cache=folder, settings=settings)
    assert problem.threshold == found.tau
    proved = problem.calibration
    assert proved is not None
    assert (proved.tau, proved.flagged, proved.draws) == (found.tau, found.flagged, found.draws)
    if attack == "append":
        inputs = problem.examples[0].inputs
        model = SmoothedClassifier(problem.base, problem.smoothing, 2, calibration=proved)
        certificate = model.certify(inputs, threat=problem.threat, alpha=0.02, n=200, n0=20)
        certificate.verify()
        assert certificate.ledger["calibrated threshold"] == 0.01
        model = SmoothedClassifier(problem.base, problem.smoothing, 2, threshold=0.5)
        certificate = model.certify(inputs, threat=problem.threat, n=200, n0=20)
        assert "behind" in certificate.statement or "slot" in certificate.statement


@pytest.mark.parametrize(
    ("attack", "noised"), [("append", "both"), ("append", "image"), ("anywhere", "both")]
)
def test_the_filter_reads_certified_texts_as_it_read_the_benign_ones(
    attack: str, noised: str, folder: Path
) -> None:
    """As long a text, with noise in the same places: else tau would be about another classifier."""
    if data_folder("mnist") is None:
        pytest.skip("mnist is not in IRONBOUND_DATA")
    shown: list[np.ndarray] = []

    class Listening(mnist_claims.MnistAgreementNet):
        def forward(self, image: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
            shown.append(tokens.numpy())
            return super().forward(image, tokens)

    quick = {"steps": 60, "choosing": 1000, "draws": 1000, "allowed": 3, "attack": attack, "beta": 1.0}
    settings = mnist_filter.SETTINGS | quick | {"noised": noised}
    mnist_benign.calibrated(Listening(), cache=folder, settings=settings, margin=0.0)
    problem = mnist_filter.load(cache=folder, settings=settings)
    example = problem.examples[0].inputs
    smoothing = problem.smoothing.placed(problem.threat)
    certified = example["tokens"][None]
    if noised != "image":
        certified = smoothing["tokens"].sample(example["tokens"], np.random.default_rng(0), 1000)
    (benign,) = shown
    assert benign.shape[1] == certified.shape[1] == (24 if attack == "append" else 16)
    # At beta = 1 a pad always gives way where there is noise, and stays where there is none.
    for rows in (benign, certified):
        pads = (rows[:, 16:] == mnist_benign.PAD).mean(axis=0)
        assert pads.tolist() == [float(noised == "image")] * len(pads)


def test_a_threshold_that_the_benign_draws_do_not_support_is_refused(folder: Path) -> None:
    if data_folder("mnist") is None:
        pytest.skip("mnist is not in IRONBOUND_DATA")
    quick = {"steps": 60, "choosing": 3000, "draws": 3000, "allowed": 3, "tau": 1e-4}
    with pytest.raises(InputError, match="support no such filter"):
        mnist_filter.load(cache=folder, settings=mnist_filter.SETTINGS | quick)


def test_titles_are_cut_and_filled() -> None:
    words = fashion_products.vocabulary(["Blue shoe", "blue Cap!"])
    assert words == ("<fill>", "<unknown>", "blue")
    long = fashion_products.encode([" ".join(["blue"] * 20), "shoe"], words)
    assert long[0].tolist() == [2] * 12
    assert long[1].tolist() == [1] + [0] * 11
