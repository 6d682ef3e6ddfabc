"""The Gaussian-mixture classifier of a latent space, with exact l2 radii.

Source: "Certified Robustness from Approximate Gaussian Mixture Structures in Pretrained Latent Spaces" (2026,
arXiv 2605.25352). The decision is quadratic discriminant analysis; the radius is a property of the fitted
classifier and needs no assumption about the data.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.mixture import GaussianMixture
from sklearn.utils.validation import check_is_fitted, check_random_state

from ironbound.certificate import Certificate
from ironbound.errors import InputError, wrong_value
from ironbound.latent._checks import check_latents, check_training
from ironbound.latent._covariance import estimate, factor, log_det
from ironbound.latent._rounding import Array
from ironbound.latent._threads import single_blas
from ironbound.latent.certify import certificates
from ironbound.latent.linear import LinearScores
from ironbound.latent.procedure import procedure, settled
from ironbound.latent.quadratic import Quadratics
from ironbound.latent.radius import QuadraticRadii, Radii

KINDS = ("full", "shared", "diagonal", "low_rank")


class GaussianClassifier(ClassifierMixin, BaseEstimator):
    """Classify by the likeliest Gaussian component, and tell how far each input is from another class.

    Component m of class k has the score 2 log pi_m - log det S_m - |S_m^(-1/2)(z - mu_m)|^2, the highest wins
    (with one component per class: the Bayes rule of the fitted model). `radius` is the l2 distance, in
    latent units, to the nearest point of another class: exact to about 1e-9 for one component per class, the
    best bound that a single own component proves otherwise, and always rounded down.

    Args:
        covariance: "full" (one per class), "shared" (one for all: linear, cheapest for many classes),
        "diagonal",
            or "low_rank" (leading `rank` directions plus a diagonal).
        rank: directions kept by "low_rank".
        components: Gaussian components per class, found by EM on each class (scikit-learn's GaussianMixture).
            Classes too small for that many get fewer.
        shrinkage: "ledoit-wolf", "none" (sample covariance), or the weight in [0, 1] of the spherical target.
        priors: class probabilities in the order of `classes_`; None for the training frequencies.
        variance_floor: smallest variance in any direction, as a share of the mean variance of the training
        data. random_state: seed of the EM starts; the fit is reproducible for an integer.
    Attributes:
        classes_, priors_: (K,). means_: (M, D). covariances_: (M, D, D) or (M, D), or (1, D, D) if shared.
        owner_, weights_, shrinkage_: (M,), the class index, prior probability and shrinkage of each
        component. procedure_: what repeats the fit, in JSON values; saved with the model (`latent.save`).
    Raises:
        InputError: on `fit`, for parameters out of range or a class that is too small.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> Z = np.concatenate([rng.normal(size=(50, 2)), rng.normal(size=(50, 2)) + 6])
        >>> y = np.repeat(["left", "right"], 50)
        >>> clf = GaussianClassifier(covariance="shared").fit(Z, y)
        >>> clf.predict([[0.0, 0.0]]).tolist(), bool(3.0 < clf.radius([[0.0, 0.0]])[0] < 5.5)
        (['left'], True)
    """

    def __init__(
        self,
        covariance: str = "full",
        *,
        rank: int = 8,
        components: int = 1,
        shrinkage: str | float = "ledoit-wolf",
        priors: ArrayLike | None = None,
        variance_floor: float = 1e-6,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.covariance = covariance
        self.rank = rank
        self.components = components
        self.shrinkage = shrinkage
        self.priors = priors
        self.variance_floor = variance_floor
        self.random_state = random_state

    @single_blas()
    def fit(self, Z: ArrayLike, y: ArrayLike) -> GaussianClassifier:
        """Fit to latents Z (N, D) and labels y (N,)."""
        z, labels = check_training(self, Z, y)
        self._check_parameters()
        self.classes_, index = np.unique(labels, return_inverse=True)
        self.priors_ = self._class_priors(index)
        floor = self.variance_floor * max(float(np.mean(np.var(z, axis=0))), 1e-280)
        seed = settled(self.random_state)
        samples: list[Array] = []
        weights: list[float] = []
        owner: list[int] = []
        for k, name in enumerate(self.classes_):
            own = z[index == k]
            if len(own) < 2:
                raise InputError(
                    f"class {name} has {len(own)} sample; a covariance needs at least 2 per class"
                )
            for part in self._split(own, seed, floor):
                samples.append(part)
                weights.append(float(self.priors_[k]) * len(part) / len(own))
                owner.append(k)
        self.owner_ = np.array(owner, dtype=np.int64)
        self.weights_ = np.array(weights)
        self.means_ = np.array([part.mean(axis=0) for part in samples])
        centred = [part - mean for part, mean in zip(samples, self.means_, strict=True)]
        self._fit_scores(centred, floor)
        self.procedure_ = procedure(self, z, labels, index, seed if self.components > 1 else None)
        return self

    def _fit_scores(self, centred: list[Array], floor: float) -> None:
        prior_term = 2.0 * np.log(self.weights_)
        if self.covariance == "shared":
            pooled = estimate(
                np.concatenate(centred), "full", self.shrinkage, self.rank, floor, "the training set"
            )
            self.covariances_ = pooled.matrix[None]
            self.shrinkage_ = np.full(len(centred), pooled.shrinkage)
            center = self.weights_ @ self.means_ / self.weights_.sum()
            moved = self.means_ - center
            weights = np.linalg.solve(pooled.matrix, moved.T).T
            offsets = 0.5 * prior_term - 0.5 * np.sum(weights * moved, axis=1)
            self.scores_: LinearScores | Quadratics = LinearScores.build(
                weights, offsets, center, self.owner_
            )
            return
        found = [
            estimate(
                c,
                self.covariance,
                self.shrinkage,
                self.rank,
                floor,
                f"component {m} (class {self.classes_[k]})",
            )
            for m, (c, k) in enumerate(zip(centred, self.owner_, strict=True))
        ]
        self.covariances_ = np.array([f.matrix for f in found])
        self.shrinkage_ = np.array([f.shrinkage for f in found])
        factors = np.array([factor(s) for s in self.covariances_])
        offsets = np.array([log_det(s) for s in self.covariances_]) - prior_term
        self.scores_ = Quadratics.build(factors, self.means_, offsets, self.owner_)
        self.radii_ = QuadraticRadii(self.scores_)

    def decision_function(self, Z: ArrayLike) -> Array:
        """Scores (N, K), higher is better, argmax = `predict`; twice a log posterior up to a common constant.

        Two classes give two columns as well, unlike most scikit-learn estimators.
        """
        z = check_latents(self, Z)
        if isinstance(self.scores_, LinearScores):
            per_component = 2.0 * self.scores_.scores(z)
        else:
            per_component = -self.scores_.scores(z)
        if len(self.owner_) == len(self.classes_):
            return per_component
        starts = np.flatnonzero(np.diff(self.owner_, prepend=-1))
        return np.maximum.reduceat(per_component, starts, axis=1)

    def predict(self, Z: ArrayLike) -> NDArray[Any]:
        """Labels (N,)."""
        best = np.argmax(self.decision_function(Z), axis=1)
        return self.classes_[best]

    def predict_proba(self, Z: ArrayLike) -> Array:
        """Probabilities (N, K): the posterior of the model, each class by its likeliest component."""
        return softmax(0.5 * self.decision_function(Z), axis=1)

    def radius(self, Z: ArrayLike) -> Array:
        """l2 radii (N,) within which the prediction cannot change, in latent units, rounded down.

        0 where float64 scores cannot separate the best two classes; inf where no shift changes the class.
        """
        return self.radii(Z).radius

    def radii(self, Z: ArrayLike) -> Radii:
        """As `radius`, with the nearest rival and the dual multiplier that proves each radius."""
        z = check_latents(self, Z)
        return self.scores_.radii(z) if isinstance(self.scores_, LinearScores) else self.radii_(z)

    def certify(self, Z: ArrayLike, input_ids: Iterable[str] | None = None) -> list[Certificate]:
        """A sealed certificate for each row: prediction, radius, and what re-checks both without the
        classifier.

        Args:
            input_ids: one for each row, all different; None for "0", "1", ...
        """
        scores = self.scores_ if isinstance(self.scores_, LinearScores) else self.radii_
        return certificates(
            scores, check_latents(self, Z), [str(label) for label in self.classes_], input_ids
        )

    def closed_form_radius(self, Z: ArrayLike) -> Array:
        """Radii (N,) from Lipschitz constants alone, for comparison; never above `radius`.

        Equal covariances: the closed form is the exact radius.
        """
        z = check_latents(self, Z)
        return (
            self.scores_.radii(z).radius
            if isinstance(self.scores_, LinearScores)
            else self.radii_.closed_form(z)
        )

    def prepare(self) -> GaussianClassifier:
        """Diagonalise all pairs of components now, rather than when `radius` first needs them."""
        check_is_fitted(self)
        if isinstance(self.scores_, Quadratics):
            self.radii_.prepare()
        return self

    def sample(
        self, count: int, random_state: int | np.random.RandomState | None = None
    ) -> tuple[Array, NDArray[Any]]:
        """Draw latents (count, D) and labels (count,) from the fitted mixture."""
        check_is_fitted(self)
        rng = check_random_state(random_state)
        chosen = rng.choice(len(self.weights_), size=count, p=self.weights_ / self.weights_.sum())
        z = rng.standard_normal((count, self.means_.shape[1]))
        for m in range(len(self.weights_)):
            rows = chosen == m
            s = self.covariances_[0 if self.covariance == "shared" else m]
            z[rows] = z[rows] * np.sqrt(s) if s.ndim == 1 else z[rows] @ np.linalg.cholesky(s).T
            z[rows] += self.means_[m]
        return z, self.classes_[self.owner_[chosen]]

    def _check_parameters(self) -> None:
        if self.covariance not in KINDS:
            raise wrong_value("covariance", self.covariance, f"one of {', '.join(KINDS)}")
        for name, value in (("rank", self.rank), ("components", self.components)):
            if not (isinstance(value, int | np.integer) and value >= 1):
                raise wrong_value(name, value, "a whole number of at least 1")
        if not 0.0 < self.variance_floor < 1.0:
            raise wrong_value("variance_floor", self.variance_floor, "a share in (0, 1)")

    def _class_priors(self, index: NDArray[np.intp]) -> Array:
        count = len(self.classes_)
        if self.priors is None:
            return np.bincount(index, minlength=count) / len(index)
        given = np.asarray(self.priors, dtype=np.float64)
        if given.shape != (count,) or not np.all(given > 0.0) or not abs(given.sum() - 1.0) <= 1e-9:
            raise wrong_value("priors", self.priors, f"{count} positive probabilities that sum to 1")
        return given

    def _split(self, own: Array, seed: int, floor: float) -> list[Array]:
        """The samples of one class by component: EM, then each sample goes to its likeliest component."""
        count = min(self.components, len(own) // 2)
        if count < 2:
            return [own]
        kind = "diag" if self.covariance == "diagonal" else "full"
        reg = max(floor, 1e-3 * float(np.mean(np.var(own, axis=0))), 1e-280)
        mixture = GaussianMixture(count, covariance_type=kind, reg_covar=reg, random_state=seed)
        part = mixture.fit_predict(own)
        sizes = np.bincount(part, minlength=count)
        # A component with one sample has no covariance: its sample joins the largest.
        part[np.isin(part, np.flatnonzero(sizes < 2))] = int(np.argmax(sizes))
        return [own[part == c] for c in range(count) if np.any(part == c)]
