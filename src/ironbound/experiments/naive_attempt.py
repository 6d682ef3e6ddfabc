"""One input and the product of its one-channel certificates: the attack inside both, and the verdict.

Both one-channel certificates are about the same smoothed classifier, with noise on all channels: one against
an attacker of the numbers alone, one against an attacker of words or fields alone. Each is sound. Side by
side they are not: an attacker of both stays inside both budgets and turns the answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ironbound.attacks import JointAttack
from ironbound.attacks.joint import squared_norm
from ironbound.baselines import NaiveProduct, naive_product
from ironbound.certificate import Certificate
from ironbound.confidence import clopper_pearson_upper
from ironbound.data.linear_table import LinearTable
from ironbound.data.problem import Example, Problem
from ironbound.experiments.context import Context
from ironbound.experiments.naive_worst import WorstCase, attacked
from ironbound.smoothing import SmoothedClassifier
from ironbound.smoothing.answers import labels
from ironbound.smoothing.draws import Draws
from ironbound.threats import Threat

Record = dict[str, Any]
Inputs = Mapping[str, NDArray[Any]]

_PART = 1024


@dataclass(frozen=True)
class Attempt:
    """An attack inside both one-channel certificates of an input.

    Attributes:
        product: what the two certificates side by side would allow; it has a prediction and a radius.
        numbers, changes: names of the two channels.
        there: the attacked input.
        moved: 2-norm of what was done to the numbers, rounded up to at most the allowed radius.
        places: which words or fields were changed.
        joint: the certificate of both channels at once, from the same draws.
    """

    product: NaiveProduct
    numbers: str
    changes: str
    there: Inputs
    moved: float
    places: NDArray[np.int64]
    joint: Certificate

    @property
    def inside_joint(self) -> bool:
        """Whether the joint certificate allowed the attack as well."""
        return self.joint.covers(**{self.numbers: self.moved, self.changes: int(self.places.size)})


def attack(context: Context, problem: Problem, example: Example, draws: int) -> Attempt | None:
    """The attack; None where the product allows no attack on both channels."""
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
    if product.prediction is None or not (product.radius or 0.0) > 0.0 or product.budget < 1:
        return None
    assert product.radius is not None
    amounts = {numbers: product.radius, changes: product.budget}
    if isinstance(problem.base, LinearTable):
        there = linear_attack(
            problem.base, example.inputs, product.prediction, product.radius, product.budget
        )
    elif isinstance(problem.base, WorstCase):
        there = attacked(problem.base, example.inputs, product.radius, product.budget)
    else:
        search = JointAttack(
            problem.base, problem.smoothing, problem.threat, model.rules, judge=1, **settings["attack"]
        )
        there = search(example.inputs, product.prediction, seed=context.seed, **amounts).attacked
    square = squared_norm(there[numbers], example.inputs[numbers])
    places = np.flatnonzero(there[changes] != example.inputs[changes])
    assert square <= Fraction(product.radius) ** 2
    assert places.size <= product.budget
    moved = min(math.sqrt(square), product.radius)
    joint = model.certify(example.inputs, threat=problem.threat, **known)
    return Attempt(product, numbers, changes, there, moved, places, joint)


def attempt(context: Context, problem: Problem, example: Example, draws: int) -> Record:
    """The attack and the verdict of fresh draws, as plain values."""
    row: Record = {"id": example.id, "tried": False, "broken": False, "joint": False, "share": 1.0}
    found = attack(context, problem, example, draws)
    if found is None or found.product.prediction is None:
        return row
    judge, certainty = context.settings["judge"], context.settings["certainty"]
    label, clean = found.product.prediction, example.inputs
    kept = votes(problem, found.there, label, judge, example.id)
    upper = float(clopper_pearson_upper(kept, judge, certainty))
    written = [
        [int(p), int(clean[found.changes][p]), int(found.there[found.changes][p])] for p in found.places
    ]
    return row | {
        "tried": True,
        "prediction": label,
        "radius": found.product.radius,
        "budget": found.product.budget,
        "moved": found.moved,
        "changed": int(found.places.size),
        "share": kept / judge,
        "upper": upper,
        "broken": upper < 0.5,
        "joint": found.inside_joint,
        "joint_radius": found.joint.frontier[int(found.places.size)],
        "written": written,
        "along": _along(problem.base, clean[found.numbers], found.there[found.numbers]),
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
