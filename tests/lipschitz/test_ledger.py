"""The ledger: no pair of inputs that a search finds breaks a rule; what has no rule is refused by name."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from lipschitz_search import largest_ratio
from torch import Tensor, nn

from ironbound.errors import InputError
from ironbound.lipschitz import Step, bound, rule
from ironbound.lipschitz.ledger import Shape

Case = tuple[str, Callable[[], nn.Module], Shape, float]

# name, module, shape of one input, and how much of the bound the search has to reach: a rule that is far from
# tight, or a search that finds nothing, would show here.
CASES: list[Case] = [
    ("relu", nn.ReLU, (6,), 0.99),
    ("relu6", nn.ReLU6, (6,), 0.99),
    ("tanh", nn.Tanh, (6,), 0.98),
    ("hardtanh", nn.Hardtanh, (6,), 0.99),
    ("softplus", nn.Softplus, (6,), 0.95),
    ("softplus steep", lambda: nn.Softplus(beta=5.0), (6,), 0.95),
    ("softsign", nn.Softsign, (6,), 0.9),
    ("softshrink", nn.Softshrink, (6,), 0.99),
    ("logsigmoid", nn.LogSigmoid, (6,), 0.95),
    ("sigmoid", nn.Sigmoid, (6,), 0.98),
    ("silu", nn.SiLU, (6,), 0.99),
    ("gelu", nn.GELU, (6,), 0.99),
    ("gelu tanh", lambda: nn.GELU(approximate="tanh"), (6,), 0.99),
    ("leaky", lambda: nn.LeakyReLU(-1.7), (6,), 0.99),
    ("elu", lambda: nn.ELU(alpha=2.5), (6,), 0.9),
    ("celu", lambda: nn.CELU(alpha=2.5), (6,), 0.95),
    ("prelu", lambda: nn.PReLU(init=1.4), (6,), 0.99),
    ("softmax", lambda: nn.Softmax(dim=1), (2,), 0.98),
    ("linear", lambda: nn.Linear(6, 5), (6,), 0.99),
    ("flatten", nn.Flatten, (2, 3), 0.99),
    ("conv zeros", lambda: nn.Conv2d(2, 3, 3, padding=1), (2, 6, 6), 0.9),
    ("conv valid", lambda: nn.Conv2d(2, 3, 3), (2, 6, 6), 0.8),
    ("conv circular", lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"), (2, 6, 6), 0.98),
    ("conv stride", lambda: nn.Conv2d(2, 3, 3, padding=1, stride=2), (2, 6, 6), 0.3),
    ("conv groups", lambda: nn.Conv2d(4, 4, 3, padding=1, groups=2), (4, 5, 5), 0.9),
    ("conv dilation", lambda: nn.Conv2d(2, 2, 3, padding=2, dilation=2), (2, 6, 6), 0.8),
    ("max pool", lambda: nn.MaxPool2d(2), (1, 4, 4), 0.99),
    ("max pool overlapping", lambda: nn.MaxPool2d(3, stride=1, padding=1), (1, 5, 5), 0.5),
    ("average pool", lambda: nn.AvgPool2d(2), (1, 4, 4), 0.99),
    ("average pool overlapping", lambda: nn.AvgPool2d(3, stride=2, padding=1), (1, 6, 6), 0.5),
    ("global pool", lambda: nn.AdaptiveAvgPool2d(1), (2, 4, 4), 0.99),
    ("batch norm", lambda: _fitted(nn.BatchNorm2d(3)), (3, 3, 3), 0.99),
    ("dropout", lambda: nn.Dropout(0.5), (6,), 0.99),
    (
        "network",
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)
        ),
        (1, 6, 6),
        0.05,
    ),
]


def _fitted(layer: nn.BatchNorm2d) -> nn.BatchNorm2d:
    with torch.no_grad():
        layer.running_var.copy_(torch.tensor([0.3, 2.0, 1.0]))  # pyright: ignore[reportOptionalMemberAccess]
        layer.weight.copy_(torch.tensor([0.5, -4.0, 1.0]))
    return layer


def _hooked(layer: nn.Module) -> nn.Module:
    def triple(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return 3 * output

    layer.register_forward_hook(triple)
    return layer


@pytest.mark.parametrize(("name", "build", "shape", "share"), CASES, ids=[c[0] for c in CASES])
def test_no_search_breaks_a_rule(
    name: str, build: Callable[[], nn.Module], shape: Shape, share: float
) -> None:
    torch.manual_seed(0)
    module = build().double().eval()
    value = bound(module, shape).value
    found = largest_ratio(module, shape)
    assert found <= value * (1 + 1e-9)
    assert found >= share * value


def test_the_search_notices_a_rule_that_is_one_percent_too_small() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(6, 5).double()
    assert largest_ratio(layer, (6,)) > 0.99 * bound(layer, (6,)).value


def test_a_module_without_a_rule_is_named() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
    with pytest.raises(InputError, match=r"1 LayerNorm is a LayerNorm, which has no Lipschitz rule"):
        bound(network, (4,))


def test_a_subclass_does_not_inherit_a_rule() -> None:
    class Doubled(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return 2 * super().forward(input)

    with pytest.raises(InputError, match="Doubled"):
        bound(Doubled(3, 3), (3,))


def test_a_user_can_register_a_rule() -> None:
    class Twice(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

    @rule(Twice)
    def twice(module: nn.Module, shape: Shape, name: str) -> Step:
        return Step(name, "2 x", 2.0)

    found = bound(nn.Sequential(Twice(), nn.Sigmoid()), (3,))
    assert found.value == pytest.approx(0.5)
    assert "2 x" in found.derivation
    assert "slope at most 1/4" in found.derivation
    assert twice is not None


@pytest.mark.parametrize("said", [-1.0, float("nan")])
def test_a_rule_that_says_no_bound_is_named(said: float) -> None:
    class Odd(nn.Identity):
        pass

    rule(Odd)(lambda module, shape, name: Step(name, "odd", said))
    with pytest.raises(InputError, match=r"0 Odd: the rule of .*Odd says"):
        bound(nn.Sequential(Odd()), (3,))


def test_a_forward_of_its_own_is_refused() -> None:
    layer = nn.ReLU()
    layer.forward = lambda x: 3 * x  # type: ignore[method-assign, assignment]
    with pytest.raises(InputError, match="a forward of its own"):
        bound(layer, (3,))


@pytest.mark.parametrize(
    ("module", "shape", "named"),
    [
        (nn.BatchNorm2d(2).train(), (2, 3, 3), "call eval"),
        (nn.Dropout().train(), (3,), "call eval"),
        (nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), (1, 4, 4), "repeats pixels"),
        (nn.Conv2d(1, 1, 3, padding=2, padding_mode="circular"), (1, 4, 4), "repeats pixels"),
        (nn.AvgPool2d(3, padding=1, count_include_pad=False), (1, 6, 6), "fewer pixels at the border"),
        (nn.AdaptiveAvgPool2d(2), (1, 5, 5), "only the global mean"),
        (nn.Sequential(nn.Linear(3, 2)), (4,), "cannot take inputs"),
        (nn.ReLU(), (), "input_shape must be"),
        (nn.Softplus(threshold=1), (3,), "jumps at its threshold"),
        (nn.Softplus(beta=-1), (3,), "jumps at its threshold"),
        (nn.CELU(alpha=-1.0), (3,), "bounded slope for alpha > 0 only"),
        (nn.Sequential(_hooked(nn.ReLU())), (3,), "0 ReLU has forward hooks"),
        (nn.utils.spectral_norm(nn.Linear(3, 3)).eval(), (3,), "Linear has forward hooks"),
        (nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)), (3,), "ParametrizedLinear, which has no"),
    ],
)
def test_what_cannot_be_bounded_is_refused_with_the_reason(
    module: nn.Module, shape: Shape, named: str
) -> None:
    with pytest.raises(InputError, match=named):
        bound(module, shape)


def test_bound_leaves_the_module_as_it_was() -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.ReLU()).train()
    before = [p.clone() for p in network.parameters()]
    bound(network, (3,))
    assert network.training
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
