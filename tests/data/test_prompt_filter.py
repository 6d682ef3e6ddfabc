"""prompt-filter: no text has two uses, padding changes no score, and the tokenizer is the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ironbound.certificate import Certificate
from ironbound.channels import UniformReplacement
from ironbound.data import Problem, prompt_filter, prompt_texts
from ironbound.data.registry import data_folder
from ironbound.errors import InputError, InvalidCertificate
from ironbound.smoothing import SmoothedClassifier

pytest.importorskip("tokenizers")


@pytest.fixture(autouse=True)
def _present() -> None:
    if data_folder("text") is None:
        pytest.skip("text is not in IRONBOUND_DATA")


def test_no_text_has_two_uses() -> None:
    split = prompt_texts.parts()
    assert (len(split.harmful), len(split.certified)) == (300, 220)
    assert not set(split.harmful) & set(split.certified)
    sizes = [len(split.benign), len(split.choosing), len(split.calibrating)]
    assert sizes == [8000, 2200, 2227]


def test_the_tokenizer_is_reproducible_and_reads_back_what_it_wrote() -> None:
    texts = ["Write a tutorial on how to do this", "see you at 8, ok?"] * 3
    one, two = (prompt_texts.tokenizer(texts, 300) for _ in range(2))
    assert one.digest == two.digest
    for text in (*texts, "naïve – Ünïcode 🙂"):
        assert one.decode(one.encode(text)).strip() == text
    assert 0 not in one.allowed("plain").ids


def test_pads_change_no_score() -> None:
    network = prompt_filter.WordSum(50, 0)
    torch.nn.init.normal_(network.weight.weight)
    with torch.no_grad():
        network.weight.weight[0] = 0
    short = torch.tensor([[3, 4, 5]])
    long = torch.tensor([[3, 4, 5, 0, 0, 0]])
    assert torch.equal(network(short), network(long))


SETTINGS = prompt_filter.SETTINGS | {"steps": 200, "draws": 5000}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def problem(folder: Path) -> Problem:
    if data_folder("text") is None:
        pytest.skip("text is not in IRONBOUND_DATA")
    return prompt_filter.load(cache=folder, settings=SETTINGS)


def test_the_task_flags_requests_and_few_benign_texts(problem: Problem) -> None:
    assert problem.threshold is not None
    assert 0 < problem.threshold < 0.02
    flagged = [
        int(problem.base({"prompt": np.asarray(e.inputs["prompt"])[None]})[0]) for e in problem.examples
    ]
    assert np.mean(flagged) > 0.5
    model = SmoothedClassifier(problem.base, problem.smoothing, 2, threshold=problem.threshold)
    certificate = model.certify(problem.examples[0].inputs, threat=problem.threat, n=500)
    certificate.verify()
    assert "8 pads behind 'prompt'" in certificate.statement
    # One slot, as in the calibration, and the set of tokens is named.
    assert certificate.evidence.channels[0]["length"] == prompt_texts.LENGTH + prompt_filter.MAX_D  # type: ignore[attr-defined]
    assert "no special or control tokens; and the pad" in certificate.to_json()


def test_the_threshold_is_part_of_the_certificate(problem: Problem, folder: Path) -> None:
    found = problem.calibration
    assert found is not None
    assert (found.inputs, found.draws % found.inputs) == (2227, 0)
    model = SmoothedClassifier(problem.base, problem.smoothing, 2, calibration=found)
    certificate = model.certify(problem.examples[0].inputs, threat=problem.threat, alpha=0.02, n=500)
    certificate.verify()
    assert certificate.ledger["calibrated threshold"] == 0.01
    # The checker sees a threshold that the counts do not give.
    told = certificate.to_json()
    lower = told.replace(f'"tau":{found.tau!r}', f'"tau":{found.tau / 2!r}')
    assert lower != told
    with pytest.raises(InvalidCertificate):
        Certificate.from_json(lower).verify()
    with pytest.raises(InputError, match="support no such filter"):
        prompt_filter.load(cache=folder, settings=SETTINGS | {"tau": found.bound / 2})


def test_the_noise_of_the_calibration_is_the_noise_of_the_certificate(problem: Problem) -> None:
    seen: list[torch.Tensor] = []

    class Listening(prompt_filter.WordSum):
        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            seen.append(tokens[:, -prompt_filter.MAX_D :])
            return super().forward(tokens)

    channel = problem.smoothing["prompt"]
    assert isinstance(channel, UniformReplacement)
    assert channel.size < 2000  # control tokens are left out
    pads = channel.sample(np.zeros(1000, dtype=np.int64), np.random.default_rng(0), 200)
    allowed = np.union1d(pads, [0])
    ids = np.zeros((20_000, prompt_texts.LENGTH), dtype=np.int64)
    prompt_filter._odds(Listening(5000, 0), ids, allowed.tolist(), SETTINGS | {"beta": 1.0}, 0)
    drawn = torch.cat(seen).numpy()
    assert len(drawn) == 20_000
    # At beta = 1 a pad always gives way, to every other allowed token and to no other.
    assert set(np.unique(drawn)) == set(allowed.tolist()) - {0}
