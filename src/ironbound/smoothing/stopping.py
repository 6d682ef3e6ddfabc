"""When an estimate may stop: fixed sample, decided targets, or a frontier known precisely enough."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ironbound.certificate import Claim
from ironbound.smoothing.estimate import Running
from ironbound.smoothing.goal import Attack, Level, Target
from ironbound.smoothing.looking import Looking


@dataclass(frozen=True)
class Decided:
    """Stop once each target is known to be certified, or has become unlikely to be.

    Unlikely means: beyond what a unanimous vote of all n draws could prove, or beyond what n draws will prove
    unless those to come are more favourable than in one future of a hundred (`Looking.foreseen`). Nothing a
    certificate claims rests on it: giving up costs no error probability, only the target.
    """

    targets: tuple[Target, ...]
    unanimous: Level
    n: int

    def __call__(self, running: Looking) -> str | None:
        proved = running.pessimistic()
        certified = 0
        open_targets: list[Target] = []
        for target in self.targets:
            if _reached(target, proved):
                certified += 1
            elif _reached(target, self.unanimous):
                open_targets.append(target)
        if open_targets:
            likely = running.foreseen(self.n)
            if any(_reached(target, likely) for target in open_targets):
                return None
        return "decided" if certified else "hopeless"


@dataclass(frozen=True)
class Precise:
    """Stop once no certified radius can grow by more than the share `tolerance` of what it could be.

    Without a continuous channel: once the certified budgets are known. Nothing is waited for at budgets that
    are not certified yet, but the smallest budget has to be, unless even the upper bound leaves it out.
    """

    attack: Attack
    tolerance: float

    def __call__(self, running: Running) -> str | None:
        possible = self.attack.claims(running.optimistic())
        if possible[0].mu is None:
            return "hopeless"
        proved = self.attack.claims(running.pessimistic())
        if proved[0].mu is None:
            return None
        pairs = list(zip(proved, possible, strict=True))
        if self.attack.continuous:
            near = all(self._near(p, q) for p, q in pairs if p.mu is not None)
        else:
            near = all((p.mu is None) == (q.mu is None) for p, q in pairs)
        return "precision reached" if near else None

    def _near(self, proved: Claim, possible: Claim) -> bool:
        if proved.mu is None or possible.mu is None:
            return False
        return math.isfinite(possible.mu) and proved.mu >= (1.0 - self.tolerance) * possible.mu


def _reached(target: Target, level: Level) -> bool:
    if level.threshold is not None:
        return level.p >= target.needed(level.threshold)
    return target.holds(level)
