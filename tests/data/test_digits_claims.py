"""digits-claims: balanced so that one channel alone says nothing; trained the same way each time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ironbound.channels import Gaussian, Smoothing, UniformReplacement
from ironbound.data import Problem, claims, digit_images, digits_claims
from ironbound.smoothing import SmoothedClassifier
from ironbound.threats import L2, Threat


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def problem(cache: Path) -> Problem:
    return digits_claims.load(cache=cache)


def shown_and_claimed(problem: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    data = digit_images.load()
    digit_of = {image.tobytes(): digit for image, digit in zip(data.test, data.test_digits, strict=True)}
    shown = np.array([digit_of[e.inputs["image"].tobytes()] for e in problem.examples])
    claimed = np.array([claims.meaning(e.inputs["tokens"][1]) for e in problem.examples])
    return shown, claimed, np.array([e.label for e in problem.examples])


def test_a_pair_is_true_exactly_when_the_claim_names_the_digit(problem: Problem) -> None:
    shown, claimed, label = shown_and_claimed(problem)
    assert np.array_equal(label == 1, shown == claimed)
    assert "claim: " in problem.examples[0].text


def test_no_training_image_is_certified() -> None:
    data = digit_images.load()
    assert not {i.tobytes() for i in data.train} & {i.tobytes() for i in data.test}
    assert len(data.train) + len(data.test) == 1797


def test_each_channel_alone_is_exactly_uninformative(problem: Problem) -> None:
    shown, claimed, label = shown_and_claimed(problem)
    images = [e.inputs["image"].tobytes() for e in problem.examples]
    for image in set(images):
        assert sorted(label[[i for i, other in enumerate(images) if other == image]]) == [0, 1]
    for digit in range(10):
        assert np.count_nonzero(label[claimed == digit]) == np.count_nonzero(claimed == digit) / 2 == 27
        for other in range(10):
            false = (label == 0) & (shown == digit) & (claimed == other)
            assert np.count_nonzero(false) == (0 if digit == other else 3)
    assert label[:200].mean() == 0.5  # also in the first rows, which a short run would take


def test_a_classifier_of_the_words_alone_is_right_half_of_the_time(problem: Problem) -> None:
    from sklearn.linear_model import LogisticRegression

    def counts(tokens: np.ndarray) -> np.ndarray:
        return np.stack([np.bincount(row, minlength=240) for row in tokens]).astype(float)

    digits = np.repeat(np.arange(10), 90)
    _, label, tokens = digits_claims.pairs(digits, seed=7)
    learner = LogisticRegression(max_iter=1000).fit(counts(tokens), label)
    held_out = np.stack([e.inputs["tokens"] for e in problem.examples])
    truth = np.array([e.label for e in problem.examples])
    right = np.mean(learner.predict(counts(held_out)) == truth)
    assert abs(right - 0.5) < 0.11  # five standard deviations of 540 fair guesses


def test_the_task_is_the_same_each_time(problem: Problem, cache: Path) -> None:
    again = digits_claims.load(cache=cache)
    assert again.data_digest == problem.data_digest
    assert again.model_digest == problem.model_digest
    for one, other in zip(problem.examples, again.examples, strict=True):
        assert one.id == other.id
        assert all(np.array_equal(one.inputs[name], other.inputs[name]) for name in one.inputs)


def test_training_is_the_same_each_time_and_changes_with_its_settings(tmp_path: Path) -> None:
    short = {**digits_claims.SETTINGS, "steps": 5}
    state = torch.get_rng_state()
    threads = torch.get_num_threads()
    one, same, other = (
        digits_claims.model(cache=tmp_path / name, settings={**short, "seed": seed}).state_dict()
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_stored_weights_give_identical_outputs(tmp_path: Path) -> None:
    short = {**digits_claims.SETTINGS, "steps": 5}
    told: list[tuple[str, float]] = []

    def progress(stage: str, fraction: float) -> None:
        told.append((stage, fraction))

    fresh = digits_claims.model(cache=tmp_path, settings=short, progress=progress)
    assert told[-1] == ("training digits-claims", 1.0)
    told.clear()
    loaded = digits_claims.model(cache=tmp_path, settings=short, progress=progress)
    assert told == []  # nothing was trained again
    assert not loaded.training
    image, tokens = torch.rand(64, 8, 8), torch.randint(0, 240, (64, 16))
    with torch.no_grad():
        assert torch.equal(fresh(image, tokens), loaded(image, tokens))


def test_training_noise_is_the_certified_noise() -> None:
    """The same symbols with the same frequencies as the channel draws; false-alarm rate below 1e-6."""
    count, clean = 60_000, 17
    channel = UniformReplacement(beta=0.8, alphabet=240)
    certified = channel.sample(np.full(16, clean), np.random.default_rng(0), count // 16)
    generator = torch.Generator().manual_seed(0)
    trained = digits_claims.noised(torch.full((count // 16, 16), clean), 0.8, generator).numpy()
    for drawn in (certified, trained):
        kept = np.mean(drawn == clean)
        assert abs(kept - 0.2) < 5 * np.sqrt(0.16 / count)
        others = np.bincount(drawn.reshape(-1), minlength=240)[np.arange(240) != clean]
        expected = 0.8 * count / 239
        statistic = np.sum((others - expected) ** 2) / expected
        assert abs(statistic - 238 * (1 - 0.8 / 239)) < 5 * np.sqrt(2 * 239)


def test_the_scores_follow_bayes_rule() -> None:
    shown = torch.tensor([[0.7, 0.3] + [0.0] * 8]).clamp_min(1e-9).log()
    said = torch.tensor([[0.6, 0.1] + [0.3 / 8] * 8]).log()
    false, true = digits_claims.AgreementNet.agreement(shown, said)[0].exp().tolist()
    same = 0.7 * 0.6 + 0.3 * 0.1
    assert true == pytest.approx(9 * same, rel=1e-5)
    assert false == pytest.approx(1 - same, rel=1e-5)


def test_the_classifier_leaves_the_number_of_threads_alone(problem: Problem) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    problem.base({"image": torch.zeros(1, 8, 8), "tokens": torch.zeros(1, 16, dtype=torch.int64)})
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)


def certified(problem: Problem, base: Any, smoothing: Smoothing, threat: Threat, rows: int) -> list[Any]:
    model = SmoothedClassifier(base, smoothing, 2)
    inputs = [(e.id, {name: e.inputs[name] for name in smoothing}) for e in problem.examples[:rows]]
    return list(model.certify_many(inputs, threat=threat, alpha=0.01, n=500, n0=50))


def test_an_image_only_certificate_is_no_better_than_a_coin(problem: Problem) -> None:
    """Without the text, a pair and its twin with the opposite label get the same answer, proved or not."""
    network = problem.base
    blind = claims.write(range(10), np.random.default_rng(0))

    def base(batch: dict[str, np.ndarray]) -> np.ndarray:
        image = np.repeat(batch["image"], 10, axis=0)
        tokens = np.tile(blind, (len(batch["image"]), 1))
        scores = network({"image": image, "tokens": tokens}).softmax(dim=1)
        return scores.reshape(-1, 10, 2).mean(dim=1).numpy()

    twins = sorted(problem.examples, key=lambda e: e.inputs["image"].tobytes())[:20]
    model = SmoothedClassifier(base, Smoothing(image=Gaussian(digits_claims.SIGMA)), 2)
    answers = [
        model.certify({"image": e.inputs["image"]}, threat=Threat(image=L2()), n=200, n0=20, input_id="same")
        for e in twins
    ]
    right = [a.prediction == e.label for a, e in zip(answers, twins, strict=True) if not a.abstained]
    assert len(right) >= 10
    assert sum(right) * 2 == len(right)


def test_a_text_only_certificate_is_no_better_than_a_coin(problem: Problem) -> None:
    """Whatever is proved from the words alone holds for true and false claims of a digit alike."""
    network = problem.base
    data = digit_images.load()
    faces = np.stack([data.test[data.test_digits == digit][0] for digit in range(10)])

    def base(batch: dict[str, np.ndarray]) -> np.ndarray:
        tokens = np.repeat(batch["tokens"], 10, axis=0)
        image = np.tile(faces, (len(batch["tokens"]), 1, 1))
        scores = network({"image": image, "tokens": tokens}).softmax(dim=1)
        return scores.reshape(-1, 10, 2).mean(dim=1).numpy()

    smoothing = Smoothing(tokens=problem.smoothing["tokens"])
    threat = Threat(tokens=problem.threat["tokens"])
    found = certified(problem, base, smoothing, threat, 60)
    right = [
        c.prediction == e.label for c, e in zip(found, problem.examples, strict=False) if not c.abstained
    ]
    # A claim is true with probability 1/2 whatever it says: 5 standard deviations.
    assert abs(sum(right) - len(right) / 2) <= 2.5 * np.sqrt(len(found))


def test_most_correct_pairs_are_certified_at_one_changed_word(problem: Problem) -> None:
    model = SmoothedClassifier(problem.base, problem.smoothing, 2)
    rows = problem.examples[:60]
    found = model.certify_many(
        [(e.id, e.inputs) for e in rows], threat=problem.threat, alpha=0.01, n=2_000, n0=100
    )
    correct = [c for c, e in zip(found, rows, strict=True) if c.prediction == e.label]
    radii = [c.frontier[1] for c in correct]
    assert len(correct) >= 54
    assert sum(r is not None and r > 0 for r in radii) > 0.8 * len(correct)
    assert all(c.frontier[0] is not None for c in correct)
