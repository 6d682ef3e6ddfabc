"""From a certificate back to the classifier: the quadrics themselves re-derived, without eigenvectors.

`Certificate.verify` proves the radius from the recorded quadrics. Here, with the classifier at hand, the dual
is evaluated again at the recorded multipliers from the parameters and the latent alone: I + lam A is factored
as L D L^T in ball arithmetic, so that no part of the solver is trusted.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from flint import arb, arb_mat, ctx
from numpy.typing import NDArray

from ironbound.certificate import Certificate, refuse
from ironbound.errors import wrong_value
from ironbound.latent._rounding import Array
from ironbound.latent.certify import Scores, model_digest
from ironbound.latent.encoders.base import LipschitzEncoder, input_digest
from ironbound.latent.evidence import LatentEvidence
from ironbound.latent.linear import LinearScores
from ironbound.latent.margin_scores import EllipsoidScores
from ironbound.latent.quadratic import Quadratics
from ironbound.latent.radius import QuadraticRadii

_BITS = (128, 512)


def audit(
    certificate: Certificate,
    scores: Quadratics | Scores,
    *,
    encoder: LipschitzEncoder | None = None,
    x: NDArray[Any] | None = None,
) -> None:
    """Check that a certificate's radius holds for this classifier, from its parameters.

    Cost O(D^3) ball operations for each rival with full covariances: a second at D = 64 and ten classes.

    Args:
        certificate: of method "latent"; verified first.
        scores: the classifier's `scores_`.
        encoder: for a certificate about an encoder's input; its constant and its latent are computed again.
        x: that input, shape as the encoder takes it, without a batch axis.
    Raises:
        InvalidCertificate: it does not verify, belongs to another classifier or encoder or input, or its
            radius is not proved by its multipliers.
        InputError: an encoder or input is missing, or the scores are signed distances, of which nothing but
            the solver itself computes a lower bound.
    """
    certificate.verify()
    if not isinstance(certificate.evidence, LatentEvidence):
        raise refuse("method", certificate.method, "'latent'")
    evidence = certificate.evidence
    if evidence.model != model_digest(scores):
        raise refuse("evidence.model", evidence.model, f"{model_digest(scores)}, this classifier's digest")
    _audit_encoder(evidence, encoder, x)
    if certificate.prediction is None:
        return
    if isinstance(scores, EllipsoidScores) and scores.metric != "mahalanobis":
        raise wrong_value("the metric of the scores", scores.metric, "'mahalanobis', to be audited")
    claim = certificate.claims[0]
    error = 0.0 if evidence.encoder is None else evidence.encoder.error
    z = np.array(evidence.latent)
    if isinstance(scores, QuadraticRadii):
        scores = scores.quadratics
    own = int(np.flatnonzero(scores.owner == certificate.prediction)[evidence.component])
    rivals = np.flatnonzero(scores.owner != certificate.prediction)
    quadric: Any = _QUADRICS[type(scores)]
    for j, lam in zip(rivals, claim.witnesses, strict=True):
        for bits in _BITS:
            with ctx.workprec(bits):
                gap, b, a = quadric(scores, z, own, int(j))
                if _proved(gap, b, a, lam, cast(float, claim.mu), error):
                    break
        else:
            expected = f"below what the classifier gives for the rival component {int(j)}"
            raise refuse("claims[0].mu", claim.mu, expected)


def _audit_encoder(
    evidence: LatentEvidence, encoder: LipschitzEncoder | None, x: NDArray[Any] | None
) -> None:
    """That the recorded encoder is this one, at this input, with constants no smaller than they are."""
    record = evidence.encoder
    if record is None:
        return
    if encoder is None or x is None:
        raise wrong_value(
            "encoder, x", None, f"given: this certificate is about the input of {record.name!r}"
        )
    found, error = encoder.encode(np.asarray(x)[None])
    for name, shown, known in (
        ("digest", record.digest, encoder.digest),
        ("input", record.input, input_digest(x)),
        ("steps", record.steps, encoder.steps),
    ):
        if shown != known:
            raise refuse(f"evidence.encoder.{name}", shown, f"{known!r}, of this encoder and input")
    apart = float(np.linalg.norm(found[0] - np.array(evidence.latent))) * (1.0 + 1e-9)
    if not apart + float(error[0]) <= record.error:
        raise refuse("evidence.encoder.error", record.error, f"{apart + float(error[0])!r} or more")


def _proved(gap: arb, b: arb_mat, a: arb_mat | None, lam: float, length: float, error: float = 0.0) -> bool:
    """Whether the shifts d with gap + 2 b.d + d.A d <= 0 are certainly longer than length + error."""
    mu = arb(length) + arb(error)
    if not gap > 0:
        return False
    if a is None:
        square = _dot(b, b)
        if lam == 0.0:
            return bool(square == 0)
        return bool(arb(lam) * (gap - arb(lam) * square) > mu**2)
    size = a.nrows()
    one = arb_mat(size, size, [int(i == j) for i in range(size) for j in range(size)])
    cost = _inverse_form(a if lam == 0.0 else one + arb(lam) * a, b)
    if cost is None:
        return False
    if lam == 0.0:
        return bool(gap > cost)
    return bool(arb(lam) * (gap - arb(lam) * cost) > mu**2)


def _quadratic(q: Quadratics, z: Array, own: int, rival: int) -> tuple[arb, arb_mat, arb_mat]:
    """gap, b and A of the quadric of two components, from their parameters."""
    offset, gradient, precision = arb(0), list[arb_mat](), list[arb_mat]()
    for m, sign in ((own, -1), (rival, 1)):
        factor = np.diag(q.factors[m]) if q.diagonal else q.factors[m]
        f = _matrix(factor)
        x = _matrix(z[:, None]) - _matrix(q.means[m][:, None])
        t = f.transpose() * x
        offset += sign * (_dot(t, t) + arb(float(q.offsets[m])))
        gradient.append(f * t)
        precision.append(f * f.transpose())
    return offset, gradient[1] - gradient[0], precision[1] - precision[0]


def _linear(line: LinearScores, z: Array, own: int, rival: int) -> tuple[arb, arb_mat, None]:
    """gap and b = (w_own - w_rival) / 2 of two linear scores; there is no curvature."""
    x = _matrix(z[:, None]) - _matrix(line.center[:, None])
    difference = _matrix(line.weights[own][:, None]) - _matrix(line.weights[rival][:, None])
    gap = _dot(difference, x) + arb(float(line.offsets[own])) - arb(float(line.offsets[rival]))
    return gap, difference * (arb(1) / 2), None


def _margin(scores: EllipsoidScores, z: Array, own: int, rival: int) -> tuple[arb, arb_mat, None]:
    """gap and slope of two Mahalanobis scores; the norms of their factors are proved, not computed."""
    q = scores.quadratics
    gap, slope = arb(0), arb(0)
    for m, sign in ((own, -1), (rival, 1)):
        f = _matrix(np.diag(q.factors[m]) if q.diagonal else q.factors[m])
        t = f.transpose() * (_matrix(z[:, None]) - _matrix(q.means[m][:, None]))
        gap += sign * (_dot(t, t).sqrt() - arb(float(scores.rho[m])))
        norm = arb(float(q.lipschitz[m]))
        if not _bounds_norm(norm, f, q.diagonal):
            raise refuse("the Lipschitz constant of a score", float(q.lipschitz[m]), "at least its norm")
        slope += norm
    return gap, arb_mat(1, 1, [slope / 2]), None


def _bounds_norm(norm: arb, f: arb_mat, diagonal: bool) -> bool:
    """Whether |F| <= norm: then, and (but for equality) only then, norm^2 I - F F^T is positive definite."""
    size = f.nrows()
    if diagonal:
        return all(abs(cast(Any, f)[i, i]) <= norm for i in range(size))
    square = norm * norm
    rest = arb_mat(size, size, [square * int(i == j) for i in range(size) for j in range(size)])
    return _inverse_form(rest - f * f.transpose(), arb_mat(size, 1, [0] * size)) is not None


def _inverse_form(matrix: arb_mat, b: arb_mat) -> arb | None:
    """b^T M^-1 b by Gaussian elimination of a symmetric M; None unless M is certainly positive definite."""
    rows = cast(Any, matrix).tolist()
    right = [entry[0] for entry in cast(Any, b).tolist()]
    size, total = len(rows), arb(0)
    for i in range(size):
        pivot = rows[i][i]
        if not pivot > 0:
            return None
        total += right[i] * right[i] / pivot
        for j in range(i + 1, size):
            share = rows[i][j] / pivot
            right[j] -= share * right[i]
            for k in range(j, size):
                rows[j][k] -= share * rows[i][k]
    return total


_QUADRICS: dict[type[Any], Any] = {
    Quadratics: _quadratic,
    LinearScores: _linear,
    EllipsoidScores: _margin,
}


def _matrix(values: Array) -> arb_mat:
    rows, columns = values.shape
    return arb_mat(rows, columns, values.ravel().tolist())


def _dot(one: arb_mat, two: arb_mat) -> arb:
    return cast(Any, one.transpose() * two)[0, 0]
