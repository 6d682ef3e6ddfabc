"""Center smoothing: an encoder made robust by noise, under a deterministic latent classifier.

Source: Kumar and Goldstein, "Center Smoothing" (2021, arXiv 2102.09701), whose bound is on how far the center
moves; here the center's class is certified, so the ball's radius is known before any draw is counted: half of
what the latent classifier proves at the center. Any noise with a law will do, discrete and hybrid included.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ironbound.certificate import Certificate, Claim, SmoothingEvidence
from ironbound.channels import Smoothing
from ironbound.errors import InputError, wrong_value
from ironbound.latent._rounding import lengths
from ironbound.latent.center_evidence import CenterEvidence
from ironbound.latent.ellipsoid import EllipsoidClassifier
from ironbound.latent.encoders.adapters import Latents, as_latents
from ironbound.latent.evidence import LatentEvidence
from ironbound.latent.gaussian import GaussianClassifier
from ironbound.smoothing import SmoothedClassifier
from ironbound.smoothing.draws import Draws
from ironbound.threats import Threat


@dataclass(frozen=True)
class CenterSmoothing:
    """The class of the center of an encoder's noised latents (see `center_evidence` for the definition).

    Args:
        encoder: from a dict of batched channels to latents (B, D); no constant is asked of it.
        classifier: fitted to latents (better: to latents of noised inputs).
        smoothing: the noise on each channel.

    Example:
        >>> import ironbound as ib
        >>> rng = np.random.default_rng(0)
        >>> z = np.concatenate([rng.normal(size=(40, 2)), rng.normal(size=(40, 2)) + 20])
        >>> clf = GaussianClassifier().fit(z, np.repeat([0, 1], 40))
        >>> model = CenterSmoothing(lambda batch: batch["x"], clf, ib.Smoothing(x=ib.Gaussian(sigma=1.0)))
        >>> cert = model.certify({"x": [0.0, 0.0]}, threat=ib.Threat(x=ib.L2()), n=500)
        >>> cert.prediction, cert.frontier[0] > 1.0
        (0, True)
    """

    encoder: Latents
    classifier: GaussianClassifier | EllipsoidClassifier
    smoothing: Smoothing

    def certify(
        self,
        inputs: Mapping[str, Any],
        *,
        threat: Threat,
        alpha: float = 0.01,
        n: int = 1000,
        n0: int = 100,
        seed: int = 0,
        input_id: str = "0",
    ) -> Certificate:
        """One verified certificate about the center's class.

        Args:
            inputs: a value for each channel. threat: as for `SmoothedClassifier.certify`.
            alpha: error probability. n: draws that count. n0: draws that find the center, and as many again
                for the selection vote, all apart from those that count.
        Raises:
            InputError: an input, the threat or a setting cannot be used.
        """
        if n0 < 1:
            raise wrong_value("n0", n0, "at least 1 draw to find the center")
        values = self.smoothing.check(dict(inputs))
        draws = Draws(self.smoothing.placed(threat), values, seed, str(input_id), "center")
        seen = as_latents(self.encoder(draws.take(0, n0)))
        middle = np.median(seen, axis=0)
        (head,) = self.classifier.certify(middle[None])
        reach = head.claims[0].mu or 0.0
        radius = math.nextafter(0.5 * reach, 0.0) if reach > 0.0 else 0.0

        def inside(batch: dict[str, Any]) -> NDArray[np.int64]:
            apart = as_latents(self.encoder(batch)) - middle
            # A little longer than they are: what counts is certainly in the ball.
            return (lengths(apart) * (1.0 + 1e-9) <= radius).astype(np.int64)

        model = SmoothedClassifier(inside, self.smoothing, num_classes=2)
        found = model.certify(
            values, threat=threat, alpha=alpha, n=n, n0=n0, seed=seed, input_id=str(input_id)
        )
        return self._joined(found, head, radius, reach, n0)

    def predict(self, inputs: Mapping[str, Any], *, n: int = 1000, seed: int = 0, input_id: str = "0") -> int:
        """Class index at the median of n noised latents: an estimate of the certified classifier's answer."""
        values = self.smoothing.check(dict(inputs))
        seen = as_latents(
            self.encoder(Draws(self.smoothing, values, seed, input_id, "prediction").take(0, n))
        )
        return int(np.argmax(self.classifier.decision_function(np.median(seen, axis=0)[None])[0]))

    def _joined(
        self, found: Certificate, head: Certificate, radius: float, reach: float, drawn: int
    ) -> Certificate:
        certain = found.prediction == 1 and head.prediction is not None
        center, membership = head.evidence, found.evidence
        if not isinstance(membership, SmoothingEvidence):
            raise InputError('threat must use sampling="shared": one center for all budgets')
        assert isinstance(center, LatentEvidence)
        reason = "the ball about the center is not proved to hold more than half of the noised latents"
        certificate = Certificate.build(
            input_id=found.input_id,
            method="center_smoothing",
            num_classes=head.num_classes,
            class_names=head.class_names,
            prediction=head.prediction if certain else None,
            reason="" if certain else head.reason or reason,
            alpha=found.alpha,
            samples=found.samples + drawn,
            claims=found.claims if certain else tuple(Claim(c.budget, None) for c in found.claims),
            evidence=CenterEvidence(
                membership=membership,
                center=center if certain else replace(center, rivals=(), component=0),
                radius=radius,
                reach=reach,
                witnesses=head.claims[0].witnesses if certain else (),
            ),
        )
        certificate.verify()
        return certificate
