"""Attack the inputs of a run folder: inside their certified budgets, where nothing may fall, and outside."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ironbound.attacks.joint import AttackResult, JointAttack
from ironbound.certificate import Certificate, Claim
from ironbound.data.problem import Problem
from ironbound.errors import RunError, wrong_value
from ironbound.runs.folder import ATTACK, CONFIG, RESULTS, differences, write_text
from ironbound.runs.metrics import readable
from ironbound.runs.plan import Plan, plan
from ironbound.runs.store import Store
from ironbound.smoothing.rules import Rules
from ironbound.threats import Edits

# An unbounded radius is attacked at this many standard deviations of the noise.
_FAR = 20.0
# Texts whose tokens an attacker may insert.
_MOST_TEXTS = 1000


@dataclass(frozen=True)
class Attempt:
    """One attacked input at one budget.

    Attributes:
        covered: whether the certificate covers the budget, decided by `Certificate.covers`.
    """

    input_id: str
    covered: bool
    result: AttackResult

    @property
    def broken(self) -> bool:
        """Whether a certificate has been contradicted."""
        return self.covered and self.result.success

    def record(self) -> dict[str, Any]:
        return {"input_id": self.input_id, "covered": self.covered, **self.result.record()}


@dataclass(frozen=True)
class Attacks:
    """All attempts on a run.

    Attributes:
        attempts: in the order of the inputs.
        abstained: inputs without a prediction, which nobody attacks.
        settings: of the attack.
    """

    attempts: tuple[Attempt, ...]
    abstained: int
    settings: Mapping[str, Any]

    @property
    def broken(self) -> tuple[Attempt, ...]:
        return tuple(one for one in self.attempts if one.broken)

    def table(self) -> list[dict[str, Any]]:
        """For budgets inside and outside of the certificates: attacks, inputs, and what came of them."""
        rows: list[dict[str, Any]] = []
        changes = sorted({(one.covered, _changes(one.result)) for one in self.attempts}, reverse=True)
        for covered, number in changes:
            some = [a for a in self.attempts if (a.covered, _changes(a.result)) == (covered, number)]
            outcomes = [one.result.outcome for one in some]
            rows.append(
                {
                    "budget": "certified" if covered else "beyond",
                    "changes": number,
                    "attacks": len(some),
                    "inputs": len({one.input_id for one in some}),
                    **{name: outcomes.count(name) for name in ("kept", "unsettled", "changed")},
                }
            )
        return rows

    def record(self) -> dict[str, Any]:
        """What `attack.json` holds."""
        return {
            "ok": not self.broken,
            "certified": sum(one.covered for one in self.attempts),
            "broken": len(self.broken),
            "abstained": self.abstained,
            "settings": dict(self.settings),
            "table": self.table(),
            "attempts": [one.record() for one in self.attempts],
        }


def attack_run(
    folder: Path,
    *,
    limit: int | None = None,
    beyond: float = 2.0,
    callback: Callable[[int, int], None] | None = None,
    progress: Callable[[str, float], None] | None = None,
    seed: int = 0,
    **settings: Any,
) -> Attacks:
    """Attack each certified budget of each input, and one budget beyond; writes `attack.json`.

    Beyond means: the largest radius of the input times `beyond`, and as many changes as the threat has.

    Args:
        folder: of a run under noise, with its configuration.
        limit: inputs to attack, counted from the first; None for all.
        beyond: factor > 1, or 0 to stay inside.
        callback: told (done, total) after each input.
        progress: as for `plan`.
        settings: of `JointAttack`.
    Raises:
        RunError: not a run folder, a run without noise, or model or data are not those of the run any more.
        InputError: a setting cannot be used, or there is no attack for the noise or threat of the run.
    """
    if not (beyond == 0 or 1 < beyond < math.inf):
        raise wrong_value("beyond", beyond, "a factor > 1, or 0 to stay inside the certified budgets")
    with Store.open(folder / RESULTS) as store:
        rows = list(store.rows())[:limit]
        identity = store.identity
    made = plan(str(folder / CONFIG), {}, progress=progress)
    _same_model(folder, made, identity)
    attack = attack_of(made, **settings)
    examples = {example.id: example for example in made.problem.examples}
    attempts: list[Attempt] = []
    abstained = 0
    for done, row in enumerate(rows, start=1):
        certificate = readable(row)
        if certificate is not None and certificate.prediction is None:
            abstained += 1
        elif certificate is not None and row.input_id in examples:
            example = examples[row.input_id]
            attempts += attempts_on(attack, certificate, example.inputs, made.problem, beyond, seed)
        if callback is not None:
            callback(done, len(rows))
    known = ("smoothed", "white_box", "rounds", "steps", "draws", "tries", "judge", "alpha")
    told = {**{name: getattr(attack, name) for name in known}, "beyond": beyond, "seed": seed}
    found = Attacks(tuple(attempts), abstained, told)
    write_text(folder / ATTACK, json.dumps(found.record(), indent=1, allow_nan=False) + "\n")
    return found


def attack_of(made: Plan, **settings: Any) -> JointAttack:
    """The attack on a plan's smoothed classifier.

    Raises:
        RunError: the plan's certificates come without noise.
    """
    problem, s = made.problem, made.statistics
    if problem.certifier is not None:
        raise RunError(
            f"{problem.name} is certified by a method of its own, without noise; ask "
            "ironbound.attacks.robust_accuracy about its network"
        )
    rules = Rules.build(
        problem.num_classes, s.threshold, s.positive, s.rivals, problem.class_names, problem.calibration
    )
    known = {"alphabet": _alphabets(problem), **settings}
    return JointAttack(problem.base, problem.smoothing, problem.threat, rules, **known)


def _alphabets(problem: Problem) -> dict[str, list[int]] | None:
    """Tokens for edits, whose noise names none: those of the inputs at hand; None without edits."""
    edited = [name for name, budget in problem.threat.items() if isinstance(budget, Edits)]
    if not edited:
        return None
    some = itertools.islice(problem.examples, _MOST_TEXTS)
    texts = [example.inputs for example in some]
    return {name: sorted({int(i) for text in texts for i in np.ravel(text[name])}) for name in edited}


def attempts_on(
    attack: JointAttack,
    certificate: Certificate,
    inputs: Mapping[str, Any],
    problem: Problem,
    beyond: float,
    seed: int = 0,
) -> Iterator[Attempt]:
    """Attacks at each certified budget of one certificate, and at one beyond."""
    assert certificate.prediction is not None
    scales = certificate.evidence.scales()
    widest: dict[str, float] = {}
    for claim in certificate.claims:
        if claim.mu is None:
            continue
        amounts = _inside(certificate, claim, scales)
        widest = widest or amounts
        if any(amounts.values()):
            yield _attempt(attack, certificate, inputs, amounts, seed)
    if beyond:
        amounts = {
            name: beyond * widest.get(name, 0.25 * scale) if widest.get(name, 0.25 * scale) else 0.25 * scale
            for name, scale in scales.items()
        }
        amounts |= {name: float(most) for name, most in certificate.evidence.budgets().items()}
        if any(amounts.values()):
            yield _attempt(attack, certificate, inputs, amounts, seed + 1)


def _attempt(
    attack: JointAttack,
    certificate: Certificate,
    inputs: Mapping[str, Any],
    amounts: dict[str, float],
    seed: int,
) -> Attempt:
    assert certificate.prediction is not None
    result = attack(inputs, certificate.prediction, seed=seed, **amounts)
    return Attempt(certificate.input_id, certificate.covers(**amounts), result)


def _inside(certificate: Certificate, claim: Claim, scales: Mapping[str, float]) -> dict[str, float]:
    """The claim's budget; a joint radius of several channels is shared out evenly."""
    assert claim.mu is not None
    mu = min(claim.mu, _FAR) / math.sqrt(max(1, len(scales)))
    amounts: dict[str, float] = {name: math.nextafter(mu * scale, 0.0) for name, scale in scales.items()}
    return amounts | {name: claim.amount(name) for name in certificate.evidence.budgets()}


def _changes(result: AttackResult) -> int:
    """Number of changes that were allowed on discrete channels."""
    return sum(int(v) for name, v in result.allowed.items() if result.attacked[name].dtype.kind != "f")


def _same_model(folder: Path, made: Plan, identity: Mapping[str, Any]) -> None:
    found = differences(identity, made.identity())
    if found:
        lines = "\n  ".join(found)
        raise RunError(f"{folder}: model, data or noise are not those of the run any more:\n  {lines}")
