"""Gaussian noise rounded to whole numbers, sampled exactly.

`RoundedNormal` draws V = round(N(0, scale^2)) with exactly the probabilities that the definition gives, if
the bits of the generator are fair: V is the least k with U < P(V <= k), where U is a uniform number of which
as many bits are drawn as the comparison needs. No float enters the decision, so there is no largest value and
no granularity of the noise to be stated beside a certificate.

Sixteen bits decide most values, by a table; 48 more nearly all others; and where even 64 bits of U agree with
those of a cumulative probability (once in some 10^16 draws) more are drawn and compared in ball arithmetic.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

import numpy as np
from flint import arb, ctx, fmpq
from numpy.typing import NDArray

from ironbound.errors import wrong_value

# Above this the tables would leave the processor's cache, and take a second to make.
LARGEST_SCALE = 4096

_WORD = 2**64


class RoundedNormal:
    """V = round(N(0, scale^2)), a whole number; halves have probability 0.

    Args:
        scale: standard deviation before rounding, in (0, 4096]; a fraction is taken as it is, never rounded.
    Raises:
        InputError: scale out of range.

    Example:
        >>> noise = RoundedNormal(0.6)
        >>> drawn = noise.draw(np.random.Generator(np.random.Philox(key=1)), 10_000)
        >>> drawn.dtype.name, sorted(set(drawn.tolist()))
        ('float32', [-2.0, -1.0, 0.0, 1.0, 2.0])
    """

    def __init__(self, scale: float | Fraction) -> None:
        if not 0 < scale <= LARGEST_SCALE:
            raise wrong_value("scale", float(scale), f"in (0, {LARGEST_SCALE}] grid steps")
        self.scale = Fraction(scale)
        below = _lower_words(self.scale)
        # floor(2^64 P(V <= k)): as computed for k < 0; else by symmetry, P(V <= k) = 1 - P(V <= -k - 1).
        self._first = -len(below)
        self._words = np.array([*below, *(_WORD - 1 - w for w in reversed(below))], dtype=np.uint64)
        self._guide = self._guided()

    def draw(self, generator: np.random.Generator, count: int) -> NDArray[np.float32]:
        """`count` independent values, shape (count,); whole numbers, which float32 holds exactly."""
        raw = generator.bit_generator.random_raw
        words = raw(-(-count // 4)).astype("<u8", copy=False).view("<u2")[:count]
        drawn = np.empty(count, dtype=np.float32)
        # mode="wrap" never acts (16 bits are always inside the table); it spares a check and a copy.
        self._guide.take(words, out=drawn, mode="wrap")
        rest = np.flatnonzero(np.isnan(drawn))
        more = raw(rest.size)
        longer = (words[rest].astype(np.uint64) << np.uint64(48)) | (more >> np.uint64(16))
        drawn[rest] = self._resolved(longer, generator)
        return drawn

    def _resolved(self, words: NDArray[np.uint64], generator: np.random.Generator) -> NDArray[np.float32]:
        """The values that U's first 64 bits decide, and the others with more bits."""
        places = np.searchsorted(self._words, words)
        values = (places + self._first).astype(np.float32)
        for i in np.flatnonzero(self._words[places] == words).tolist():
            values[i] = self.settle(int(words[i]), 64, generator)
        return values

    def settle(self, known: int, bits: int, generator: np.random.Generator) -> int:
        """The value when U lies in [known, known + 1) / 2^bits; draws 64 more bits until that is clear.

        It is clear once both ends of that interval have the same least k.
        """
        while True:
            with ctx.workprec(2 * bits + 64):
                low, high = _quantile(self.scale, known, bits), _quantile(self.scale, known + 1, bits)
            if low is not None and low == high:
                return low
            known = known << 64 | int(generator.bit_generator.random_raw())
            bits += 64

    def _guided(self) -> NDArray[np.float32]:
        """For each 16-bit prefix of U the value that it decides, NaN where it does not."""
        starts = np.arange(2**16, dtype=np.uint64) << np.uint64(48)
        guide = (np.searchsorted(self._words, starts) + self._first).astype(np.float32)
        guide[(self._words >> np.uint64(48)).astype(np.intp)] = np.nan
        return guide


@lru_cache(maxsize=8)
def rounded_normal(scale: Fraction) -> RoundedNormal:
    """The sampler for a scale; its tables (a few MB at most) are made once."""
    return RoundedNormal(scale)


def _lower_words(scale: Fraction) -> list[int]:
    """floor(2^64 P(V <= k)) for k = -m .. -1, where m is the first for which it is 0."""
    found: list[int] = []
    bits = 192
    while not found or found[-1] > 0:
        with ctx.workprec(bits):
            word = (_cumulative(scale, -len(found) - 1) * _WORD).floor().unique_fmpz()
        if word is None:  # the ball contains a whole number: look closer
            bits *= 2
            continue
        found.append(int(word))
    return found[::-1]


def _cumulative(scale: Fraction, k: int) -> arb:
    """P(V <= k) = Phi((k + 1/2) / scale)."""
    steps = Fraction(-2 * k - 1, 2) / scale
    return (_ball(steps) / arb(2).sqrt()).erfc() / 2


def _ball(value: Fraction) -> arb:
    return arb(fmpq(value.numerator, value.denominator))


def _quantile(scale: Fraction, known: int, bits: int) -> int | None:
    """Least k with known / 2^bits <= P(V <= k); None if the balls do not tell, or no k is reached (at 1)."""
    level = _ball(Fraction(known, 2**bits))
    # P(|V| > t scale) < 2^-bits for t^2 > 2 ln(2) bits, so the search ends beyond that.
    reach = math.ceil(float(scale) * math.sqrt(2.0 * math.log(2.0) * bits)) + 2
    low, high = -reach, reach
    if not level <= _cumulative(scale, high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        bound = _cumulative(scale, middle)
        if level <= bound:
            high = middle
        elif level > bound:
            low = middle
        else:
            return None
    return high
