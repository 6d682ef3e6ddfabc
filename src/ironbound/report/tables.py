"""The table on the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ironbound.report.attacks import OUTCOMES, Attacks
from ironbound.report.reading import Reading
from ironbound.report.text import (
    budget_text,
    grid_text,
    percent,
    radius_text,
    seconds_text,
    share_text,
)
from ironbound.runs.metrics import Summary

# More columns than this do not fit a terminal; the page shows all.
MOST_RADII = 7


def overview(reading: Reading) -> list[tuple[str, str]]:
    """Name and value of each figure of a run that is a single number."""
    s = reading.summary
    finished = f"{s.done} of {s.requested}"
    rows = [("inputs certified or abstained", finished if not s.errors else f"{finished}, {s.errors} failed")]
    if s.accuracy is not None:
        name = "clean accuracy, smoothed" if reading.smoothed else "clean accuracy of certified predictions"
        rows.append((name, share_text(s.accuracy)))
    if s.base_accuracy is not None:
        name = "base classifier without noise" if reading.smoothed else "without certification"
        rows.append((f"clean accuracy, {name}", share_text(s.base_accuracy)))
    rows.append(("abstained", share_text(s.abstained)))
    if s.samples_mean is not None and s.samples_max:
        rows.append(("draws per input, mean (largest)", f"{s.samples_mean:,.0f} ({s.samples_max:,})"))
    if len(s.stop_reasons) > 1 or "n_max" not in s.stop_reasons:
        reasons = {"n_max": "all n draws"}
        why = ", ".join(f"{reasons.get(name, name)}: {count:,}" for name, count in s.stop_reasons.items())
        if why:
            rows.append(("drawing stopped because", why))
    rows += [("remark", note) for session in reading.sessions for note in session.get("notes", ())]
    if reading.attacks is not None:
        rows.append(("attacks within certified budgets", reading.attacks.short()))
    rows.append(("time per input, total", f"{seconds_text(s.seconds_mean)}, {seconds_text(s.seconds_total)}"))
    return rows


def measure(summary: Summary) -> str:
    """What the shares of a run are called."""
    return "certified accuracy" if summary.labelled else "certified share"


def frontier_title(reading: Reading) -> str:
    """One line over the frontier: what is counted, against whom."""
    title = f"{measure(reading.summary).capitalize()} in %"
    if reading.attacked.continuous:
        title += f" against {reading.attacked.radius_label.replace('certified ', '')}"
    if reading.attacked.discrete:
        title += f", for each number d of {reading.attacked.budget_label}"
    return title


def terminal(reading: Reading) -> RenderableType:
    """Summary and frontier for a terminal."""
    figures = Table(show_header=False)
    figures.add_column(style="bold")
    figures.add_column(justify="right")
    for name, value in overview(reading):
        # Text, not markup: names come from the user's files.
        figures.add_row(Text(name), Text(value))
    title = Text(f"ironbound: {reading.name}", style="bold")
    if not reading.summary.budgets:
        return Group(title, figures, Text("No certificate yet."))
    parts: list[RenderableType] = [
        title,
        figures,
        Text(""),
        Text(frontier_title(reading)),
        _frontier(reading),
    ]
    if reading.attacks is not None:
        parts += [Text(""), *attacks_table(reading.attacks)]
    return Group(*parts)


def attacks_table(attacks: Attacks) -> list[RenderableType]:
    """What came of the attacks, for each kind of budget; loud where a certificate was broken."""
    if attacks.problem:
        return [Text(attacks.verdict(), style="bold red")]
    table = Table("budget", "d", "inputs", "attacks", *OUTCOMES, "turned, %")
    for line in attacks.lines():
        counts = [str(line.count(name)) for name in OUTCOMES]
        alarm = "bold red" if line.covered and line.count("changed") else ""
        kind = "certified" if line.covered else "beyond"
        cells = [kind, str(line.changes), str(line.inputs), str(len(line.attempts)), *counts]
        table.add_row(*cells, percent(line.success), style=alarm)
    return [table, Text(attacks.verdict(), style="bold red" if attacks.broken else "")]


def _frontier(reading: Reading) -> Table:
    summary, radii = reading.summary, bool(reading.attacked.continuous)
    chosen = _spread(len(summary.radii)) if radii else [0]
    table = Table()
    if reading.attacked.discrete:
        table.add_column("d", justify="right", style="bold")
    for i in chosen:
        heading = f"r = {grid_text(summary.radii[i])}" if i == 0 else grid_text(summary.radii[i])
        table.add_column(heading if radii else measure(summary), justify="right")
    if radii:
        table.add_column("largest r", justify="right")
    for d in reading.shown_budgets:
        head = [budget_text(d)] if reading.attacked.discrete else []
        tail = [radius_text(summary.largest[d])] if radii else []
        table.add_row(*head, *(percent(summary.certified[d][i]) for i in chosen), *tail)
    return table


def _spread(count: int) -> list[int]:
    """Up to MOST_RADII indices of 0..count - 1, first and last among them."""
    if count <= MOST_RADII:
        return list(range(count))
    return sorted({round(i * (count - 1) / (MOST_RADII - 1)) for i in range(MOST_RADII)})
