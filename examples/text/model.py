"""Naive Bayes over word counts, in NumPy: any function from a dict of arrays to scores will do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ironbound.runs.text import WordTokenizer

HERE = Path(__file__).parent


def load() -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    """Count the words of train.jsonl; scores (B, 2) are log-probabilities up to a constant."""
    tokenizer = WordTokenizer.from_file(HERE / "vocabulary.txt")
    counts = np.ones((2, tokenizer.vocabulary_size))
    for line in (HERE / "train.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        np.add.at(counts[int(record["verdict"] == "liked")], tokenizer.encode(record["text"]), 1)
    weights = np.log(counts / counts.sum(axis=1, keepdims=True))
    weights[:, 0] = 0.0  # an unknown word says nothing

    def classify(batch: dict[str, np.ndarray]) -> np.ndarray:
        return weights[:, batch["tokens"]].sum(axis=2).T

    return classify
