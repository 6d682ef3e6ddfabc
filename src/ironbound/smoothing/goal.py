"""From an estimate to the claims of a certificate: every budget crossed with the largest certified shift."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import product

from ironbound import laws
from ironbound.certificate import Claim
from ironbound.channels import AdaptiveGaussian, AnisotropicGaussian, Gaussian, Smoothing, unknown_name
from ironbound.channels.base import Array
from ironbound.errors import wrong_value
from ironbound.laws import Law, Shift
from ironbound.threats import Continuous, Threat


@dataclass(frozen=True)
class Level:
    """What the attacked probability has to stay above: a threshold, or what a rival can reach.

    `p` is the bound on the prediction's clean probability; `rival` an upper bound on every rival's.
    """

    p: float
    threshold: float | None
    rival: float | None = None

    def __post_init__(self) -> None:
        if self.threshold is None and self.rival is not None:
            # A rival never has more than what the prediction leaves.
            object.__setattr__(self, "rival", min(self.rival, complement_up(self.p)))

    def certifies_unchanged(self) -> bool:
        """Whether the prediction is certain (at this level) for the input itself."""
        other = self.threshold if self.rival is None else self.rival
        return other is not None and self.p > other


@dataclass(frozen=True)
class Options:
    """One discrete budget, and the candidate laws among which the attacker's worst choice is."""

    budget: tuple[tuple[str, int], ...]
    candidates: tuple[Law, ...]


@dataclass(frozen=True)
class Attack:
    """A threat against one input: all budgets, smallest first; whether a continuous channel is attacked."""

    options: tuple[Options, ...]
    continuous: bool

    @staticmethod
    def build(smoothing: Smoothing, values: Mapping[str, Array], threat: Threat) -> Attack:
        """Raises InputError where the threat does not fit the smoothing or the input."""
        smoothing.check_threat(threat, values)
        smoothing = smoothing.placed(threat)
        discrete = {name: budget for name, budget in threat.items() if not isinstance(budget, Continuous)}
        options: list[Options] = []
        for amounts in product(*(range(budget.max_d + 1) for budget in discrete.values())):
            budget = tuple(zip(discrete, amounts, strict=True))
            each = [smoothing[name].laws(discrete[name], d, values[name]) for name, d in budget]
            options.append(Options(budget, tuple(_composed(*choice) for choice in product(*each))))
        return Attack(tuple(options), len(discrete) < len(threat))

    def claims(self, level: Level) -> tuple[Claim, ...]:
        """One claim for each budget; no larger budget is ever claimed at a larger shift."""
        found: dict[tuple[int, ...], Claim] = {}
        for option in self.options:
            place = tuple(d for _, d in option.budget)
            most = math.inf
            for i, d in enumerate(place):
                if d > 0:
                    before = found[(*place[:i], d - 1, *place[i + 1 :])].mu
                    most = min(most, -math.inf if before is None else before)
            found[place] = self._claim(option, level, most)
        return tuple(found.values())

    def _claim(self, option: Options, level: Level, most: float) -> Claim:
        if most < 0:
            return Claim(option.budget, None, (), ())
        shift = _largest(option.candidates, level, self.continuous)
        if shift is None:
            return Claim(option.budget, None, (), ())
        if shift.mu > most:
            # Two budgets with the same law differ by the rounding of the search; both keep the smaller.
            shift = _witnessed(option.candidates, most, level)
        return Claim(option.budget, shift.mu, shift.witnesses, shift.rival_witnesses)


@dataclass(frozen=True)
class Target:
    """One attack whose outcome an early-stopping rule waits for: a discrete budget and a shift `mu`."""

    candidates: tuple[Law, ...]
    mu: float

    @staticmethod
    def build(
        smoothing: Smoothing, values: Mapping[str, Array], threat: Threat, amounts: Mapping[str, float]
    ) -> Target:
        """Raises InputError for channels that are not attacked and amounts that the threat does not cover."""
        for name in amounts:
            if name not in threat:
                raise unknown_name("target", name, list(threat))
        smoothing = smoothing.placed(threat)
        each: list[tuple[Law, ...]] = []
        shifts: list[float] = []
        for name, budget in threat.items():
            amount, channel = amounts.get(name, 0), smoothing[name]
            _check_amount(name, amount, math.inf if isinstance(budget, Continuous) else budget.max_d)
            if isinstance(channel, Gaussian | AnisotropicGaussian | AdaptiveGaussian):
                # Rounded up, so that the claim made after the stop covers the target in spite of rounding.
                shifts.append(amount / channel.sigma * (1 + 1e-9))
            else:
                each.append(channel.laws(budget, amount, values[name]))
        return Target(tuple(_composed(*choice) for choice in product(*each)), math.hypot(*shifts))

    def needed(self, threshold: float) -> float:
        """Smallest lower bound that certifies it (threshold form), inf if none does."""
        return _needed(self.candidates, self.mu, threshold)

    def holds(self, level: Level) -> bool:
        """Whether the bounds of `level` certify it."""
        return _holds(self.candidates, self.mu, level)


def complement_up(p: float) -> float:
    """1 - p, rounded up.

    Example:
        >>> complement_up(0.25), complement_up(1e-300)
        (0.75, 1.0)
    """
    rest = 1.0 - p
    return rest if Fraction(rest) >= 1 - Fraction(p) else math.nextafter(rest, 2.0)


@lru_cache(maxsize=4096)
def _composed(*parts: Law) -> Law:
    # Laws of the constructors are cached, so equal parts are identical objects and this cache is hit. One
    # part is returned as it is: it keeps the evaluation tables that it has already built.
    return parts[0] if len(parts) == 1 else laws.compose(*parts)


@lru_cache(maxsize=16_384)
def _largest(candidates: tuple[Law, ...], level: Level, continuous: bool) -> Shift | None:
    # Inputs of one run often have equal counts (all n draws agree), hence the same claims.
    search = laws.shift if continuous else laws.certified
    return search(candidates, level.p, threshold=level.threshold, rival=level.rival)


@lru_cache(maxsize=4096)
def _needed(candidates: tuple[Law, ...], mu: float, threshold: float) -> float:
    return laws.required(candidates, mu, threshold)


@lru_cache(maxsize=65_536)
def _holds(candidates: tuple[Law, ...], mu: float, level: Level) -> bool:
    # Asked at every look of every input; early looks of clear inputs have equal counts (all draws agree).
    if not level.certifies_unchanged():
        return False
    for law in candidates:
        joined = _joined(law, mu)
        most = level.threshold if level.rival is None else joined.upper(level.rival)
        if most is None or not joined.lower(level.p) > most:
            return False
    return True


@lru_cache(maxsize=4096)
def _joined(law: Law, mu: float) -> Law:
    return laws.compose(law, laws.gaussian(mu))


def _witnessed(candidates: tuple[Law, ...], mu: float, level: Level) -> Shift:
    joined = [laws.compose(law, laws.gaussian(mu)) for law in candidates]
    first = tuple(law.witness(level.p) for law in joined)
    if level.rival is None:
        return Shift(mu, first)
    return Shift(mu, first, tuple(law.upper_witness(level.rival) for law in joined))


def _check_amount(name: str, amount: float, most: float) -> None:
    try:
        good = 0 <= amount <= most and math.isfinite(amount)
        good = good and (most == math.inf or amount == int(amount))
    except TypeError:
        good = False
    if not good:
        expected = "a finite size >= 0" if most == math.inf else f"a whole number of changes in 0..{most}"
        raise wrong_value(f"target on {name!r}", amount, expected)
