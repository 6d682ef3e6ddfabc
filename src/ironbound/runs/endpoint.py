"""From `[model] kind = "http"` to a base classifier that asks a deployed filter."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ironbound.errors import ConfigError, InputError
from ironbound.models.http import HttpClassifier, Png
from ironbound.models.http.literals import expanded
from ironbound.runs.config import HttpModel, PngEncoder
from ironbound.runs.loading import digest
from ironbound.runs.text import Tokenizer

# What an answer depends on. How patiently it is waited for is not part of it, nor of a run's identity.
_MEANING = ("url", "method", "template", "answer", "labels", "cut", "class_names", "encoders", "headers")
PATIENCE = (
    "batch_size",
    "draws_per_call",
    "timeout",
    "retries",
    "backoff",
    "longest_pause",
    "rate",
    "burst",
    "concurrency",
    "give_up_after",
)
# Draws in a batch, unless configured: a batch is lost when the process is killed.
BATCH = 256


def classifier(model: HttpModel, channels: Sequence[str], tokenizer: Tokenizer | None) -> HttpClassifier:
    """The endpoint as a base classifier; no call is made.

    Args:
        model: the checked table.
        channels: those of the noise; each is sent.
        tokenizer: of the data, where it has one: texts are then sent as text unless configured otherwise.
    Raises:
        ConfigError: a setting cannot be used, or an environment variable of the address is not set.
    """
    try:
        base = HttpClassifier(
            expanded(model.url),
            template=model.template,
            answer=model.answer,
            labels=_labels(model),
            threshold=model.cut,
            encoders={name: _encoder(how, name, tokenizer) for name, how in _encoders(model, tokenizer)},
            method=model.method,
            headers=model.headers,
            **{name: getattr(model, name) for name in PATIENCE if name != "batch_size"},
        )
        base.check_environment()
        base.check_channels(channels)
    except InputError as error:
        raise ConfigError(f"model: {error}") from None
    return base


def model_digest(model: HttpModel) -> str:
    """SHA-256 of the address, the request, the reading of answers, and the revision that the user states.

    Secrets are in it by the names of their variables only. What stands behind the address cannot be hashed:
    `revision` is there to say that it has changed.
    """
    written = model.model_dump(mode="json")
    return digest((), json.dumps({key: written[key] for key in (*_MEANING, "revision")}, sort_keys=True))


def _labels(model: HttpModel) -> Any:
    if model.cut is not None or model.labels is not None:
        return model.labels
    return model.class_names


def _encoders(model: HttpModel, tokenizer: Tokenizer | None) -> list[tuple[str, Any]]:
    from ironbound.models.http.template import Template

    if tokenizer is None:
        return list(model.encoders.items())
    return list({**dict.fromkeys(Template.build(model.template).channels, "text"), **model.encoders}.items())


def _encoder(how: str | PngEncoder, channel: str, tokenizer: Tokenizer | None) -> Any:
    if isinstance(how, PngEncoder):
        return Png(how.low, how.high, how.layout)
    if how != "text":
        return how
    if tokenizer is None:
        raise InputError(f'encoders.{channel}: "text" needs data.kind = "jsonl", whose tokenizer decodes')
    return _Decoded(tokenizer.decode)


class _Decoded:
    """A draw as the text that its tokens stand for."""

    def __init__(self, decode: Callable[[list[int]], str]) -> None:
        self._decode = decode

    def __call__(self, value: np.ndarray) -> str:
        return self._decode(value.tolist())


def without_patience(document: Mapping[str, Any]) -> dict[str, Any]:
    """The `[model]` table without what changes no answer of the model.

    Example:
        >>> without_patience({"kind": "http", "url": "http://h/", "timeout": 2.0})
        {'kind': 'http', 'url': 'http://h/'}
    """
    idle = PATIENCE if document.get("kind") == "http" else ("batch_size",)
    return {key: value for key, value in document.items() if key not in idle}
