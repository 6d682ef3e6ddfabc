"""The joint attack keeps its budget, and finds what enumeration finds."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

import ironbound as ib
from ironbound.attacks import JointAttack
from ironbound.attacks.joint import squared_norm
from ironbound.errors import InputError
from ironbound.models.torch import TorchClassifier
from ironbound.smoothing.rules import Rules

WEIGHTS = np.array([[0.9, -0.2, 0.1, -1.2], [0.5, 0.4, -0.8, 0.0], [0.3, -0.1, 0.2, -0.6]])
RULES = Rules.build(2, None, 1, None, None)


def linear(batch: Mapping[str, Any]) -> Any:
    """Class 1 where the weights of the tokens (and the number x, if there is one) sum to more than 0."""
    tokens = np.asarray(batch["tokens"])
    total = sum(WEIGHTS[at][tokens[:, at]] for at in range(3))
    return total + (np.asarray(batch["x"])[:, 0] if "x" in batch else 0.0) > 0


class Net(torch.nn.Module):
    """The same as a network with an embedding: 12 symbols, one block of 4 for each place."""

    def __init__(self) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(4, 3)
        with torch.no_grad():
            self.words.weight.copy_(torch.from_numpy(WEIGHTS.T.copy()))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        score = self.words(tokens).diagonal(dim1=1, dim2=2).sum(dim=1)
        return 5 * torch.stack([-score, score], dim=1)


def exact_share(tokens: tuple[int, ...], beta: float) -> float:
    """Exact probability of class 1 under uniform replacement of all three tokens."""
    total = 0.0
    for seen in itertools.product(range(4), repeat=3):
        weight = np.prod([1 - beta if a == b else beta / 3 for a, b in zip(tokens, seen, strict=True)])
        total += float(weight) * bool(linear({"tokens": np.array([seen])})[0])
    return total


@pytest.mark.parametrize("base", [linear, TorchClassifier(Net(), arguments=["tokens"])], ids=["votes", "net"])
@pytest.mark.parametrize("d", [1, 2])
def test_tokens_are_written_as_well_as_enumeration_writes_them(base: Any, d: int) -> None:
    clean, beta = (0, 1, 2), 0.4
    near = [
        other
        for other in itertools.product(range(4), repeat=3)
        if sum(a != b for a, b in zip(clean, other, strict=True)) <= d
    ]
    best = min(exact_share(other, beta) for other in near)
    attack = JointAttack(
        base, ib.Smoothing(tokens=ib.UniformReplacement(beta, 4)), ib.Threat(tokens=ib.TokenL0(2)), RULES
    )
    found = attack({"tokens": clean}, 1, tokens=d)
    assert found.how == ("votes" if base is linear else "gradient")
    assert found.used["tokens"] <= d
    assert exact_share(tuple(found.attacked["tokens"].tolist()), beta) <= best + 1e-12


def test_numbers_and_tokens_move_together() -> None:
    noise = ib.Smoothing(x=ib.Gaussian(0.5, low=-1.0, high=3.0), tokens=ib.UniformReplacement(0.4, 4))
    threat = ib.Threat(x=ib.L2(), tokens=ib.TokenL0(1))
    attack = JointAttack(linear, noise, threat, RULES)
    clean = {"x": np.array([0.8, 0.0]), "tokens": [0, 1, 1]}
    alone = [attack(clean, 1, x=0.7, tokens=0), attack(clean, 1, tokens=1)]
    both = attack(clean, 1, x=0.7, tokens=1)
    assert [one.outcome for one in alone] == ["kept", "kept"]
    assert both.success
    moved = squared_norm(both.attacked["x"], clean["x"])
    assert Fraction(0.6) ** 2 < moved <= Fraction(0.7) ** 2
    assert both.attacked["x"].min() >= -1.0


def test_certificates_stand_against_the_attack_with_full_knowledge() -> None:
    noise = ib.Smoothing(x=ib.Gaussian(0.5), tokens=ib.UniformReplacement(0.4, 4))
    threat = ib.Threat(x=ib.L2(), tokens=ib.TokenL0(1))
    model = ib.SmoothedClassifier(linear, noise, num_classes=2)
    clean = {"x": np.array([2.0]), "tokens": [0, 1, 1]}
    certificate = model.certify(clean, threat=threat, n=4000)
    attack = JointAttack(linear, noise, threat, model.rules)
    for d, radius in certificate.frontier.items():
        assert isinstance(d, int)
        assert radius is not None
        assert certificate.prediction is not None
        assert not attack(clean, certificate.prediction, x=radius, tokens=d).success
        assert attack(clean, certificate.prediction, x=radius + 2.0, tokens=1).success


@pytest.mark.parametrize("sampling", ["shared", "per_budget"])
def test_the_end_of_a_text_is_written_where_the_threat_says(sampling: Any) -> None:
    kernel = ib.Smoothing(tokens=ib.UniformReplacement(0.4, 4))
    place = JointAttack(
        linear, kernel, ib.Threat(tokens=ib.SuffixInPlace(2, sampling=sampling)), RULES, draws=64
    )
    found = place({"tokens": [2, 1, 0]}, 1, tokens=1)
    assert found.attacked["tokens"].tolist() == [2, 1, 3]
    assert found.used["tokens"] == 1

    def slot(batch: Mapping[str, Any]) -> Any:
        return np.asarray(batch["tokens"])[:, 2] != 3

    append = JointAttack(
        slot, kernel, ib.Threat(tokens=ib.SuffixAppend(2, pad=0, slot=3, sampling=sampling)), RULES, draws=64
    )
    found = append({"tokens": [1, 2]}, 1, tokens=1)
    assert found.attacked["tokens"].shape == (5,)
    assert found.attacked["tokens"].tolist() == [1, 2, 3, 0, 0]
    assert found.success


@pytest.mark.parametrize("white_box", [False, True])
def test_against_an_open_alphabet_it_also_writes_what_the_noise_never_shows(white_box: bool) -> None:
    """A special token that no draw tells of: the closed attacker may not write it, the open one finds it."""
    embedding = torch.nn.Embedding(40, 2)
    with torch.no_grad():
        embedding.weight.zero_()
        embedding.weight[:, 1] = 1.0
        embedding.weight[3] = torch.tensor([50.0, 0.0])

    class Sum(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = embedding

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return self.words(tokens).sum(dim=1)

    module = Sum()
    base: Any = (
        TorchClassifier(module, arguments=("tokens",))
        if white_box
        else lambda batch: module(torch.as_tensor(batch["tokens"])).detach()
    )
    noise = ib.Smoothing(tokens=ib.UniformReplacement(0.3, list(range(5, 40))))
    clean = {"tokens": [7, 8, 9]}
    for budget in (ib.TokenL0(1), ib.SuffixInPlace(1), ib.SuffixAppend(1, pad=7)):
        found = JointAttack(base, noise, ib.Threat(tokens=budget), RULES, draws=64)(clean, 1, tokens=1)
        assert found.outcome == "kept"
        open_ = replace(budget, alphabet="open")
        found = JointAttack(base, noise, ib.Threat(tokens=open_), RULES, draws=64)(clean, 1, tokens=1)
        assert found.success
        assert 3 in found.attacked["tokens"]


def test_the_base_itself_is_attacked_within_valid_categories() -> None:
    def fields(batch: Mapping[str, Any]) -> Any:
        codes = np.asarray(batch["fields"])
        assert codes[:, 0].max() < 2
        assert codes[:, 1].max() < 3
        return codes[:, 1] != 2

    noise = ib.Smoothing(fields=ib.Categorical([2, 3], 0.3))
    attack = JointAttack(fields, noise, ib.Threat(fields=ib.FieldsL0(1)), RULES, smoothed=False)
    found = attack({"fields": [0, 0]}, 1, fields=1)
    assert found.success
    assert found.attacked["fields"].tolist() == [0, 2]
    assert found.share == 0.0


def test_what_is_no_budget_is_refused() -> None:
    noise = ib.Smoothing(tokens=ib.Mask(0.5, 0))
    attack = JointAttack(linear, noise, ib.Threat(tokens=ib.TokenL0(1)), RULES)
    with pytest.raises(InputError, match="alphabet"):
        attack({"tokens": [1, 2, 3]}, 1, tokens=1)
    attack = JointAttack(linear, noise, ib.Threat(tokens=ib.TokenL0(1)), RULES, alphabet=range(4))
    several: list[dict[str, Any]] = [{"tokens": 2}, {"tokens": -1}, {"tokens": float("nan")}, {"words": 1}]
    for amounts in several:
        with pytest.raises(InputError, match="amount"):
            attack({"tokens": [1, 2, 3]}, 1, **amounts)
    with pytest.raises(InputError, match="draws"):
        JointAttack(linear, noise, ib.Threat(tokens=ib.TokenL0(1)), RULES, draws=0)
