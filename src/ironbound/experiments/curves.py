"""Line plots of experiments, in the manner of the reports."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F", "#000000")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)), (0, (3, 2)))

Line = tuple[Sequence[float], Sequence[float]]


def plot(
    path: Path,
    lines: Mapping[str, Line],
    *,
    title: str,
    x: str,
    y: str = "certified accuracy (%)",
    markers: Mapping[str, Line] | None = None,
    limit: float | None = 103,
    log: bool = False,
) -> None:
    """Write a PNG.

    Args:
        path: of the picture.
        lines: name -> (x, y), drawn as lines.
        title, x, y: texts.
        markers: name -> (x, y), drawn as points: published figures.
        limit: top of the y axis; None to fit.
        log: the x axis in powers of ten, with a point at every value.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    # The names stand beside the axes and must not squeeze them.
    longest = max(map(len, [*lines, *(markers or {})]), default=0)
    figure = Figure(figsize=(max(8.0, 6.2 + 0.085 * longest), 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for place, (name, (at, height)) in enumerate(lines.items()):
        # From the ninth line on the colours come again, each with another dash than before.
        style = DASHES[(place + 3 * (place // len(COLOURS))) % len(DASHES)]
        colour, marker = COLOURS[place % len(COLOURS)], "o" if log else None
        axes.plot(at, height, color=colour, linestyle=style, linewidth=2, marker=marker, label=name)
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    for place, (name, (at, height)) in enumerate((markers or {}).items()):
        colour = COLOURS[place % len(COLOURS)]
        axes.plot(at, height, "o", color=colour, markerfacecolor="none", label=name, clip_on=False)
    if limit is not None:
        axes.set_ylim(0, limit)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(True, color="#8a919c", alpha=0.3, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    heading = textwrap.fill(title, 58).replace("$", r"\$")
    axes.set_title(heading, loc="left", fontsize=12, fontweight="bold")
    figure.legend(loc="outside right upper", frameon=False)
    figure.savefig(path, dpi=160, metadata={"Software": None})
