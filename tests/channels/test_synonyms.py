"""Overlapping sets of synonyms: refused as they are, sound once joined."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

import ironbound as ib
from ironbound import laws
from ironbound.channels import SynonymReplacement
from ironbound.errors import InputError

Floats = NDArray[np.float64]


def lowest(p: Floats, q: Floats, share: float) -> float:
    """The lowest attacked probability of any test on a finite space: the fractional knapsack."""
    order = np.argsort(np.divide(q, p, out=np.full_like(q, np.inf), where=p > 0))
    left, total = share, 0.0
    for i in order:
        taken = min(p[i], left)
        total += float(q[i] * taken / p[i]) if p[i] > 0 else 0.0
        left -= float(taken)
    return total


def shown(token: int, members: tuple[int, ...], beta: float, symbols: int) -> Floats:
    """What noise makes of a token: itself, or another member of its set."""
    found = np.zeros(symbols)
    found[list(members)] = beta / (len(members) - 1)
    found[token] = 1 - beta
    return found


def test_joined_sets_are_the_connected_components() -> None:
    given = [[1, 2], [3, 4], [5, 6, 7], [2, 3], [9, 8]]
    expected = ((1, 2, 3, 4), (5, 6, 7), (8, 9))
    for order in itertools.permutations(given):
        assert SynonymReplacement.joined(0.5, order).sets == expected


def test_no_test_tells_joined_synonyms_further_apart_than_the_law() -> None:
    beta, channel = 0.6, SynonymReplacement.joined(0.6, [[0, 1], [1, 2], [2, 3]])
    tokens = channel.check([0, 5], "t")
    (law,) = channel.laws(ib.SynonymL0(1), 1, tokens)
    members = channel.sets[0]
    clean = shown(0, members, beta, 6)
    for share in (0.5, 0.8, 0.95, 0.999):
        for other in (1, 2, 3):  # within the sets given, and by a chain of synonyms
            exact = lowest(clean, shown(other, members, beta, 6), share)
            assert law.lower(share) <= exact
            assert law.lower(share) >= exact - 1e-9
    drawn = channel.sample(tokens, np.random.default_rng(0), 20_000)
    counts = np.bincount(drawn[:, 0], minlength=6) / 20_000
    assert np.abs(counts - clean).max() < 0.02
    assert set(drawn[:, 1].tolist()) == {5}


def test_the_law_of_disjoint_sets_is_unsound_for_overlapping_ones() -> None:
    # Token 0 has the synonym 1, token 1 has 0 and 2: only the noise on 1 ever shows 2.
    beta = 0.6
    exact = lowest(shown(0, (0, 1), beta, 3), shown(1, (0, 1, 2), beta, 3), 0.9)
    assert laws.uniform_replacement(d=1, alphabet=2, beta=beta).lower(0.9) > exact + 0.05
    with pytest.raises(InputError, match="joined unites such sets"):
        SynonymReplacement(beta, [[0, 1], [0, 1, 2]])


def test_what_cannot_be_joined_is_refused() -> None:
    with pytest.raises(InputError, match="at least 4, the tokens joined with 1, 2, 3, 4"):
        SynonymReplacement.joined(0.5, [[1, 2], [2, 3], [3, 4]], most=3)
    with pytest.raises(InputError, match="two different ids"):
        SynonymReplacement.joined(0.5, [[1, 1]])
    with pytest.raises(InputError, match="at least one set"):
        SynonymReplacement.joined(0.5, [])
