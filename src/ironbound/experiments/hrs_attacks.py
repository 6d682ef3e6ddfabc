"""Attack against bound: joint attacks inside certified budgets, where nothing may fall, and beyond them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ironbound.attacks import JointAttack
from ironbound.data import adult
from ironbound.data.problem import Problem
from ironbound.data.tasks import load_task
from ironbound.experiments.context import Context
from ironbound.experiments.curves import Line, plot
from ironbound.experiments.result import Cell, Result, Table
from ironbound.runs.attack import attempts_on
from ironbound.smoothing import SmoothedClassifier

Record = dict[str, Any]

_OUTCOMES = ("kept", "unsettled", "changed")


def table(context: Context) -> Result:
    """Every certified budget of every input attacked at its full radius, and one budget far beyond.

    Settings: tasks (name -> rows), chunk (inputs in a piece), beyond (times the largest radius), attack
    (settings of `JointAttack`), curves (task, inputs, changes and a grid of radii for the picture).
    """
    cells: list[tuple[Cell, ...]] = []
    inside: list[Record] = []
    inputs: set[tuple[str, str]] = set()
    for task, rows in context.settings["tasks"].items():
        found = _pieces(context, task, rows)
        cells += _rows_of(task, found)
        covered = [one for one in found if one["covered"]]
        inside += covered
        inputs |= {(task, one["input"]) for one in covered}
    broken = sum(one["outcome"] == "changed" for one in inside)
    note = (
        f"{len(inputs):,} inputs attacked within their certified budgets, {len(inside):,} attacks there, "
        f"{broken} broken. Each certified budget is attacked at its full radius; beyond is "
        f"{context.settings['beyond']:g} times the largest radius with all changes that the threat knows. "
        "Turned and kept are settled by 2,000 fresh draws at error probability 1e-6 for each attack. A "
        "certificate may be wrong with probability alpha; none was seen to be."
    )
    columns = ("task", "budget", "changes", "inputs", "attacks", "kept", "unsettled", "turned", "turned %")
    tables = [Table("Attacks on certified inputs", columns, tuple(cells), note)]
    lines: dict[str, Line] = {}
    beaten = 0
    for curve in context.settings["curves"]:
        tables.append(_curve(context, curve, lines))
        beaten += sum(int(row[-1] or 0) for row in tables[-1].rows)
    if lines:
        plot(
            context.folder / "attack.png",
            lines,
            title="Joint attack against the certified bound",
            x="radius of the attack on the picture, 2-norm of pixels in [0, 1]",
            y="answers turned (% of inputs)",
        )
    return Result(tuple(tables), ("attack.png",) if lines else (), (), ok=not broken and not beaten)


def _pieces(context: Context, task: str, rows: int) -> list[Record]:
    """All attempts on a task, in pieces of so many inputs that survive an interruption."""
    chunk = int(context.settings["chunk"])
    found: list[Record] = []
    for start in range(0, rows, chunk):
        stop = min(start + chunk, rows)
        context.progress(f"attacking {task}", start / rows)
        found += context.piece(f"{task}-{start}", partial(_attempts, context, task, start, stop))
    return found


def _attempts(context: Context, task: str, start: int, stop: int) -> list[Record]:
    problem, model, attack = _ready(context, task, stop)
    numbers = _numbers(problem)
    found: list[Record] = []
    for example in problem.examples[start:stop]:
        certificate = model.certify(
            example.inputs, threat=problem.threat, input_id=example.id, seed=context.seed, **_sizes(problem)
        )
        if certificate.prediction is None:
            continue
        beyond = float(context.settings["beyond"])
        for one in attempts_on(attack, certificate, example.inputs, problem, beyond, context.seed):
            record = one.result.record()
            changes = sum(int(v) for name, v in record["allowed"].items() if name not in numbers)
            found.append(
                {
                    "input": example.id,
                    "covered": one.covered,
                    "changes": changes,
                    "outcome": record["outcome"],
                    "share": record["share"],
                }
            )
    return found


def _numbers(problem: Problem) -> tuple[str, ...]:
    """The channels of a problem that are moved by a 2-norm."""
    return tuple(name for name, budget in problem.threat.items() if not hasattr(budget, "max_d"))


def _ready(context: Context, task: str, rows: int) -> tuple[Problem, SmoothedClassifier, JointAttack]:
    if task == adult.NAME:
        problem = adult.load(rows=rows, progress=context.progress)
    else:
        problem = load_task(task, progress=context.progress)
    model = SmoothedClassifier(
        problem.base,
        problem.smoothing,
        problem.num_classes,
        rivals=problem.rivals,  # type: ignore[arg-type]
        class_names=problem.class_names,
    )
    settings = context.settings["attack"]
    return (
        problem,
        model,
        JointAttack(problem.base, problem.smoothing, problem.threat, model.rules, **settings),
    )


def _sizes(problem: Problem) -> dict[str, Any]:
    return {name: problem.statistics[name] for name in ("alpha", "n", "n0")}


def _rows_of(task: str, found: Sequence[Mapping[str, Any]]) -> list[tuple[Cell, ...]]:
    cells: list[tuple[Cell, ...]] = []
    for covered in (True, False):
        for changes in sorted({one["changes"] for one in found if one["covered"] == covered}):
            some = [o for o in found if o["covered"] == covered and o["changes"] == changes]
            counts = [sum(one["outcome"] == name for one in some) for name in _OUTCOMES]
            inputs = len({one["input"] for one in some})
            kind = "certified" if covered else "beyond"
            cells.append((task, kind, changes, inputs, len(some), *counts, 100.0 * counts[2] / len(some)))
    return cells


def _curve(context: Context, curve: Mapping[str, Any], lines: dict[str, Line]) -> Table:
    """Share turned by an attack of one size on all inputs, beside the share that is not certified at it."""
    task, radii = curve["task"], [float(radius) for radius in curve["radii"]]
    key = f"curve-{task}-{curve['changes']}"
    found = context.piece(key, partial(_at_radii, context, curve))
    cells: list[tuple[Cell, ...]] = []
    for radius in radii:
        some = [one for one in found if one["radius"] == radius]
        open_ = sum(not one["covered"] for one in some)
        turned = sum(one["outcome"] == "changed" for one in some)
        beaten = sum(one["covered"] and one["outcome"] == "changed" for one in some)
        cells.append((radius, len(some), 100.0 * open_ / len(some), 100.0 * turned / len(some), beaten))
    number = "1 change" if curve["changes"] == 1 else f"{curve['changes']} changes"
    title = f"{task}, {number}"
    lines[f"{title}: not certified"] = (radii, [float(row[2] or 0) for row in cells])
    lines[f"{title}: turned"] = (radii, [float(row[3] or 0) for row in cells])
    columns = (
        "radius",
        "inputs",
        "not certified %: the bound",
        "turned by the attack %",
        "of these, certified",
    )
    return Table(f"Attack against bound: {title}", columns, tuple(cells))


def _at_radii(context: Context, curve: Mapping[str, Any]) -> list[Record]:
    task, changes = curve["task"], int(curve["changes"])
    problem, model, attack = _ready(context, task, int(curve["inputs"]))
    numbers = _numbers(problem)
    found: list[Record] = []
    chosen = problem.examples[: curve["inputs"]]
    for place, example in enumerate(chosen):
        certificate = model.certify(
            example.inputs, threat=problem.threat, input_id=example.id, seed=context.seed, **_sizes(problem)
        )
        if certificate.prediction is None:
            continue
        for radius in map(float, curve["radii"]):
            amounts = {name: radius if name in numbers else changes for name in problem.threat}
            result = attack(example.inputs, certificate.prediction, seed=context.seed, **amounts)
            covered = certificate.covers(**amounts)
            found.append({"radius": radius, "covered": covered, "outcome": result.outcome})
        context.progress(f"attacking {task} at fixed radii", (place + 1) / len(chosen))
    return found
