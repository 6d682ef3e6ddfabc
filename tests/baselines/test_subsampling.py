"""Subsampling: every subset equally likely, the bound holds for every attacked input, and l2 gets nothing."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2

from ironbound.baselines import Subsampled, SubsamplingBound
from ironbound.errors import InputError

LENGTH, ALPHABET, KEPT = 4, 3, 2
FILL = -1


def subsamples(text: tuple[int, ...]) -> list[tuple[int, ...]]:
    shown = itertools.combinations(range(LENGTH), KEPT)
    return [tuple(text[i] if i in kept else FILL for i in range(LENGTH)) for kept in shown]


def share(text: tuple[int, ...], says: dict[tuple[int, ...], int]) -> Fraction:
    return Fraction(sum(says[one] for one in subsamples(text)), len(subsamples(text)))


@pytest.mark.parametrize("seed", range(20))
def test_no_attack_takes_more_than_the_bound_allows(seed: int) -> None:
    # Bases that are right on the clean text and wrong wherever they can tell that it was changed are the
    # worst; random ones are tried beside them.
    random = np.random.default_rng(seed)
    texts = list(itertools.product(range(ALPHABET), repeat=LENGTH))
    every = {one for text in texts for one in subsamples(text)}
    clean = texts[int(random.integers(len(texts)))]
    own = set(subsamples(clean))
    worst = {one: int(one in own) for one in every}
    mixed = {one: int(random.random() < (0.9 if one in own else 0.2)) for one in every}
    for says in (worst, mixed):
        p = share(clean, says)
        tight = False
        for changed in range(LENGTH + 1):
            bound = SubsamplingBound(1, 0, 0, 1.0, 0.01, 0.5, {"t": (LENGTH, KEPT)})
            left = p - (1 - bound.untouched(t=changed))
            near = [t for t in texts if sum(a != b for a, b in zip(t, clean, strict=True)) <= changed]
            least = min(share(t, says) for t in near)
            assert left <= least
            tight = tight or (changed > 0 and left == least > 0)
        assert tight or says is mixed  # the bound is attained, so a looser formula would show


def test_a_subsample_is_any_subset_with_the_same_probability() -> None:
    seen: dict[tuple[bool, ...], int] = {}

    def base(batch: dict[str, Any]) -> Any:
        assert (batch["t"] != FILL).sum(axis=1).tolist() == [KEPT] * len(batch["t"])
        for row in batch["t"] != FILL:
            seen[tuple(row.tolist())] = seen.get(tuple(row.tolist()), 0) + 1
        return np.ones(len(batch["t"]), dtype=int)

    model = Subsampled(base, keep={"t": KEPT}, fill={"t": FILL}, num_classes=2)
    model.certify({"t": np.arange(LENGTH)}, n=6000, n0=1)
    expected = 6001 / 6
    assert len(seen) == 6
    assert sum((count - expected) ** 2 / expected for count in seen.values()) < chi2.ppf(0.9999, 5)


def test_colours_of_a_pixel_go_together() -> None:
    def base(batch: dict[str, Any]) -> Any:
        shown = batch["image"] != 0
        assert np.array_equal(shown.any(axis=1), shown.all(axis=1))
        assert shown.any(axis=1).sum(axis=(1, 2)).tolist() == [3] * len(shown)
        return np.ones(len(shown), dtype=int)

    model = Subsampled(base, keep={"image": 3}, fill={"image": 0.0}, num_classes=2, together={"image": 0})
    found = model.certify({"image": np.ones((3, 4, 4))}, n=300)
    assert found.sizes["image"] == (16, 3)
    assert found.lower > 0.98


def test_an_attacker_of_every_pixel_leaves_nothing() -> None:
    model = Subsampled(
        lambda batch: np.ones(len(batch["image"]), dtype=int),
        keep={"image": 5, "t": 2},
        fill={"image": 0.0, "t": FILL},
        num_classes=2,
        threshold=1e-5,
    )
    found = model.certify({"image": np.ones((8, 8)), "t": np.arange(4)}, n=2000)
    assert found.certified(image=1, t=1)
    assert found.untouched(image=64) == 0
    assert not found.certified(image=64)


def test_draws_that_name_no_class_count_against_it() -> None:
    model = Subsampled(
        lambda batch: np.where(np.arange(len(batch["t"])) % 2 == 0, 1, -1), {"t": 2}, {"t": FILL}, 2
    )
    found = model.certify({"t": np.arange(4)}, n=1000)
    assert (found.prediction, found.successes, found.trials) == (1, 500, 1000)
    assert not found.certified()


def test_thresholds_speak_of_both_answers() -> None:
    low = Subsampled(lambda b: np.zeros(len(b["t"]), int), {"t": 2}, {"t": FILL}, 2, threshold=0.1)
    found = low.certify({"t": np.arange(4)}, n=500)
    assert found.prediction == 0
    assert found.threshold >= 0.9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keep": {"t": 5}}, r"keep\['t'\] must be 1\.\.4"),
        ({"fill": {}}, "fill must say"),
        ({"num_classes": 3, "threshold": 0.1}, "threshold must be None"),
        ({"keep": {"u": 1}, "fill": {"u": 0}}, "every channel to be subsampled"),
    ],
)
def test_what_cannot_be_is_named(change: dict[str, Any], message: str) -> None:
    settings: dict[str, Any] = {"keep": {"t": 2}, "fill": {"t": FILL}, "num_classes": 2} | change
    with pytest.raises(InputError, match=message):
        Subsampled(lambda b: np.ones(len(b["t"]), int), **settings).certify({"t": np.arange(4)}, n=50)


def test_budgets_are_checked() -> None:
    bound = SubsamplingBound(1, 10, 10, 0.9, 0.01, 0.5, {"t": (4, 2)})
    for bad in (-1, 5, 1.5):
        with pytest.raises(InputError, match=r"0\.\.4"):
            bound.untouched(t=bad)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="one of t"):
        bound.certified(image=1)
