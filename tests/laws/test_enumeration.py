"""The attacker with full knowledge, on spaces small enough to enumerate: no bound beaten, each attained."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

import pytest
from oracles import Pair, exact_lower_discrete, replacement_pairs

from ironbound import laws
from ironbound.laws import Law

LEVELS = [Fraction(n, 40) for n in (1, 7, 20, 29, 36, 39)] + [Fraction(999, 1000)]

Text = tuple[int, ...]


def noised(text: Text, alphabet: int, beta: Fraction) -> dict[Text, Fraction]:
    """Every noised text and its exact probability, symbol by symbol, from the definition of the noise."""
    shown = range(max(alphabet, max(text) + 1))
    total: dict[Text, Fraction] = {}
    for z in itertools.product(shown, repeat=len(text)):
        mass = Fraction(1)
        for seen, origin in zip(z, text, strict=True):
            if seen == origin:
                mass *= 1 - beta
            elif seen >= alphabet:
                mass *= 0
            else:
                mass *= beta / (alphabet - 1 if origin < alphabet else alphabet)
        if mass:
            total[z] = mass
    return total


def attacked(text: Text, d: int, symbols: int) -> Iterator[Text]:
    for other in itertools.product(range(symbols), repeat=len(text)):
        if sum(a != b for a, b in zip(text, other, strict=True)) <= d:
            yield other


def pairs(clean: dict[Text, Fraction], other: dict[Text, Fraction]) -> list[Pair]:
    zero = Fraction(0)
    return [(clean.get(z, zero), other.get(z, zero)) for z in clean.keys() | other.keys()]


def claim(law: Law, level: Fraction) -> Fraction:
    """The bound as an exact number, at a float that is not above the level."""
    p = float(level)
    return Fraction(law.lower(p if Fraction(p) <= level else p * (1 - 2**-52)))


def assert_worst_is_attained(bounds: list[Fraction], truths: list[Fraction]) -> None:
    """`bounds`: one per candidate law. `truths`: the worst test against every attacked text."""
    worst = min(truths)
    assert min(bounds) <= worst
    assert min(bounds) >= worst * (1 - Fraction(1, 10**9))


@pytest.mark.parametrize(("alphabet", "length"), [(2, 4), (3, 3), (4, 3)])
@pytest.mark.parametrize("beta", [0.1, 0.6, 1.0])
def test_uniform_replacement_closed_alphabet(alphabet: int, length: int, beta: float) -> None:
    clean = (0,) * length
    before = noised(clean, alphabet, Fraction(beta))
    assert sum(before.values()) == 1
    for d in range(length + 1):
        (law,) = laws.replacement_laws(d, alphabet, beta, length=length)
        texts = {tuple(sorted(t)) for t in attacked(clean, d, alphabet)}
        others = [pairs(before, noised(t, alphabet, Fraction(beta))) for t in texts]
        for level in LEVELS:
            truths = [exact_lower_discrete(o, level) for o in others]
            assert_worst_is_attained([claim(law, level)], truths)


@pytest.mark.parametrize("clean", [(0, 1, 0), (0, 3, 1), (3, 3, 0), (3, 4, 3)])
@pytest.mark.parametrize("attacker", ["closed", "open"])
@pytest.mark.parametrize("beta", [0.25, 0.9])
def test_uniform_replacement_with_tokens_outside_the_alphabet(
    clean: Text, attacker: Literal["closed", "open"], beta: float
) -> None:
    """Noise draws from {0, 1, 2}; the clean text may hold 3 and 4, and an open attacker may write 5."""
    alphabet, outside = 3, sum(token >= 3 for token in clean)
    before = noised(clean, alphabet, Fraction(beta))
    for d in (1, 2):
        candidates = laws.replacement_laws(d, alphabet, beta, length=3, outside=outside, attacker=attacker)
        symbols = 3 if attacker == "closed" else 6
        texts = [
            t
            for t in itertools.product(range(6), repeat=3)
            if sum(a != b for a, b in zip(t, clean, strict=True)) <= d
            and all(a == b or a < symbols for a, b in zip(t, clean, strict=True))
        ]
        others = [pairs(before, noised(t, alphabet, Fraction(beta))) for t in texts]
        for level in LEVELS[::2]:
            truths = [exact_lower_discrete(o, level) for o in others]
            assert_worst_is_attained([claim(law, level) for law in candidates], truths)


def test_the_closed_law_is_unsound_against_an_open_attacker() -> None:
    (closed,) = laws.replacement_laws(1, 3, 0.25, length=1)
    before, after = noised((0,), 3, Fraction(1, 4)), noised((5,), 3, Fraction(1, 4))
    level = Fraction(9, 10)
    assert claim(closed, level) > exact_lower_discrete(pairs(before, after), level)


@pytest.mark.parametrize("betas", [(0.25, 0.25, 0.25, 0.25), (0.1, 0.25, 0.4, 0.9), (0.9, 0.5, 0.05, 0.7)])
def test_fields_of_mixed_arity_and_rate(betas: tuple[float, ...]) -> None:
    arities = (2, 3, 5, 4)
    for d in range(5):
        candidates = laws.field_laws(d, arities, betas)
        subsets = list(itertools.combinations(range(4), d))
        for level in LEVELS:
            truths: list[Fraction] = []
            for subset in subsets:
                outcomes: Counter[Pair] = Counter({(Fraction(1), Fraction(1)): 1})
                for i in subset:
                    step: Counter[Pair] = Counter()
                    for (p, q), ways in outcomes.items():
                        for a, b in replacement_pairs(arities[i], Fraction(betas[i]), 0, 1):
                            step[(p * a, q * b)] += ways
                    outcomes = step
                truths.append(exact_lower_discrete([(p * w, q * w) for (p, q), w in outcomes.items()], level))
            assert_worst_is_attained([claim(law, level) for law in candidates], truths)


def test_mask_noise() -> None:
    beta = Fraction(0.7)
    shown = {"a": (1 - beta, Fraction(0)), "b": (Fraction(0), 1 - beta), "mask": (beta, beta)}
    outcomes = [
        (
            shown[x][0] * shown[y][0],
            shown[x][1] * shown[y][1],
        )
        for x, y in itertools.product(shown, repeat=2)
    ]
    for level in LEVELS:
        truth = exact_lower_discrete(outcomes, level)
        bound = claim(laws.mask(2, 0.7), level)
        assert bound <= truth
        assert bound >= truth * (1 - Fraction(1, 10**9)) - Fraction(1, 10**12)


def test_fewer_changes_are_never_worse_for_the_defender() -> None:
    for level in (0.6, 0.9, 0.999):
        each = [
            min(law.lower(level) for law in laws.field_laws(d, [7, 3, 9], [0.2, 0.5, 0.3])) for d in range(4)
        ]
        assert each == sorted(each, reverse=True)
