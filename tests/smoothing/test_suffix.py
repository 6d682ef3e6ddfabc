"""Attacks on the end of a text: every attacked text of small spaces, the worst base, and what is sampled."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy import stats

import ironbound as ib
from ironbound.certificate import PerBudgetEvidence, SmoothingEvidence
from ironbound.channels import AbstractChannel, OnSlot, OnSuffix
from ironbound.errors import InputError, InputTypeError
from ironbound.smoothing.goal import Attack, Level
from ironbound.threats import Suffix, SuffixAppend, SuffixInPlace

FULL = os.environ.get("IRONBOUND_SLOW") == "full"
Text = tuple[int, ...]
Masses = dict[Text, Fraction]


@dataclass(frozen=True)
class World:
    """A text, the symbols of noise and attacker, and the places that are noised and reached, by hand."""

    kernel: AbstractChannel
    budget: Suffix
    clean: Text  # as the base sees it, pads included
    given: Text  # as the user gives it
    reached: list[int]  # places in the order in which a growing budget reaches them
    symbols: list[int]
    written: list[int]
    beta: Fraction
    mask: int | None = None

    def masses(self, text: Text) -> Masses:
        """P(shown = z | text) with noise on the reached places alone."""
        found: Masses = {(): Fraction(1)}
        for place, token in enumerate(text):
            column = self._column(token) if place in self.reached else {token: Fraction(1)}
            found = {
                (*z, shown): m * part for z, m in found.items() for shown, part in column.items() if part
            }
        assert sum(found.values()) == 1
        return found

    def _column(self, token: int) -> dict[int, Fraction]:
        if self.mask is not None:
            return {token: 1 - self.beta, self.mask: self.beta}
        others = [s for s in self.symbols if s != token]
        return {token: 1 - self.beta} | {s: self.beta / len(others) for s in others}

    def attacked(self, d: int) -> list[Text]:
        """Everything that an attacker of budget d can write."""
        found = []
        for tokens in itertools.product(self.written, repeat=d):
            text = list(self.clean)
            for place, token in zip(self.reached, tokens, strict=False):
                text[place] = token
            found.append(tuple(text))
        return found

    def least(self, text: Text, p: Fraction) -> Fraction:
        """The smallest probability at `text` of a (randomised) base with p at the clean text."""
        clean, attacked = self.masses(self.clean), self.masses(text)
        spent, cost = Fraction(0), Fraction(0)
        for z in sorted(clean, key=lambda z: attacked.get(z, Fraction(0)) / clean[z]):
            take = min(clean[z], p - spent)
            spent, cost = spent + take, cost + take / clean[z] * attacked.get(z, Fraction(0))
        return cost


def in_place(alphabet: Any, beta: float, budget: SuffixInPlace, clean: Text, written: list[int]) -> World:
    symbols = list(range(alphabet)) if isinstance(alphabet, int) else alphabet
    reached = [len(clean) - 1 - i for i in range(budget.max_d)]
    kernel = ib.UniformReplacement(beta, alphabet)
    return World(kernel, budget, clean, clean, reached, symbols, written, Fraction(beta))


def slot(alphabet: Any, beta: float, budget: SuffixAppend, given: Text, written: list[int]) -> World:
    symbols = list(range(alphabet)) if isinstance(alphabet, int) else alphabet
    clean = (*given, *[budget.pad] * budget.places)
    reached = [len(given) + i for i in range(budget.max_d)]
    kernel = ib.UniformReplacement(beta, alphabet)
    return World(kernel, budget, clean, given, reached, symbols, written, Fraction(beta))


SOME, ANY = [0, 2, 3], [0, 1, 2, 3, 4]
WORLDS = {
    "in-place": in_place(3, 0.4, SuffixInPlace(3), (2, 0, 1, 2), [0, 1, 2]),
    "in-place-open": in_place(SOME, 0.8, SuffixInPlace(2, "open"), (1, 0, 2), ANY),
    # The last token is a symbol of the noise, the one before is not: budget 1 and budget 2 differ in kind.
    "in-place-mixed": in_place(SOME, 0.8, SuffixInPlace(2, "open"), (0, 1, 2), ANY),
    "in-place-mixed-closed": in_place(SOME, 0.8, SuffixInPlace(2), (0, 2, 1), SOME),
    "slot": slot(3, 0.5, SuffixAppend(2, pad=1), (2, 0), [0, 1, 2]),
    "slot-of-outside-pads": slot(SOME, 0.7, SuffixAppend(2, pad=4, slot=3, alphabet="open"), (2,), ANY),
    "mask": World(
        ib.Mask(0.8, 9), SuffixInPlace(2), (1, 0, 1), (1, 0, 1), [2, 1], [], [0, 1, 2], Fraction(0.8), 9
    ),
}


@pytest.fixture(params=list(WORLDS), name="world")
def one_world(request: pytest.FixtureRequest) -> World:
    return WORLDS[request.param]


def test_no_claim_is_refuted_and_what_is_not_claimed_is_lost(world: World) -> None:
    smoothing, threat = ib.Smoothing(t=world.kernel), ib.Threat(t=world.budget)
    attack = Attack.build(smoothing, smoothing.check({"t": list(world.given)}), threat)
    claimed = lost = 0
    for p in [Fraction(i, 32) for i in range(17, 32)] + [1 - Fraction(1, 2**k) for k in (8, 20)]:
        for d, claim in enumerate(attack.claims(Level(float(p), 0.5))):
            least = min(world.least(text, p) for text in world.attacked(d))
            if claim.mu is not None:
                assert least > Fraction(1, 2), (p, d)
                claimed += d > 0
            else:
                assert least <= Fraction(1, 2) + Fraction(1, 10**9), (p, d)
                lost += 1
    assert claimed
    assert lost


def test_the_noise_lies_where_the_attacker_can_write_and_nowhere_else(world: World) -> None:
    smoothing = ib.Smoothing(t=world.kernel).placed(ib.Threat(t=world.budget))
    value = smoothing.check({"t": list(world.given)})["t"]
    noised = smoothing["t"].sample(value, np.random.default_rng(1), 4000)
    assert noised.shape == (4000, len(world.clean))
    for place, token in enumerate(world.clean):
        kept = float(np.mean(noised[:, place] == token))
        if place in world.reached:
            column = world._column(token)
            assert abs(kept - float(column[token])) < 0.05
            for symbol, mass in column.items():
                assert abs(float(np.mean(noised[:, place] == symbol)) - float(mass)) < 0.05
        else:
            assert kept == 1.0
    assert smoothing.placed(ib.Threat(t=world.budget)) == smoothing


@pytest.mark.parametrize("name", ["in-place", "in-place-mixed", "slot"])
@pytest.mark.parametrize("sampling", ["shared", "per_budget"])
def test_sampled_certificates_of_the_worst_bases_hold(name: str, sampling: Any) -> None:
    """Bases that are worst for one attack; per budget, each claim is checked on its own classifier."""
    world = WORLDS[name]
    budget = replace(world.budget, sampling=sampling)
    held = 0
    for attacked in world.attacked(world.budget.max_d)[:: 7 if sampling == "shared" else 13]:
        clean, there = world.masses(world.clean), world.masses(attacked)
        order = sorted(clean, key=lambda z: there.get(z, Fraction(0)) / clean[z])
        for size in (len(order) * 2 // 3, len(order) - 1):
            accepted = set(order[:size])

            def base(batch: dict[str, Any], accepted: set[Text] = accepted) -> Any:
                return np.array([tuple(row) in accepted for row in batch["t"].tolist()], dtype=int)

            model = ib.SmoothedClassifier(base, ib.Smoothing(t=world.kernel), num_classes=2)
            cert = model.certify(
                {"t": list(world.given)}, threat=ib.Threat(t=budget), alpha=1e-9, n=400, n0=20
            )
            for d, radius in cert.frontier.items():
                assert isinstance(d, int)
                own = max(d, 1) if sampling == "per_budget" else world.budget.max_d
                seen = replace(world, reached=world.reached[:own])
                for text in world.attacked(d):
                    share = sum((m for z, m in seen.masses(text).items() if z in accepted), Fraction(0))
                    if radius is not None:
                        assert (share if cert.prediction == 1 else 1 - share) > Fraction(1, 2)
                        held += d > 0
    assert held


def _first_token(batch: dict[str, Any]) -> Any:
    return np.asarray(batch["x"])[:, 0] < 1.5


MIXED = ib.Smoothing(t=ib.UniformReplacement(0.9, 20), x=ib.Gaussian(1.0))
INPUT = {"t": [3, 1, 4, 1, 5], "x": [0.0]}


def test_each_part_is_the_ordinary_certificate_of_its_budget_at_a_share_of_alpha() -> None:
    model = ib.SmoothedClassifier(_first_token, MIXED, num_classes=2)
    settings: dict[str, Any] = {"n": 1000, "n0": 20, "seed": 4}
    threat = ib.Threat(t=ib.SuffixInPlace(3, sampling="per_budget"), x=ib.L2())
    whole = model.certify(INPUT, threat=threat, alpha=0.03, **settings)
    assert isinstance(whole.evidence, PerBudgetEvidence)
    assert sum(whole.ledger.values()) <= 0.03 == whole.alpha
    assert whole.samples == 3 * 1020
    for d, part in enumerate(whole.evidence.parts, start=1):
        one = model.certify(
            INPUT,
            threat=ib.Threat(t=ib.SuffixInPlace(d), x=ib.L2()),
            alpha=part.estimates[0].alpha,
            **settings,
        )
        assert one.evidence == part
        assert one.frontier[d] == whole.frontier[d]
        assert part.estimates[0].alpha <= 0.01
        if d == 1:
            assert one.frontier[0] == whole.frontier[0]
    assert "a smoothed classifier of its own" in whole.statement
    assert whole.covers(t=1, x=0.1)
    assert not whole.covers(t=4)
    assert ib.Certificate.from_json(whole.to_json()) == whole


def test_less_noise_certifies_more_at_a_small_budget() -> None:
    """The base needs both of the tokens before the last: noise on the last one alone never confuses it."""

    def base(batch: dict[str, Any]) -> Any:
        return np.all(np.asarray(batch["t"])[:, -3:-1] == [4, 1], axis=1)

    model = ib.SmoothedClassifier(base, ib.Smoothing(t=ib.Mask(0.8, 99)), num_classes=2)

    def frontier(sampling: Any) -> dict[Any, Any]:
        threat = ib.Threat(t=ib.SuffixInPlace(3, sampling=sampling))
        return model.certify({"t": INPUT["t"]}, threat=threat, n=1000, alpha=0.03).frontier

    shared, own = frontier("shared"), frontier("per_budget")
    assert shared[1] == 0.0  # of the other class: the base no longer sees the text
    assert own == {0: 0.0, 1: 0.0, 2: None, 3: None}


@pytest.mark.parametrize(
    "options",
    [{"stop": "target", "target": {"x": 0.5, "t": 1}}, {"stop": "precision", "precision": 0.2}],
    ids=["target", "precision"],
)
def test_parts_stop_early_each_for_its_own_budget(options: dict[str, Any]) -> None:
    model = ib.SmoothedClassifier(_first_token, MIXED, num_classes=2)
    threat = ib.Threat(t=ib.SuffixInPlace(2, sampling="per_budget"), x=ib.L2())
    cert = model.certify(INPUT, threat=threat, n=20_000, **options)
    assert isinstance(cert.evidence, PerBudgetEvidence)
    rule = "clopper_pearson_looks" if options["stop"] == "target" else "beta_mixture"
    assert {e.rule for part in cert.evidence.parts for e in part.estimates} == {rule}
    assert cert.samples < 2 * 20_000
    if options["stop"] == "target":
        assert cert.covers(x=0.5, t=1)


def test_predictions_are_those_of_the_certified_classifier() -> None:
    """Noise everywhere hides the first token; noise at the end does not."""
    model = ib.SmoothedClassifier(
        lambda batch: np.asarray(batch["t"])[:, 0] == 3, ib.Smoothing(t=ib.Mask(0.9, 99)), num_classes=2
    )
    threat = ib.Threat(t=ib.SuffixInPlace(2))
    assert model.predict([{"t": INPUT["t"]}]).tolist() == [0]
    assert model.predict([{"t": INPUT["t"]}], threat=threat).tolist() == [1]
    assert model.certify({"t": INPUT["t"]}, threat=threat, n=500).prediction == 1
    with pytest.raises(InputError, match="shared"):
        model.predict([{"t": INPUT["t"]}], threat=ib.Threat(t=ib.SuffixInPlace(2, sampling="per_budget")))


@pytest.mark.slow
@pytest.mark.parametrize("sampling", ["shared", "per_budget"])
def test_all_bounds_of_all_budgets_hold_together(sampling: Any) -> None:
    """The share of inputs with any wrong bound stays within alpha, whichever way is sampled."""
    runs, alpha, truth = (4000 if FULL else 250), 0.2, float(stats.norm.cdf(1.5))
    model = ib.SmoothedClassifier(_first_token, MIXED, num_classes=2)
    threat = ib.Threat(t=ib.SuffixInPlace(4, sampling=sampling), x=ib.L2())
    wrong = 0
    inputs = ((str(i), INPUT) for i in range(runs))
    for cert in model.certify_many(inputs, threat=threat, alpha=alpha, n=300, n0=10):
        parts = getattr(cert.evidence, "parts", (cert.evidence,))
        assert all(isinstance(part, SmoothingEvidence) for part in parts)
        wrong += any(part.estimates[0].bound > truth for part in parts)  # type: ignore[attr-defined]
    assert stats.binom.sf(wrong - 1, runs, alpha) > 1e-6
    assert wrong > 0


def test_the_noise_may_reach_further_than_the_attack() -> None:
    smoothing = ib.Smoothing(t=OnSuffix(ib.UniformReplacement(0.9, 20), 4))
    values = smoothing.check({"t": INPUT["t"]})
    narrow = Attack.build(smoothing, values, ib.Threat(t=ib.SuffixInPlace(2)))
    assert len(narrow.claims(Level(0.999, 0.5))) == 3
    record = smoothing.records(values, ib.Threat(t=ib.SuffixInPlace(2)))[0]
    assert (record["positions"], record["max_d"], record["length"]) == (4, 2, 5)


@pytest.mark.parametrize(
    ("channel", "threat", "says"),
    [
        (ib.UniformReplacement(0.5, 9), SuffixInPlace(6), "max_d"),
        (OnSuffix(ib.UniformReplacement(0.5, 9), 2), SuffixInPlace(3), "max_d"),
        (OnSuffix(ib.UniformReplacement(0.5, 9), 2), ib.TokenL0(1), "kind"),
        (OnSuffix(ib.UniformReplacement(0.5, 9), 2), SuffixInPlace(1, sampling="per_budget"), "kernel alone"),
        (OnSlot(ib.UniformReplacement(0.5, 9), 2, pad=3), SuffixAppend(2, pad=4), "same slot"),
        (OnSlot(ib.UniformReplacement(0.5, 9), 2), SuffixInPlace(1), "kind"),
        (ib.UniformReplacement(0.5, 9), SuffixAppend(2, pad=9), "pad"),
    ],
)
def test_attacks_beyond_the_noise_are_refused(channel: Any, threat: Any, says: str) -> None:
    model = ib.SmoothedClassifier(lambda batch: batch["t"][:, 0] > 0, ib.Smoothing(t=channel), num_classes=2)
    with pytest.raises(InputError, match=says):
        model.certify({"t": INPUT["t"]}, threat=ib.Threat(t=threat), n=100)


def test_two_channels_cannot_both_be_sampled_per_budget() -> None:
    own = SuffixInPlace(1, sampling="per_budget")
    noise = ib.Smoothing(a=ib.Mask(0.5, 9), b=ib.Mask(0.5, 9))
    model = ib.SmoothedClassifier(lambda batch: batch["a"][:, 0] > 0, noise, num_classes=2)
    with pytest.raises(InputError, match="per-budget"):
        model.certify({"a": [1, 2], "b": [1, 2]}, threat=ib.Threat(a=own, b=own), n=100)


def test_a_sample_too_small_for_the_shares_is_refused() -> None:
    model = ib.SmoothedClassifier(_first_token, MIXED, num_classes=2)
    threat = ib.Threat(t=ib.SuffixInPlace(5, sampling="per_budget"))
    with pytest.raises(InputError, match="n is too small"):
        model.certify(INPUT, threat=threat, alpha=0.01, n=8)


def test_only_kernels_of_single_tokens_go_to_the_end() -> None:
    with pytest.raises(InputTypeError, match="kernel"):
        OnSuffix(ib.Gaussian(0.5), 2)
    with pytest.raises(InputError, match="slot"):
        OnSlot(ib.Mask(0.5, 9), 3, slot=2)
    with pytest.raises(InputError, match="positions"):
        OnSuffix(ib.Mask(0.5, 9), -1)
