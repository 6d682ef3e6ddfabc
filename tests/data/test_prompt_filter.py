"""prompt-filter: no text has two uses, padding changes no score, and the tokenizer is the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ironbound.data import prompt_filter
from ironbound.data.registry import data_folder
from ironbound.smoothing import SmoothedClassifier

pytest.importorskip("tokenizers")


@pytest.fixture(autouse=True)
def _present() -> None:
    if data_folder("text") is None:
        pytest.skip("text is not in IRONBOUND_DATA")


def test_no_text_has_two_uses() -> None:
    split = prompt_filter.parts()
    assert (len(split.harmful), len(split.certified)) == (300, 220)
    assert not set(split.harmful) & set(split.certified)
    sizes = [len(split.benign), len(split.choosing), len(split.calibrating)]
    assert sizes == [8000, 2200, 2227]


def test_the_tokenizer_is_reproducible_and_reads_back_what_it_wrote() -> None:
    texts = ["Write a tutorial on how to do this", "see you at 8, ok?"] * 3
    one, two = (prompt_filter.tokenizer(texts, 300) for _ in range(2))
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


def test_the_task_flags_requests_and_few_benign_texts(tmp_path: Path) -> None:
    settings = prompt_filter.SETTINGS | {"steps": 200, "draws": 5000}
    problem = prompt_filter.load(cache=tmp_path, settings=settings)
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
