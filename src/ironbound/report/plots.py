"""Curves of certified accuracy against radius, one line for each discrete budget d."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from ironbound.report.reading import Reading
from ironbound.report.tables import measure
from ironbound.report.text import budget_text, percent
from ironbound.runs.metrics import Budget, bounded, curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, distinct under the common colour deficiencies; yellow left out (too pale on white).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F", "#000000")
# Dashes tell the lines apart without colour, too.
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)), (0, (3, 2)))
Theme = Literal["light", "dark"]


def curves(reading: Reading, kind: Literal["png", "svg"], theme: Theme = "light") -> bytes:
    """The figure as a file's content. Equal runs give equal SVG: no dates, no random ids."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ink, paper = ("#1b1f24", "#ffffff") if theme == "light" else ("#e6e9ee", "#16191f")
    style: dict[Any, Any] = {
        "font.size": 11,
        "svg.hashsalt": "ironbound",
        "text.color": ink,
        "axes.labelcolor": ink,
        "axes.edgecolor": ink,
        "xtick.color": ink,
        "ytick.color": ink,
        "axes.facecolor": paper,
        "figure.facecolor": paper,
        "savefig.facecolor": paper,
        "legend.facecolor": paper,
        "legend.edgecolor": "#8a919c",
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=(8.0, 4.8), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.set_ylim(0, 103)
        axes.grid(True, color="#8a919c", alpha=0.3, linewidth=0.6)
        if reading.attacked.continuous:
            _against_radius(axes, reading, ink)
        else:
            _against_budget(axes, reading)
        axes.set_ylabel(f"{measure(reading.summary)} (% of inputs)")
        axes.set_yticks(range(0, 101, 20))
        axes.set_axisbelow(True)
        axes.set_title(_title(reading), loc="left", fontsize=12, fontweight="bold")
        return _saved(figure, kind)


def _saved(figure: Figure, kind: Literal["png", "svg"]) -> bytes:
    target = io.BytesIO()
    figure.savefig(
        target, format=kind, dpi=160, metadata={"Date": None} if kind == "svg" else {"Software": None}
    )
    return target.getvalue()


def _title(reading: Reading) -> str:
    noun = "right and certified" if reading.summary.labelled else "certified"
    # A dollar sign would start mathematical text.
    return f"{reading.name}: share of inputs {noun}".replace("$", r"\$")


def _against_radius(axes: Axes, reading: Reading, ink: str) -> None:
    labelled = [e for e in reading.entries if e.row.label is not None]
    total = len(labelled or reading.entries)
    right = 0.0
    for place, budget in enumerate(reading.shown_budgets):
        steps = [r for r in curve(reading.entries, budget) if bounded(r)]
        right = max(right, steps[-1] if steps else 0.0)
        # The black of the palette would vanish on dark paper.
        colour = ink if COLOURS[place] == "#000000" else COLOURS[place]
        _steps(axes, steps, total, colour, place, _legend(reading, budget, bool(steps)))
    axes.set_xlim(0, 1.04 * right if right > 0 else 1)
    axes.set_xlabel(_capital(reading.attacked.radius_label))
    if reading.attacked.discrete:
        # Beside the axes: wherever inside, some curve would run under it.
        figure = axes.get_figure()
        if figure is not None:
            title = reading.attacked.legend_title
            figure.legend(loc="outside right upper", title=title, alignment="left", frameon=False)


def _steps(axes: Axes, steps: Sequence[float], total: int, colour: str, place: int, label: str) -> None:
    # At radius r the inputs with a certified radius >= r count: the curve falls just after each step.
    x = [0.0, *steps, *([steps[-1]] if steps else [])]
    y = [len(steps), *range(len(steps), 0, -1), *([0] if steps else [])]
    heights = [100 * count / total for count in y]
    axes.plot(
        x,
        heights,
        drawstyle="steps-pre",
        color=colour,
        linestyle=DASHES[place],
        linewidth=2,
        label=label,
        clip_on=False,
    )


def _legend(reading: Reading, budget: Budget, certifies: bool) -> str:
    return f"d = {budget_text(budget)}" + ("" if certifies else " (none)")


def _against_budget(axes: Axes, reading: Reading) -> None:
    """Without a continuous channel there is no radius: one bar for each budget."""
    budgets = reading.shown_budgets
    shares = [reading.summary.certified[d][0].value or 0.0 for d in budgets]
    bars = axes.bar([budget_text(d) for d in budgets], [100 * s for s in shares], color=COLOURS[0], width=0.6)
    axes.bar_label(bars, [percent(reading.summary.certified[d][0]) for d in budgets], padding=2)
    axes.set_xlabel(f"budget d: number of {reading.attacked.budget_label}")
    axes.set_ylim(0, 110)
    axes.grid(False, axis="x")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
