"""Texts behind a tokenizer that merges, lower-cases, cuts and drops: every attacked text of a small world.

The base reads what decoding gives, tokenized again: "a" and "b" side by side become one token, "A" becomes
"a", special tokens may vanish, and only the first tokens are looked at. None of it may enter a certificate.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

import ironbound as ib
from ironbound.models.tokens import DecodedText, HuggingFaceTokenizer
from ironbound.smoothing.goal import Attack, Level
from ironbound.threats import Suffix, TokenBudget

tokenizers = pytest.importorskip("tokenizers", reason="needs the extra hf")

Text = tuple[int, ...]
PAD, END, BELL = 0, 1, 6
ALL = [0, 1, 2, 3, 4, 5, 6]


@cache
def words() -> HuggingFaceTokenizer:
    from tokenizers import AddedToken, decoders, models, normalizers

    vocabulary = {"<pad>": PAD, "</s>": END, "a": 2, "b": 3, "ab": 4, "A": 5, "\a": BELL}
    found = tokenizers.Tokenizer(models.BPE(vocabulary, [("a", "b")]))
    found.normalizer = normalizers.Lowercase()
    found.decoder = decoders.Fuse()
    found.add_special_tokens([AddedToken("<pad>", special=True), AddedToken("</s>", special=True)])
    return HuggingFaceTokenizer(found, "small")


class Shown:
    """A tokenizer that shows special tokens in the text, for bases that see them."""

    def decode(self, ids: Sequence[int]) -> str:
        return words().decode(ids, special=True)


def _first_is_merged(text: str) -> bool:
    return words().encode(text)[:2].count(4) == 1


def _short(text: str) -> bool:
    return len(words().encode(text)) <= 2


def _coin(text: str) -> bool:
    return hashlib.sha256(f"{words().encode(text)[:3]}".encode()).digest()[0] < 200


def _plain_text(text: str) -> bool:
    return "<" not in text and "\a" not in text


BASES: dict[str, Any] = {
    "merges": (words(), _first_is_merged),
    "length": (words(), _short),
    "window": (words(), _coin),
    "special": (Shown(), _plain_text),
    "start": (Shown(), lambda text: not text.startswith("A")),
    "end": (Shown(), lambda text: not text.endswith("A")),
    "special-or-coin": (Shown(), lambda text: _plain_text(text) and _coin(text)),
}


def base_of(name: str) -> DecodedText:
    tokenizer, rule = BASES[name]
    return DecodedText(tokenizer, lambda texts: [int(rule(text)) for text in texts])


@dataclass(frozen=True)
class World:
    """Noise from the plain tokens on the places that a budget reaches, and the texts of its attacker."""

    budget: TokenBudget
    given: Text
    beta: float

    @property
    def clean(self) -> Text:
        slot = self.budget.places if isinstance(self.budget, ib.SuffixAppend) else 0
        return (*self.given, *[PAD] * slot)

    @property
    def reached(self) -> list[int]:
        length, d = len(self.given), self.budget.max_d
        if isinstance(self.budget, ib.SuffixAppend):
            return [length + i for i in range(d)]
        if isinstance(self.budget, ib.SuffixInPlace):
            return [length - 1 - i for i in range(d)]
        return list(range(length))

    def attacked(self, d: int) -> set[Text]:
        written = plain() if self.budget.alphabet == "closed" else ALL
        anywhere = isinstance(self.budget, ib.TokenL0)
        chosen = itertools.combinations(self.reached, d) if anywhere else [tuple(self.reached[:d])]
        found: set[Text] = set()
        for places in chosen:
            for tokens in itertools.product(written, repeat=d):
                text = list(self.clean)
                for place, token in zip(places, tokens, strict=True):
                    text[place] = token
                found.add(tuple(text))
        return found

    def share(self, text: Text, accepts: Callable[[Text], bool]) -> float:
        """Probability that the base accepts under the noise on `text`, by enumeration."""
        columns: list[dict[int, float]] = []
        for place, token in enumerate(text):
            others = [one for one in plain() if one != token]
            noised = {token: 1 - self.beta} | {one: self.beta / len(others) for one in others}
            columns.append(noised if place in self.reached else {token: 1.0})
        total = 0.0
        for z in itertools.product(*columns):
            if accepts(z):
                total += float(np.prod([column[one] for column, one in zip(columns, z, strict=True)]))
        return total


@cache
def plain() -> tuple[int, ...]:
    return words().allowed("plain").ids


def worlds(alphabet: Any) -> list[World]:
    budgets: list[tuple[TokenBudget, Text]] = [
        (ib.TokenL0(2, alphabet), (2, 3, 5)),
        (ib.TokenL0(2, alphabet), (END, 4, PAD)),
        (ib.SuffixInPlace(2, alphabet), (4, 2, 3)),
        (ib.SuffixInPlace(2, alphabet), (PAD, 5, END)),
        (ib.SuffixAppend(2, PAD, 3, alphabet), (2, 4)),
    ]
    return [World(budget, text, beta) for budget, text in budgets for beta in (0.35, 0.8, 0.95)]


def test_the_noise_writes_plain_tokens_and_the_base_reads_merged_ones() -> None:
    assert plain() == (2, 3, 4, 5)
    assert words().decode([2, 3, 5, PAD, 3]) == "abAb"
    assert words().encode("abAb") == [4, 4]


@pytest.mark.parametrize("alphabet", ["closed", "open"])
@pytest.mark.parametrize("name", BASES)
def test_no_attacked_text_refutes_a_claim(name: str, alphabet: str) -> None:
    base, claimed = base_of(name), 0
    answers = {}

    def accepts(z: Text) -> bool:
        if z not in answers:
            answers[z] = bool(base({"tokens": [list(z)]})[0])
        return answers[z]

    for world in worlds(alphabet):
        smoothing = ib.Smoothing(tokens=ib.UniformReplacement(world.beta, words().allowed("plain")))
        attack = Attack.build(
            smoothing, smoothing.check({"tokens": list(world.given)}), ib.Threat(tokens=world.budget)
        )
        p = world.share(world.clean, accepts)
        label, p = (1, p) if p > 0.5 else (0, 1 - p)
        for claim in attack.claims(Level(p * (1 - 1e-12), 0.5)):
            d = dict(claim.budget)["tokens"]
            if claim.mu is None or d == 0:
                continue
            claimed += 1
            for text in world.attacked(d):
                share = world.share(text, accepts)
                assert (share if label == 1 else 1 - share) > 0.5, (world, text)
    assert claimed or name == "special-or-coin"


def test_the_law_of_the_closed_alphabet_would_be_refuted_by_an_open_attacker() -> None:
    """What the worlds above can find: kept special tokens show, and the closed law does not count them."""
    base = base_of("special")
    world = World(ib.TokenL0(1), (2, 3, 5), 0.35)
    smoothing = ib.Smoothing(tokens=ib.UniformReplacement(world.beta, words().allowed("plain")))
    values = smoothing.check({"tokens": list(world.given)})

    def accepts(z: Text) -> bool:
        return bool(base({"tokens": [list(z)]})[0])

    assert world.share(world.clean, accepts) == pytest.approx(1.0)
    found = {}
    for alphabet in ("closed", "open"):
        threat = ib.Threat(tokens=ib.TokenL0(1, alphabet))  # type: ignore[arg-type]
        found[alphabet] = Attack.build(smoothing, values, threat).claims(Level(1 - 1e-9, 0.5))[1].mu
    assert found["closed"] is not None
    assert found["open"] is None
    assert world.share((2, END, 5), accepts) == pytest.approx(0.35)


@pytest.mark.parametrize("budget", [ib.SuffixInPlace(2, "open"), ib.SuffixAppend(2, PAD, 3, "open")])
def test_what_lies_before_the_end_is_neither_noised_nor_claimed(budget: Suffix) -> None:
    base = DecodedText(Shown(), lambda texts: [int(text.startswith("a")) for text in texts])
    noise = ib.Smoothing(tokens=ib.UniformReplacement(0.9, words().allowed("plain")))
    model = ib.SmoothedClassifier(base, noise, num_classes=2)
    threat = ib.Threat(tokens=budget)
    cert = model.certify({"tokens": [2, 3, 4]}, threat=threat, n=1000)
    assert cert.prediction == 1
    # Its first token decides; one written token more than the budget, at the front, turns every draw.
    assert cert.covers(tokens=2)
    assert not cert.covers(tokens=3)
    assert model.predict({"tokens": np.array([[3, 3, 4]])}, threat=threat, n=200)[0] == 0
