"""Certified budget against draws: a fixed number for every input, or as many as each input needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ironbound.data.problem import Problem
from ironbound.data.tasks import load_task
from ironbound.experiments.context import Context
from ironbound.experiments.curves import Line, plot
from ironbound.experiments.measure import Row, certified, largest
from ironbound.experiments.result import Cell, Result, Table
from ironbound.threats import Threat


def budgets(context: Context) -> Result:
    """Mean certified budget of words by the mean number of draws, for both ways to spend them.

    Settings: tasks (task -> attacked channel, inputs), fixed (numbers of draws), most (caps of early
    stopping), chunk (inputs in a piece). The words alone are attacked, with the noise of the task.
    """
    tables: list[Table] = []
    lines: dict[str, Line] = {}
    for task, sizes in context.settings["tasks"].items():
        cells: list[tuple[Cell, ...]] = []
        most = 0
        for way, numbers in (
            ("fixed", context.settings["fixed"]),
            ("stopped early", context.settings["most"]),
        ):
            points: list[tuple[float, float]] = []
            for n in numbers:
                rows = _pieces(context, task, sizes, way, n)
                draws = float(np.mean([row["samples"] for row in rows]))
                reach = [max(largest(row), 0) for row in rows]
                most = max(len(row["frontier"]) for row in rows) - 1
                shares = [100.0 * float(np.mean([one >= d for one in reach])) for d in range(1, most + 1)]
                mean = float(np.mean(reach))
                points.append((draws, mean))
                cells.append((way, n, round(draws), mean, *shares))
            lines[f"{task}: {way}"] = ([x for x, _ in points], [y for _, y in points])
        columns = (
            "draws",
            "n, or at most",
            "draws an input",
            "mean budget",
            *(f"d = {d} %" for d in range(1, most + 1)),
        )
        tables.append(Table(f"{task}, {sizes['inputs']} inputs", columns, tuple(cells), _gain(cells)))
    plot(
        context.folder / "budgets.png",
        lines,
        title="Certified budget by draws",
        x="mean draws an input",
        y="mean certified number of changed words",
        limit=None,
        log=True,
    )
    notes = (
        "Stopped early: until every budget up to the largest is proved or hopeless, by a bound that is valid "
        "at every time; what inputs decided early leave is spent on those near an edge. Both at the same "
        "error probability for each input.",
    )
    return Result(tuple(tables), ("budgets.png",), notes)


def _gain(cells: Sequence[tuple[Cell, ...]]) -> str:
    """For each fixed number of draws: the fewest draws with early stopping for a mean budget as large.

    Example:
        >>> _gain([("fixed", 100, 200, 1.5), ("early", 400, 50, 1.5), ("early", 900, 60, 2.0)])
        'As large a mean budget with early stopping: n = 100 at 0.25 of the draws.'
    """
    early = [cell for cell in cells if cell[0] != "fixed"]
    said: list[str] = []
    for cell in cells:
        if cell[0] != "fixed":
            continue
        reached = [float(one[2] or 0) for one in early if float(one[3] or 0) >= float(cell[3] or 0)]
        share = f"{min(reached) / float(cell[2] or 1):.2f} of the draws" if reached else "no cap tried"
        said.append(f"n = {int(cell[1] or 0):,} at {share}")
    return f"As large a mean budget with early stopping: {', '.join(said)}."


def _pieces(context: Context, task: str, sizes: Mapping[str, Any], way: str, n: int) -> list[Row]:
    chunk = int(context.settings["chunk"])
    found: list[Row] = []
    for start in range(0, sizes["inputs"], chunk):
        stop = min(start + chunk, sizes["inputs"])
        key = f"{task}-{way.split()[0]}-{n}-{start}"
        found += context.piece(key, partial(_rows, context, task, sizes["channel"], way, n, start, stop))
    return found


def _rows(context: Context, task: str, channel: str, way: str, n: int, start: int, stop: int) -> list[Row]:
    problem = load_task(task, progress=context.progress)
    problem = replace(
        problem, examples=problem.examples[start:stop], threat=Threat(**{channel: problem.threat[channel]})
    )
    known: dict[str, Any] = {"n": n, "alpha": _alpha(context, problem), "seed": context.seed}
    if way != "fixed":
        most = problem.threat[channel].max_d  # type: ignore[union-attr]
        known |= {"stop": "target", "target": [{channel: d} for d in range(1, most + 1)]}
    return certified(problem, stop - start, progress=context.progress, **known)


def _alpha(context: Context, problem: Problem) -> float:
    own = float(context.settings["alpha"])
    return own if problem.calibration is None else own + problem.calibration.alpha
