"""A latent classifier as the certifier of a `Problem`: deterministic certificates in runs and reports."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ironbound.certificate import Certificate
from ironbound.latent.certify import model_digest
from ironbound.latent.encoded import EncodedClassifier
from ironbound.latent.encoders.base import check_encoder


@dataclass(frozen=True)
class LatentCertifier:
    """Certificates of an `EncodedClassifier` for inputs with one channel (see `Problem.certifier`).

    Args:
        model: fitted; its `channel` names the channel that is read and attacked.

    Example:
        >>> from ironbound.latent import GaussianClassifier, LinearEncoder
        >>> X = np.array([[0.0], [1.0], [8.0], [9.0]])
        >>> model = EncodedClassifier(LinearEncoder([[1.0]]), GaussianClassifier("shared"), channel="x")
        >>> certifier = LatentCertifier(model.fit(X, [0, 0, 1, 1]))
        >>> cert = certifier.certify({"x": np.array([0.5])}, input_id="first")
        >>> certifier.predict({"x": np.array([0.5])}), cert.covers(x=3.9)
        (0, True)
    """

    model: EncodedClassifier

    @property
    def settings(self) -> Mapping[str, Any]:
        """The encoder, its constant and its steps, and the classifier's parameters."""
        encoder = check_encoder(self.model.encoder)
        parameters = self.model.classifier_.get_params()
        plain = {k: v for k, v in parameters.items() if v is None or isinstance(v, bool | int | float | str)}
        return {
            "method": "latent",
            "encoder": encoder.name,
            "lipschitz": encoder.lipschitz,
            "classifier": type(self.model.classifier_).__name__,
            **plain,
        }

    @property
    def digest(self) -> str:
        """SHA-256 of encoder and classifier together."""
        encoder = check_encoder(self.model.encoder)
        both = encoder.digest + model_digest(self.model.classifier_.scores_)
        return hashlib.sha256(both.encode()).hexdigest()

    def certify(self, inputs: Mapping[str, NDArray[Any]], *, input_id: str) -> Certificate:
        """The sealed certificate of one input."""
        return self.model.certify(inputs[self.model.channel][None], [input_id])[0]

    def predict(self, inputs: Mapping[str, NDArray[Any]]) -> int:
        """Class index of the input itself."""
        return int(np.argmax(self.model.decision_function(inputs[self.model.channel][None])[0]))
