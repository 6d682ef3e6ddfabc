"""The ledger: an upper bound of a module's Lipschitz constant, with the derivation that proves it.

One rule a module type, registered by hand. A module without a rule is an error that names it, never a silent
factor of 1. Distances are 2-norms of the flattened input and output. Math notes "Lipschitz", section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor, nn

from ironbound.errors import InputError, wrong_value
from ironbound.lipschitz.noise import undisturbed

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Step:
    """One line of a derivation: which module, by which rule, which factor.

    `children` are the steps that the factor was made of, for containers.
    """

    module: str
    rule: str
    factor: float
    children: tuple[Step, ...] = ()

    def lines(self, indent: int = 0) -> list[str]:
        own = f"{'  ' * indent}{self.module:<{max(1, 40 - 2 * indent)}} {self.factor:>12.6g}  {self.rule}"
        return [own, *(line for child in self.children for line in child.lines(indent + 1))]


@dataclass(frozen=True)
class LipschitzBound:
    """An upper bound, and one line per module saying where it comes from.

    Example:
        >>> found = bound(nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.ReLU()), (1, 2, 2))
        >>> [step.module for step in found.steps]
        ['Sequential']
        >>> print(str(found).splitlines()[0].split()[0])
        Sequential
    """

    value: float
    steps: tuple[Step, ...] = field(repr=False)

    @property
    def derivation(self) -> str:
        return "\n".join(line for step in self.steps for line in step.lines())

    def __str__(self) -> str:
        return self.derivation


Rule = Callable[[nn.Module, Shape, str], Step]
Registered = TypeVar("Registered", bound=Rule)
_RULES: dict[type[nn.Module], Rule] = {}


def rule(*types: type[nn.Module]) -> Callable[[Registered], Registered]:
    """Register the rule of one or several module types; a user's own module joins the same way.

    The rule is called with the module, the shape of one input (no batch axis) and the module's name, and
    returns a `Step`. It must be an upper bound for every input, in eval mode, in exact arithmetic.

    Example:
        >>> class Halve(nn.Module):
        ...     def forward(self, x: Tensor) -> Tensor:
        ...         return x / 2
        >>> @rule(Halve)
        ... def halve(module: nn.Module, shape: Shape, name: str) -> Step:
        ...     return Step(name, "x / 2", 0.5)
        >>> bound(Halve(), (3,)).value
        0.5
    """

    def register(function: Registered) -> Registered:
        for module_type in types:
            _RULES[module_type] = function
        return function

    return register


def bound(module: nn.Module, input_shape: Shape) -> LipschitzBound:
    """Upper bound of the Lipschitz constant of `module` in eval mode, from 2-norm to 2-norm.

    Args:
        module: any module made of types that have a rule; subclasses need a rule of their own, since they
            may compute something else.
        input_shape: shape of one input without the batch axis; the norm of a convolution depends on it.
    Raises:
        InputError: a module has no rule (it is named), has forward hooks, is in training mode where that
            matters, or cannot take the given shape.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2))
        >>> found = bound(net.eval(), (1, 4, 4))
        >>> x, y = torch.randn(2, 1, 4, 4).split(1)
        >>> bool((net(x) - net(y)).norm() <= found.value * (x - y).norm())
        True
    """
    if not input_shape or any(n < 1 for n in input_shape):
        raise wrong_value("input_shape", input_shape, "the sizes of one input, each at least 1")
    step = derive(module, tuple(input_shape), type(module).__name__)
    return LipschitzBound(step.factor, (step,))


def derive(module: nn.Module, shape: Shape, name: str) -> Step:
    """The step of one module; for rules of containers, which call it for their parts."""
    found = _RULES.get(type(module))
    if found is None:
        known = ", ".join(sorted(t.__name__ for t in _RULES))
        raise InputError(
            f"{name} is a {type(module).__qualname__}, which has no Lipschitz rule; "
            f"register one with lipschitz.rule (known: {known})"
        )
    _unaltered(module, name)
    step = found(module, shape, name)
    if not step.factor >= 0.0:
        raise InputError(f"{name}: the rule of {type(module).__qualname__} says {step.factor}, no bound")
    return step


def _unaltered(module: nn.Module, name: str) -> None:
    """Refuse a module whose type does not say what a call of it computes."""
    if module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module):
        raise InputError(
            f"{name} has forward hooks or a forward of its own (torch.nn.utils.spectral_norm and weight_norm "
            f"set such hooks), so the rule of {type(module).__qualname__} does not describe it; remove them"
        )


def output_shape(module: nn.Module, shape: Shape, name: str) -> Shape:
    """Shape of the output for one input, found by a forward pass of zeros in eval mode."""
    parameter = next(module.parameters(), None)
    dtype = torch.float32 if parameter is None else parameter.dtype
    device = torch.device("cpu") if parameter is None else parameter.device
    training = module.training
    try:
        module.eval()
        with torch.no_grad(), undisturbed(module):
            result = module(torch.zeros(1, *shape, dtype=dtype, device=device))
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{name} cannot take inputs of shape {shape}: {error}") from error
    finally:
        module.train(training)
    if not isinstance(result, Tensor):
        raise InputError(f"{name} returns {type(result).__name__}; a Lipschitz bound needs one tensor")
    return tuple(result.shape[1:])


def chain(parts: list[tuple[str, nn.Module]], shape: Shape) -> tuple[list[Step], float]:
    """Steps and product of modules that are applied one after another."""
    steps: list[Step] = []
    product = 1.0
    for label, part in parts:
        step = derive(part, shape, label)
        steps.append(step)
        product = _upward(product, step.factor)
        shape = output_shape(part, shape, label)
    return steps, product


def _upward(one: float, two: float) -> float:
    """Product rounded up: the relative error of one float64 product is at most 2^-53."""
    return one * two * (1.0 + 2.0**-51)


@rule(nn.Sequential)
def _sequential(module: nn.Module, shape: Shape, name: str) -> Step:
    parts = [(f"{key} {type(part).__name__}", part) for key, part in module.named_children()]
    steps, product = chain(parts, shape)
    return Step(name, "product of its parts", product, tuple(steps))
