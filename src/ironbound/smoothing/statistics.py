"""How an estimate is made: error probability, draws, and when to stop."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ironbound.errors import InputError, InputTypeError, wrong_value
from ironbound.smoothing.randomness import check_seed

Stop = Literal["fixed", "target", "precision"]
Target = Mapping[str, float]


@dataclass(frozen=True)
class Statistics:
    """The statistical settings of a certificate.

    Args:
        alpha: total error probability of everything that one certificate states, in (0, 1).
        n: estimation draws; with an early stop, the most there may be.
        n0: selection draws, which pick the class and are used for nothing else.
        stop: "fixed" takes n draws and uses Clopper-Pearson; "target" stops once the attacks named in
            `target` are known to be certified or unlikely to be, with bounds at planned looks (see
            `ironbound.confidence.looks`); "precision" once the frontier can grow by less than the share
            `precision`, with a bound that is valid at every time.
        seed: of the run.
        target: one attack, such as {"image": 0.5, "tokens": 1}, or several; channels left out are unchanged.
        precision: in (0, 1); 0.05 if not given.
        shared_noise: one block of noise serves all inputs, which is cheaper. Each certificate holds as with
            noise of its own; errors of different inputs are then dependent (`ironbound.smoothing.shared`).
    Raises:
        InputError: a value is out of range, or target or precision does not belong to the stopping rule.

    Example:
        >>> Statistics(alpha=0.001, n=100_000, stop="target", target={"image": 0.5}).targets
        ({'image': 0.5},)
    """

    alpha: float = 0.01
    n: int = 10_000
    n0: int = 100
    stop: Stop = "fixed"
    seed: int = 0
    target: Target | Sequence[Target] | None = None
    precision: float | None = None
    shared_noise: bool = False

    def __post_init__(self) -> None:
        if not _number(self.alpha) or not 0.0 < self.alpha < 1.0:
            raise wrong_value("alpha", self.alpha, "a probability in (0, 1)")
        for name, draws in (("n", self.n), ("n0", self.n0)):
            if isinstance(draws, bool) or not isinstance(draws, int | np.integer) or draws < 1:
                raise wrong_value(name, draws, "a whole number of draws >= 1")
        if self.stop not in ("fixed", "target", "precision"):
            raise wrong_value("stop", self.stop, '"fixed", "target" or "precision"')
        if (self.target is not None) != (self.stop == "target"):
            raise InputError(
                'target and stop="target" belong together, such as stop="target", target={"image": 0.5}; '
                f"got stop={self.stop!r}, target={self.target!r}"
            )
        if self.precision is not None:
            if self.stop != "precision":
                raise InputError(f'precision is used with stop="precision" only; got stop={self.stop!r}')
            if not _number(self.precision) or not 0.0 < self.precision < 1.0:
                raise wrong_value("precision", self.precision, "a share in (0, 1)")
        check_seed(self.seed)
        if not isinstance(self.shared_noise, bool):
            raise wrong_value("shared_noise", self.shared_noise, "True or False")
        if self.target is not None and not self.targets:
            raise wrong_value("target", self.target, "at least one attack")

    @property
    def targets(self) -> tuple[dict[str, float], ...]:
        """The attacks to decide, as a tuple also when one was given."""
        if self.target is None:
            return ()
        several = [self.target] if isinstance(self.target, Mapping) else list(self.target)
        for one in several:
            if not isinstance(one, Mapping):
                raise InputTypeError(f"target must be a dict of amounts, or several of them; got {one!r}")
        return tuple(dict(one) for one in several)

    @property
    def tolerance(self) -> float:
        return 0.05 if self.precision is None else float(self.precision)


def looks(n: int) -> list[int]:
    """The numbers of draws at which an early-stopping rule looks at the counts, up to n.

    Fixed beforehand, so that the time of stopping depends on the counts alone, never on batches.

    Example:
        >>> looks(400)
        [64, 128, 192, 256, 320, 384, 400]
    """
    found: list[int] = []
    at = 0
    while at < n:
        at = min(n, at + max(64, at // 8))
        found.append(at)
    return found


def _number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and math.isfinite(float(value))
