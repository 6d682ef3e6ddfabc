"""What every channel must obey. A new kernel joins by one line in CHANNELS."""

from __future__ import annotations

import dataclasses
import json
import pickle
from typing import Any

import numpy as np
import pytest

from ironbound.channels import (
    AbstractChannel,
    AdaptiveGaussian,
    AnisotropicGaussian,
    Categorical,
    Deletion,
    Gaussian,
    Mask,
    OnSuffix,
    Smoothing,
    SynonymReplacement,
    UniformReplacement,
)
from ironbound.errors import InputError
from ironbound.threats import L2, Budget, Edits, FieldsL0, LInf, SuffixInPlace, SynonymL0, TokenL0


def halves(seen: Any) -> Any:
    """A mask: all of the larger half of what is seen, little of the rest."""
    return np.where(seen >= np.median(seen, axis=tuple(range(1, seen.ndim)), keepdims=True), 1.0, 0.25)


# name, channel, a clean input, a budget that it proves, an amount of that budget
Row = tuple[AbstractChannel, Any, Budget, float]
CHANNELS: dict[str, Row] = {
    "gaussian-float64": (Gaussian(sigma=0.5, unit="cm"), np.array([[0.5, -2.0, 3.0]]), L2(), 0.7),
    "gaussian-float32": (
        Gaussian(sigma=0.25, low=0.0, high=1.0),
        np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 2, 2),
        L2(),
        0.3,
    ),
    "gaussian-grid": (
        Gaussian(sigma=0.25, low=0.0, high=1.0, exact=True, refine=2),
        np.arange(12, dtype=np.float32).reshape(3, 2, 2) / np.float32(255),
        L2(),
        0.3,
    ),
    "replacement": (UniformReplacement(beta=0.25, alphabet=7), np.array([0, 6, 3, 3]), TokenL0(3), 2),
    "replacement-ids": (
        UniformReplacement(beta=0.5, alphabet=[2, 3, 11, 17]),
        np.array([17, 1, 2, 99]),
        TokenL0(4, "open"),
        3,
    ),
    "replacement-always": (UniformReplacement(beta=1.0, alphabet=2), np.array([0, 1]), TokenL0(1), 1),
    "mask": (Mask(beta=0.3, mask_id=9, alphabet=9), np.array([1, 8, 9]), TokenL0(2), 2),
    "categorical": (Categorical([2, 5, 42], 0.25), np.array([1, 0, 41]), FieldsL0(3), 2),
    "anisotropic": (AnisotropicGaussian([[0.5, 2.0]], low=0.0), np.array([[0.5, 3.0]]), L2(), 0.4),
    "adaptive": (AdaptiveGaussian(1.0, 0.5, halves, "halves", "l2", 4, low=0.0), np.ones((2, 2)), L2(), 0.4),
    "adaptive-max": (
        AdaptiveGaussian(1.0, 0.5, halves, "halves", "linf", 3, unit="cm"),
        np.array([0.5, -2.0, 3.0], dtype=np.float32),
        LInf(),
        0.2,
    ),
    "synonyms": (SynonymReplacement(0.5, [[3, 4], [9, 8, 7]]), np.array([3, 1, 7]), SynonymL0(2), 2),
    "deletion": (Deletion(0.4, width=4, pad=2), np.array([1, 5, 5, 2]), Edits(3), 2),
    "suffix": (OnSuffix(UniformReplacement(0.25, 7), 2), np.array([0, 6, 3]), SuffixInPlace(2), 2),
    "categorical-rates": (Categorical([3, 3, 4], [0.1, 0.9, 0.5]), np.array([0, 2, 3]), FieldsL0(2), 2),
}


@pytest.fixture(params=list(CHANNELS), name="row")
def one_row(request: pytest.FixtureRequest) -> Row:
    return CHANNELS[request.param]


def random(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed))


def test_samples_have_the_shape_and_type_of_the_checked_input(row: Row) -> None:
    channel, clean, _, _ = row
    value = channel.check(clean, "x")
    for count in (1, 5):
        noised = channel.sample(value, random(), count)
        assert noised.shape == (count, *value.shape)
        assert noised.dtype == value.dtype


def test_sampling_is_a_function_of_the_generator_alone_and_leaves_the_input_alone(row: Row) -> None:
    channel, clean, _, _ = row
    value = channel.check(clean, "x")
    before = value.copy()
    first, again, other = (channel.sample(value, random(s), 40) for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other) or channel == CHANNELS["replacement-always"][0]
    assert np.array_equal(value, before)


def test_checking_copies_and_is_idempotent(row: Row) -> None:
    channel, clean, _, _ = row
    value = channel.check(clean, "x")
    assert not np.shares_memory(value, clean)
    again = channel.check(value, "x")
    assert np.array_equal(again, value)
    assert again.dtype == value.dtype


def test_laws_are_probability_laws_and_weaken_with_the_budget(row: Row) -> None:
    channel, clean, budget, amount = row
    value = channel.check(clean, "x")
    unchanged = channel.laws(budget, 0, value)
    attacked = channel.laws(budget, amount, value)
    assert attacked
    for p in (0.6, 0.9, 0.99):
        assert min(law.lower(p) for law in attacked) < min(law.lower(p) for law in unchanged) <= p


def test_laws_are_cached_objects(row: Row) -> None:
    channel, clean, budget, amount = row
    if budget.kind not in {"l2", "linf"}:
        value = channel.check(clean, "x")
        first, second = channel.laws(budget, amount, value), channel.laws(budget, amount, value)
        assert all(a is b for a, b in zip(first, second, strict=True))


def test_records_are_plain_json_and_name_the_threat(row: Row) -> None:
    channel, clean, budget, _ = row
    value = channel.check(clean, "x")
    record = channel.record(value, "x", budget)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["channel"] == "x"
    assert record["noise"] == channel.noise
    assert record["threat"] == budget.kind
    assert channel.record(value, "x", None)["threat"] is None
    assert "max_d" not in channel.record(value, "x", None)


def test_every_parameter_of_the_noise_is_in_the_record(row: Row) -> None:
    channel, clean, budget, _ = row
    record = channel.record(channel.check(clean, "x"), "x", budget)
    expected = {"alphabet_id", "length", "outside"} if channel.noise == "uniform_replacement" else set()
    for name in expected | {f.name for f in dataclasses.fields(channel) if f.init}:  # type: ignore[arg-type]
        if (channel.noise, name) in {
            ("categorical", "beta"),
            ("mask", "alphabet"),
            ("gaussian_anisotropic", "shape"),
            ("gaussian_adaptive", "mask"),
        }:
            continue  # recorded as betas; no part of the law; the number of coordinates is; its name is
        if name == "exact" or (channel.noise == "gaussian" and name in {"grid", "refine"}):
            continue  # the kind of noise says it
        assert name in record, name


def test_channels_are_values(row: Row) -> None:
    channel, _, _, _ = row
    copy = pickle.loads(pickle.dumps(channel))
    assert copy == channel
    assert hash(copy) == hash(channel)
    assert Smoothing(x=copy) == Smoothing(x=channel)
    with pytest.raises(dataclasses.FrozenInstanceError):
        channel.beta = 0.1  # type: ignore[attr-defined]


def test_a_budget_of_another_kind_is_refused(row: Row) -> None:
    channel, clean, budget, _ = row
    value = channel.check(clean, "x")
    channel.check_budget(budget, value, "x")
    for other in (L2(), LInf(), TokenL0(1), FieldsL0(1)):
        if other.kind != budget.kind:
            with pytest.raises(InputError, match=r"threat on 'x'.*kind"):
                channel.check_budget(other, value, "x")


@pytest.mark.parametrize(
    "bad",
    [[float("nan")], [float("inf")], [], "text", None, [1j], [[1], [1, 2]], {"a": 1}, [True]],
    ids=repr,
)
def test_unusable_inputs_are_refused_by_the_name_of_the_channel(row: Row, bad: Any) -> None:
    with pytest.raises(InputError, match="x"):
        row[0].check(bad, "x")
