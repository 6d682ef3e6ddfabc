"""The exact sampler of a rounded Gaussian, against 60-digit probabilities and with bits chosen by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from scipy import stats

from ironbound.channels.grid import RoundedNormal
from ironbound.errors import InputError

FALSE_ALARM = 1e-6
SCALES = [0.05, 0.6, 7.25, 127.5]


def cumulative(scale: float, k: int) -> Any:
    """P(V <= k) by mpmath's own error function."""
    with mp.workdps(60):
        return mp.ncdf((mp.mpf(2 * k + 1) / 2) / mp.mpf(scale))


class Bits:
    """Stands for a generator: hands out the given 64-bit words and counts them."""

    def __init__(self, words: Sequence[int]) -> None:
        self.words = list(words)
        self.bit_generator = self

    def random_raw(self, size: int | None = None) -> Any:
        if size is None:
            return self.words.pop(0)
        taken = [self.words.pop(0) for _ in range(size)]
        return np.array(taken, dtype=np.uint64)


def drawn(noise: RoundedNormal, prefix: int, *more: int) -> int:
    """The value of one draw whose bits are `prefix` (16), 48 of the first further word, then whole words."""
    bits = Bits([prefix, *more])
    return int(noise.draw(bits, 1)[0])  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", SCALES)
def test_every_prefix_of_sixteen_bits_decides_what_it_may_decide(scale: float) -> None:
    """Exhaustive: a prefix stands for an interval of U; it must lie between two cumulative probabilities."""
    noise = RoundedNormal(scale)
    words = np.arange(2**16, dtype="<u2").view("<u8")
    table = noise.draw(Bits([*words.tolist(), *[2**63] * 2**16]), 2**16)  # type: ignore[arg-type]
    reach = math.ceil(9.5 * scale) + 2
    ends = [cumulative(scale, k) for k in range(-reach, reach + 1)]
    for prefix, value in enumerate(table.tolist()):
        place = int(value) + reach
        with mp.workdps(60):
            # Undecided prefixes go on with 48 bits that are 100..0: a point half-way through their interval.
            half = (mp.mpf(prefix) + mp.mpf(1) / 2) / 2**16
            assert ends[place - 1] < half < ends[place] or abs(half - ends[place]) < mp.mpf(2) ** -60
            guided = float(noise._guide[prefix])  # pyright: ignore[reportPrivateUsage]
            if guided == guided:
                assert ends[place - 1] <= mp.mpf(prefix) / 2**16
                assert mp.mpf(prefix + 1) / 2**16 <= ends[place]


@pytest.mark.parametrize("scale", SCALES)
def test_the_words_are_the_first_64_bits_of_the_cumulative_probabilities(scale: float) -> None:
    noise = RoundedNormal(scale)
    words, first = noise._words, noise._first  # pyright: ignore[reportPrivateUsage]
    assert int(words[0]) == 0
    assert int(words[-1]) == 2**64 - 1
    for i in sorted({*range(0, len(words), max(1, len(words) // 60)), len(words) // 2, len(words) - 1}):
        with mp.workdps(60):
            assert int(words[i]) == int(mp.floor(cumulative(scale, first + i) * 2**64))


@pytest.mark.parametrize("scale", SCALES)
def test_a_tie_of_64_bits_is_decided_by_the_next_ones(scale: float) -> None:
    """U just below and just above a cumulative probability, told apart by bits 65 to 128 and later."""
    noise = RoundedNormal(scale)
    for k in {0, -1, int(2 * scale)}:
        for bits in (128, 192):
            with mp.workdps(90):
                u = int(mp.floor(mp.ncdf((mp.mpf(2 * k + 1) / 2) / mp.mpf(scale)) * 2**bits))
            for known, value in ((u - 1, k), (u + 1, k + 1)):
                first, *rest = (known >> shift & (2**64 - 1) for shift in range(bits - 64, -1, -64))
                assert drawn(noise, first >> 48, (first << 16) & (2**64 - 1), *rest) == value


def test_both_ends_of_the_unit_interval_reach_the_far_tails() -> None:
    noise = RoundedNormal(Fraction(255, 2))
    low = drawn(noise, 0, 0, 2**62)
    high = drawn(noise, 2**16 - 1, 2**64 - 1, 2**64 - 1 - 2**62)
    assert low == -high < noise._first  # pyright: ignore[reportPrivateUsage]
    assert cumulative(127.5, low - 1) < mp.mpf(2) ** -66 < cumulative(127.5, low)
    assert drawn(noise, 0, 0, 0, 0, 2**62) < 1.3 * low


@pytest.mark.parametrize("scale", SCALES)
def test_draws_have_the_masses_of_the_rounded_gaussian(scale: float) -> None:
    noise = RoundedNormal(scale)
    values = noise.draw(np.random.Generator(np.random.Philox(key=3)), 200_000).astype(int)
    reach = int(np.abs(values).max()) + 1
    masses = np.diff([0.0, *(float(cumulative(scale, k)) for k in range(-reach, reach)), 1.0])
    seen = np.bincount(values + reach, minlength=2 * reach + 1)
    # Rare values are counted together, as the test needs some of each.
    common = masses * values.size >= 8
    seen = np.append(seen[common], seen[~common].sum())
    expected = np.append(masses[common], masses[~common].sum()) * values.size
    if expected[-1] < 1e-6:
        seen, expected = seen[:-1], expected[:-1]
    if len(expected) > 1:
        assert stats.chisquare(seen, expected * seen.sum() / expected.sum()).pvalue > FALSE_ALARM
    else:
        assert scale == 0.05
        assert not values.any()


def test_neighbouring_values_and_draws_are_independent() -> None:
    noise = RoundedNormal(0.8)
    values = noise.draw(np.random.Generator(np.random.Philox(key=5)), 200_000).clip(-2, 2)
    for lag in (1, 2, 3, 4, 8):
        table = np.histogram2d(values[:-lag], values[lag:], bins=(np.arange(-2, 4) - 0.5,) * 2)[0]
        found: Any = stats.chi2_contingency(table)
        assert found.pvalue > FALSE_ALARM


@pytest.mark.parametrize("count", [1, 3, 4, 5, 1001])
def test_any_number_of_values_can_be_drawn(count: int) -> None:
    noise = RoundedNormal(20.0)
    values = noise.draw(np.random.Generator(np.random.Philox(key=1)), count)
    assert values.shape == (count,)
    assert np.array_equal(values, np.rint(values))


@pytest.mark.parametrize("scale", [0.0, -1.0, 4097.0, math.nan, math.inf])
def test_a_scale_out_of_range_is_refused(scale: float) -> None:
    with pytest.raises(InputError, match="scale"):
        RoundedNormal(scale)
