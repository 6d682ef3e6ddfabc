"""Certificates of a filter behind an endpoint equal those of the same filter without a wire."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from rude_server import MISDEEDS, Misdeed, Server, rule, says, serving

from ironbound import L2, Gaussian, SmoothedClassifier, Smoothing, Threat, TokenL0, UniformReplacement
from ironbound.models.http import HttpClassifier

MANY: dict[str, Any] = {"template": {"many": {"$each": {"$channel": "tokens"}}}, "answer": "out[*].label"}


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def classifier(server: Server, **settings: Any) -> HttpClassifier:
    usual: dict[str, Any] = {
        "template": {"tokens": {"$channel": "tokens"}},
        "answer": "result.label",
        "labels": ["ham", "spam"],
        "timeout": 5.0,
        "backoff": 0.002,
        "longest_pause": 0.01,
    }
    return HttpClassifier(server.url, **{**usual, **settings})


def local(batch: dict[str, Any]) -> list[int]:
    """The same filter without a wire."""
    return [int(rule(tokens) == "spam") for tokens in batch["tokens"].tolist()]


SMOOTHING = Smoothing(tokens=UniformReplacement(beta=0.3, alphabet=20))
TEXT = np.array([3, 0, 9, 8, 1, 2])
SETTINGS: dict[str, Any] = {"threat": Threat(tokens=TokenL0(max_d=2)), "alpha": 0.05, "n": 160, "n0": 20}


def flaky(body: bytes, again: int) -> Misdeed | None:
    """A fifth of the draws fail once or twice, in ways that follow from the draw alone."""
    fate = hashlib.sha256(body).digest()
    usual = ("500", "429", "close", "truncated to JSON", "another form", "garbage")
    return MISDEEDS[usual[fate[1] % 6]] if fate[0] < 51 and again <= 1 + fate[2] % 2 else None


@pytest.mark.parametrize(
    ("settings", "batch_size"),
    [
        ({"concurrency": 1}, None),
        ({"concurrency": 8}, None),
        ({"concurrency": 8}, 7),
        ({**MANY, "draws_per_call": 16, "concurrency": 2}, None),
        ({**MANY, "draws_per_call": 5, "concurrency": 8}, 33),
    ],
)
def test_certificates_depend_on_neither_concurrency_nor_batches_nor_flakiness(
    server: Server, settings: dict[str, Any], batch_size: int | None
) -> None:
    expected = SmoothedClassifier(local, SMOOTHING, 2).certify({"tokens": TEXT}, **SETTINGS)
    server.plan = flaky
    with classifier(server, **settings) as base:
        model = SmoothedClassifier(base, SMOOTHING, 2, batch_size=batch_size, unrepeatable="ignore")
        found = model.certify({"tokens": TEXT}, **SETTINGS)
    assert found.to_json() == expected.to_json()
    assert base.failures.draws == 0
    assert base.failures.repeats > 0 or "draws_per_call" in settings
    assert base.failures.asked == found.samples == 180


@pytest.mark.parametrize(
    "settings", [{"concurrency": 1}, {"concurrency": 8}, {**MANY, "draws_per_call": 16, "concurrency": 4}]
)
def test_draws_that_fail_for_good_are_votes_against(server: Server, settings: dict[str, Any]) -> None:
    def unknown_word(tokens: list[int]) -> bool:
        return tokens[0] in (7, 11, 13)

    def choosy(batch: dict[str, Any]) -> list[int]:
        rows = zip(batch["tokens"].tolist(), local(batch), strict=True)
        return [-1 if unknown_word(tokens) else label for tokens, label in rows]

    def plan(body: bytes, again: int) -> Misdeed | None:
        document = json.loads(body)
        draws = document["many"] if "many" in document else [document["tokens"]]
        return says(422, {"error": "unknown word"}) if any(unknown_word(tokens) for tokens in draws) else None

    expected = SmoothedClassifier(choosy, SMOOTHING, 2).certify({"tokens": TEXT}, **SETTINGS)
    server.plan = plan
    with classifier(server, **settings) as base:
        found = SmoothedClassifier(base, SMOOTHING, 2, unrepeatable="ignore").certify(
            {"tokens": TEXT}, **SETTINGS
        )
    assert found.to_json() == expected.to_json()
    assert base.failures.draws > 0
    assert base.failures.asked == 180  # every draw was counted


def test_scores_of_images_sent_as_numbers(server: Server) -> None:
    def plan(body: bytes, again: int) -> Misdeed:
        mean = float(np.mean(json.loads(body)["image"]))
        return says(200, {"scores": [0.5 - mean, mean]})

    server.plan = plan
    with classifier(server, template={"image": {"$channel": "image"}}, answer="scores", labels=None) as base:
        model = SmoothedClassifier(base, Smoothing(image=Gaussian(sigma=0.5)), 2)
        image = np.full((2, 2), 0.9, dtype=np.float32)
        settings: dict[str, Any] = {"threat": Threat(image=L2()), "alpha": 0.05, "n": 100, "n0": 10}
        found = model.certify({"image": image}, **settings)
    direct = SmoothedClassifier(
        lambda batch: [
            float(np.mean(image.tolist())) > 0.5 - float(np.mean(image.tolist())) for image in batch["image"]
        ],
        Smoothing(image=Gaussian(sigma=0.5)),
        2,
    )
    assert found.to_json() == direct.certify({"image": image}, **settings).to_json()
    assert found.prediction == 1
    radius = found.frontier[0]
    assert radius is not None
    assert radius > 0.2
