"""The language of the claims: what a word means, how redundant a claim is."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ironbound.data import claims


def test_the_vocabulary_has_240_different_readable_words() -> None:
    assert len(claims.VOCABULARY) == len(set(claims.VOCABULARY)) == 240
    assert all(word.split() == [word] for word in claims.VOCABULARY)


def test_words_mean_what_they_say() -> None:
    for words in ("seven", "7", "VII", "sieben", "siete", "|||||||", "half-of-fourteen", "ten-minus-three"):
        assert claims.meaning(claims.VOCABULARY.index(words)) == 7, words
    assert claims.meaning(claims.VOCABULARY.index("one-more-than-zero")) == 1
    assert claims.meaning(claims.VOCABULARY.index("ten-minus-ten")) == 0
    assert claims.meaning(claims.VOCABULARY.index("apparently")) is None
    assert [len(set(names)) for names in claims.NAMES] == [12] * 10


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(0, 2**32))
def test_a_claim_names_its_digit_twelve_times_and_no_other(digits: list[int], seed: int) -> None:
    tokens = claims.write(digits, np.random.default_rng(seed))
    assert tokens.shape == (len(digits), claims.LENGTH)
    assert tokens.dtype == np.int64
    for digit, row in zip(digits, tokens, strict=True):
        meanings = [claims.meaning(token) for token in row]
        assert meanings.count(digit) == 12
        assert meanings.count(None) == 4
        assert claims.read(row).split() == [claims.VOCABULARY[token] for token in row]


def test_claims_come_from_the_generator_alone() -> None:
    one, same, other = (claims.write([3, 4], np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
