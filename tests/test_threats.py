"""Threats: plain frozen values, and refusals that say what would be right."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from ironbound.errors import InputError, InputTypeError
from ironbound.threats import L2, FieldsL0, SuffixAppend, SuffixInPlace, Threat, TokenL0


def test_a_threat_is_a_frozen_mapping_in_the_order_of_names() -> None:
    threat = Threat(tokens=TokenL0(max_d=8), image=L2())
    assert list(threat.items()) == [("image", L2()), ("tokens", TokenL0(8, "closed"))]
    assert threat == Threat(image=L2(), tokens=TokenL0(max_d=8))
    assert hash(threat) == hash(Threat(image=L2(), tokens=TokenL0(max_d=8)))
    assert threat != Threat(image=L2(), tokens=TokenL0(max_d=8, alphabet="open"))
    assert pickle.loads(pickle.dumps(threat)) == threat
    with pytest.raises(TypeError):
        threat["tokens"] = L2()  # type: ignore[index]


def test_the_record_holds_plain_values_only() -> None:
    threat = Threat(fields=FieldsL0(max_d=3), text=TokenL0(max_d=2, alphabet="open"), image=L2())
    assert threat.record() == {
        "fields": {"kind": "fields_l0", "max_d": 3},
        "image": {"kind": "l2"},
        "text": {"kind": "token_l0", "max_d": 2, "alphabet": "open"},
    }
    assert repr(threat) == (
        "Threat(fields=FieldsL0(max_d=3), image=L2(), text=TokenL0(max_d=2, alphabet='open'))"
    )


@pytest.mark.parametrize("bad", [-1, 1.5, True, "2", None, float("nan")])
@pytest.mark.parametrize("kind", [TokenL0, FieldsL0, SuffixInPlace, SuffixAppend])
def test_a_budget_is_a_whole_number(kind: Any, bad: Any) -> None:
    with pytest.raises(InputError, match="max_d"):
        kind(max_d=bad)


def test_other_bad_threats_are_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"alphabet.*closed.*ajar"):
        TokenL0(max_d=1, alphabet="ajar")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="sampling"):
        SuffixInPlace(max_d=1, sampling="once")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="max_d"):
        SuffixAppend(max_d=0, sampling="per_budget")
    with pytest.raises(InputError, match="slot"):
        SuffixAppend(max_d=3, slot=2)
    with pytest.raises(InputError, match="pad"):
        SuffixAppend(max_d=3, pad=-1)
    with pytest.raises(InputError, match="at least one attacked channel"):
        Threat()
    with pytest.raises(InputTypeError, match=r"'image'.*L2"):
        Threat(image=L2)  # type: ignore[arg-type]
