"""How far the data are from the fitted mixture: an estimate, two tests, a bound with confidence, a
measurement.

Only `tv_lower_bound` and `certified_accuracy` are statements with a confidence; `kl_estimate` is an estimate
and is named and typed as one: no certificate may rest on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.base import ClassifierMixin, clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.neighbors import NearestNeighbors

from ironbound.confidence import clopper_pearson_lower, clopper_pearson_upper
from ironbound.errors import wrong_value
from ironbound.latent._rounding import Array

KL_CAVEAT = (
    "k-nearest-neighbour estimate without confidence: biased in high dimension, where no finite sample "
    "identifies the divergence; use it to compare fits, not to choose eps for a claim"
)


@dataclass(frozen=True)
class KLEstimate:
    """An *estimate* of KL(data || model) in nats; it can be negative and it bounds nothing."""

    estimated: float
    neighbours: int
    data_samples: int
    model_samples: int
    dimension: int
    caveat: str = KL_CAVEAT


def kl_estimate(data: ArrayLike, model: ArrayLike, *, neighbours: int = 5) -> KLEstimate:
    """Estimate KL(data || model) from samples of both, shape (n, D) and (m, D).

    (D / n) sum_i log(nu_i / rho_i) + log(m / (n - 1)), rho_i and nu_i the distances from the i-th data point
    to its k-th neighbour among the other data and among the model's samples (Wang, Kulkarni, Verdu 2009).

    Args:
        neighbours: k; a larger one trades variance for bias.
    Raises:
        InputError: fewer than k + 1 samples, unequal widths, or repeated points that leave no distance.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> found = kl_estimate(rng.normal(size=(500, 1)), rng.normal(size=(500, 1)) + 1.0)
        >>> bool(abs(found.estimated - 0.5) < 0.25)
        True
    """
    x, y = _samples("data", data), _samples("model", model)
    if x.shape[1] != y.shape[1]:
        raise wrong_value("model", y.shape, f"of shape (m, {x.shape[1]}), as wide as the data")
    if not 1 <= neighbours < min(len(x), len(y)):
        raise wrong_value(
            "neighbours", neighbours, f"between 1 and {min(len(x), len(y)) - 1}, the samples there are"
        )
    inner = _distances(x, x, neighbours + 1)
    outer = _distances(y, x, neighbours)
    if not (np.all(inner > 0.0) and np.all(outer > 0.0)):
        raise wrong_value(
            "data", "repeated points", f"such that no point equals its {neighbours} nearest ones"
        )
    value = x.shape[1] * float(np.mean(np.log(outer / inner))) + math.log(len(y) / (len(x) - 1))
    return KLEstimate(value, neighbours, len(x), len(y), x.shape[1])


@dataclass(frozen=True)
class Normality:
    """Mardia's tests of one class. Small p-values speak against a Gaussian; large ones do not prove it."""

    label: Any
    samples: int
    skewness: float
    skewness_p: float
    kurtosis: float
    kurtosis_p: float


def mardia(Z: ArrayLike, y: ArrayLike) -> tuple[Normality, ...]:
    """Mardia's multivariate skewness and kurtosis for each class of latents Z (N, D) with labels y (N,).

    With Mahalanobis products g_ij under the class's own covariance (divisor n): b1 = mean g_ij^3, n b1 / 6 ~
    chi2 with D(D+1)(D+2)/6 degrees; b2 = mean g_ii^2 ~ N(D(D+2), 8 D(D+2) / n) (Mardia 1970; asymptotic in
    n).

    Raises:
        InputError: a class with no more samples than dimensions, whose covariance is singular.

    Example:
        >>> z = np.random.default_rng(0).normal(size=(400, 2))
        >>> found, = mardia(z, np.zeros(400))
        >>> found.skewness_p > 0.01 and found.kurtosis_p > 0.01
        True
    """
    z, labels = _samples("Z", Z), np.asarray(y)
    if labels.shape != (len(z),):
        raise wrong_value("y", labels.shape, f"of shape ({len(z)},), one label for each row of Z")
    return tuple(_mardia(z[labels == label], label) for label in np.unique(labels))


def _mardia(z: Array, label: Any) -> Normality:
    n, size = z.shape
    if n <= size:
        raise wrong_value(f"the samples of class {label}", n, f"more than the dimension, {size}")
    centred = z - z.mean(axis=0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    if not singular[-1] > 1e-12 * singular[0]:
        raise wrong_value(
            f"the samples of class {label}", "of singular covariance", "spread in every direction"
        )
    white = left * math.sqrt(n)
    skewness = sum(float(np.sum((white[i : i + 1024] @ white.T) ** 3)) for i in range(0, n, 1024)) / (n * n)
    kurtosis = float(np.mean(np.sum(white**2, axis=1) ** 2))
    degrees = size * (size + 1) * (size + 2) / 6
    skew_p = float(cast(Any, stats.chi2).sf(n * skewness / 6.0, degrees))
    spread = math.sqrt(8.0 * size * (size + 2) / n)
    kurt_p = 2.0 * float(cast(Any, stats.norm).sf(abs(kurtosis - size * (size + 2)) / spread))
    return Normality(label.item() if hasattr(label, "item") else label, n, skewness, skew_p, kurtosis, kurt_p)


@dataclass(frozen=True)
class TVBound:
    """TV(data, model) >= `lower` with confidence 1 - alpha; by Pinsker, KL >= 2 lower^2 as well."""

    lower: float
    alpha: float
    true_positive_rate: float
    false_positive_rate: float
    test_samples: int

    @property
    def kl_lower(self) -> float:
        """2 lower^2: the smallest eps that this evidence leaves possible."""
        return 2.0 * self.lower**2 * (1.0 - 1e-15)


def tv_lower_bound(
    data: ArrayLike,
    model: ArrayLike,
    *,
    alpha: float = 0.05,
    judge: ClassifierMixin | None = None,
    seed: int = 0,
) -> TVBound:
    """Lower bound on the total variation between data (n, D) and model (m, D), by a held-out two-sample test.

    Half of each sample trains a classifier; on the other half P_data(says data) - P_model(says data) <= TV
    for any classifier, so its Clopper-Pearson lower end (alpha shared by both rates) is a valid bound however
    bad the classifier is.

    Args:
        alpha: probability that the bound is wrong.
        judge: a scikit-learn classifier; None for gradient-boosted trees.
        seed: of the split and the default judge.
    Raises:
        InputError: fewer than 4 samples on a side, unequal widths, alpha outside (0, 1).
    """
    x, y = _samples("data", data), _samples("model", model)
    if min(len(x), len(y)) < 4 or x.shape[1] != y.shape[1]:
        raise wrong_value("data, model", (x.shape, y.shape), "4 or more samples each, of the same width")
    if not 0.0 < alpha < 1.0:
        raise wrong_value("alpha", alpha, "a probability strictly between 0 and 1")
    rng = np.random.default_rng(seed)
    x, y = x[rng.permutation(len(x))], y[rng.permutation(len(y))]
    half_x, half_y = len(x) // 2, len(y) // 2
    default = cast(Any, HistGradientBoostingClassifier)(random_state=seed, early_stopping=False)
    model_ = cast(Any, clone(judge) if judge is not None else default)
    model_.fit(np.concatenate([x[:half_x], y[:half_y]]), np.repeat([1, 0], [half_x, half_y]))
    true = np.asarray(model_.predict(x[half_x:])) == 1
    false = np.asarray(model_.predict(y[half_y:])) == 1
    up = float(clopper_pearson_lower(int(true.sum()), len(true), alpha / 2.0))
    down = float(clopper_pearson_upper(int(false.sum()), len(false), alpha / 2.0))
    lower = max(0.0, math.nextafter(up - down, -1.0))
    return TVBound(lower, alpha, float(true.mean()), float(false.mean()), len(true) + len(false))


@dataclass(frozen=True)
class Accuracy:
    """Share of held-out inputs that are classified rightly with a radius above `radius`, and its interval.

    `lower` and `upper` are Clopper-Pearson ends at alpha / 2 each, for the law that the inputs were drawn
    from.
    """

    radius: float
    correct: int
    samples: int
    alpha: float
    lower: float
    upper: float

    @property
    def measured(self) -> float:
        """The share itself."""
        return self.correct / self.samples


def certified_accuracy(
    radii: ArrayLike, right: ArrayLike, at: ArrayLike, *, alpha: float = 0.05
) -> tuple[Accuracy, ...]:
    """Certified accuracy at each radius in `at`, with Clopper-Pearson intervals (each alone at level alpha).

    Args:
        radii: certified radii (N,). right: whether each prediction was right, (N,). at: radii to report.
    Raises:
        InputError: empty or unequal lengths, NaN in `at`, alpha outside (0, 1).

    Example:
        >>> found, = certified_accuracy([1.0, 0.2, 3.0], [True, True, False], [0.5])
        >>> found.correct, found.samples, found.lower < 1 / 3 < found.upper
        (1, 3, True)
    """
    found, correct = np.asarray(radii, dtype=np.float64), np.asarray(right, dtype=bool)
    if found.ndim != 1 or not len(found) or correct.shape != found.shape:
        raise wrong_value(
            "radii, right", (found.shape, correct.shape), "two arrays of the same shape (N,), N >= 1"
        )
    if not 0.0 < alpha < 1.0:
        raise wrong_value("alpha", alpha, "a probability strictly between 0 and 1")
    result: list[Accuracy] = []
    for radius in np.atleast_1d(np.asarray(at, dtype=np.float64)).tolist():
        if not radius >= 0.0:
            raise wrong_value("at", radius, "a radius of at least 0")
        # At radius 0 a tie certifies nothing but may still be right: accuracy counts it.
        held = int(np.sum(correct & ((found > radius) | (radius == 0.0))))
        low = float(clopper_pearson_lower(held, len(found), alpha / 2.0))
        high = float(clopper_pearson_upper(held, len(found), alpha / 2.0))
        result.append(Accuracy(radius, held, len(found), alpha, low, high))
    return tuple(result)


def _samples(name: str, values: ArrayLike) -> Array:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 2 or not found.size:
        raise wrong_value(name, found.shape, "samples of shape (n, D)")
    if not np.all(np.isfinite(found)):
        raise wrong_value(name, "NaN or infinity", "finite numbers")
    return found


def _distances(among: Array, at: Array, rank: int) -> NDArray[np.float64]:
    found, _ = cast(Any, NearestNeighbors(n_neighbors=rank).fit(among)).kneighbors(at)
    return np.asarray(found, dtype=np.float64)[:, -1]
