"""Attacks on synonyms, edits, uneven and adaptive noise: as good as enumeration, never beyond the budget."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import ironbound as ib
from ironbound.attacks import JointAttack
from ironbound.attacks.balls import Ball
from ironbound.attacks.edits import Editable, edit_distance
from ironbound.attacks.tokens import writable_tokens
from ironbound.data.problem import Example, Problem
from ironbound.errors import InputError
from ironbound.models.torch import TorchClassifier
from ironbound.runs.attack import attack_of
from ironbound.smoothing.rules import Rules

RULES = Rules.build(2, None, 1, None, None)
SETS = [[0, 1, 2], [3, 4]]
WORTH = np.array([0.9, 0.1, -1.5, 0.6, -0.4, 0.2])
PAD, BAD = 0, 3
RATE = 0.5


def worth(batch: Mapping[str, Any]) -> Any:
    return WORTH[np.asarray(batch["tokens"])].sum(axis=1) > 0


def synonym_share(tokens: tuple[int, ...], beta: float) -> float:
    """Exact probability of class 1 when each token of a set is replaced at rate beta within it."""
    total = 0.0
    homes = {token: members for members in SETS for token in members}
    for seen in itertools.product(range(6), repeat=len(tokens)):
        weight = 1.0
        for a, b in zip(tokens, seen, strict=True):
            own = homes.get(a, [a])
            weight *= (
                0.0
                if b not in own
                else 1.0
                if len(own) == 1
                else 1 - beta
                if a == b
                else beta / (len(own) - 1)
            )
        total += weight * bool(worth({"tokens": np.array([seen])})[0]) if weight else 0.0
    return total


@pytest.mark.parametrize("d", [1, 2])
def test_synonyms_are_written_as_well_as_enumeration_writes_them(d: int) -> None:
    clean, beta = (0, 3, 5, 1), 0.3
    homes = {token: members for members in SETS for token in members}
    near = [
        other
        for other in itertools.product(*(homes.get(token, [token]) for token in clean))
        if sum(a != b for a, b in zip(clean, other, strict=True)) <= d
    ]
    best = min(synonym_share(other, beta) for other in near)
    noise = ib.Smoothing(tokens=ib.SynonymReplacement(beta, SETS))
    attack = JointAttack(worth, noise, ib.Threat(tokens=ib.SynonymL0(2)), RULES)
    found = attack({"tokens": list(clean)}, 1, tokens=d)
    attacked = tuple(found.attacked["tokens"].tolist())
    assert attacked in near
    assert attacked[2] == 5  # in no set: not to be touched
    assert found.used["tokens"] == d
    assert synonym_share(attacked, beta) <= best + 1e-12


def good(batch: Mapping[str, Any]) -> Any:
    """Class 1 where more good than bad tokens are shown."""
    shown = np.asarray(batch["tokens"])
    return ((shown == 1) | (shown == 2)).sum(axis=1) > (shown == BAD).sum(axis=1)


class GoodNet(torch.nn.Module):
    """The same as a network with an embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(4, 1)
        with torch.no_grad():
            self.words.weight.copy_(torch.tensor([[0.0], [1.0], [1.0], [-1.0]]))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        score = 5 * (self.words(tokens).sum(dim=(1, 2)) - 0.5)
        return torch.stack([-score, score], dim=1)


def deletion_share(tokens: tuple[int, ...]) -> float:
    """Exact probability of class 1 when each token is dropped at RATE."""
    total = 0.0
    for kept in itertools.product([False, True], repeat=len(tokens)):
        shown = [token for token, keep in zip(tokens, kept, strict=True) if keep] or [PAD]
        weight = (1 - RATE) ** sum(kept) * RATE ** (len(kept) - sum(kept))
        total += weight * bool(good({"tokens": np.array([shown])})[0])
    return total


def edited(tokens: tuple[int, ...], operations: tuple[str, ...]) -> set[tuple[int, ...]]:
    """All texts one allowed edit away."""
    found: set[tuple[int, ...]] = set()
    for i in range(len(tokens) + 1):
        if "insert" in operations:
            found |= {(*tokens[:i], s, *tokens[i:]) for s in (1, 2, 3)}
        if i < len(tokens):
            if "delete" in operations and len(tokens) > 1:
                found.add((*tokens[:i], *tokens[i + 1 :]))
            if "substitute" in operations:
                found |= {(*tokens[:i], s, *tokens[i + 1 :]) for s in (1, 2, 3)}
    return found


@pytest.mark.parametrize(
    "base", [good, TorchClassifier(GoodNet(), arguments=["tokens"])], ids=["votes", "net"]
)
@pytest.mark.parametrize("operations", [("insert",), ("delete",), ("insert", "delete", "substitute")])
@pytest.mark.parametrize("d", [1, 2])
def test_edits_are_made_as_well_as_enumeration_makes_them(base: Any, operations: Any, d: int) -> None:
    clean = (1, 1, 2, 3, 1)
    near = {clean}
    for _ in range(d):
        near |= set().union(*(edited(one, operations) for one in near))
    best = min(deletion_share(one) for one in near)
    assert best < deletion_share(clean) - 0.05
    noise = ib.Smoothing(tokens=ib.Deletion(RATE, width=8, pad=PAD))
    threat = ib.Threat(tokens=ib.Edits(2, operations))
    attack = JointAttack(base, noise, threat, RULES, alphabet={"tokens": [1, 2, 3]}, judge=200)
    found = attack({"tokens": list(clean)}, 1, tokens=d)
    attacked = tuple(found.attacked["tokens"].tolist())
    assert attacked in near
    assert found.used["tokens"] == d
    assert deletion_share(attacked) <= best + 1e-12


def test_without_an_alphabet_edits_write_what_the_text_holds() -> None:
    noise = ib.Smoothing(tokens=ib.Deletion(RATE, width=8, pad=PAD))
    attack = JointAttack(good, noise, ib.Threat(tokens=ib.Edits(1, ["insert"])), RULES, judge=200)
    found = attack({"tokens": [1, 3, 2]}, 1, tokens=1)
    assert sorted(found.attacked["tokens"].tolist()) == [1, 2, 3, 3]
    # A text of one token keeps it: an empty one is no input.
    last = JointAttack(good, noise, ib.Threat(tokens=ib.Edits(1, ["delete"])), RULES, judge=200)
    assert last({"tokens": [1]}, 1, tokens=1).attacked["tokens"].tolist() == [1]


def test_edits_begin_with_the_tokens_that_promise_most() -> None:
    scores = np.array([[0.0, 0.5, 0.1, -0.9]])
    clean = np.array([1, 2, 3, 1])
    found = {}
    for operation in ("insert", "delete", "substitute"):
        one = Editable(clean, np.array([1, 2, 3]), (operation,), 1, ib.Deletion(RATE, width=8))
        found[operation] = one.changes(clean, scores, 1, np.random.default_rng(0))[0][1].tolist()
    assert sorted(found["insert"]) == [1, 1, 1, 2, 3]
    assert found["delete"] == [1, 2, 1]
    assert found["substitute"] == [1, 2, 1, 1]


def test_a_place_is_written_once() -> None:
    noise = ib.UniformReplacement(0.5, 4)
    one = writable_tokens(noise, ib.TokenL0(2), np.array([0, 1, 2]), 2)
    changed = [value for _, value in one.changes(np.array([3, 1, 2]), None, 9, np.random.default_rng(0))]
    assert all(value[0] == 3 and one.used(value) == 2 for value in changed)
    assert len(changed) == 6


def test_a_run_lends_edits_the_tokens_of_its_inputs() -> None:
    noise = ib.Smoothing(text=ib.Deletion(RATE, width=4), other=ib.UniformReplacement(0.5, 4))
    problem = Problem(
        name="texts",
        examples=tuple(
            Example(str(i), {"text": np.array(text), "other": np.array([1])}, 0)
            for i, text in enumerate([[5, 9], [9, 2, 7]])
        ),
        base=good,
        smoothing=noise,
        threat=ib.Threat(text=ib.Edits(1), other=ib.TokenL0(1)),
        num_classes=2,
    )
    plan: Any = SimpleNamespace(
        problem=problem, statistics=SimpleNamespace(threshold=None, positive=1, rivals=None)
    )
    assert attack_of(plan).alphabet == {"text": [2, 5, 7, 9]}
    plan.problem = replace(problem, threat=ib.Threat(other=ib.TokenL0(1)))
    assert attack_of(plan).alphabet is None


def test_the_distance_of_edits_is_the_one_that_search_finds() -> None:
    for operations in (("insert",), ("delete",), ("insert", "delete"), ("insert", "delete", "substitute")):
        steps = {(1, 2, 1): 0}
        border = {(1, 2, 1)}
        for distance in (1, 2):
            border = set().union(*(edited(one, operations) for one in border)) - set(steps)
            steps |= dict.fromkeys(border, distance)
        for other in itertools.chain.from_iterable(
            itertools.product((1, 2, 3), repeat=k) for k in range(1, 6)
        ):
            found = edit_distance([1, 2, 1], list(other), operations)  # type: ignore[arg-type]
            assert steps.get(other, 3) == min(3, 3 if found is None else found), (operations, other)


def plane(weights: list[float]) -> Any:
    return lambda batch: np.asarray(batch["x"]) @ np.array(weights) + 1.0 > 0


@pytest.mark.parametrize("white_box", [True, False])
def test_uneven_noise_is_attacked_in_the_whole_ellipsoid(white_box: bool) -> None:
    # mu = 2 along the coordinate of much noise: 8 units there, where the ball inside has a radius of 0.5.
    net = torch.nn.Linear(2, 2)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[0.0, 0.0], [0.0, 0.125]]))
        net.bias.copy_(torch.tensor([0.0, 1.0]))
    base = TorchClassifier(net, arguments=["x"])
    noise = ib.Smoothing(x=ib.AnisotropicGaussian([0.25, 4.0]))
    threat = ib.Threat(x=ib.L2())
    attack = JointAttack(base, noise, threat, RULES, white_box=white_box)
    inside, outside = (attack({"x": [0.0, 0.0]}, 1, x=0.25 * mu) for mu in (1.8, 2.4))
    assert not inside.success
    assert outside.success
    assert outside.used["x"] <= 0.6
    assert outside.attacked["x"][1] < -8.0
    model = ib.SmoothedClassifier(base, noise, num_classes=2)
    certificate = model.certify({"x": [0.0, 0.0]}, threat=threat, n=2000)
    radius = certificate.frontier[0]
    assert radius is not None
    assert not attack({"x": [0.0, 0.0]}, 1, x=radius).success


def shown(seen: Any) -> Any:
    return np.ones_like(seen) * np.array([1.0, 1.0, 0.3])


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_adaptive_noise_is_attacked_in_its_own_norm(norm: str) -> None:
    channel = ib.AdaptiveGaussian(1.0, 0.6, shown, "shown", norm, 3)  # type: ignore[arg-type]
    base = plane([1.0, -1.0, 0.0])
    noise, threat = ib.Smoothing(x=channel), ib.Threat(x=ib.LInf() if norm == "linf" else ib.L2())
    model = ib.SmoothedClassifier(base, noise, num_classes=2)
    certificate = model.certify({"x": [0.0] * 3}, threat=threat, n=4000)
    radius = certificate.frontier[0]
    assert radius is not None
    attack = JointAttack(base, noise, threat, RULES)
    assert not attack({"x": [0.0] * 3}, 1, x=radius).success
    # The plane lies at a max-norm of 1/2 and a 2-norm of 1/sqrt(2).
    found = attack({"x": [0.0] * 3}, 1, x=0.6 if norm == "linf" else 0.85)
    assert found.success
    assert found.used["x"] <= (0.6 if norm == "linf" else 0.85)
    moved = np.abs(found.attacked["x"])
    assert (moved.max() <= 0.6) if norm == "linf" else np.linalg.norm(moved) <= 0.85


@pytest.mark.parametrize(
    "channel",
    [
        ib.Gaussian(0.5, low=-1.0, high=1.0),
        ib.AnisotropicGaussian([0.5, 1.0, 3.0], low=-1.0, high=1.0),
        ib.AdaptiveGaussian(1.0, 0.6, shown, "shown", "linf", 3, low=-1.0, high=1.0),
        ib.Gaussian(0.5, low=-1.0, high=1.0, exact=True, grid=50),
    ],
    ids=["plain", "uneven", "max", "grid"],
)
def test_what_is_moved_into_a_ball_is_in_it_and_in_range(channel: Any) -> None:
    rng = np.random.default_rng(0)
    clean = np.rint(50 * rng.uniform(-1, 1, 3)) / 50
    full = 0
    for _ in range(100):
        ball = Ball(channel, float(rng.uniform(0.05, 1.5)))
        gradient = rng.standard_normal(3)
        way = ball.steepest(gradient)
        assert way is not None
        assert ball.size(clean + way, clean) == pytest.approx(1.0, rel=1e-9)
        for other in rng.standard_normal((20, 3)):  # no other step of size 1 leads further up
            assert gradient @ other / ball.size(other, 0 * clean) <= gradient @ way + 1e-9
        moved = ball.within(clean + 3.0 * way, clean)
        assert ball.allows(moved, clean)
        assert ball.square(moved, clean) <= Fraction(ball.radius) ** 2
        full += ball.size(moved, clean) > 0.9 * ball.radius
        if ball.size(2 * way, 0 * clean) > ball.radius:
            outside = clean + 2 * way
            inside_range = np.all(np.abs(outside) <= 1) and not getattr(channel, "exact", False)
            assert not inside_range or not ball.allows(outside, clean)
    assert full > 10
    assert Ball(channel, 1.0).steepest(np.zeros(3)) is None
    with pytest.raises(InputError):
        Ball(channel, 9.0).allows(clean + 2.5, clean)
