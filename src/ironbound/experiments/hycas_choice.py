"""How a variant of HyCAS is chosen: candidates on held-out images, before any of them sees a test image."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ironbound.data.images import ImageSet
from ironbound.experiments.context import Context
from ironbound.experiments.hycas_attacks import Trained, answers
from ironbound.experiments.measure import Row, accuracy, certified
from ironbound.experiments.paired import balanced, shares
from ironbound.experiments.result import Cell, Table
from ironbound.training.data import held_out
from ironbound.training.recipe import Recipe
from ironbound.training.tasks import problem, spread


def candidates(context: Context, trained: Trained, narrow: Callable[..., Context]) -> Table:
    """One row a candidate: certified accuracy of its vote at some radii, and accuracy under APGD.

    Each figure is followed by its mean over the classes, where a tendency to one answer gains nothing.

    Args:
        context: settings held_out (candidates, a list of names; images, draws, alpha and radii), and those of
            the attack, of which the first budget is used.
        trained, narrow: see `hycas_images`.
    """
    settings, held = context.settings, context.settings["held_out"]
    eps, radii = settings["eps"][0], list(held["radii"])
    data = spread(held_out(Recipe(name="", data=settings["data"])), held["images"])
    rows: list[tuple[Cell, ...]] = []
    for name in held["candidates"]:
        depends = {key: held[key] for key in ("images", "draws", "alpha")}
        make = partial(_votes, context, trained, name, data)
        votes: list[Row] = narrow(name, depends).piece(f"held-out-votes-{name}", make)
        key = f"held-out-attacked-{name}"
        stayed = answers(context, trained, narrow, name, data, key, budgets=[eps])["right"][str(eps)]
        cells: list[Cell] = [name]
        for both in zip(accuracy(votes, 0, radii), balanced(votes, radii), strict=True):
            cells += both
        rows.append((*cells, *shares(stayed, data.labels)))
    columns = [head for r in radii for head in (f"r = {r:g}", "mean over classes")]
    columns = ["network", *columns, f"linf {eps}/255", "mean over classes"]
    note = (
        f"Percent of {len(data)} held-out images, evenly spread; votes of {held['draws']} draws at alpha = "
        f"{held['alpha']}, enough to choose by and not to claim. No test image was looked at for the choice."
    )
    return Table("Candidates on held-out images", tuple(columns), tuple(rows), note)


def _votes(context: Context, trained: Trained, name: str, data: ImageSet) -> list[Row]:
    net, recipe = trained(name)
    held = context.settings["held_out"]
    task = problem("experiment", net, recipe, data, "votes")
    statistics = {"alpha": held["alpha"], "n": held["draws"], "n0": 32, "seed": context.seed}
    return certified(task, len(data), progress=context.progress, **statistics)
