"""What a report says about a latent: measurements, tests, bounds, and the sentences they give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ironbound.confidence import clopper_pearson_lower
from ironbound.errors import InputError, wrong_value
from ironbound.latent._rounding import Array
from ironbound.latent.diagnostics import (
    Accuracy,
    KLEstimate,
    Normality,
    TVBound,
    certified_accuracy,
    kl_estimate,
    mardia,
    tv_lower_bound,
)
from ironbound.latent.existence import ExistenceReport, existence
from ironbound.latent.gaussian import GaussianClassifier
from ironbound.latent.transfer import transfer

METHODS = ("binary_kl", "bretagnolle_huber", "pinsker")
_SAMPLES = 20_000
_NOT_GAUSSIAN = " That lessens no certificate; it says that predictions from the fit are not to be trusted."


@dataclass(frozen=True, eq=False)
class Findings:
    """Everything a report shows.

    Attributes:
        latents, labels: the held-out data; `right` (N,) which predictions are right.
        radius, closed: exact radii and closed-form margins (N,), in `unit`.
        measured: certified accuracy at each radius, with its interval.
        mixture: lower confidence bounds on the same under the fitted mixture (simulated).
        sensitivity: method -> bounds (R, E): what each radius keeps if KL(data || mixture) <= eps.
        normality: Mardia's tests of each class; None for a class with too few samples.
        divergence: k-NN estimate of KL; None where points repeat. distance: lower bound on TV.
        reach: what any classifier could reach under the fit; None for several components per class.
        sentences: the verdict in plain words.
    """

    latents: Array
    labels: NDArray[np.int64]
    right: NDArray[np.bool_]
    radius: Array
    closed: Array
    at: tuple[float, ...]
    eps: tuple[float, ...]
    unit: str
    alpha: float
    measured: tuple[Accuracy, ...]
    mixture: tuple[float, ...]
    sensitivity: dict[str, Array]
    normality: tuple[tuple[str, Normality | None], ...]
    divergence: KLEstimate | None
    distance: TVBound
    reach: ExistenceReport | None
    sentences: tuple[str, ...]


def find(
    classifier: GaussianClassifier,
    Z: ArrayLike,
    y: ArrayLike,
    *,
    radii: Sequence[float] | None,
    eps: Sequence[float],
    lipschitz: float,
    unit: str,
    alpha: float,
    seed: int,
) -> Findings:
    """See `reporting.report`."""
    z, names = np.asarray(Z, dtype=np.float64), np.asarray(y)
    if z.ndim != 2 or names.shape != z.shape[:1] or len(z) < 8:
        raise wrong_value("Z, y", (z.shape, names.shape), "held-out latents (N, D) and labels (N,), N >= 8")
    if not 0.0 < lipschitz < np.inf:
        raise wrong_value("lipschitz", lipschitz, "a positive finite constant")
    labels = np.searchsorted(classifier.classes_, names).clip(0, len(classifier.classes_) - 1)
    right = np.asarray(classifier.predict(z) == names)
    radius = classifier.radius(z) / lipschitz
    closed = classifier.closed_form_radius(z) / lipschitz
    at = _grid(radius) if radii is None else tuple(float(r) for r in radii)
    measured = certified_accuracy(radius, right, at, alpha=alpha)
    drawn, drawn_labels = classifier.sample(_SAMPLES, random_state=seed)
    drawn_right = np.asarray(classifier.predict(drawn) == drawn_labels)
    drawn_radius = classifier.radius(drawn) / lipschitz
    held = [int(np.sum(drawn_right & ((drawn_radius > r) | (r == 0.0)))) for r in at]
    mixture = tuple(float(clopper_pearson_lower(k, _SAMPLES, alpha)) for k in held)
    grid = np.asarray(eps, dtype=np.float64)
    sensitivity = {m: np.array([transfer(np.full(len(grid), q), grid, m) for q in mixture]) for m in METHODS}
    model = drawn[: len(z)]
    try:
        divergence = kl_estimate(z, model)
    except InputError:
        divergence = None  # repeated points: no density to compare with
    distance = tv_lower_bound(z, model, alpha=alpha, seed=seed)
    single = len(classifier.means_) == len(classifier.classes_)
    reach = existence(classifier, np.array(at) * lipschitz, z, names) if single else None
    found = Findings(
        latents=z,
        labels=labels.astype(np.int64),
        right=right,
        radius=radius,
        closed=closed,
        at=at,
        eps=tuple(grid.tolist()),
        unit=unit,
        alpha=alpha,
        measured=measured,
        mixture=mixture,
        sensitivity=sensitivity,
        normality=tuple((str(name), _normality(z[names == name])) for name in classifier.classes_),
        divergence=divergence,
        distance=distance,
        reach=reach,
        sentences=(),
    )
    object.__setattr__(found, "sentences", tuple(_sentences(found)))
    return found


def _grid(radius: Array) -> tuple[float, ...]:
    finite = radius[np.isfinite(radius)]
    top = float(np.quantile(finite, 0.95)) if len(finite) else 1.0
    step = float(f"{max(top, 1e-6) / 8:.1g}")
    return tuple(float(f"{k * step:.6g}") for k in range(10))


def _normality(z: Array) -> Normality | None:
    try:
        return mardia(z, np.zeros(len(z)))[0]
    except InputError:
        return None  # fewer samples than dimensions


def _sentences(f: Findings) -> list[str]:
    clean, middle = f.measured[0], f.measured[len(f.measured) // 2]
    typical = float(np.median(f.radius[f.right])) if f.right.any() else 0.0
    ratio = f.radius / np.maximum(f.closed, 1e-300)
    gain = float(np.median(ratio[(f.radius > 0.0) & np.isfinite(f.radius) & (f.closed > 0.0)], axis=0))
    sure = f"{100 * (1 - f.alpha):g} %"
    lines = [
        f"Of {clean.samples:,} held-out inputs {_percent(clean.measured)} are classified rightly; half of "
        f"these keep their class under any shift shorter than {typical:.3g} {f.unit}.",
        f"At radius {middle.radius:g}, {_percent(middle.measured)} are right and certified ({sure} interval "
        f"{_percent(middle.lower)} to {_percent(middle.upper)}). This needs no assumption about the data.",
        f"The exact radius is {gain:.2f} times the closed-form margin for half of the inputs or more.",
    ]
    tested = [one for _, one in f.normality if one is not None]
    far = sum(min(one.skewness_p, one.kurtosis_p) < 0.01 for one in tested)
    if tested:
        lines.append(
            f"Mardia's tests speak against a Gaussian law for {far} of {len(tested)} classes (p below 1 %)."
            + (_NOT_GAUSSIAN if far else "")
        )
    least = f.distance.kl_lower
    lines.append(
        f"A held-out two-sample test tells data from the fitted mixture: their total variation is at least "
        f"{f.distance.lower:.3f} with {sure} confidence, so that eps is {least:.3g} nats or more."
        if least > 0.0
        else f"A held-out two-sample test does not tell data from the fitted mixture with {sure} confidence. "
        "That bounds nothing from above: eps may be large all the same."
    )
    index = len(f.measured) // 2
    kept = float(transfer(f.mixture[index], least))
    lines.append(
        f"At radius {middle.radius:g} the mixture promises {_percent(f.mixture[index])}; for the smallest "
        f"eps that the test leaves, the transfer bound carries {_percent(kept)} over to the data, and less "
        f"for any larger one. Measured: {_percent(middle.measured)}."
    )
    if f.reach is not None:
        best = math.ceil(1e3 * f.reach.lines[index].any_classifier) / 10
        lines.append(
            f"What any classifier could reach: if the fit were the truth, at most {best:.1f} % at radius "
            f"{middle.radius:g}, against an attacker who shifts the latent. {f.reach.separation}"
        )
    lines.append(_verdict(f, clean, typical))
    return lines


def _verdict(f: Findings, clean: Accuracy, typical: float) -> str:
    share = f.measured[1].measured if len(f.measured) > 1 else clean.measured
    if clean.measured < 0.7:
        return "Verdict: this latent does not separate the classes well; look for another encoder first."
    if share < 0.5 * clean.measured:
        return (
            "Verdict: the classes are separated, but by narrow margins: most certified radii are below "
            f"{f.at[1]:g}. A smoother encoder, or more shrinkage, would serve robustness better."
        )
    return (
        f"Verdict: this latent suits: accuracy is high and the typical certified radius is {typical:.3g} "
        f"{f.unit}. Rely on the measured curve, not on what the mixture predicts."
    )


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"
