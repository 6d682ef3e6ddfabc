"""The joint attack: numbers, tokens and fields of one input moved together, one block of them at a time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ironbound.attacks.balls import Ball, Continuous
from ironbound.attacks.balls import squared_norm as squared_norm
from ironbound.attacks.edits import Editable
from ironbound.attacks.fields import writable_fields
from ironbound.attacks.outcome import AttackResult as AttackResult
from ironbound.attacks.outcome import Outcome
from ironbound.attacks.target import Floats, Inputs, Target
from ironbound.attacks.tokens import Writable, writable_tokens
from ironbound.channels import Categorical, Smoothing
from ironbound.errors import InputError, wrong_value
from ironbound.smoothing.predict import decide
from ironbound.smoothing.rules import Rules
from ironbound.threats import Threat

Writables = Mapping[str, Writable | Editable]


@dataclass(frozen=True)
class JointAttack:
    """Block-coordinate attack on all attacked channels of an input at once.

    In turns: the places and symbols that promise most (first-order scores, then tried out) are written
    greedily until the discrete budget is used; then projected gradient steps move the numbers, with the
    gradient averaged over noise. The budget of the result is checked again in exact arithmetic.

    Args:
        base, smoothing, threat, rules: as of the smoothed classifier; see `SmoothedClassifier.rules`.
        smoothed: False attacks the base itself.
        white_box: False never looks into a network: votes alone.
        rounds: turns of both blocks.
        steps: gradient steps in a turn.
        draws: noised copies per step.
        tries: how many (place, symbol) pairs are tried out for each change.
        judge: draws of the fresh sample that decides about success.
        alpha: error probability of that decision.
        alphabet: ids that an attacker may write, where the noise does not say; or these for each channel.

    Example:
        >>> import ironbound as ib
        >>> noise = ib.Smoothing(x=ib.Gaussian(sigma=0.5))
        >>> base = lambda batch: batch["x"][:, 0] > 0
        >>> model = ib.SmoothedClassifier(base, noise, num_classes=2)
        >>> attack = JointAttack(base, noise, ib.Threat(x=ib.L2()), model.rules)
        >>> attack({"x": [0.4, 0.0]}, 1, x=0.3).outcome, attack({"x": [0.4, 0.0]}, 1, x=0.6).outcome
        ('kept', 'changed')
    """

    base: Any
    smoothing: Smoothing
    threat: Threat
    rules: Rules
    smoothed: bool = True
    white_box: bool = True
    rounds: int = 2
    steps: int = 10
    draws: int = 256
    tries: int = 16
    judge: int = 2000
    alpha: float = 1e-6
    alphabet: Sequence[int] | Mapping[str, Sequence[int]] | None = None

    def __post_init__(self) -> None:
        for name in ("rounds", "steps", "draws", "tries", "judge"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise wrong_value(name, value, "a whole number >= 1")

    def __call__(
        self, inputs: Mapping[str, Any], prediction: int, *, seed: int = 0, **amounts: float
    ) -> AttackResult:
        """Attack one input within the given amounts.

        Args:
            inputs: the clean input, one value for each channel.
            prediction: the class to leave.
            seed: of the attack's own draws; the judge's are others.
            amounts: radius of each continuous and number of changes of each discrete channel, at most; what
                is not named stays as it is. See `Ball` for what a radius is.
        Raises:
            InputError: a channel is not attacked in the threat, an amount is no budget, or there is no attack
                for the noise on a channel.
        """
        began = time.perf_counter()
        values = self.smoothing.check(inputs)
        balls, writables = self._budget(values, amounts)
        clean = {name: writables[name].clean if name in writables else v for name, v in values.items()}
        channels = {n: writables[n].channel if n in writables else c for n, c in self.smoothing.items()}
        rules = self.rules
        target = Target(
            self.base,
            channels,
            prediction,
            rules.num_classes,
            rules.class_names,
            self.smoothed,
            self.white_box,
        )
        found = self._search(target, clean, balls, writables, seed)
        self._recheck(clean, found, balls, writables)
        queries = target.queries.rows
        # A generator that the search has never used: the sample knows nothing of what was looked at.
        counts = target.counts(found, self.judge, np.random.default_rng([seed, 1, 0x5EED]))
        label = decide(counts, self.judge, self.alpha, rules)
        outcome: Outcome = "unsettled" if label < 0 else "kept" if label == prediction else "changed"
        return AttackResult(
            prediction,
            outcome,
            {name: float(amount) for name, amount in amounts.items()},
            _used(clean, found, balls, writables),
            float(counts[prediction]) / self.judge,
            self.alpha,
            queries,
            time.perf_counter() - began,
            "votes" if target.network is None else "gradient",
            found,
        )

    def _budget(
        self, values: Inputs, amounts: Mapping[str, float]
    ) -> tuple[dict[str, Ball], dict[str, Writable | Editable]]:
        balls: dict[str, Ball] = {}
        writables: dict[str, Writable | Editable] = {}
        for name, amount in amounts.items():
            if name not in self.threat:
                raise wrong_value(f"the amount of {name!r}", amount, f"about one of {list(self.threat)}")
            if not amount >= 0 or amount == np.inf:
                raise wrong_value(f"the amount of {name!r}", amount, "finite and >= 0")
            channel, budget = self.smoothing[name], self.threat[name]
            if isinstance(channel, Continuous):
                balls[name] = Ball(channel, float(amount))
            elif int(amount) != amount or int(amount) > getattr(budget, "max_d", 0):
                most = getattr(budget, "max_d", 0)
                raise wrong_value(
                    f"the amount of {name!r}", amount, f"a whole number of changes up to {most}"
                )
            else:
                writables[name] = self._writable(name, values, int(amount))
        for name in self.threat:
            if name not in amounts and not isinstance(self.smoothing[name], Continuous | Categorical):
                # Where the noise lies depends on the threat, also if nothing is written.
                writables[name] = self._writable(name, values, 0)
        return balls, writables

    def _writable(self, name: str, values: Inputs, d: int) -> Writable | Editable:
        channel = self.smoothing[name]
        if isinstance(channel, Categorical):
            return writable_fields(channel, values[name], d)
        ids = self.alphabet.get(name) if isinstance(self.alphabet, Mapping) else self.alphabet
        return writable_tokens(channel, self.threat[name], values[name], d, ids)

    def _search(
        self, target: Target, clean: Inputs, balls: Mapping[str, Ball], writables: Writables, seed: int
    ) -> Inputs:
        at = dict(clean)
        kept = [clean]
        for turn in range(self.rounds):
            at = self._write(target, clean, at, writables, seed + 1000 * turn)
            kept.append(at)
            if any(ball.radius > 0 for ball in balls.values()):
                at = self._shift(target, clean, at, balls, seed + 1000 * turn + 500)
                kept.append(at)
            elif turn:
                break  # discrete channels alone: nothing has moved since the last turn
        losses = target.losses(kept, 2 * self.draws, seed + 77)
        return kept[int(np.argmax(losses))]

    def _write(self, target: Target, clean: Inputs, at: Inputs, writables: Writables, seed: int) -> Inputs:
        """Changes written one after the other, beginning anew from the clean symbols."""
        at = {**at, **{name: clean[name].copy() for name in writables}}
        left = {name: w.most for name, w in writables.items() if w.most}
        for change in range(sum(left.values())):
            open_ = {name: writables[name] for name, more in left.items() if more}
            if not open_:
                break
            count = self.draws if target.network is not None else 4 * self.draws
            _, scores = target.directions(at, count, seed + change)
            tried = self._candidates(at, open_, scores, seed + change)
            if not tried:
                break
            several = [at] + [{**at, name: value} for name, value in tried]
            losses = target.losses(several, self.draws, seed + 333 + change)
            best = int(np.argmax(losses[1:]))
            # An equal or slightly smaller loss is no reason to stop: later changes may need this one.
            at = several[1 + best]
            left[tried[best][0]] -= 1
        return at

    def _candidates(
        self, at: Inputs, writables: Writables, scores: Mapping[str, Floats | None], seed: int
    ) -> list[tuple[str, Any]]:
        """The (channel, changed value) that promise most; random ones where nothing is known."""
        random = np.random.default_rng([seed, 2])
        ranked = [
            (gain, name, value)
            for name, one in writables.items()
            for gain, value in one.changes(at[name], scores.get(name), self.tries, random)
        ]
        ranked.sort(key=lambda item: -item[0])
        return [(name, value) for _, name, value in ranked[: self.tries]]

    def _shift(
        self, target: Target, clean: Inputs, at: Inputs, balls: Mapping[str, Ball], seed: int
    ) -> Inputs:
        """Projected gradient steps on all continuous channels; the best point on the way."""
        seen = [at]
        count = self.draws if target.network is not None else 4 * self.draws
        for step in range(self.steps):
            moves, _ = target.directions(at, count, seed + step)
            moved = dict(at)
            for name, ball in balls.items():
                way = ball.steepest(moves[name])
                if ball.radius > 0 and way is not None:
                    # From large to small steps; the first ones reach the end of the budget at once.
                    length = 2.0 * ball.radius * (1.0 - step / self.steps)
                    moved[name] = ball.within(at[name] + length * way, clean[name])
            at = moved
            seen.append(at)
        losses = target.losses(seen, self.draws, seed + 99)
        return seen[int(np.argmax(losses))]

    def _recheck(self, clean: Inputs, found: Inputs, balls: Mapping[str, Ball], writables: Writables) -> None:
        for name, value in found.items():
            if name in balls:
                fits = balls[name].allows(value, clean[name])
            elif name in writables:
                fits = writables[name].allows(value)
            else:
                fits = np.array_equal(value, clean[name])
            if not fits:
                raise InputError(f"the attack left its budget on {name!r}; this is a bug of the attack")


def _used(clean: Inputs, found: Inputs, balls: Mapping[str, Ball], writables: Writables) -> dict[str, float]:
    used = {name: ball.size(found[name], clean[name]) for name, ball in balls.items()}
    return used | {name: float(one.used(found[name])) for name, one in writables.items()}
