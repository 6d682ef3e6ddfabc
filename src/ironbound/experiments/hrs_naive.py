"""Attacked inputs that the product of one-channel certificates calls safe, and the worst case in exact form.

Both one-channel certificates are about the same smoothed classifier, with noise on all channels: one against
an attacker of the numbers alone, one against an attacker of words or fields alone. Each is sound. Side by
side they are not: an attacker of both stays inside both budgets and turns the answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ironbound.attacks import JointAttack
from ironbound.attacks.joint import squared_norm
from ironbound.baselines import naive_product
from ironbound.confidence import clopper_pearson_upper
from ironbound.data import adult
from ironbound.data.linear_table import LinearTable
from ironbound.data.problem import Example, Problem
from ironbound.data.tasks import load_task
from ironbound.experiments.context import Context
from ironbound.experiments.naive_worst import WorstCase, attacked, worst
from ironbound.experiments.result import Cell, Result, Table
from ironbound.smoothing import SmoothedClassifier
from ironbound.smoothing.answers import labels
from ironbound.smoothing.draws import Draws
from ironbound.threats import Threat

Record = dict[str, Any]

_PART = 1024


def table(context: Context) -> Result:
    """Trained classifiers on real inputs, then the classifier for which the gap is widest.

    Settings: tasks (name -> inputs and draws of a certificate), chunk (name -> inputs in a piece), alpha (of
    certificates), judge and certainty (draws and error probability of the verdict), attack (settings of
    `JointAttack`), shown, worst (settings of the constructed classifiers).
    """
    cells: list[tuple[Cell, ...]] = []
    turned: list[tuple[str, Record]] = []
    contradicted = 0
    for task, sizes in context.settings["tasks"].items():
        found = _pieces(context, task, sizes["inputs"])
        tried = [row for row in found if row["tried"]]
        broken = [row for row in tried if row["broken"]]
        contradicted += sum(row["joint"] for row in broken)
        turned += [(task, row) for row in broken]
        lowest = min((row["share"] for row in tried), default=None)
        cells.append((task, len(found), len(tried), len(broken), sum(r["joint"] for r in broken), lowest))
    certainty = context.settings["certainty"]
    columns = (
        "task",
        "inputs",
        "both one-channel certificates hold",
        "turned inside the product",
        "of these, inside the joint certificate",
        "least share of the answer after the attack",
    )
    note = (
        "Both hold: a radius above 0 against the numbers alone, and one change or more against words or "
        "fields alone. Turned: so few of the fresh draws at the attacked input give the certified answer "
        f"that its probability is below 1/2, by a Clopper-Pearson bound at error probability {certainty:g} "
        "for each input. The joint certificate of the same input, from the same draws, never allowed the "
        "attack."
    )
    first = Table("What the product of one-channel certificates calls safe", columns, tuple(cells), note)
    turned.sort(key=lambda one: one[1]["share"])
    shown = context.settings["shown"]
    kept = [row for task in context.settings["tasks"] for row in [r for t, r in turned if t == task][:shown]]
    second = Table(
        "Attacked inputs",
        (
            "input",
            "moved by",
            "allowed",
            "changes",
            "allowed",
            "joint radius there",
            "share",
            "its upper bound",
            "what was changed",
        ),
        tuple(
            (
                row["id"],
                row["moved"],
                row["radius"],
                row["changed"],
                row["budget"],
                row["joint_radius"],
                row["share"],
                row["upper"],
                row["words"],
            )
            for row in kept
        ),
        "Share: of the certified answer among the fresh draws. Allowed: by the product. A dash for the joint "
        "radius: with so many changes nothing is certified jointly.",
    )
    third = _worst_cases(context)
    return Result((first, second, third), (), (), ok=not contradicted)


def _pieces(context: Context, task: str, count: int) -> list[Record]:
    chunk = int(context.settings["chunk"][task])
    found: list[Record] = []
    for start in range(0, count, chunk):
        context.progress(f"attacking {task}", start / count)
        stop = min(start + chunk, count)
        found += context.piece(f"{task}-{start}", partial(_attempts, context, task, start, stop))
    return found


def _attempts(context: Context, task: str, start: int, stop: int) -> list[Record]:
    if task == adult.NAME:
        problem = adult.load(rows=stop, progress=context.progress)
    else:
        problem = load_task(task, progress=context.progress)
    draws = context.settings["tasks"][task]["draws"]
    return [attempt(context, problem, example, draws) for example in problem.examples[start:stop]]


def _worst_cases(context: Context) -> Table:
    """Constructed classifiers, one for each operating point."""
    settings = context.settings["worst"]
    cells: list[tuple[Cell, ...]] = []
    for sigma in settings["sigmas"]:
        for beta in settings["betas"]:
            for p in settings["shares"]:
                key = f"worst-{sigma}-{beta}-{p}"
                row = context.piece(key, partial(_worst_case, context, p, sigma, beta))
                if row is not None:
                    cells.append(tuple(row[name] for name in _WORST))
    note = (
        "The classifier is linear in the pixels of a real digit and has one vote for each of d words of a "
        "real claim; it is the worst one for its clean probability (Neyman and Pearson). Probabilities of "
        "the answer are exact, enclosed by ball arithmetic: lower ends at the clean input and after either "
        "attack alone, which must stay above 1/2, and the upper end after both. Radius and d are those of "
        "the two one-channel certificates from real draws. Turned: by the share of fresh draws, as above."
    )
    return Table("The worst case, constructed", tuple(_WORST.values()), tuple(cells), note)


_WORST = {
    "sigma": "sigma",
    "beta": "beta",
    "radius": "radius of the product",
    "budget": "d of the product",
    "clean": "clean, at least",
    "image": "picture moved, at least",
    "words": "words changed, at least",
    "both": "both, at most",
    "share": "share of draws, both",
    "broken": "turned",
}


def _worst_case(context: Context, p: float, sigma: float, beta: float) -> Record | None:
    draws = context.settings["worst"]["draws"]
    found = worst(p, draws, context.settings["alpha"], sigma, beta)
    if found is None:
        return None
    problem, classifier = found
    row = attempt(context, problem, problem.examples[0], draws)
    if not row["tried"]:
        return None
    d, part = row["changed"], row["along"]
    return {
        "sigma": sigma,
        "beta": beta,
        "radius": row["radius"],
        "budget": row["budget"],
        "clean": classifier.probability(0.0, 0)[0],
        "image": classifier.probability(part, 0)[0],
        "words": classifier.probability(0.0, d)[0],
        "both": classifier.probability(part, d)[1],
        "share": row["share"],
        "broken": "yes" if row["broken"] else "no",
    }


def attempt(context: Context, problem: Problem, example: Example, draws: int) -> Record:
    """One input: its two one-channel certificates, the attack inside both, and the verdict."""
    settings = context.settings
    model = SmoothedClassifier(problem.base, problem.smoothing, 2, class_names=problem.class_names)
    known: dict[str, Any] = {
        "n": draws,
        "alpha": settings["alpha"],
        "seed": context.seed,
        "input_id": example.id,
    }
    numbers, changes = _channels(problem.threat)
    alone = {
        name: model.certify(example.inputs, threat=Threat(**{name: problem.threat[name]}), **known)
        for name in (numbers, changes)
    }
    product = naive_product(alone[numbers], alone[changes])
    row: Record = {"id": example.id, "tried": False, "broken": False, "joint": False, "share": 1.0}
    if product.prediction is None or not (product.radius or 0.0) > 0.0 or product.budget < 1:
        return row
    assert product.radius is not None
    amounts = {numbers: product.radius, changes: product.budget}
    if isinstance(problem.base, LinearTable):
        there = linear_attack(
            problem.base, example.inputs, product.prediction, product.radius, product.budget
        )
    elif isinstance(problem.base, WorstCase):
        there = attacked(problem.base, example.inputs, product.radius, product.budget)
    else:
        attack = JointAttack(
            problem.base, problem.smoothing, problem.threat, model.rules, judge=1, **settings["attack"]
        )
        there = attack(example.inputs, product.prediction, seed=context.seed, **amounts).attacked
    square = squared_norm(there[numbers], example.inputs[numbers])
    changed = np.flatnonzero(there[changes] != example.inputs[changes])
    assert square <= Fraction(product.radius) ** 2
    assert changed.size <= product.budget
    moved = min(math.sqrt(square), product.radius)
    kept = votes(problem, there, product.prediction, settings["judge"], example.id)
    upper = float(clopper_pearson_upper(kept, settings["judge"], settings["certainty"]))
    joint = model.certify(example.inputs, threat=problem.threat, **known)
    return row | {
        "tried": True,
        "radius": product.radius,
        "budget": product.budget,
        "moved": moved,
        "changed": int(changed.size),
        "share": kept / settings["judge"],
        "upper": upper,
        "broken": upper < 0.5,
        "joint": joint.covers(**{numbers: moved, changes: int(changed.size)}),
        "joint_radius": joint.frontier[int(changed.size)],
        "words": _told(example, changes, changed, there[changes]),
        "along": _along(problem.base, example.inputs[numbers], there[numbers]),
    }


def linear_attack(
    table: LinearTable, inputs: Mapping[str, NDArray[Any]], label: int, radius: float, budget: int
) -> dict[str, NDArray[Any]]:
    """The change within both budgets that lowers the score of the label most: against the weights of the
    numbers, and in the fields where another category costs it most.

    Example:
        >>> model = LinearTable(np.array([3.0, 4.0]), (np.array([1.0, 0.5]), np.array([0.0, 2.0])), 0.0)
        >>> inputs = {"numeric": np.zeros(2), "categorical": np.array([0, 1])}
        >>> found = linear_attack(model, inputs, 1, 1.0, 1)
        >>> found["numeric"].round(6).tolist(), found["categorical"].tolist()
        ([-0.6, -0.8], [0, 0])
    """
    sign = 1.0 if label == 1 else -1.0
    start = np.asarray(inputs["numeric"], dtype=np.float64)
    shift = -sign * table.numeric * (radius / np.linalg.norm(table.numeric))
    moved = start + shift
    while squared_norm(moved, start) > Fraction(radius) ** 2:
        shift *= 1 - 1e-12
        moved = start + shift
    codes = np.array(inputs["categorical"])
    worst = [int(np.argmin(sign * weights)) for weights in table.fields]
    loss = [
        sign * float(weights[code] - weights[to])
        for weights, code, to in zip(table.fields, codes, worst, strict=True)
    ]
    for place in np.argsort(loss)[::-1][:budget]:
        codes[place] = worst[place]
    return {"numeric": moved, "categorical": codes}


def votes(problem: Problem, inputs: Mapping[str, Any], label: int, draws: int, name: str) -> int:
    """How many of so many fresh draws at an input give the label."""
    noise = Draws(problem.smoothing, problem.smoothing.check(inputs), 0x5EED, f"{name}+", "prediction")
    kept = 0
    for start in range(0, draws, _PART):
        stop = min(start + _PART, draws)
        answers = labels(problem.base(noise.take(start, stop)), stop - start, 2, problem.class_names)
        kept += int((answers == label).sum())
    return kept


def _along(base: Any, clean: NDArray[Any], there: NDArray[Any]) -> float:
    """Which share of a constructed classifier's shift an attack has made; 1 for every other base."""
    if not isinstance(base, WorstCase):
        return 1.0
    moved = (np.asarray(there, dtype=np.float64) - clean).reshape(-1)
    shift = base.shift.reshape(-1)
    return math.fsum(moved * shift) / math.fsum(shift * shift)


def _channels(threat: Threat) -> tuple[str, str]:
    """The channel of numbers and the one of words or fields."""
    discrete = [name for name, budget in threat.items() if hasattr(budget, "max_d")]
    numbers = [name for name in threat if name not in discrete]
    return numbers[0], discrete[0]


def _told(example: Example, channel: str, places: Sequence[int] | NDArray[np.int64], codes: Any) -> str:
    """Which places were changed, from which code to which, and in what text."""
    pairs = ", ".join(f"{p}: {int(example.inputs[channel][p])} to {int(codes[p])}" for p in places)
    return f"{pairs} ({example.text[:60]})" if example.text else pairs
