"""What radius can any classifier reach on a mixture of Gaussians, and what does ours reach?

* `overlap_bound`, `optimal_robust_error` (overlap): no classifier does better;
* `ellipsoid_distance` (separation): if ellipsoids that hold 1 - eta of each class lie 2 r apart, the
nearest-ellipsoid
  rule has robust accuracy 1 - eta at r;
* `existence`: both beside what a fitted classifier reaches on held-out data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ironbound.errors import wrong_value
from ironbound.latent._calibration import gaussian_radius
from ironbound.latent._rounding import Array
from ironbound.latent.overlap import SLACK, optimal_robust_error, overlap_bound
from ironbound.latent.separation import ellipsoid_distance


@dataclass(frozen=True)
class Reach:
    """One line of the report, at one radius."""

    radius: float
    any_classifier: float
    """Upper bound on the robust accuracy of every classifier, if the fitted mixture is the truth."""
    ours: float | None
    """Share of the given inputs that our classifier gets right with a larger radius; None without inputs."""


@dataclass(frozen=True)
class ExistenceReport:
    """What radius could any classifier reach on this latent, and what does ours reach?

    `separated_radius`: largest r at which the ellipsoids of `coverage` lie 2 r apart, so that the
    nearest-ellipsoid rule has robust accuracy >= `coverage` under the fitted law; 0 when two of them meet.
    """

    lines: tuple[Reach, ...]
    separated_radius: float
    coverage: float
    nearest_pair: tuple[str, str]

    def __str__(self) -> str:
        rows = [f"{'radius':>10}  {'any classifier':>14}  {'ours':>8}"]
        for line in self.lines:
            ours = "-" if line.ours is None else f"{math.floor(line.ours * 1e4) / 1e4:8.4f}"
            rows.append(f"{line.radius:10.4g}  {math.ceil(line.any_classifier * 1e4) / 1e4:14.4f}  {ours:>8}")
        return "\n".join([*rows, self.separation])

    @property
    def separation(self) -> str:
        """The sufficient condition in a sentence: whether the classes' ellipsoids lie apart, and how far."""
        what = f"Ellipsoids holding {self.coverage:g} of each class"
        pair = f"nearest: {self.nearest_pair[0]} and {self.nearest_pair[1]}"
        if not self.separated_radius > 0.0:
            return f"{what} meet ({pair}): separation proves no radius at this coverage."
        shown = math.floor(self.separated_radius * 1e4) / 1e4
        return (
            f"{what} lie {2 * shown:g} apart or more ({pair}): under the fitted law robust accuracy "
            f"{self.coverage:g} is possible against shifts of the latent of up to {shown:g}."
        )


def existence(
    classifier: Any, radii: Array, Z: Array | None = None, y: Array | None = None, *, coverage: float = 0.99
) -> ExistenceReport:
    """Compare what is possible under the fitted Gaussians with what the classifier reaches.

    The bound on every classifier adds the overlaps of disjoint pairs of classes, the worst pairs first: each
    sample belongs to one pair at most.

    Args:
        classifier: a fitted GaussianClassifier with one component per class.
        radii: radii to report, each >= 0. Z, y: held-out latents and labels for the last column.
        coverage: share of each class that the ellipsoids of the sufficient condition hold.
    Raises:
        InputError: several components per class (the overlap of mixtures has no closed form).
    """
    means, count = classifier.means_, len(classifier.classes_)
    if len(means) != count:
        raise wrong_value(
            "classifier", f"{len(means)} components", f"one component for each of {count} classes"
        )
    covs = [classifier.covariances_[0 if len(classifier.covariances_) == 1 else k] for k in range(count)]
    shared = len(classifier.covariances_) == 1
    priors = classifier.priors_
    pairs = [(i, j) for i in range(count) for j in range(i)]
    ours = None
    if Z is not None and y is not None:
        held = np.asarray(classifier.radius(Z))
        ours = np.where(np.asarray(classifier.predict(Z)) == np.asarray(y), held, -1.0)
    lines: list[Reach] = []
    for radius in np.asarray(radii, dtype=np.float64).tolist():
        if not radius >= 0.0:
            raise wrong_value("radii", radius, "radii of at least 0")
        errors = np.zeros(len(pairs))
        for n, (i, j) in enumerate(pairs):
            both = float(priors[i] + priors[j])
            weight = float(priors[i]) / both
            if shared:
                least = optimal_robust_error(means[i], means[j], covs[i], radius, weight) * (1.0 - SLACK)
            else:
                least = overlap_bound(means[i], covs[i], means[j], covs[j], radius, weight)
            errors[n] = both * least
        share = None if ours is None else float(np.mean(ours > radius if radius > 0.0 else ours >= 0.0))
        lines.append(Reach(radius, 1.0 - _disjoint(errors, pairs) * (1.0 - SLACK), share))
    # What bounds a radius bounds every larger one; the pairs that are chosen there may bound it less.
    lines = [
        replace(one, any_classifier=min(b.any_classifier for b in lines if b.radius <= one.radius))
        for one in lines
    ]
    rho = [gaussian_radius(coverage, means.shape[1])] * count
    gaps = [ellipsoid_distance(means[i], covs[i], rho[i], means[j], covs[j], rho[j]) for i, j in pairs]
    names = [str(label) for label in classifier.classes_]
    nearest = int(np.argmin(gaps)) if gaps else 0
    first, second = pairs[nearest] if pairs else (0, 0)
    separated = 0.5 * min(gaps) if gaps else math.inf
    return ExistenceReport(tuple(lines), separated, coverage, (names[second], names[first]))


def _disjoint(errors: Array, pairs: list[tuple[int, int]]) -> float:
    total, taken = 0.0, set[int]()
    for n in np.argsort(-errors):
        if not taken & set(pairs[n]):
            taken |= set(pairs[n])
            total += float(errors[n])
    return total
