"""Robust accuracy against the budget and against the number of steps, as a figure."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Literal

from ironbound.attacks import RobustnessCurves
from ironbound.errors import wrong_value
from ironbound.report.plots import COLOURS, DASHES


def robustness_figure(
    curves: Mapping[str, RobustnessCurves], kind: Literal["png", "svg"] = "png", unit: str = "input units"
) -> bytes:
    """The content of a file with two panels, one line for each network.

    Args:
        curves: name of a network -> its curves; in the left panel its clean accuracy stands at 0.
        kind: "png" or "svg"; equal curves give equal files.
        unit: what one unit of the budget is.
    Raises:
        InputError: there is nothing to draw.
    """
    if not curves:
        raise wrong_value("curves", {}, "at least one network's curves")
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "ironbound", "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(10.5, 4.2), layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2, sharey=True)
        for i, (name, one) in enumerate(curves.items()):
            look = {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i % len(DASHES)], "marker": "o"}
            budgets = [0.0, *(a.eps for a in one.against_eps)]
            shares = [100 * one.against_eps[0].clean, *(100 * a.robust for a in one.against_eps)]
            left.plot(budgets, shares, label=name, markersize=4, **look)
            steps = [a.steps for a in one.against_steps]
            right.plot(steps, [100 * a.robust for a in one.against_steps], label=name, markersize=4, **look)
        first = next(iter(curves.values())).against_eps[-1]
        norm = "max-norm" if first.norm == "linf" else "2-norm"
        left.set_xlabel(f"budget in the {norm} ({unit})")
        left.set_ylabel(f"accuracy under {first.attack} (% of inputs)")
        right.set_xlabel(f"steps, at a budget of {first.eps:.4g}")
        left.set_ylim(0, 103)
        for axes in (left, right):
            axes.grid(True, color="#8a919c", alpha=0.3, linewidth=0.6)
        # Beside the panels: curves cross every corner of them.
        named = left.get_legend_handles_labels()
        figure.legend(*named, loc="outside right upper", frameon=False, handlelength=3.0)
        target = io.BytesIO()
        plain = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(target, format=kind, dpi=160, metadata=plain)
    return target.getvalue()
