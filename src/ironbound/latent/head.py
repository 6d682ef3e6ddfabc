"""An encoder and a latent classifier as one base classifier, for randomised smoothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ironbound.latent.ellipsoid import EllipsoidClassifier
from ironbound.latent.encoders.adapters import Latents, as_latents
from ironbound.latent.gaussian import GaussianClassifier


@dataclass(frozen=True)
class EncoderHead:
    """classifier(encoder(x)) as the base of an ordinary `SmoothedClassifier`, whatever the noise.

    For encoders without a Lipschitz constant. Masked or replaced tokens in front of a frozen text encoder
    give certificates about tokens; Gaussian noise on one channel and discrete noise on another gives hybrid
    ones. At equal noise this certifies at least what `CenterSmoothing` does: a ball inside the class's region
    has no more probability than the region. The classes are `classifier.classes_`, by position.

    Args:
        encoder: from a dict of batched channels to latents (B, D).
        classifier: fitted to latents.

    Example:
        >>> import numpy as np, ironbound as ib
        >>> rng = np.random.default_rng(0)
        >>> z = np.concatenate([rng.normal(size=(40, 2)), rng.normal(size=(40, 2)) + 8])
        >>> classifier = GaussianClassifier().fit(z, np.repeat([0, 1], 40))
        >>> head = EncoderHead(lambda batch: 2.0 * batch["x"], classifier)
        >>> model = ib.SmoothedClassifier(head, ib.Smoothing(x=ib.Gaussian(sigma=1.0)), num_classes=2)
        >>> cert = model.certify({"x": [0.0, 0.0]}, threat=ib.Threat(x=ib.L2()), n=500)
        >>> cert.prediction, cert.frontier[0] > 1.0
        (0, True)
    """

    encoder: Latents
    classifier: GaussianClassifier | EllipsoidClassifier

    def __call__(self, batch: dict[str, Any], /) -> NDArray[Any]:
        """Scores (B, K), higher is better."""
        return self.classifier.decision_function(as_latents(self.encoder(batch)))
