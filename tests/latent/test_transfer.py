"""The three KL bounds against reference values, exact identities and each other."""

from __future__ import annotations

import json
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import reference_folder

from ironbound.errors import InputError
from ironbound.latent import transfer

METHODS = ("binary_kl", "pinsker", "bretagnolle_huber")
Real = Any

probabilities = st.floats(0.0, 1.0)
divergences = st.floats(0.0, 50.0)


def kl(p: Real, q: Real) -> Real:
    first = p * mp.log(p / q) if p > 0 else mp.mpf(0)
    return first + ((1 - p) * mp.log((1 - p) / (1 - q)) if p < 1 else 0)


@pytest.mark.parametrize("method", METHODS)
def test_reference_values(method: str) -> None:
    rows = json.loads((reference_folder() / "kl_transfer.json").read_text())
    assert len(rows) >= 20
    with mp.workdps(40):
        for row in rows:
            found = mp.mpf(transfer(float(row["q"]), float(row["eps"]), method))
            exact = mp.mpf(row[method])
            # The file's decimals are not float64: 1e-16 is what reading them costs.
            assert exact - mp.mpf("5e-15") <= found <= exact + mp.mpf("1e-16")


@settings(deadline=None)
@given(q=st.floats(1e-6, 1.0, exclude_max=True), eps=st.floats(1e-9, 20.0))
def test_binary_kl_is_safe_and_sharp(q: float, eps: float) -> None:
    p = transfer(q, eps)
    with mp.workdps(60):
        exact_q, exact_eps = mp.mpf(q), mp.mpf(eps)
        assert 0 <= p <= q
        if p > 0.0:
            assert kl(mp.mpf(p), exact_q) >= exact_eps
        higher = mp.mpf(p) + mp.mpf(10) ** -12
        if higher < exact_q:
            assert kl(higher, exact_q) < exact_eps


@settings(deadline=None)
@given(q=probabilities, eps=divergences)
def test_binary_kl_is_the_best_of_the_three(q: float, eps: float) -> None:
    best = transfer(q, eps)
    for method in METHODS[1:]:
        assert transfer(q, eps, method) <= best


@settings(deadline=None)
@given(q=probabilities, eps=divergences, less=st.floats(0.0, 1.0), method=st.sampled_from(METHODS))
def test_order(q: float, eps: float, less: float, method: str) -> None:
    here = transfer(q, eps, method)
    assert 0.0 <= here <= q
    assert transfer(q * less, eps, method) <= here
    assert transfer(q, eps * less, method) >= here


def test_ends() -> None:
    assert transfer(0.7, 0.0) == 0.7
    assert transfer(1.0, 3.0) == 1.0  # a finite divergence
    assert transfer(1.0, np.inf) == 0.0
    assert transfer(0.0, 1.0) == 0.0
    assert transfer(0.9, np.inf, "bretagnolle_huber") == 0.0


def test_arrays() -> None:
    q, eps = np.array([[0.5], [0.9]]), np.array([0.0, 0.01, 0.1])
    found = transfer(q, eps)
    assert found.shape == (2, 3)
    assert found[1, 2] == transfer(0.9, 0.1)
    assert isinstance(transfer(0.9, 0.1), float)


@pytest.mark.parametrize(
    ("q", "eps", "method"), [(1.1, 0.1, "pinsker"), (0.5, -0.1, "pinsker"), (0.5, 0.1, "tv")]
)
def test_wrong_values_are_named(q: float, eps: float, method: str) -> None:
    with pytest.raises(InputError, match="must be"):
        transfer(q, eps, method)
    with pytest.raises(InputError, match="q must be"):
        transfer(float("nan"), 0.1)
    with pytest.raises(InputError, match="eps must be"):
        transfer(0.5, float("nan"))
