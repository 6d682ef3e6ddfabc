"""Tables of the HyCAS experiments on attacks: accuracy under APGD, and what a stronger attack still finds.

Networks that are trained under noise are attacked with it: fresh noise in every pass, gradients averaged over
passes, and a judge that asks anew.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from ironbound.data.images import ImageSet
from ironbound.experiments.context import Context
from ironbound.experiments.result import Cell, Table
from ironbound.training.recipe import Recipe
from ironbound.training.tasks import spread

Trained = Callable[[str], tuple[nn.Module, Recipe]]
"""A network of the settings by its name, trained."""


def attacked(context: Context, trained: Trained, narrow: Callable[..., Context], test: ImageSet) -> Table:
    """One row a network: clean, and under APGD at every budget.

    Args:
        context: settings attacked, attacked_images, attack_steps, eot, judge, eps (in 1/255).
        trained, narrow: see `hycas_images`.
        test: the test part.
    """
    settings = context.settings
    rows: list[tuple[Cell, ...]] = []
    data = spread(test, settings["attacked_images"])
    attack = {"steps": settings["attack_steps"], "eot": settings["eot"], "restarts": 1}
    for name in settings["attacked"]:
        known = narrow(name, attack | {"eps": settings["eps"], "images": settings["attacked_images"]})
        cells = known.piece(
            f"attacked-{name}", partial(_accuracies, context, trained, name, data, attack, settings["eps"])
        )
        rows.append((name, *cells))
    columns = ("network", "clean, %", *(f"linf {eps}/255, %" for eps in settings["eps"]))
    note = (
        f"APGD on cross-entropy, {settings['attack_steps']} steps, {settings['attacked_images']} images; "
        f"networks trained under noise are attacked with their noise, {settings['eot']} passes averaged in "
        f"every gradient, and judged by the mean logits of {settings['judge']} fresh passes. An estimate, no "
        "certificate."
    )
    return Table(f"{settings['data']}: accuracy under attack", columns, tuple(rows), note)


def strengths(context: Context, trained: Trained, narrow: Callable[..., Context], test: ImageSet) -> Table:
    """One row a network: accuracy at the first budget under ever stronger attacks, on one set of images.

    Args:
        context: settings strong (names), strong_images, strengths ([steps, passes, restarts], ...).
        trained, narrow, test: as for `attacked`.
    """
    settings = context.settings
    eps, count = settings["eps"][0], settings["strong_images"]
    rows: list[tuple[Cell, ...]] = []
    for name in settings["strong"]:
        cells: list[float] = []
        for steps, eot, restarts in settings["strengths"]:
            attack = {"steps": steps, "eot": eot, "restarts": restarts}
            known = narrow(name, attack | {"eps": [eps], "images": count})
            key = f"strong-{name}-{steps}-{eot}-{restarts}"
            few = spread(test, count)
            cells.append(
                known.piece(key, partial(_accuracies, context, trained, name, few, attack, [eps]))[1]
            )
        rows.append((name, *cells))
    columns = ("network", *(f"{s} steps, {e} passes, {r} starts" for s, e, r in settings["strengths"]))
    note = (
        f"APGD at linf {eps}/255 on {count} images; a figure that falls from left to right says that the "
        "attack on the left was too weak. With two classes there is no difference of logits ratio."
    )
    return Table(f"{settings['data']}: does a stronger attack find more?", columns, tuple(rows), note)


def _accuracies(
    context: Context,
    trained: Trained,
    name: str,
    data: ImageSet,
    attack: dict[str, int],
    budgets: list[int],
) -> list[float]:
    """Clean accuracy and accuracy at every budget, in percent."""
    from ironbound.attacks import Noised, robust_accuracy

    settings = context.settings
    net, recipe = trained(name)
    random = recipe.sigma > 0.0 or recipe.network == "hycas"
    fresh = torch.Generator().manual_seed(context.seed)
    model = Noised(net, recipe.sigma, fresh) if recipe.sigma > 0.0 else net
    chosen: dict[str, Any] = attack | {"eot": attack["eot"] if random else 1}
    found: list[float] = []
    for eps in budgets:
        one = robust_accuracy(
            model.eval(),
            data.scaled(),
            np.asarray(data.labels),
            eps=eps / 255,
            attack="apgd",
            seed=context.seed,
            draws=settings["judge"] if random else 1,
            **chosen,
        )
        found += [100.0 * one.clean] if not found else []
        found.append(100.0 * one.robust)
        context.progress(f"attacking {name}", len(found) / (1 + len(budgets)))
    return found
