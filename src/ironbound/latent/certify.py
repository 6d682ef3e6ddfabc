"""From a fitted latent classifier to certificates: one quadric and one multiplier for each rival
component.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence

import numpy as np

from ironbound.certificate import Certificate, Claim
from ironbound.errors import wrong_value
from ironbound.latent import _dual
from ironbound.latent._rounding import UNIT, Array
from ironbound.latent.evidence import UNBOUNDED, LatentEvidence, RivalQuadric
from ironbound.latent.linear import LinearScores
from ironbound.latent.quadratic import Quadratics
from ironbound.latent.radius import QuadraticRadii

_PARAMETERS = {
    "quadratic": ("factors", "means", "offsets", "owner"),
    "linear": ("weights", "offsets", "center", "owner"),
}
TIE = "float64 scores cannot tell the best two classes apart"


def model_digest(scores: Quadratics | LinearScores) -> str:
    """SHA-256 of the parameters of a classifier: names, shapes and float64 bytes, little-endian."""
    kind = "quadratic" if isinstance(scores, Quadratics) else "linear"
    found = hashlib.sha256(kind.encode())
    names = _PARAMETERS[kind]
    for name in names:
        values = np.asarray(getattr(scores, name))
        found.update(f"{name}{values.shape}".encode())
        found.update(values.astype("<i8" if name == "owner" else "<f8").tobytes())
    return found.hexdigest()


def certificates(
    scores: QuadraticRadii | LinearScores,
    z: Array,
    class_names: Sequence[str],
    input_ids: Iterable[str] | None = None,
    *,
    channel: str = "latent",
    unit: str = "latent units",
) -> list[Certificate]:
    """One sealed certificate for each row of z (N, D).

    Args:
        scores: the classifier. class_names: one for each class.
        input_ids: one for each row; None for "0", "1", ...
    Raises:
        InputError: as many ids as rows are needed, all different.
    """
    ids = [str(i) for i in range(len(z))] if input_ids is None else list(input_ids)
    if len(ids) != len(z) or len(set(ids)) != len(ids):
        raise wrong_value("input_ids", f"{len(ids)} ids, {len(set(ids))} distinct", f"{len(z)} distinct ids")
    model = scores.quadratics if isinstance(scores, QuadraticRadii) else scores
    digest, owner = model_digest(model), model.owner
    counts = tuple(np.bincount(owner).tolist())
    found = scores(z) if isinstance(scores, QuadraticRadii) else scores.radii(z)
    result: list[Certificate] = []
    for row, input_id in enumerate(ids):
        prediction: int | None = int(found.prediction[row])
        own = int(found.component[row])
        claim, rivals, reason = Claim((), None), list[RivalQuadric](), ""
        if found.radius[row] > 0.0:
            quadrics = (
                quadratic_rivals(scores, z[row], own)
                if isinstance(scores, QuadraticRadii)
                else linear_rivals(scores, z[row], own)
            )
            rivals = [rival for rival, _ in quadrics]
            claim = Claim((), _mu(quadrics), tuple(lam for _, lam in quadrics))
        else:
            prediction, reason = None, TIE
        component = 0 if prediction is None else int(np.sum(owner[:own] == owner[own]))
        evidence = LatentEvidence(
            channel, unit, digest, tuple(z[row].tolist()), component, counts, tuple(rivals)
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
        square = 0.25 * float(line.apart[own, j]) ** 2 * (1.0 + 8.0 * UNIT)
        rival = RivalQuadric(int(line.owner[j]), gap, (square,), (0.0,))
        result.append((rival, gap / (2.0 * square) if square > 0.0 else 0.0))
    return result


def _mu(quadrics: list[tuple[RivalQuadric, float]]) -> float:
    """The radius that the multipliers prove, rounded down; the largest float if no rival region is left."""
    least = math.inf
    for rival, lam in quadrics:
        if lam == 0.0:
            continue
        squares, low = np.array(rival.squares), np.array(rival.curvature)
        value = _dual.bound(np.array([lam]), np.array([rival.gap]), squares[None], low)
        least = min(least, float(value[0]))
    return UNBOUNDED if math.isinf(least) else math.sqrt(least) * (1.0 - 4.0 * UNIT)
