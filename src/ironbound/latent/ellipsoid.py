"""The nearest-ellipsoid classifier: each class is the ellipsoid that holds nearly all of it.

Source: GML (arXiv 2605.25352), the "Ellips" classifier. If the ellipsoids are 2r apart, its accuracy under
shifts of length r is at least the coverage.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_random_state

from ironbound.certificate import Certificate
from ironbound.errors import InputError, wrong_value
from ironbound.latent._calibration import conformal_radius, gaussian_radius, inflated_radius
from ironbound.latent._checks import check_latents, check_training
from ironbound.latent._covariance import estimate, factor
from ironbound.latent._rounding import Array
from ironbound.latent._threads import single_blas
from ironbound.latent.certify import certificates
from ironbound.latent.margin_scores import EllipsoidScores
from ironbound.latent.procedure import procedure, settled
from ironbound.latent.quadratic import Quadratics
from ironbound.latent.radius import QuadraticRadii, Radii


class EllipsoidClassifier(ClassifierMixin, BaseEstimator):
    """Classify by the nearest of K ellipsoids {|S_k^(-1/2)(z - mu_k)| <= rho_k}, and tell how robust that is.

    The lowest score wins: "mahalanobis" |S_k^(-1/2)(z - mu_k)| - rho_k, or "distance", the signed Euclidean
    distance to the ellipsoid. `radius` is the closed-form margin of these Lipschitz functions, a lower bound
    on the distance to another class; for "mahalanobis" with equal rho_k it is the exact distance (`exact_`).

    Args:
        coverage: share of its class that each ellipsoid is to hold.
        calibration: "gaussian" sets rho_k from the chi-square law; "conformal" from held-out samples, valid
        for
            any law.
        metric: the score, "mahalanobis" or "distance".
        confidence: None for the plain rule: the chi quantile as if the fit were the truth, or conformal
        coverage on
            average over calibration sets. A number such as 0.95 asks that the coverage hold, for all classes
            at once, with this probability over the training data: the Gaussian rule is then inflated by the
            Davidson-Szarek bound, the conformal rank raised.
        covariance: "full" or "diagonal"; "diagonal" has no Gaussian guarantee with `confidence`.
        shrinkage: "ledoit-wolf", "none", or a weight in [0, 1].
        calibration_share: share of each class held out when `calibration` is "conformal".
        common_rho: give every class the largest rho: coverage only grows, and "mahalanobis" becomes exact.
        variance_floor: smallest variance in any direction, as a share of the mean variance of the training
        data. random_state: seed of the conformal split.
    Attributes:
        classes_, rho_: (K,). means_: (K, D). covariances_: (K, D, D) or (K, D). guarantee_: what `coverage`
        means
            here, in one sentence.
    Raises:
        InputError: on `fit`, for parameters out of range, or too few samples for the guarantee asked.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> Z = np.concatenate([rng.normal(size=(400, 2)), rng.normal(size=(400, 2)) + 12])
        >>> clf = EllipsoidClassifier(coverage=0.9, confidence=0.95).fit(Z, np.repeat([0, 1], 400))
        >>> clf.predict([[0.0, 0.0]]).tolist(), bool(clf.radius([[0.0, 0.0]])[0] > 5.0)
        ([0], True)
    """

    def __init__(
        self,
        coverage: float = 0.99,
        *,
        calibration: str = "gaussian",
        metric: str = "mahalanobis",
        confidence: float | None = None,
        covariance: str = "full",
        shrinkage: str | float = "ledoit-wolf",
        calibration_share: float = 0.3,
        common_rho: bool = False,
        variance_floor: float = 1e-6,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.coverage = coverage
        self.calibration = calibration
        self.metric = metric
        self.confidence = confidence
        self.covariance = covariance
        self.shrinkage = shrinkage
        self.calibration_share = calibration_share
        self.common_rho = common_rho
        self.variance_floor = variance_floor
        self.random_state = random_state

    @single_blas()
    def fit(self, Z: ArrayLike, y: ArrayLike) -> EllipsoidClassifier:
        """Fit to latents Z (N, D) and labels y (N,)."""
        z, labels = check_training(self, Z, y)
        self._check_parameters()
        self.classes_, index = np.unique(labels, return_inverse=True)
        floor = self.variance_floor * max(float(np.mean(np.var(z, axis=0))), 1e-280)
        seed = settled(self.random_state) if self.calibration == "conformal" else None
        rng = check_random_state(seed)
        means: list[Array] = []
        matrices: list[Array] = []
        fitted: list[Array] = []
        held: list[Array] = []
        for k, label in enumerate(self.classes_):
            name = f"class {label}"
            own, rest = self._split(z[index == k], rng)
            if len(own) < 2:
                raise InputError(
                    f"{name} has {len(own)} sample to fit; a covariance needs at least 2 per class"
                )
            means.append(own.mean(axis=0))
            fitted.append(own - means[-1])
            held.append(rest)
            matrices.append(estimate(fitted[-1], self.covariance, self.shrinkage, 1, floor, name).matrix)
        self.means_ = np.array(means)
        self.covariances_ = np.array(matrices)
        factors = np.array([factor(matrix) for matrix in self.covariances_])
        self.quadratics_ = Quadratics.build(factors, self.means_, np.zeros(len(means)))
        self.rho_ = np.array([self._radius_of(k, fitted[k], held[k]) for k in range(len(means))])
        if self.common_rho:
            self.rho_ = np.full(len(means), self.rho_.max())
        self.procedure_ = procedure(self, z, labels, index, seed)
        return self.settle(factors)

    def settle(self, factors: Array) -> EllipsoidClassifier:
        """Build the scores from means_, rho_ and the factors of the precisions: (K, D, D) or (K, D)."""
        self.quadratics_ = Quadratics.build(factors, self.means_, np.zeros(len(self.means_)))
        self.ellipsoids_ = EllipsoidScores.build(self.quadratics_, self.rho_, self.metric)
        self.radii_ = QuadraticRadii(self.quadratics_)
        self.guarantee_ = self._guarantee()
        return self

    def decision_function(self, Z: ArrayLike) -> Array:
        """Minus the scores, (N, K): higher is better, argmax = `predict`. Two classes give two columns as
        well.
        """
        z = check_latents(self, Z)
        lower, upper = self.ellipsoids_.bounds(z)
        return -0.5 * (lower + upper)

    def predict(self, Z: ArrayLike) -> NDArray[Any]:
        """Labels (N,)."""
        best = np.argmax(self.decision_function(Z), axis=1)
        return self.classes_[best]

    def predict_proba(self, Z: ArrayLike) -> Array:
        """Softmax of `decision_function`, (N, K): a ranking with the right argmax, not a calibrated
        probability.
        """
        return softmax(self.decision_function(Z), axis=1)

    def radius(self, Z: ArrayLike) -> Array:
        """l2 radii (N,) within which the prediction cannot change, in latent units, rounded down."""
        z = check_latents(self, Z)
        return self._radii(z).radius

    def certify(self, Z: ArrayLike, input_ids: Iterable[str] | None = None) -> list[Certificate]:
        """A sealed certificate for each row, as `GaussianClassifier.certify`.

        Its quadrics are the exact ones where `exact_` says so; else one axis for each rival, which holds the
        Lipschitz constant of the difference of two scores.
        """
        z = check_latents(self, Z)
        return certificates(self.scores_, z, [str(label) for label in self.classes_], input_ids)

    @property
    def exact_(self) -> bool:
        """Whether `radius` is the exact distance to another class: "mahalanobis" with equal rho_k.

        Then the rule compares quadratic forms. With unequal rho_k it compares their square roots, whose
        regions are bounded by surfaces of degree four: no single quadric, so the S-lemma does not apply.
        """
        used = self.ellipsoids_  # not the parameters, which may have been set anew after the fit
        return used.metric == "mahalanobis" and bool(np.all(used.rho == used.rho[0]))

    @property
    def scores_(self) -> QuadraticRadii | EllipsoidScores:
        """The scores that certificates are about, for `audit` and `model_digest`."""
        return self.radii_ if self.exact_ else self.ellipsoids_

    def _radii(self, z: Array) -> Radii:
        closed = self.ellipsoids_.radii(z)
        if not self.exact_:
            return closed
        exact = self.radii_(z)
        # Where rounding breaks a tie in two ways, nothing but the closed form is claimed.
        same = exact.prediction == closed.prediction
        return Radii(
            *(np.where(same, getattr(exact, f), getattr(closed, f)) for f in Radii.__dataclass_fields__)
        )

    def holds(self, Z: ArrayLike) -> NDArray[np.bool_]:
        """Which ellipsoids hold each input: (N, K). A row without any is far from all the training data."""
        z = check_latents(self, Z)
        lengths = self.quadratics_.scores(z)
        return lengths <= self.rho_**2

    def _radius_of(self, k: int, centred: Array, held: Array) -> float:
        name = f"class {self.classes_[k]}"
        share = None if self.confidence is None else (1.0 - self.confidence) / len(self.classes_)
        if self.calibration == "conformal":
            lengths = np.sqrt(self.quadratics_.scores(held)[:, k])
            return conformal_radius(lengths, self.coverage, share, name)
        count, size = centred.shape
        if share is None:
            return gaussian_radius(self.coverage, size)
        # Largest eigenvalue of U^-1 T for the sample covariance T and the one in use, U.
        stretched = centred @ self.quadratics_.factors[k]
        excess = float(np.linalg.norm(stretched, 2)) ** 2 / count * (1.0 + 1e-9)
        return inflated_radius(self.coverage, size, count, excess, share, name)

    def _split(self, own: Array, rng: np.random.RandomState) -> tuple[Array, Array]:
        if self.calibration != "conformal":
            return own, own[:0]
        order = rng.permutation(len(own))
        kept = round(self.calibration_share * len(own))
        return own[np.sort(order[kept:])], own[np.sort(order[:kept])]

    def _guarantee(self) -> str:
        law = "whatever its law" if self.calibration == "conformal" else "if its law is Gaussian"
        chance = f"probability {self.coverage:g} or more"
        each = f"each ellipsoid holds a new sample of its class with {chance}, {law}"
        if self.confidence is not None:
            return f"With confidence {self.confidence:g} over the training data, {each}."
        if self.calibration == "conformal":
            return f"On average over the calibration data, {each}."
        return f"If the fitted mean and covariance were the true ones, {each}."

    def _check_parameters(self) -> None:
        for name, value, options in (
            ("calibration", self.calibration, ("gaussian", "conformal")),
            ("metric", self.metric, ("mahalanobis", "distance")),
            ("covariance", self.covariance, ("full", "diagonal")),
        ):
            if value not in options:
                raise wrong_value(name, value, " or ".join(repr(option) for option in options))
        for name, share in (
            ("coverage", self.coverage),
            ("calibration_share", self.calibration_share),
            ("variance_floor", self.variance_floor),
            ("confidence", 0.5 if self.confidence is None else self.confidence),
        ):
            if not 0.0 < share < 1.0:
                raise wrong_value(name, share, "a number strictly between 0 and 1")
        if self.confidence is not None and self.calibration == "gaussian" and self.covariance == "diagonal":
            raise wrong_value(
                "confidence", self.confidence, 'None for covariance="diagonal" by the Gaussian rule'
            )
