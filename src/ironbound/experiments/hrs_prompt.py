"""HRS on text alone: a filter of harmful requests against appended tokens."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ironbound.data import prompt_filter
from ironbound.experiments.context import Context
from ironbound.experiments.curves import plot
from ironbound.experiments.measure import Row, certified
from ironbound.experiments.result import Result, Table
from ironbound.threats import SuffixAppend, Threat


def budgets(context: Context) -> Result:
    """Certified budgets by rate of replacement; attackers write what the noise writes, or anything."""
    cells, lines = [], {}
    ds = list(range(prompt_filter.MAX_D + 1))
    for beta in context.settings["betas"]:
        for alphabet in ("closed", "open"):
            found = context.piece(f"rows-{beta}-{alphabet}", partial(_rows, context, beta, alphabet))
            reach = [_largest(row) for row in found["rows"]]
            share = [100.0 * float(np.mean([one >= d for one in reach])) for d in ds]
            mean = float(np.mean([max(one, 0) for one in reach]))
            cells.append((beta, alphabet, found["tau"], share[0], mean, *(share[d] for d in (1, 2, 4, 6, 8))))
            if alphabet == "closed":
                lines[f"beta = {beta:g}"] = (ds, share)
    plot(
        context.folder / "prompt.png",
        lines,
        title="Harmful requests still flagged, whatever is appended",
        x="d: appended tokens",
        y="certified (% of harmful requests)",
    )
    columns = ("beta", "attacker's alphabet", "tau", "flagged %", "mean budget")
    columns += tuple(f"d = {d} %" for d in (1, 2, 4, 6, 8))
    note = (
        "An attacker of the open alphabet may also write tokens that the noise never draws (control tokens, "
        "say): what noise shows of them can then be told from everything else, and only draws in which they "
        "were replaced count."
    )
    title = f"AdvBench requests (AdvBench against SMS and AG News), n = {context.settings['draws']:,}"
    remark = (
        "The setting is that of suffix certificates for prompt filters (Chen et al., 2025); for this pair of "
        "data sets no published figure is known to us. Harmful and benign texts differ in style too, so that "
        "the share flagged says little about recognising harm."
    )
    return Result((Table(title, columns, tuple(cells), note),), ("prompt.png",), (remark,))


def _rows(context: Context, beta: float, alphabet: Any) -> dict[str, Any]:
    problem = prompt_filter.load(progress=context.progress, settings=prompt_filter.SETTINGS | {"beta": beta})
    attack = problem.threat["prompt"]
    assert isinstance(attack, SuffixAppend)
    problem = replace(problem, threat=Threat(prompt=replace(attack, alphabet=alphabet)))
    assert problem.calibration is not None
    rows = certified(
        problem,
        context.settings["requests"],
        n=context.settings["draws"],
        alpha=context.settings["alpha"] + problem.calibration.alpha,
        seed=context.seed,
        progress=context.progress,
    )
    return {"tau": problem.threshold, "rows": rows}


def _largest(row: Row) -> int:
    if row["prediction"] != 1:
        return -1
    return max((d for d, found in row["frontier"] if found is not None), default=-1)
