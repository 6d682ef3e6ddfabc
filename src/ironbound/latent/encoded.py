"""A latent classifier behind an encoder with a Lipschitz constant: certificates about the input."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.validation import check_is_fitted

from ironbound.certificate import Certificate
from ironbound.latent._checks import check_latents
from ironbound.latent._rounding import UNIT, Array
from ironbound.latent.certify import Scores, certificates
from ironbound.latent.ellipsoid import EllipsoidClassifier
from ironbound.latent.encoders.base import LipschitzEncoder, check_encoder, reciprocal_down, record
from ironbound.latent.gaussian import GaussianClassifier
from ironbound.latent.quadratic import Quadratics


class EncodedClassifier(ClassifierMixin, BaseEstimator):
    """classifier(encoder(x)), certified in the 2-norm of x: the latent radius over the encoder's constant.

    No noise, no sampling, no probability of error. The certificate is about the classifier in exact
    arithmetic; the rounding of the encoder at x itself is bounded and taken off the radius.

    Args:
        encoder: with a constant, already fitted (`LinearEncoder`, `NetworkEncoder`, or one of your own).
        classifier: `GaussianClassifier` or `EllipsoidClassifier`; `fit` trains a clone of it on the latents.
        channel, unit: how certificates name the input and its unit.
    Attributes:
        classifier_: the fitted clone. classes_: (K,).
    Raises:
        InputTypeError: on `fit`, for an encoder without a proven constant.

    Example:
        >>> from ironbound.latent import LinearEncoder
        >>> rng = np.random.default_rng(0)
        >>> X = np.concatenate([rng.normal(size=(50, 3)), rng.normal(size=(50, 3)) + 6])
        >>> model = EncodedClassifier(LinearEncoder.pca(X, 2), GaussianClassifier())
        >>> model = model.fit(X, np.repeat([0, 1], 50))
        >>> (cert,) = model.certify(np.zeros((1, 3)))
        >>> cert.prediction, cert.covers(input=2.0), cert.alpha
        (0, True, 0.0)
    """

    def __init__(
        self,
        encoder: LipschitzEncoder,
        classifier: GaussianClassifier | EllipsoidClassifier,
        *,
        channel: str = "input",
        unit: str = "input units",
    ) -> None:
        self.encoder = encoder
        self.classifier = classifier
        self.channel = channel
        self.unit = unit

    def fit(self, X: ArrayLike, y: ArrayLike) -> EncodedClassifier:
        """Fit the classifier to the latents of inputs X (N, ...) with labels y (N,)."""
        encoder = check_encoder(self.encoder)
        self.classifier_ = cast("GaussianClassifier | EllipsoidClassifier", clone(self.classifier))
        self.classifier_.fit(encoder.encode(np.asarray(X))[0], y)
        self.classes_ = self.classifier_.classes_
        return self

    def latents(self, X: ArrayLike) -> Array:
        """Latents (N, D)."""
        return check_encoder(self.encoder).encode(np.asarray(X))[0]

    def decision_function(self, X: ArrayLike) -> Array:
        """Scores (N, K), higher is better."""
        check_is_fitted(self, "classifier_")
        return self.classifier_.decision_function(self.latents(X))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Labels (N,)."""
        check_is_fitted(self, "classifier_")
        return self.classifier_.predict(self.latents(X))

    def predict_proba(self, X: ArrayLike) -> Array:
        """As the latent classifier's, (N, K)."""
        check_is_fitted(self, "classifier_")
        return self.classifier_.predict_proba(self.latents(X))

    def radius(self, X: ArrayLike) -> Array:
        """l2 radii (N,) in input units, rounded down; 0 where nothing is certified."""
        check_is_fitted(self, "classifier_")
        encoder = check_encoder(self.encoder)
        z, errors = encoder.encode(np.asarray(X))
        with np.errstate(invalid="ignore"):
            left = (self.classifier_.radius(z) - 2.0 * errors) * (1.0 - 4.0 * UNIT)
        found = left * reciprocal_down(encoder.lipschitz) * (1.0 - 4.0 * UNIT)
        return np.where(found > 0.0, found, 0.0)

    def certify(self, X: ArrayLike, input_ids: Iterable[str] | None = None) -> list[Certificate]:
        """A sealed certificate for each input, about the input; see `GaussianClassifier.certify`."""
        check_is_fitted(self, "classifier_")
        encoder, x = check_encoder(self.encoder), np.asarray(X)
        z, errors = encoder.encode(x)
        z = check_latents(self.classifier_, z)
        records = [record(encoder, row, float(error)) for row, error in zip(x, errors, strict=True)]
        names = [str(label) for label in self.classes_]
        return certificates(
            self._scores, z, names, input_ids, channel=self.channel, unit=self.unit, encoders=records
        )

    @property
    def _scores(self) -> Scores:
        found = self.classifier_
        return found.radii_ if isinstance(found.scores_, Quadratics) else found.scores_
