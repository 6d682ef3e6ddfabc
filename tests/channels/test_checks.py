"""Bad values of channels and inputs: one message each, naming what is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ironbound.channels import Categorical, Gaussian, Mask, Smoothing, UniformReplacement
from ironbound.errors import InputError, InputTypeError
from ironbound.threats import L2, FieldsL0, Threat, TokenL0


@pytest.mark.parametrize(
    ("build", "names"),
    [
        (lambda: Gaussian(sigma=0.0), "sigma"),
        (lambda: Gaussian(sigma=float("nan")), "sigma"),
        (lambda: Gaussian(sigma=float("inf")), "sigma"),
        (lambda: Gaussian(sigma="0.5"), "sigma"),  # type: ignore[arg-type]
        (lambda: Gaussian(sigma=1.0, unit="pixels (0 to 1)"), "unit"),
        (lambda: Gaussian(sigma=1.0, unit="a\nb"), "unit"),
        (lambda: Gaussian(sigma=1.0, low=1.0, high=0.0), "low, high"),
        (lambda: Gaussian(sigma=1.0, low=float("nan")), "low"),
        (lambda: UniformReplacement(beta=0.0, alphabet=9), "beta"),
        (lambda: UniformReplacement(beta=1.01, alphabet=9), "beta"),
        (lambda: UniformReplacement(beta=float("nan"), alphabet=9), "beta"),
        (lambda: UniformReplacement(beta=0.5, alphabet=1), "alphabet"),
        (lambda: UniformReplacement(beta=0.5, alphabet=[3, 4, 3]), "alphabet.*twice.*3"),
        (lambda: UniformReplacement(beta=0.5, alphabet=[3, -4]), "alphabet"),
        (lambda: UniformReplacement(beta=0.5, alphabet=["a", "b"]), "alphabet"),  # type: ignore[list-item]
        (lambda: Mask(beta=2.0, mask_id=0), "beta"),
        (lambda: Mask(beta=0.5, mask_id=-1), "mask_id"),
        (lambda: Mask(beta=0.5, mask_id=0, alphabet=0), "alphabet"),
        (lambda: Categorical([3, 1], 0.5), "arities"),
        (lambda: Categorical([], 0.5), "arities"),
        (lambda: Categorical([3, 4], [0.5]), "beta.*2 fields"),
        (lambda: Categorical([3, 4], [0.5, 0.0]), "beta of field 1"),
        (lambda: Smoothing(), "smoothing"),
    ],
)
def test_parameters(build: Any, names: str) -> None:
    with pytest.raises(InputError, match=names):
        build()


@pytest.mark.parametrize(
    ("channel", "value", "says"),
    [
        (Gaussian(1.0, low=0, high=1), [[0.5, 1.5]], r"entry \(0, 1\) of x must be in \[0, 1\]; got 1.5"),
        (Gaussian(1.0), [0.0, float("nan")], r"entry \(1,\) of x must be finite; got nan"),
        (UniformReplacement(0.5, 10), [1, 10], r"token 1 of x must be an id in 0..9"),
        (UniformReplacement(0.5, 10), [1, -1], "token 1 of x"),
        (UniformReplacement(0.5, 10), [], "at least one token"),
        (UniformReplacement(0.5, 10), [[1, 2]], r"shape \(1, 2\)"),
        (UniformReplacement(0.5, 10), [0.5], "whole number"),
        (Mask(0.5, 10, alphabet=10), [3, 11], "token 1 of x"),
        (Categorical([3, 4], 0.5), [0, 4], r"field 1 of x must be a code in 0..3; got 4"),
        (Categorical([3, 4], 0.5), [0], "2 fields"),
    ],
)
def test_values(channel: Any, value: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        channel.check(value, "x")


def test_whole_floats_are_ids() -> None:
    assert UniformReplacement(0.5, 10).check(np.array([1.0, 9.0]), "x").tolist() == [1, 9]


def test_an_allowed_subset_lets_clean_text_hold_other_ids_and_counts_them() -> None:
    channel = UniformReplacement(0.5, [5, 2, 9])
    value = channel.check([1, 2, 9, 1000], "x")
    assert channel.outside(value) == 2
    record = channel.record(value, "x", TokenL0(1, "open"))
    assert (record["alphabet"], record["outside"], record["length"], record["attacker"]) == (3, 2, 4, "open")
    assert record["alphabet_id"] == UniformReplacement(0.1, (9, 2, 5)).record(value, "x", None)["alphabet_id"]
    assert record["alphabet_id"] != UniformReplacement(0.1, (9, 2, 6)).record(value, "x", None)["alphabet_id"]


def test_a_vocabulary_may_be_a_mapping_and_a_full_range_needs_no_digest() -> None:
    channel = UniformReplacement(0.5, {"the": 0, "a": 1, "cat": 2})
    assert channel.size == 3
    assert channel.record(channel.check([0], "x"), "x", None)["alphabet_id"] is None


SMOOTHING = Smoothing(
    image=Gaussian(0.5), tokens=UniformReplacement(0.25, 9), fields=Categorical([3, 3], 0.5)
)
INPUT: dict[str, Any] = {"image": np.zeros((2, 2)), "tokens": [1, 2, 3], "fields": [0, 2]}


def test_channel_names_of_the_input() -> None:
    assert list(SMOOTHING.check(INPUT)) == ["fields", "image", "tokens"]
    with pytest.raises(InputError, match=r"inputs names 'imgae'.*did you mean 'image'"):
        SMOOTHING.check({**INPUT, "imgae": 0})
    with pytest.raises(InputError, match="inputs must have the channel 'tokens'"):
        SMOOTHING.check({name: INPUT[name] for name in ("image", "fields")})
    with pytest.raises(InputTypeError, match="dict"):
        SMOOTHING.check([1, 2])  # type: ignore[arg-type]
    with pytest.raises(InputTypeError, match="'image'"):
        Smoothing(image=0.5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("threat", "says"),
    [
        (Threat(imag=L2()), "threat names 'imag'.*did you mean 'image'"),
        (Threat(image=TokenL0(1)), "threat on 'image'.*'l2'"),
        (Threat(tokens=L2()), "threat on 'tokens'.*'token_l0'"),
        (Threat(fields=TokenL0(1)), "threat on 'fields'.*'fields_l0'"),
        (Threat(tokens=TokenL0(4)), "max_d of the threat on 'tokens' must be at most 3"),
        (Threat(fields=FieldsL0(3)), "max_d of the threat on 'fields' must be at most 2"),
    ],
)
def test_threats_that_do_not_fit(threat: Threat, says: str) -> None:
    with pytest.raises(InputError, match=says):
        SMOOTHING.check_threat(threat, SMOOTHING.check(INPUT))


def test_records_come_in_the_order_of_names_with_and_without_threat() -> None:
    records = SMOOTHING.records(SMOOTHING.check(INPUT), Threat(tokens=TokenL0(2)))
    assert [(r["channel"], r["threat"]) for r in records] == [
        ("fields", None),
        ("image", None),
        ("tokens", "token_l0"),
    ]
