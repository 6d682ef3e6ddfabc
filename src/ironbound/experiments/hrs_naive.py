"""Attacked inputs that the product of one-channel certificates calls safe, and the worst case in exact form.

Both one-channel certificates are about the same smoothed classifier, with noise on all channels: one against
an attacker of the numbers alone, one against an attacker of words or fields alone. Each is sound. Side by
side they are not: an attacker of both stays inside both budgets and turns the answer.
"""

from __future__ import annotations

from functools import partial

from ironbound.data import adult
from ironbound.data.tasks import load_task
from ironbound.experiments.context import Context
from ironbound.experiments.naive_attempt import Record, attempt
from ironbound.experiments.naive_example import changes, concrete
from ironbound.experiments.naive_worst import worst
from ironbound.experiments.result import Cell, Result, Table


def table(context: Context) -> Result:
    """Trained classifiers on real inputs, then the classifier for which the gap is widest.

    Settings: tasks (name -> inputs and draws of a certificate), chunk (name -> inputs in a piece), alpha (of
    certificates), judge and certainty (draws and error probability of the verdict), attack (settings of
    `JointAttack`), shown, worst (settings of the constructed classifiers).
    """
    cells: list[tuple[Cell, ...]] = []
    turned: list[tuple[str, Record]] = []
    contradicted = 0
    told: list[str] = []
    for task, sizes in context.settings["tasks"].items():
        found = _pieces(context, task, sizes["inputs"])
        tried = [row for row in found if row["tried"]]
        broken = [row for row in tried if row["broken"]]
        contradicted += sum(row["joint"] for row in broken)
        turned += [(task, row) for row in broken]
        lowest = min((row["share"] for row in tried), default=None)
        cells.append((task, len(found), len(tried), len(broken), sum(r["joint"] for r in broken), lowest))
        told.append(f"{len(broken) or 'none'} of {len(tried)} on {task}")
    certainty = context.settings["certainty"]
    columns = (
        "task",
        "inputs",
        "both one-channel certificates hold",
        "turned inside the product",
        "of these, inside the joint certificate",
        "least share of the answer after the attack",
    )
    constructed = _worst_cases(context)
    turned_too = sum(row[-1] == "yes" for row in constructed.rows)
    note = (
        f"Turned by an attack that the product calls safe: {', '.join(told)}; and {turned_too} of "
        f"{len(constructed.rows)} constructed classifiers (last table). Both hold: a radius above 0 against "
        "the numbers alone, and one change or more against words or fields alone. Turned: so few of the "
        "fresh draws at the attacked input give the certified answer that its probability is below 1/2, by a "
        f"Clopper-Pearson bound at error probability {certainty:g} for each input. The joint certificate of "
        f"the same input, from the same draws, allowed {contradicted} of these attacks."
    )
    first = Table("What the product of one-channel certificates calls safe", columns, tuple(cells), note)
    turned.sort(key=lambda one: one[1]["share"])
    shown = context.settings["shown"]
    kept: list[tuple[str, Record]] = []
    for task in context.settings["tasks"]:
        kept += [one for one in turned if one[0] == task][:shown]
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
                changes(task, row),
            )
            for task, row in kept
        ),
        "Share: of the certified answer among the fresh draws. Allowed: by the product. A dash for the joint "
        "radius: with so many changes nothing is certified jointly.",
    )
    example = [concrete(context, row) for task, row in turned if task == adult.NAME][:1]
    return Result((first, *example, second, constructed), (), (), ok=not contradicted)


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
