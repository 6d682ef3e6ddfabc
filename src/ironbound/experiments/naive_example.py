"""One attacked row of Adult in its own units: what was there, what the attack made of it, who says what."""

from __future__ import annotations

from typing import Any

from ironbound.data import adult, adult_table
from ironbound.data.adult_table import CATEGORICAL, NUMERIC
from ironbound.experiments.context import Context
from ironbound.experiments.naive_attempt import Record, attack, votes
from ironbound.experiments.result import Cell, Table


def changes(task: str, row: Record) -> str:
    """Which words or fields an attack changed: of Adult by name, of other tasks place and token ids."""
    if task != adult.NAME:
        return ", ".join(f"place {p}: {before} to {after}" for p, before, after in row["written"])
    values = adult_table.load()[0].categories
    return ", ".join(f"{CATEGORICAL[p]}: {values[p][a]} to {values[p][b]}" for p, a, b in row["written"])


def concrete(context: Context, row: Record) -> Table:
    """A row that the product calls safe and an attack turns, value by value.

    Args:
        row: what `attempt` said of it.
    """
    found = context.piece(f"example-{row['id']}", lambda: _measured(context, row))
    names, label = adult.CLASS_NAMES, row["prediction"]
    moved = [
        (name, _plain(before), _plain(after))
        for name, before, after in zip(NUMERIC, found["before"], found["after"], strict=True)
    ]
    written = {p: (before, after) for p, before, after in row["written"]}
    fields: list[tuple[Cell, ...]] = []
    for place, (name, values) in enumerate(zip(CATEGORICAL, found["categories"], strict=True)):
        before, after = written.get(place, (found["codes"][place],) * 2)
        fields.append((name, values[before], f"**{values[after]}**" if place in written else values[after]))
    cells: tuple[tuple[Cell, ...], ...] = (
        *moved,
        *fields,
        ("numbers moved, standard deviations", 0.0, row["moved"]),
        ("fields changed", 0, row["changed"]),
        ("the product of the one-channel certificates says", "safe", "safe"),
        (
            f"share of {names[label]!r} in {context.settings['judge']:,} fresh draws",
            found["share"],
            row["share"],
        ),
        ("the smoothed classifier answers", names[label], names[1 - label]),
        ("the joint certificate covers it", "yes", "yes" if row["joint"] else "no"),
    )
    allowed = row["joint_radius"]
    note = (
        f"The certificate against attackers of the numbers alone holds up to {row['radius']:.4g}, the one "
        f"against attackers of the fields alone for any {row['budget']} of them; both are sound. Their "
        "product calls every input within both budgets safe, this one among them, and it is answered "
        "otherwise. The joint certificate, with as many fields changed, lets the numbers move by "
        f"{'nothing at all' if allowed is None else f'{allowed:.4g}'}. Numbers may take any value, as in "
        "both certificates: noise and threat are about standardised numbers."
    )
    return Table(f"Adult {row['id']}, before and after the attack", ("", "before", "after"), cells, note)


def _plain(value: float) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def _measured(context: Context, row: Record) -> dict[str, Any]:
    draws = context.settings["tasks"][adult.NAME]["draws"]
    problem = adult.load(rows=int(row["id"].rpartition("-")[2]) + 1, progress=context.progress)
    example = problem.examples[-1]
    attempt = attack(context, problem, example, draws)
    assert attempt is not None
    training, _ = adult_table.load()
    mean, deviation = training.numeric.mean(axis=0), training.numeric.std(axis=0)
    before, after = (mean + deviation * values["numeric"] for values in (example.inputs, attempt.there))
    judge = context.settings["judge"]
    return {
        "before": before.tolist(),
        "after": after.tolist(),
        "codes": example.inputs["categorical"].tolist(),
        "categories": [list(values) for values in training.categories],
        "share": votes(problem, example.inputs, row["prediction"], judge, example.id) / judge,
    }
