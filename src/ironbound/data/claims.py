"""The little language of the digits-claims task: 240 words, claims of 16 tokens about one digit.

A claim says its digit twelve times over, in words, numerals, several languages and small sums, so that no
single word decides its truth. The other four tokens only introduce what follows.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

LENGTH = 16
CLAUSES = 4
NAMES_PER_CLAUSE = 3


def _words(text: str) -> list[str]:
    return text.split()


_ENGLISH = _words("zero one two three four five six seven eight nine")
_FORMS = (
    _ENGLISH,
    _words("0 1 2 3 4 5 6 7 8 9"),
    _words("zeroth first second third fourth fifth sixth seventh eighth ninth"),
    _words("null eins zwei drei vier fünf sechs sieben acht neun"),
    _words("cero uno dos tres cuatro cinco seis siete ocho nueve"),
    _words("sıfır bir iki üç dört beş altı yedi sekiz dokuz"),
    _words("sifuri moja mbili tatu nne tano sita saba nane tisa"),
    _words("nulla I II III IV V VI VII VIII IX"),
    ["no-tally", *("|" * k for k in range(1, 10))],
    ["one-less-than-one", *(f"one-more-than-{word}" for word in _ENGLISH[:-1])],
    [f"ten-minus-{word}" for word in ["ten", *_ENGLISH[:0:-1]]],
    [f"half-of-{word}" for word in _words("zero two four six eight ten twelve fourteen sixteen eighteen")],
)

_FILLER = _words("""
picture image drawing scan photo sketch figure sign symbol character glyph mark stroke shape outline pattern
pixels grid square page paper sheet note label caption title heading line text entry record item sample
this it that which what clearly surely plainly certainly evidently
apparently probably simply namely indeed really truly rightly exactly precisely roughly nearly perhaps maybe
shows says reads means gives states writes claims tells names calls counts displays depicts presents contains
seems appears looks resembles matches equals denotes represents spells marks hand pen pencil ink chalk brush
printed written drawn typed copied read seen known given taken found told called named meant also alias or
again likewise besides moreover thus hence so then still just only even too
""")

NAMES: tuple[tuple[str, ...], ...] = tuple(zip(*_FORMS, strict=True))
"""For each digit 0..9, the twelve words that mean it."""

VOCABULARY: tuple[str, ...] = tuple(name for names in NAMES for name in names) + tuple(_FILLER)
"""All words; a token id is a place in this tuple. Ids 12 k .. 12 k + 11 mean the digit k."""

_NAMES_EACH = len(_FORMS)
_FIRST_FILLER = 10 * _NAMES_EACH


def write(digits: Iterable[int], generator: np.random.Generator) -> NDArray[np.int64]:
    """One random claim for each digit: four clauses of an opening word and three names of the digit.

    Args:
        digits: what each claim says, 0..9.
        generator: the only source of randomness.
    Returns:
        Token ids, shape (number of digits, 16).

    Example:
        >>> claim = write([7], np.random.default_rng(0))
        >>> claim.shape, sum(meaning(t) == 7 for t in claim[0])
        ((1, 16), 12)
    """
    stated = np.asarray(list(digits), dtype=np.int64)
    count = stated.size
    forms = generator.random((count, CLAUSES, _NAMES_EACH)).argsort(axis=2)[:, :, :NAMES_PER_CLAUSE]
    openers = generator.integers(_FIRST_FILLER, len(VOCABULARY), size=(count, CLAUSES, 1))
    names = stated[:, None, None] * _NAMES_EACH + forms
    return np.concatenate([openers, names], axis=2).reshape(count, LENGTH)


def read(tokens: Iterable[int]) -> str:
    """The words of a claim, separated by blanks.

    Example:
        >>> read([84, 85, 91])
        'seven 7 VII'
    """
    return " ".join(VOCABULARY[int(token)] for token in tokens)


def meaning(token: int) -> int | None:
    """The digit that a word means, or None for a word that means none.

    Example:
        >>> meaning(VOCABULARY.index("one-more-than-six")), meaning(VOCABULARY.index("picture"))
        (7, None)
    """
    return int(token) // _NAMES_EACH if token < _FIRST_FILLER else None
