"""Accuracy of trained networks under AutoAttack, checks of their gradients, and curves; one row a network.

Networks are a list in the settings: a preset or a recipe, trained here, or a folder of `ironbound train`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ironbound.attacks import Noised, RobustnessCurves, gradient_checks, robust_accuracy, robustness_curves
from ironbound.attacks.robust import RobustAccuracy
from ironbound.data.images import ImageSet
from ironbound.data.training import single_thread
from ironbound.errors import ConfigError
from ironbound.experiments.context import Context
from ironbound.experiments.result import Cell, Result, Table
from ironbound.report.robustness import robustness_figure
from ironbound.training.data import official_test, pictures
from ironbound.training.loop import train
from ironbound.training.recipe import Recipe, preset
from ironbound.training.tasks import spread
from ironbound.training.trained import load_network

SHARD = 8
_KEYS = {"name", "preset", "recipe", "folder", "surrogate"}


@dataclass(frozen=True)
class Attacked:
    """A network as an attacker meets it: with the noise it was trained under.

    Attributes:
        name: in the tables.
        model: images to logits; draws fresh noise in every pass if `random`.
        recipe: of its training.
    """

    name: str
    model: nn.Module
    recipe: Recipe

    @property
    def random(self) -> bool:
        """Whether two passes differ."""
        return self.recipe.sigma > 0.0 or self.recipe.network == "hycas"

    @property
    def trained(self) -> str:
        """How, in a few words."""
        r = self.recipe
        how = {"noise": "", "adversarial": "adversarial, ", "smoothadv": "SmoothAdv, ", "trades": "TRADES, "}
        budget = f"{r.norm} {255 * r.eps:g}/255, " if r.method != "noise" else ""
        return f"{r.network}, {how[r.method]}{budget}sigma {r.sigma:g}, {r.steps:,} steps"


def figure(context: Context) -> Result:
    """Robust accuracy of each network under AutoAttack, whether its gradients can be trusted, and curves.

    Settings: data; networks (tables with a name and a preset, a recipe, or a folder); images, eps (in 1/255),
    steps, eot; checked (names of networks), checked_images, checked_eps, surrogate (name of the network whose
    adversarial images are tried on the others); curved (names), curve_images, curve_eps, curve_steps; notes.
    """
    settings = context.settings
    names = [str(one["name"]) for one in settings["networks"]]
    rows: list[tuple[Cell, ...]] = []
    with single_thread():
        for i, name in enumerate(names):
            attacked = _network(context, name)
            cells = [_strongest(context, attacked, eps) for eps in settings["eps"]]
            rows.append((name, attacked.trained, cells[0][0], *(robust for _, robust in cells)))
            context.progress("attacking", (i + 1) / len(names))
        checks = [(name, *_checks(context, _network(context, name))) for name in settings["checked"]]
        curves = {name: _curves(context, _network(context, name)) for name in settings["curved"]}
    picture = "autoattack.png"
    content = robustness_figure(curves, "png", "pixels in [0, 1]")
    (context.folder / picture).write_bytes(content)
    tables = (_main(context, rows), _trust(context, checks), _table(curves))
    return Result(tables, (picture,), tuple(settings["notes"]))


def _recipe(context: Context, one: Mapping[str, Any]) -> Recipe:
    """The recipe of a network without a folder."""
    if unknown := set(one) - _KEYS:
        raise ConfigError(f"network {one.get('name')!r}: unknown keys {', '.join(sorted(unknown))}")
    name = f"{context.settings['data']}-{one['name']}".replace(" ", "-")
    changes = {"data": context.settings["data"], "seed": context.seed, **one.get("recipe", {})}
    base = preset(one["preset"]) if "preset" in one else Recipe(name=name)
    return base.changed(**{**changes, "name": name})


def _network(context: Context, name: str) -> Attacked:
    """Read from its folder, or trained in the experiment's; a training that is complete is only read."""
    (one,) = (n for n in context.settings["networks"] if n["name"] == name)
    if "folder" in one:
        net, recipe = load_network(Path(one["folder"]).expanduser())
    else:
        recipe = _recipe(context, one)
        folder = context.folder / "networks" / recipe.name
        net = train(recipe, pictures(recipe), folder, progress=context.progress)
    noise = torch.Generator().manual_seed(context.seed)
    model = Noised(net, recipe.sigma, noise) if recipe.sigma > 0.0 else net
    return Attacked(name, model.eval(), recipe)


def _images(context: Context, attacked: Attacked, count: int) -> tuple[Any, Any]:
    data: ImageSet = spread(official_test(attacked.recipe), count)
    return data.scaled(), np.asarray(data.labels)


def _settings(context: Context, attacked: Attacked) -> dict[str, Any]:
    return {"eot": context.settings["eot"] if attacked.random else 1, "seed": context.seed}


def _piece(context: Context, kind: str, attacked: Attacked, make: Callable[[], Any], **depends: Any) -> Any:
    """A piece that depends on one network and on these values only: rows can be added without the others."""
    known = {"recipe": attacked.recipe.record(), "eot": context.settings["eot"], **depends}
    narrow = replace(context, settings=known)
    return narrow.piece(f"{kind}-{attacked.name.replace(' ', '-')}", make)


def _strongest(context: Context, attacked: Attacked, eps: int) -> tuple[float, float]:
    """Accuracy in percent without attack, and what both attacks of the ensemble leave together."""
    images, labels = _images(context, attacked, context.settings["images"])
    clean = robust = 0
    for start in range(0, len(labels), SHARD):
        part = slice(start, start + SHARD)

        def make(part: slice = part) -> list[int]:
            found = robust_accuracy(
                attacked.model, images[part], labels[part], eps=eps / 255, attack="autoattack",
                steps=context.settings["steps"], **_settings(context, attacked),
            )  # fmt: skip
            return [round(found.clean * len(found.right)), sum(found.right)]

        depends = {"images": len(labels), "steps": context.settings["steps"]}
        counts = _piece(context, f"autoattack-{eps}-{start:04d}", attacked, make, **depends)
        clean, robust = clean + counts[0], robust + counts[1]
    return 100 * clean / len(labels), 100 * robust / len(labels)


def _checks(context: Context, attacked: Attacked) -> tuple[Cell, ...]:
    """Signs of masked gradients: vanishing ones, Square, images made for another network, a large budget."""
    settings = context.settings

    def make() -> list[Cell]:
        other = settings["surrogate"]
        found = gradient_checks(
            attacked.model, *_images(context, attacked, settings["checked_images"]),
            eps=settings["checked_eps"] / 255, steps=settings["steps"],
            surrogate=_network(context, other).model if other != attacked.name else None,
            **_settings(context, attacked),
        )  # fmt: skip
        transfer = None if found.transfer is None else 100 * found.transfer
        return [
            100 * found.zero_gradients, 100 * found.white_box, 100 * found.square, transfer,
            100 * found.larger, str(found),
        ]  # fmt: skip

    names = ("checked_images", "checked_eps", "steps", "surrogate")
    return tuple(_piece(context, "checks", attacked, make, **{name: settings[name] for name in names}))


def _curves(context: Context, attacked: Attacked) -> RobustnessCurves:
    settings = context.settings

    def make() -> dict[str, list[dict[str, Any]]]:
        found = robustness_curves(
            attacked.model, *_images(context, attacked, settings["curve_images"]),
            eps=[e / 255 for e in settings["curve_eps"]], steps=settings["curve_steps"],
            **_settings(context, attacked),
        )  # fmt: skip
        parts = {"against_eps": found.against_eps, "against_steps": found.against_steps}
        return {name: [one.record() for one in several] for name, several in parts.items()}

    depends = {name: settings[name] for name in ("curve_images", "curve_eps", "curve_steps")}
    kept = _piece(context, "curves", attacked, make, **depends)
    return RobustnessCurves(**{name: tuple(map(_read, several)) for name, several in kept.items()})


def _read(record: Mapping[str, Any]) -> RobustAccuracy:
    """A figure from its record, without the images."""
    known = {f.name for f in fields(RobustAccuracy)} & set(record)
    figures = {name: record[name] for name in known}
    return RobustAccuracy(**figures, right=(), adversarial=np.zeros(0, dtype=np.float32))


def _main(context: Context, rows: list[tuple[Cell, ...]]) -> Table:
    s = context.settings
    note = (
        f"AutoAttack of the toolbox in parts: APGD on cross-entropy, {s['steps']} steps, then Square, "
        f"{10 * s['steps']} queries, on what is left; one random start each. The logit difference ratio "
        f"needs three classes, DeepFool is left out. {s['images']} test images, evenly spread (95 % "
        f"intervals of at most +-{98 / s['images'] ** 0.5:.0f} points). Networks that draw noise are "
        f"attacked with it, {s['eot']} passes averaged in every gradient, and judged by the mean logits of "
        f"{4 * s['eot']} fresh passes. "
        "Estimates from above: no certificates."
    )
    heads = ("network", "trained", "clean, %", *(f"linf {eps}/255, %" for eps in s["eps"]))
    return Table(f"{s['data']}: accuracy under AutoAttack", heads, tuple(rows), note)


def _trust(context: Context, rows: list[tuple[Cell, ...]]) -> Table:
    s = context.settings
    note = (
        f"At linf {s['checked_eps']}/255 on {s['checked_images']} images. Shares that stay right under APGD, "
        f"under Square ({10 * s['steps']} queries), on images made for {s['surrogate']!r}, and under APGD at "
        "ten times the budget. A black-box or transferred attack that does better by more than two standard "
        "errors, or gradients that vanish, would say that the white-box figure cannot be trusted."
    )
    heads = (
        "network",
        "zero gradients, %",
        "APGD, %",
        "Square, %",
        "transfer, %",
        "10 x budget, %",
        "verdict",
    )
    return Table(f"{s['data']}: can the white-box figures be trusted?", heads, tuple(rows), note)


def _table(curves: Mapping[str, RobustnessCurves]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, one in curves.items():
        eps = [100 * a.robust for a in one.against_eps]
        rows.append((name, *eps, *(100 * a.robust for a in one.against_steps)))
    first = next(iter(curves.values()))
    heads = [f"{255 * a.eps:g}/255" for a in first.against_eps]
    heads += [f"{a.steps} steps" for a in first.against_steps]
    most, largest = first.against_eps[0].steps, first.against_eps[-1].eps
    note = (
        f"APGD. Budgets at {most} steps, then numbers of steps at {255 * largest:g}/255; the figure's points."
    )
    return Table("Accuracy in % against budget and against steps", ("network", *heads), tuple(rows), note)
