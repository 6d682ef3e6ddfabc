"""GaussianClassifier: estimator conventions, agreement with scikit-learn, parameters, reproducibility."""

from __future__ import annotations

import pickle
import warnings
from typing import Any, cast

import numpy as np
import pytest
from latent.distances import Array
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from ironbound.errors import InputError
from ironbound.latent import EllipsoidClassifier, GaussianClassifier

TWO_COLUMNS = "decision_function has one column per class, for two classes as well"
ONE_COLUMN_CHECKS = (
    "check_classifiers_train",
    "check_classifiers_classes",
    "check_decision_proba_consistency",
)
KINDS = ["full", "shared", "diagonal", "low_rank"]


@parametrize_with_checks(
    [
        GaussianClassifier(),
        GaussianClassifier("shared"),
        GaussianClassifier("diagonal"),
        EllipsoidClassifier(),
    ],
    expected_failed_checks=lambda estimator: dict.fromkeys(ONE_COLUMN_CHECKS, TWO_COLUMNS),
)
def test_scikit_learn_conventions(estimator: Any, check: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks provoke scikit-learn's own warnings on purpose
        check(estimator)


def blobs(seed: int, count: int = 300, size: int = 4, classes: int = 3) -> tuple[Array, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(classes, size=count)
    means = rng.normal(size=(classes, size)) * 3.0
    mixing = rng.normal(size=(classes, size, size)) / 2.0 + np.eye(size)
    return means[y] + np.einsum("nij,nj->ni", mixing[y], rng.normal(size=(count, size))), y


def test_full_is_quadratic_discriminant_analysis() -> None:
    z, y = blobs(0)
    ours = GaussianClassifier(shrinkage="none").fit(z, y)
    theirs = QuadraticDiscriminantAnalysis(store_covariance=False).fit(z, y)
    # Their covariances divide by n - 1, so that only the decisions of clear cases must agree.
    clear = np.abs(np.sort(theirs.decision_function(z), axis=1)[:, -2:] @ [-1, 1]) > 0.2
    assert np.array_equal(ours.predict(z)[clear], theirs.predict(z)[clear])
    assert clear.mean() > 0.9


def test_shared_is_linear_discriminant_analysis() -> None:
    z, y = blobs(1)
    ours = GaussianClassifier("shared", shrinkage="none").fit(z, y)
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(z, y)
    assert np.allclose(ours.predict_proba(z), theirs.predict_proba(z), atol=1e-8)
    assert np.array_equal(ours.radius(z), ours.closed_form_radius(z))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("components", [1, 2])
def test_estimator_contract(kind: str, components: int) -> None:
    z, y = blobs(2)
    names = np.array(["a", "b", "c"])[y]
    clf = GaussianClassifier(kind, components=components, rank=2, random_state=0).fit(z, names)
    scores = clf.decision_function(z)
    assert scores.shape == (300, 3)
    assert np.array_equal(clf.classes_[np.argmax(scores, axis=1)], clf.predict(z))
    assert np.array_equal(np.argmax(clf.predict_proba(z), axis=1), np.argmax(scores, axis=1))
    assert np.all(np.abs(clf.predict_proba(z).sum(axis=1) - 1.0) < 1e-12)
    radii = clf.radii(z)
    assert np.array_equal(clf.classes_[radii.prediction], clf.predict(z))
    assert np.array_equal(radii.radius, clf.radius(z))
    assert np.all(clf.closed_form_radius(z) <= radii.radius)
    assert np.all(clf.owner_[radii.component] == radii.prediction)
    assert np.all(clf.owner_[radii.rival] != radii.prediction)
    again = cast(Any, clone(clf)).fit(z, names)
    assert np.array_equal(again.radius(z), radii.radius)
    assert np.array_equal(pickle.loads(pickle.dumps(clf)).radius(z), radii.radius)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("components", [1, 3])
def test_no_shift_within_the_radius_changes_the_prediction(kind: str, components: int) -> None:
    """10,000 shifts of almost the radius: random ones, and ones straight at the rival's mean."""
    z, y = blobs(3, classes=4)
    clf = GaussianClassifier(kind, components=components, rank=1, random_state=0).fit(z, y)
    rng = np.random.default_rng(0)
    rows = rng.integers(len(z), size=10_000)
    found = clf.radii(z)
    d = rng.normal(size=(10_000, 4))
    d[5_000:] = 0.1 * d[5_000:] + clf.means_[found.rival[rows[5_000:]]] - z[rows[5_000:]]
    d *= (found.radius[rows] * (1 - 1e-12) / np.linalg.norm(d, axis=1))[:, None]
    assert np.array_equal(clf.predict(z[rows] + d), clf.predict(z[rows]))


def test_pipeline_with_real_digits() -> None:
    x, y = cast(tuple[Any, Any], load_digits(return_X_y=True))
    model = make_pipeline(StandardScaler(with_std=False), PCA(20, random_state=0), GaussianClassifier())
    model.fit(x[:1200], y[:1200])
    assert model.score(x[1200:], y[1200:]) > 0.93
    clf = model[-1]
    assert isinstance(clf, GaussianClassifier)
    latent = model[:-1].transform(x[1200:])
    exact, closed = clf.radius(latent), clf.closed_form_radius(latent)
    assert np.all(exact >= closed)
    assert np.median(exact) > 1.2 * np.median(closed)


def test_samples_follow_the_fitted_law() -> None:
    z, y = blobs(4, count=600)
    clf = GaussianClassifier().fit(z, y)
    drawn, labels = clf.sample(60_000, random_state=0)
    for k, label in enumerate(clf.classes_):
        own = drawn[labels == label]
        assert abs(len(own) / 60_000 - clf.priors_[k]) < 0.012
        spread = np.sqrt(np.diag(clf.covariances_[k]) / len(own))
        assert np.all(np.abs(own.mean(axis=0) - clf.means_[k]) < 6 * spread)
        assert np.allclose(np.cov(own.T), clf.covariances_[k], rtol=0.2, atol=0.1)
    again, _ = clf.sample(60_000, random_state=0)
    assert np.array_equal(again, drawn)


def test_priors_and_shrinkage_are_used() -> None:
    z, y = blobs(5, classes=2)
    even = GaussianClassifier(priors=[0.5, 0.5]).fit(z, y)
    tilted = GaussianClassifier(priors=[0.99, 0.01]).fit(z, y)
    gain = tilted.decision_function(z) - even.decision_function(z)
    assert np.allclose(gain[:, 0] - gain[:, 1], 2.0 * np.log(99.0))
    round_ = GaussianClassifier(shrinkage=1.0).fit(z, y).covariances_[0]
    assert np.allclose(round_, round_[0, 0] * np.eye(4))
    assert GaussianClassifier(shrinkage=0.25).fit(z, y).shrinkage_.tolist() == [0.25, 0.25]


def test_low_rank_keeps_every_variance() -> None:
    z, y = blobs(6)
    full = GaussianClassifier(shrinkage="none").fit(z, y)
    low = GaussianClassifier("low_rank", rank=1, shrinkage="none").fit(z, y)
    for one, two in zip(full.covariances_, low.covariances_, strict=True):
        assert np.allclose(np.diag(one), np.diag(two))
        assert not np.allclose(one, two)


def test_few_samples_in_many_dimensions() -> None:
    rng = np.random.default_rng(7)
    z, y = rng.normal(size=(40, 60)), np.repeat([0, 1], 20)
    z[y == 1] += 1.0
    clf = GaussianClassifier().fit(z, y)
    assert np.all(np.isfinite(clf.radius(z)))
    with pytest.raises(InputError, match=r"20 samples in 60 dimensions.*ledoit-wolf"):
        GaussianClassifier(shrinkage="none").fit(z, y)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"covariance": "round"}, "covariance must be one of full, shared"),
        ({"components": 0}, "components must be a whole number"),
        ({"rank": 1.5}, "rank must be a whole number"),
        ({"shrinkage": 2.0}, "shrinkage must be"),
        ({"shrinkage": "oas"}, "shrinkage must be"),
        ({"priors": [0.5, 0.6, 0.1]}, "priors must be 3 positive"),
        ({"variance_floor": 0.0}, "variance_floor must be"),
    ],
)
def test_wrong_parameters_are_named(parameters: dict[str, Any], message: str) -> None:
    z, y = blobs(8)
    with pytest.raises(InputError, match=message):
        GaussianClassifier(**parameters).fit(z, y)


def test_a_class_of_one_sample_is_named() -> None:
    with pytest.raises(InputError, match="class lonely has 1 sample"):
        GaussianClassifier().fit(np.eye(4), ["many", "many", "many", "lonely"])
