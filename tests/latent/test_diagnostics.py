"""Diagnostics: known divergences, levels of tests, validity of the total-variation bound, intervals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, norm
from sklearn.linear_model import LogisticRegression

from ironbound.errors import InputError
from ironbound.latent import KLEstimate, certified_accuracy, kl_estimate, mardia, tv_lower_bound


def test_kl_estimate_of_shifted_gaussians() -> None:
    rng = np.random.default_rng(0)
    found = kl_estimate(rng.normal(size=(2000, 2)), rng.normal(size=(2000, 2)) + np.array([1.0, 0.0]))
    assert isinstance(found, KLEstimate)
    assert abs(found.estimated - 0.5) < 0.12
    assert "without confidence" in found.caveat
    same = kl_estimate(rng.normal(size=(2000, 2)), rng.normal(size=(2000, 2)))
    assert abs(same.estimated) < 0.1


def test_kl_estimate_has_no_field_that_reads_as_a_bound() -> None:
    names = set(KLEstimate.__dataclass_fields__)
    assert "estimated" in names
    assert not names & {"lower", "upper", "bound", "value", "eps"}


def test_mardia_statistics_of_a_small_sample() -> None:
    """Against the definition, with explicit loops."""
    z = np.random.default_rng(1).normal(size=(12, 2)) ** 3
    (found,) = mardia(z, np.zeros(12))
    centred = z - z.mean(axis=0)
    inverse = np.linalg.inv(centred.T @ centred / 12)
    g = np.array([[a @ inverse @ b for b in centred] for a in centred])
    assert found.skewness == pytest.approx(np.mean(g**3))
    assert found.kurtosis == pytest.approx(np.mean(np.diag(g) ** 2))
    assert found.kurtosis_p == pytest.approx(2 * norm.sf(abs(found.kurtosis - 8) / np.sqrt(8 * 8 / 12)))
    assert (found.label, found.samples) == (0.0, 12)


def test_mardia_keeps_its_level_and_sees_tails_and_skew() -> None:
    rng = np.random.default_rng(2)
    rejected = np.zeros(2, dtype=int)
    for _ in range(200):
        (found,) = mardia(rng.normal(size=(400, 2)), np.zeros(400))
        rejected += [found.skewness_p < 0.05, found.kurtosis_p < 0.05]
    assert np.all(rejected <= binom.ppf(1 - 1e-6, 200, 0.06))  # asymptotic tests: 0.06 allows for n = 400
    z = np.concatenate([rng.standard_t(3, size=(400, 2)), rng.exponential(size=(400, 2))])
    skewed, tails = mardia(z, np.repeat(["tails", "skewed"], 400))  # in the order of the labels
    assert tails.kurtosis_p < 1e-6
    assert skewed.skewness_p < 1e-6
    assert (tails.label, skewed.label) == ("tails", "skewed")


def test_tv_bound_is_valid_and_useful() -> None:
    """TV of N(0,1), N(2,1) is 2 Phi(1) - 1 = 0.683; of a law with itself, 0."""
    rng = np.random.default_rng(3)
    exact = 2 * norm.cdf(1.0) - 1
    judge = LogisticRegression()
    found = [
        tv_lower_bound(
            rng.normal(size=(600, 1)), rng.normal(size=(600, 1)) + 2.0, alpha=0.1, judge=judge, seed=s
        )
        for s in range(60)
    ]
    wrong = sum(f.lower > exact for f in found)
    assert wrong <= binom.ppf(1 - 1e-6, 60, 0.1)
    assert np.median([f.lower for f in found]) > 0.45
    same = [
        tv_lower_bound(
            rng.normal(size=(200, 1)), rng.normal(size=(200, 1)), alpha=0.1, judge=judge, seed=s
        ).lower
        for s in range(60)
    ]
    assert sum(lower > 0 for lower in same) <= binom.ppf(1 - 1e-6, 60, 0.1)
    assert all(f.kl_lower <= 2 * f.lower**2 for f in found)


def test_tv_bound_by_the_default_judge_sees_equal_moments() -> None:
    """A law with the model's mean and variance, but two-valued, is told apart by trees."""
    rng = np.random.default_rng(4)
    data = rng.choice([-1.0, 1.0], size=(600, 2)) + 0.05 * rng.normal(size=(600, 2))
    assert tv_lower_bound(data, rng.normal(size=(600, 2))).lower > 0.5


def test_certified_accuracy_counts_and_brackets() -> None:
    radii = np.array([0.0, 0.5, 1.0, np.inf, 2.0])
    right = np.array([True, True, False, True, True])
    zero, half, one = certified_accuracy(radii, right, [0.0, 0.5, 1.0])
    assert (zero.correct, half.correct, one.correct) == (4, 2, 2)
    assert half.measured == 0.4
    # Clopper-Pearson from its definition: the ends put alpha / 2 on either tail.
    assert binom.sf(1, 5, half.lower) == pytest.approx(0.025, rel=1e-6)
    assert binom.cdf(2, 5, half.upper) == pytest.approx(0.025, rel=1e-6)


def test_nan_radius_certifies_nothing() -> None:
    (found,) = certified_accuracy([np.nan, 1.0], [True, True], [0.1])
    assert found.correct == 1


def test_wrong_input_is_named() -> None:
    x = np.random.default_rng(5).normal(size=(20, 2))
    with pytest.raises(InputError, match="model must be of shape"):
        kl_estimate(x, x[:, :1])
    with pytest.raises(InputError, match="neighbours must be"):
        kl_estimate(x, x, neighbours=20)
    with pytest.raises(InputError, match="repeated points"):
        kl_estimate(np.zeros((20, 2)), x)
    with pytest.raises(InputError, match="samples of class 0"):
        mardia(x[:2], [0, 0])
    with pytest.raises(InputError, match="alpha must be"):
        tv_lower_bound(x, x, alpha=0.0)
    with pytest.raises(InputError, match="at must be"):
        certified_accuracy([1.0], [True], [np.nan])
    with pytest.raises(InputError, match="data must be finite"):
        kl_estimate(np.full((20, 2), np.nan), x)
