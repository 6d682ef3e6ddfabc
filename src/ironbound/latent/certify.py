"""From a fitted latent classifier to certificates: one quadric and one multiplier for each rival
component.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ironbound.certificate import Certificate, Claim
from ironbound.errors import wrong_value
from ironbound.latent import _dual
from ironbound.latent._rounding import UNIT, Array
from ironbound.latent.encoder_record import EncoderRecord
from ironbound.latent.evidence import UNBOUNDED, LatentEvidence, RivalQuadric
from ironbound.latent.linear import LinearScores
from ironbound.latent.margin_scores import EllipsoidScores
from ironbound.latent.quadratic import Quadratics
from ironbound.latent.radius import QuadraticRadii

_LEAST, _MOST = 1e-280, 1e280  # squares and multipliers between which nothing overflows
TIE = "float64 scores cannot tell the best two classes apart"
_BLURRED = "the radius in the latent is not above the rounding error of the encoder"

Scores = QuadraticRadii | LinearScores | EllipsoidScores
"""The classifiers that certificates can be about."""


def model_digest(scores: Quadratics | Scores) -> str:
    """SHA-256 of the parameters of a classifier: names, shapes and float64 bytes, little-endian."""
    kind, parameters = _parameters(scores)
    found = hashlib.sha256(kind.encode())
    for name, values in parameters.items():
        found.update(f"{name}{values.shape}".encode())
        found.update(values.astype("<i8" if name == "owner" else "<f8").tobytes())
    return found.hexdigest()


def _parameters(scores: Quadratics | Scores) -> tuple[str, dict[str, NDArray[Any]]]:
    if isinstance(scores, LinearScores):
        return "linear", {name: getattr(scores, name) for name in ("weights", "offsets", "center", "owner")}
    if isinstance(scores, EllipsoidScores):
        quadratics = scores.quadratics
        found = {"factors": quadratics.factors, "means": quadratics.means, "rho": scores.rho}
        return f"ellipsoids by {scores.metric}", found
    quadratics = scores.quadratics if isinstance(scores, QuadraticRadii) else scores
    names = ("factors", "means", "offsets", "owner")
    return "quadratic", {name: getattr(quadratics, name) for name in names}


def certificates(
    scores: Scores,
    z: Array,
    class_names: Sequence[str],
    input_ids: Iterable[str] | None = None,
    *,
    channel: str = "latent",
    unit: str = "latent units",
    encoders: Sequence[EncoderRecord] | None = None,
) -> list[Certificate]:
    """One sealed certificate for each row of z (N, D).

    Args:
        scores: the classifier. class_names: one for each class.
        input_ids: one for each row; None for "0", "1", ...
        channel, unit: what is attacked: the latent, or the input of an encoder.
        encoders: the record of each row's encoder, for claims about its input.
    Raises:
        InputError: as many ids as rows are needed, all different.
    """
    ids = [str(i) for i in range(len(z))] if input_ids is None else list(input_ids)
    if len(ids) != len(z) or len(set(ids)) != len(ids):
        raise wrong_value("input_ids", f"{len(ids)} ids, {len(set(ids))} distinct", f"{len(z)} distinct ids")
    owner = scores.quadratics.owner if isinstance(scores, QuadraticRadii) else scores.owner
    digest, counts = model_digest(scores), tuple(np.bincount(owner).tolist())
    found = scores(z) if isinstance(scores, QuadraticRadii) else scores.radii(z)
    result: list[Certificate] = []
    for row, input_id in enumerate(ids):
        prediction: int | None = int(found.prediction[row])
        own = int(found.component[row])
        claim, rivals, reason = Claim((), None), list[RivalQuadric](), ""
        encoder = None if encoders is None else encoders[row]
        if found.radius[row] > 0.0:
            quadrics = _quadrics(scores, z[row], own)
            mu = _mu(quadrics, encoder)
            if mu > 0.0:
                rivals = [rival for rival, _ in quadrics]
                claim = Claim((), mu, tuple(lam for _, lam in quadrics))
            else:
                prediction, reason = None, _BLURRED
        else:
            prediction, reason = None, TIE
        component = 0 if prediction is None else int(np.sum(owner[:own] == owner[own]))
        evidence = LatentEvidence(
            channel, unit, digest, tuple(z[row].tolist()), component, counts, tuple(rivals), encoder
        )
        result.append(
            Certificate.build(
                input_id=input_id,
                method="latent",
                num_classes=len(counts),
                class_names=tuple(class_names),
                prediction=prediction,
                reason=reason,
                alpha=0.0,
                samples=0,
                claims=(claim,),
                evidence=evidence,
            )
        )
    return result


def _quadrics(scores: Scores, z: Array, own: int) -> list[tuple[RivalQuadric, float]]:
    if isinstance(scores, QuadraticRadii):
        return quadratic_rivals(scores, z, own)
    return (
        linear_rivals(scores, z, own) if isinstance(scores, LinearScores) else margin_rivals(scores, z, own)
    )


def quadratic_rivals(radii: QuadraticRadii, z: Array, own: int) -> list[tuple[RivalQuadric, float]]:
    """Quadric and multiplier of every rival component, for one latent z (D,)."""
    q = radii.quadratics
    scores, errors = q.bounded_scores(z[None])
    result: list[tuple[RivalQuadric, float]] = []
    for j in np.flatnonzero(q.owner != q.owner[own]):
        gap = (scores[0, j] - scores[0, own] - errors[0, j] - errors[0, own]) * (1.0 - 8.0 * UNIT)
        squares, low, lam = radii.quadric(z, own, int(j), float(gap))
        rival = RivalQuadric(int(q.owner[j]), float(gap), tuple(squares.tolist()), tuple(low.tolist()))
        result.append((rival, lam))
    return result


def linear_rivals(line: LinearScores, z: Array, own: int) -> list[tuple[RivalQuadric, float]]:
    """The same for linear scores: s_k - s_j + (w_k - w_j).d <= 0, a single axis without curvature."""
    gaps = line.gaps(z, own)
    result: list[tuple[RivalQuadric, float]] = []
    for j in np.flatnonzero(line.owner != line.owner[own]):
        gap = float(gaps[j])
        result.append(_flat(int(line.owner[j]), gap, float(line.apart[own, j])))
    return result


def margin_rivals(scores: EllipsoidScores, z: Array, own: int) -> list[tuple[RivalQuadric, float]]:
    """The same for Lipschitz scores: a shift d with gap - (L_own + L_j) |d| > 0 changes nothing."""
    result: list[tuple[RivalQuadric, float]] = []
    for j, gap, slope in scores.axes(z, own):
        result.append(_flat(j, gap, slope))
    return result


def _flat(label: int, gap: float, slope: float) -> tuple[RivalQuadric, float]:
    """The single axis of a rival that catches up by at most `slope` for each unit of length."""
    square = 0.25 * slope**2 * (1.0 + 8.0 * UNIT)
    if slope > 0.0:
        square = max(square, _LEAST)  # in place of an underflow, which would say that it never catches up
    lam = min(gap / (2.0 * square), _MOST) if square > 0.0 else 0.0
    return RivalQuadric(label, gap, (square,), (0.0,)), lam


def _mu(quadrics: list[tuple[RivalQuadric, float]], encoder: EncoderRecord | None) -> float:
    """The length that the multipliers prove less the encoder's error, rounded down.

    Where no rival region is left: the largest float, or as much of it as is finite in input units.
    """
    least = math.inf
    for rival, lam in quadrics:
        if lam == 0.0:
            continue
        least = min(least, UNBOUNDED)
        squares, low = np.array(rival.squares), np.array(rival.curvature)
        value = _dual.bound(np.array([lam]), np.array([rival.gap]), squares[None], low)
        least = min(least, float(value[0]))
    if math.isinf(least):
        return UNBOUNDED if encoder is None else UNBOUNDED * min(1.0, 1.0 / encoder.scale) * (1.0 - 1e-9)
    proved = math.sqrt(least) * (1.0 - 4.0 * UNIT)
    return proved if encoder is None else (proved - encoder.error) * (1.0 - 4.0 * UNIT)
