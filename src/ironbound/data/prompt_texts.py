"""Texts and tokenizer of the task prompt-filter: harmful requests, benign texts, and the use of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ironbound.data import texts
from ironbound.errors import InputError
from ironbound.models.tokens import HuggingFaceTokenizer

LENGTH = 64  # longer texts are cut
PAD = 0  # no ordinary token, but it fills up texts and stands in the slot behind them


@dataclass(frozen=True)
class Parts:
    """Texts by use, and no text has two: harmful and benign ones train, benign ones set the margin, benign
    ones calibrate, harmful ones are certified."""

    harmful: tuple[str, ...]
    benign: tuple[str, ...]
    choosing: tuple[str, ...]
    calibrating: tuple[str, ...]
    certified: tuple[str, ...]


def parts(cache: Path | str | None = None) -> Parts:
    """The texts, split by a seeded draw: 300 + 8,000 train, 2,200 + 2,227 calibrate, 220 are certified.

    Raises:
        InputError: the data are not here.
    """
    generator = np.random.default_rng(0)
    requests = [texts.advbench(cache=cache)[i] for i in generator.permutation(520)]
    messages = texts.sms_spam(cache=cache)
    ordinary = [text for text, label in zip(messages.texts, messages.labels, strict=True) if label == 0]
    benign = [*ordinary, *texts.ag_news(cache=cache).texts]
    benign = [benign[i] for i in generator.permutation(len(benign))]
    return Parts(
        harmful=tuple(requests[:300]),
        benign=tuple(benign[:8000]),
        choosing=tuple(benign[8000:10200]),
        calibrating=tuple(benign[10200:]),
        certified=tuple(requests[300:]),
    )


def tokenizer(training: Sequence[str], size: int) -> HuggingFaceTokenizer:
    """A byte-level BPE tokenizer with "<pad>" as id 0, trained on the texts.

    Raises:
        InputError: the `tokenizers` library is not installed.
    """
    try:
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    except ImportError:
        raise InputError("the task prompt-filter needs tokenizers: pip install 'ironbound[hf]'") from None
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    made.decoder = decoders.ByteLevel()
    bytes_ = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=["<pad>"], initial_alphabet=bytes_, show_progress=False
    )
    made.train_from_iterator(training, trainer)
    return HuggingFaceTokenizer(made, f"prompt-filter BPE {size}")


def encoded(words: HuggingFaceTokenizer, many: Sequence[str]) -> NDArray[np.int64]:
    """Token ids (N, 64), cut or filled up with pads."""
    rows = [words.encode(text)[:LENGTH] for text in many]
    return np.array([row + [PAD] * (LENGTH - len(row)) for row in rows], dtype=np.int64)
