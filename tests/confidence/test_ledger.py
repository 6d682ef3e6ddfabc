"""The ledger: exact sums of floats never exceed alpha, and no statement goes unrecorded."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ironbound.confidence import AlphaLedger
from ironbound.errors import InputError, InputTypeError

ALPHAS = st.floats(1e-12, 0.999)


def exact(ledger: AlphaLedger) -> Fraction:
    return sum((Fraction(share) for _, share in ledger.items()), Fraction(0))


@given(ALPHAS, st.integers(1, 300))
def test_equal_shares_fit_and_are_the_largest_that_fit(alpha: float, parts: int) -> None:
    ledger = AlphaLedger(alpha).split([str(i) for i in range(parts)])
    assert exact(ledger) <= Fraction(alpha)
    share = ledger["0"]
    assert {amount for _, amount in ledger.items()} == {share}
    assert parts * Fraction(math.nextafter(share, 1.0)) > Fraction(alpha)


def test_plain_division_would_overdraw() -> None:
    """The reason for rounding down: the nearest float to alpha/n, n times, can exceed alpha."""
    overdrawn = [n for n in range(2, 50) if n * Fraction(0.01 / n) > Fraction(0.01)]
    assert overdrawn
    for n in overdrawn:
        names = [str(i) for i in range(n)]
        with pytest.raises(InputError, match="remains"):
            AlphaLedger(0.01, tuple((name, 0.01 / n) for name in names))
        assert exact(AlphaLedger(0.01).split(names)) <= Fraction(0.01)


@given(ALPHAS, st.lists(st.floats(1e-15, 0.5), max_size=8))
def test_spends_are_accepted_exactly_while_they_fit(alpha: float, shares: list[float]) -> None:
    ledger, total = AlphaLedger(alpha), Fraction(0)
    for i, share in enumerate(shares):
        if total + Fraction(share) <= Fraction(alpha):
            ledger = ledger.spend(f"s{i}", share)
            total += Fraction(share)
        else:
            before = ledger
            with pytest.raises(InputError, match=f"'s{i}' asks for"):
                ledger.spend(f"s{i}", share)
            assert ledger == before
    assert exact(ledger) == total
    assert Fraction(ledger.spent) >= total
    assert Fraction(ledger.remaining) <= Fraction(alpha) - total
    assert ledger.spent <= alpha


def test_split_divides_what_remains() -> None:
    ledger = AlphaLedger(0.01).spend("first", 0.004).split(["a", "b", "c"])
    assert [name for name, _ in ledger.items()] == ["first", "a", "b", "c"]
    assert ledger["first"] == 0.004
    assert ledger["a"] == ledger["c"] <= 0.002
    with pytest.raises(InputError, match="nothing of alpha"):
        AlphaLedger(0.25).spend("all", 0.25).split(["more"])


@given(ALPHAS, st.lists(st.text(min_size=1), min_size=1, max_size=6, unique=True))
def test_round_trip_through_plain_data(alpha: float, names: list[str]) -> None:
    ledger = AlphaLedger(alpha).split(names)
    assert AlphaLedger.from_dict(json.loads(json.dumps(ledger.to_dict()))) == ledger


def test_it_cannot_be_changed() -> None:
    ledger = AlphaLedger(0.01)
    with pytest.raises(AttributeError):
        ledger.alpha = 0.02  # pyright: ignore[reportAttributeAccessIssue]
    ledger.spend("a", 0.01)
    assert ledger.spent == 0.0
    assert ledger.remaining == 0.01


def test_bad_ledgers_are_refused() -> None:
    with pytest.raises(InputError, match="alpha"):
        AlphaLedger(1.0)
    with pytest.raises(InputError, match="'a' occurs twice"):
        AlphaLedger(0.01).split(["a", "a"])
    with pytest.raises(InputError, match="at least one name"):
        AlphaLedger(0.01).split([])
    with pytest.raises(InputError, match="the share of 'a'"):
        AlphaLedger(0.01).spend("a", 0.0)
    with pytest.raises(InputError, match="no share named 'b'; it has: 'a'"):
        AlphaLedger(0.01).spend("a", 0.001)["b"]
    with pytest.raises(InputError, match="keys"):
        AlphaLedger.from_dict({"alpha": 0.01})
    with pytest.raises(InputTypeError, match="mapping"):
        AlphaLedger.from_dict({"alpha": 0.01, "spends": [1]})
    with pytest.raises(InputTypeError, match="number"):
        AlphaLedger.from_dict({"alpha": 0.01, "spends": {"a": "0.01"}})
    with pytest.raises(InputError, match="remains"):
        AlphaLedger.from_dict({"alpha": 0.01, "spends": {"a": 0.006, "b": 0.006}})
