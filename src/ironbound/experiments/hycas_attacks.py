"""Tables of the HyCAS experiments on attacks: accuracy under APGD, and what a stronger attack still finds.

Networks that are trained under noise are attacked with it: fresh noise in every pass, gradients averaged over
passes, and a judge that asks anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from ironbound.data.images import ImageSet
from ironbound.errors import ConfigError
from ironbound.experiments.context import Context
from ironbound.experiments.paired import mcnemar, shares
from ironbound.experiments.result import Cell, Table
from ironbound.training.recipe import Recipe
from ironbound.training.tasks import spread

Trained = Callable[[str], tuple[nn.Module, Recipe]]
"""A network of the settings by its name, trained."""

Answers = Mapping[str, Any]
"""clean: share in percent without attack; right: for every budget, 0 or 1 for each image under attack."""


def attacked(
    context: Context, trained: Trained, narrow: Callable[..., Context], test: ImageSet
) -> list[Table]:
    """One row a network: clean, and under APGD at every budget; then the pairs asked for, by McNemar's test.

    Args:
        context: settings attacked, attacked_images, fewer ("NAME:attack"), attack_steps, eot, judge, eps (in
            1/255), attacked_pairs (pairs of names; none if absent).
        trained, narrow: see `hycas_images`.
        test: the test part.
    Raises:
        ConfigError: a pair's networks are not both attacked, on the same images.
    """
    settings, budgets = context.settings, context.settings["eps"]
    found: dict[str, Answers] = {}
    rows: list[tuple[Cell, ...]] = []
    for name in settings["attacked"]:
        data = spread(test, settings["fewer"].get(f"{name}:attack", settings["attacked_images"]))
        found[name] = answers(context, trained, narrow, name, data, f"attacked-{name}")
        parts = [shares(found[name]["right"][str(eps)], data.labels) for eps in budgets]
        rows.append((name, len(data), found[name]["clean"], *(share for both in parts for share in both)))
    heads = [head for eps in budgets for head in (f"linf {eps}/255, %", f"{eps}/255, mean over classes")]
    note = (
        f"APGD on cross-entropy, {settings['attack_steps']} steps; networks trained under noise are attacked "
        f"with their noise, {settings['eot']} passes averaged in every gradient, and judged by the mean "
        f"logits of {settings['judge']} fresh passes. An estimate, no certificate."
    )
    title = f"{settings['data']}: accuracy under attack"
    tables = [Table(title, ("network", "images", "clean, %", *heads), tuple(rows), note)]
    if pairs := settings.get("attacked_pairs"):
        tables.append(_pairs("Pairs under the same attack", pairs, budgets, found))
    return tables


def _pairs(title: str, pairs: list[list[str]], budgets: list[int], found: Mapping[str, Answers]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for one, two in pairs:
        for eps in budgets:
            first, second = (found.get(name, {}).get("right", {}).get(str(eps), ()) for name in (one, two))
            if not first or len(first) != len(second):
                raise ConfigError(
                    f"attacked_pairs: {one} and {two} must both be attacked, on the same images"
                )
            both = list(zip(first, second, strict=True))
            counts = both.count((1, 0)), both.count((0, 1))
            rows.append((one, two, f"{eps}/255", len(both), *counts, mcnemar(*counts)))
    columns = ("first", "second", "linf", "images", "only the first stays right", "only the second", "p")
    note = "McNemar's exact test, two-sided, of each budget by itself; not corrected for several tests."
    return Table(title, columns, tuple(rows), note)


def strengths(
    context: Context, trained: Trained, narrow: Callable[..., Context], test: ImageSet
) -> list[Table]:
    """One row a network: accuracy at the first budget under ever stronger attacks, on one set of images; then
    those of the pairs of which both are here, under the last attack.

    Args:
        context: settings strong (names), strong_images, strengths ([steps, passes, restarts], ...), and
            attacked_pairs.
        trained, narrow, test: as for `attacked`.
    """
    settings = context.settings
    eps, few = settings["eps"][0], spread(test, settings["strong_images"])
    rows: list[tuple[Cell, ...]] = []
    last: dict[str, Answers] = {}
    for name in settings["strong"]:
        cells: list[float] = []
        for strength in settings["strengths"]:
            key = "-".join(map(str, ("strong", name, *strength)))
            one = answers(context, trained, narrow, name, few, key, strength=strength, budgets=[eps])
            cells.append(shares(one["right"][str(eps)], few.labels)[0])
            last[name] = one
        rows.append((name, *cells))
    columns = ("network", *(f"{s} steps, {e} passes, {r} starts" for s, e, r in settings["strengths"]))
    note = (
        f"APGD at linf {eps}/255 on {len(few)} images; a figure that falls from left to right says that the "
        "attack on the left was too weak. With two classes there is no difference of logits ratio."
    )
    tables = [Table(f"{settings['data']}: does a stronger attack find more?", columns, tuple(rows), note)]
    if pairs := [pair for pair in settings.get("attacked_pairs", ()) if set(pair) <= set(last)]:
        tables.append(_pairs("Pairs under the strongest of these attacks", pairs, [eps], last))
    return tables


def answers(
    context: Context,
    trained: Trained,
    narrow: Callable[..., Context],
    name: str,
    data: ImageSet,
    key: str,
    *,
    strength: tuple[int, int, int] | None = None,
    budgets: list[int] | None = None,
) -> Answers:
    """What a network answers without attack and under APGD; a piece that is there is only read.

    Args:
        name: of the network.
        data: the images.
        key: of the piece.
        strength: steps, passes in every gradient, restarts; None for those of the settings.
        budgets: in 1/255; None for those of the settings.
    """
    settings = context.settings
    chosen = (settings["attack_steps"], settings["eot"], 1) if strength is None else strength
    attack: dict[str, int] = dict(zip(("steps", "eot", "restarts"), chosen, strict=True))
    wanted = settings["eps"] if budgets is None else budgets
    depends = attack | {"eps": wanted, "images": len(data), "judge": settings["judge"]}
    return narrow(name, depends).piece(key, partial(_attack, context, trained, name, data, attack, wanted))


def _attack(
    context: Context,
    trained: Trained,
    name: str,
    data: ImageSet,
    attack: dict[str, int],
    budgets: list[int],
) -> Answers:
    from ironbound.attacks import Noised, robust_accuracy

    settings = context.settings
    net, recipe = trained(name)
    random = recipe.sigma > 0.0 or recipe.network == "hycas"
    fresh = torch.Generator().manual_seed(context.seed)
    model = Noised(net, recipe.sigma, fresh) if recipe.sigma > 0.0 else net
    chosen: dict[str, Any] = attack | {"eot": attack["eot"] if random else 1}
    clean, right = 0.0, dict[str, list[int]]()
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
        clean = clean if right else 100.0 * one.clean
        right[str(eps)] = [int(stayed) for stayed in one.right]
        context.progress(f"attacking {name}", len(right) / len(budgets))
    return {"clean": clean, "right": right}
