"""Small spaces in full: every noise outcome, every attacked input, and the worst base there is."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import ironbound as ib
from ironbound import laws
from ironbound.channels import AbstractChannel, SynonymReplacement
from ironbound.smoothing.goal import Attack, Level, Options
from ironbound.threats import FieldsL0, SynonymL0, Threat, TokenL0

Outcome = tuple[int, ...]
HALF = Fraction(1, 2)
Masses = dict[Outcome, Fraction]


class World:
    """One discrete channel with everything that can be seen, and everything that an attacker can write."""

    def __init__(
        self, channel: AbstractChannel, budget: Any, clean: Outcome, written: list[list[int]], marginal: Any
    ) -> None:
        self.smoothing = ib.Smoothing(t=channel)
        self.threat = Threat(t=budget)
        self.clean = clean
        self.inputs = list(itertools.product(*written))
        self.marginal = marginal

    def masses(self, origin: Outcome) -> Masses:
        """P(noised = z | input = origin), exactly."""
        found: Masses = {}
        columns = [self.marginal(i, symbol) for i, symbol in enumerate(origin)]
        for choice in itertools.product(*(column.items() for column in columns)):
            z = tuple(symbol for symbol, _ in choice)
            mass = Fraction(1)
            for _, part in choice:
                mass *= part
            if mass:
                found[z] = found.get(z, Fraction(0)) + mass
        assert sum(found.values()) == 1
        return found

    def distance(self, other: Outcome) -> int:
        return sum(a != b for a, b in zip(self.clean, other, strict=True))

    @property
    def max_d(self) -> int:
        return int(self.threat.record()["t"]["max_d"])

    @property
    def merges(self) -> bool:
        """Whether a clean symbol looks like noise, which the law (soundly) does not count on."""
        channel = self.smoothing["t"]
        return isinstance(channel, ib.Mask) and channel.mask_id in self.clean

    def worst_bases(self, attacked: Outcome) -> list[frozenset[Outcome]]:
        """Acceptance regions of the likelihood-ratio tests: what is most likely clean, up to each size."""
        order = self._by_ratio(attacked)
        return [frozenset(order[: i + 1]) for i in range(len(order))]

    def worst_shares(self, attacked: Outcome) -> Callable[[Fraction], Fraction]:
        """p -> the smallest probability at `attacked` of a (randomised) test with p at the clean input."""
        p, q = self.masses(self.clean), self.masses(attacked)
        order = self._by_ratio(attacked)

        def share(budget: Fraction) -> Fraction:
            spent, cost = Fraction(0), Fraction(0)
            for z in order:
                take = min(p[z], budget - spent)
                spent, cost = spent + take, cost + take / p[z] * q.get(z, Fraction(0))
            return cost

        return share

    def _by_ratio(self, attacked: Outcome) -> list[Outcome]:
        p, q = self.masses(self.clean), self.masses(attacked)
        return sorted(p, key=lambda z: q.get(z, Fraction(0)) / p[z])


def replacing(symbols: list[int], beta: float) -> Any:
    def marginal(_: int, token: int) -> dict[int, Fraction]:
        others = [s for s in symbols if s != token]
        rest = {s: Fraction(beta) / len(others) for s in others}
        return {token: 1 - Fraction(beta)} | rest

    return marginal


def categories(arities: list[int], betas: list[float]) -> Any:
    return lambda i, code: replacing(list(range(arities[i])), betas[i])(i, code)


def masking(mask: int, beta: float) -> Any:
    def marginal(_: int, token: int) -> dict[int, Fraction]:
        if token == mask:
            return {mask: Fraction(1)}
        return {token: 1 - Fraction(beta), mask: Fraction(beta)}

    return marginal


def _of_set(token: int) -> dict[int, Fraction]:
    """Noise within the sets {0, 5}, {1, 2, 3} and the lone 4."""
    if token == 4:
        return {4: Fraction(1)}
    return replacing([0, 5] if token in (0, 5) else [1, 2, 3], 0.6)(0, token)


SOME = [0, 2, 3]  # allowed ids; the attacker may write 1 and 4 too where the alphabet is open
ANY = [0, 1, 2, 3, 4]
FIELDS = [[0, 1], [0, 1, 2, 3], [0, 1, 2]]


def text(alphabet: Any, beta: float, clean: Outcome, written: list[int], budget: TokenL0) -> World:
    symbols = list(range(alphabet)) if isinstance(alphabet, int) else alphabet
    channel = ib.UniformReplacement(beta, alphabet)
    return World(channel, budget, clean, [written] * len(clean), replacing(symbols, beta))


def table(betas: list[float], beta: Any) -> World:
    channel = ib.Categorical([2, 4, 3], beta)
    return World(channel, FieldsL0(3), (1, 0, 2), FIELDS, categories([2, 4, 3], betas))


def masked(clean: Outcome) -> World:
    return World(ib.Mask(0.8, 2), TokenL0(2), clean, [[0, 1, 2]] * 2, masking(2, 0.8))


WORLDS = {
    "replacement": text(3, 0.4, (0, 1, 2), [0, 1, 2], TokenL0(3)),
    "replacement-always": text(4, 1.0, (0, 1), [0, 1, 2, 3], TokenL0(2)),
    "open-inside": text(SOME, 0.9, (0, 2), ANY, TokenL0(2, "open")),
    "open-mixed": text(SOME, 0.9, (1, 2), ANY, TokenL0(2, "open")),
    "open-outside": text(SOME, 0.9, (1, 4), [*ANY, 5], TokenL0(2, "open")),
    "closed-mixed": text(SOME, 0.6, (1, 2), SOME, TokenL0(2)),
    "mask": masked((0, 1)),
    "mask-in-text": masked((2, 1)),
    "fields": table([0.35] * 3, 0.35),
    "synonyms": World(
        SynonymReplacement(0.6, [[0, 5], [1, 2, 3]]),
        SynonymL0(3),
        (1, 4, 0),
        [[1, 2, 3], [4], [0, 5]],
        lambda _, token: _of_set(token),
    ),
    "fields-rates": table([0.2, 0.8, 0.5], [0.2, 0.8, 0.5]),
}


@pytest.fixture(params=list(WORLDS), name="world")
def one_world(request: pytest.FixtureRequest) -> World:
    return WORLDS[request.param]


def attack_on(world: World) -> Attack:
    return Attack.build(world.smoothing, world.smoothing.check({"t": list(world.clean)}), world.threat)


def largest_budget(attack: Attack, p: float) -> int:
    """The largest certified budget at clean probability p; -1 if none."""
    certified = [c.budget[0][1] for c in attack.claims(Level(p, 0.5)) if c.mu is not None]
    return max(certified, default=-1)


def test_no_claim_is_refuted_and_what_is_not_claimed_is_lost(world: World) -> None:
    """The worst base of clean probability p, against every input, for a grid of p, in exact arithmetic."""
    attack = attack_on(world)
    costs = {x: world.worst_shares(x) for x in world.inputs}
    claimed = refused = 0
    for p in [Fraction(i, 64) for i in range(33, 64)] + [1 - Fraction(1, 2**k) for k in (8, 20, 40)]:
        most = largest_budget(attack, float(p))
        kept = {x: share(p) for x, share in costs.items()}
        for x, value in kept.items():
            if world.distance(x) <= most:
                assert value > HALF, (x, p, most)
        claimed += most >= 1
        if most < min(world.max_d, max(map(world.distance, world.inputs))) and not world.merges:
            # Tight: one more change, and some base with this p loses the vote (up to the rounding of bounds).
            least = min(value for x, value in kept.items() if world.distance(x) <= most + 1)
            assert least <= HALF + Fraction(1, 10**9)
            refused += 1
    assert claimed
    assert refused or world.merges


@pytest.mark.parametrize("name", ["replacement", "open-mixed", "fields", "synonyms"])
def test_sampled_certificates_of_the_worst_bases_hold(name: str) -> None:
    world = WORLDS[name]
    tables = {x: world.masses(x) for x in world.inputs}
    certified = 0
    for attacked in world.inputs[:: max(1, len(world.inputs) // 8)]:
        for region in world.worst_bases(attacked)[::3]:
            accepted = set(region)

            def base(batch: dict[str, Any], accepted: set[Outcome] = accepted) -> Any:
                return np.array([tuple(row) in accepted for row in batch["t"].tolist()], dtype=int)

            model = ib.SmoothedClassifier(base, world.smoothing, num_classes=2)
            cert = model.certify({"t": list(world.clean)}, threat=world.threat, alpha=1e-9, n=700, n0=20)
            for x in world.inputs:
                if cert.covers(t=world.distance(x)):
                    share = sum((m for z, m in tables[x].items() if z in region), Fraction(0))
                    won = share if cert.prediction == 1 else 1 - share
                    assert won > HALF
                    certified += world.distance(x) > 0
    assert certified


def test_no_larger_budget_is_ever_claimed_at_a_larger_shift() -> None:
    """Also where the laws are out of order (by rounding, in practice): the smaller shift, proved anew."""
    weak, strong = laws.mask(1, 0.95), laws.mask(1, 0.9)
    options = [Options((("t", d),), (law,)) for d, law in enumerate((weak, strong, weak))]
    for level in (Level(0.99, 0.5), Level(0.99, None, 0.02)):
        first, second, third = Attack(tuple(options), True).claims(level)
        assert first.mu is not None
        assert second.mu is not None
        assert first.mu > second.mu == third.mu
        joined = laws.compose(weak, laws.gaussian(second.mu))
        needed = 0.5
        if level.rival is not None:
            needed = joined.upper_dual(third.rival_witnesses[0], level.rival)
        assert joined.dual(third.witnesses[0], level.p) > needed
    lost = Attack((Options((("t", 0),), (laws.mask(1, 0.4),)), *options[1:]), True).claims(Level(0.99, 0.5))
    assert [claim.mu for claim in lost] == [None, None, None]


def test_the_joint_radius_is_tight_for_the_worst_joint_base() -> None:
    """Image and text at once: the worst base keeps the vote within the radius and loses it beyond."""
    sigma, beta, size = 0.5, 0.6, 20
    smoothing = ib.Smoothing(x=ib.Gaussian(sigma), t=ib.UniformReplacement(beta, size))
    clean, written = [3, 4, 5], [13, 4, 5]
    step = np.log((1 - beta) * (size - 1) / beta)
    far = 0.3  # the shift that the base is worst against

    def log_ratio(batch: dict[str, Any]) -> Any:
        discrete = step * ((batch["t"][:, 0] == 13).astype(float) - (batch["t"][:, 0] == 3))
        return discrete + (2 * batch["x"][:, 0] * far - far**2) / (2 * sigma**2)

    values = smoothing.check({"x": [0.0], "t": clean})

    def share(x: float, tokens: list[int], cut: float, seed: int) -> float:
        generator = np.random.default_rng(seed)
        at = smoothing.check({"x": [x], "t": tokens})
        batch = {name: channel.sample(at[name], generator, 200_000) for name, channel in smoothing.items()}
        return float(np.mean(log_ratio(batch) <= cut))

    threat = ib.Threat(x=ib.L2(), t=ib.TokenL0(max_d=1))
    attack = Attack.build(smoothing, values, threat)

    # The base's cut is chosen so that the attack (shift `far`, one token) just meets one half.
    low, high = -20.0, 20.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if share(far, written, middle, 1) > 0.5 else (middle, high)
    p = share(0.0, clean, high, 2)
    mu = attack.claims(Level(p, 0.5))[1].mu
    assert mu is not None
    assert abs(mu * sigma - far) < 0.02
    assert share(mu * sigma - 0.05, written, high, 3) > 0.5
    assert share(mu * sigma + 0.05, written, high, 4) < 0.5
