"""HyCAS on images: certified accuracy against radius, accuracy under APGD, and ablations, from one pattern.

Networks are trained by the experiment itself, into its folder, and certified in pieces. A row of a table is
one deployed classifier; no row is a maximum over classifiers.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from ironbound.data.images import ImageSet
from ironbound.experiments.context import Context
from ironbound.experiments.curves import plot
from ironbound.experiments.measure import Row, accuracy, certified
from ironbound.experiments.result import Cell, Result, Table
from ironbound.lipschitz import HyCASNet, bound, cost
from ironbound.training.data import official_test, pictures
from ironbound.training.loop import train
from ironbound.training.networks import input_shape
from ironbound.training.recipe import Recipe
from ironbound.training.tasks import Classifier, problem, spread

SHARD = 20
NAMES = {
    "votes": "votes under noise",
    "expected": "expected logits, no input noise",
    "ramp": "mean ramp score under noise",
}


class Noisy(nn.Module):
    """A network behind Gaussian noise, fresh in every pass: what an attack on a smoothed classifier sees."""

    def __init__(self, net: nn.Module, sigma: float, seed: int) -> None:
        super().__init__()
        self.net = net
        self.sigma = sigma
        self.generator = torch.Generator().manual_seed(seed)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x + self.sigma * torch.randn(x.shape, generator=self.generator))


def figure(context: Context) -> Result:
    """Certified accuracy of every classifier named in the settings, and accuracy under attack.

    Settings: data; networks (name -> changes of a recipe); certified (pairs "network:classifier"); attacked
    (names of networks); images, attacked_images; draws, alpha; radii, plot; eps (in 1/255), eot,
    attack_steps; notes.
    """
    settings = context.settings
    found: dict[str, list[Row]] = {}
    for key in settings["certified"]:
        name, _, classifier = str(key).partition(":")
        found[key] = _certified(context, name, classifier)
    radii, grid = list(settings["radii"]), list(settings["plot"])
    count = settings["images"]
    rows: list[tuple[Cell, ...]] = []
    lines = {}
    for key, certificates in found.items():
        name, _, classifier = key.partition(":")
        label = f"{name}, {NAMES[classifier]}"
        rows.append((label, *accuracy(certificates, 0, radii)))
        lines[label] = (grid, accuracy(certificates, 0, grid))
    worst = 100 * 1.96 * math.sqrt(0.25 / count)
    note = (
        f"{count} test images, evenly spread; n = {settings['draws']:,}, alpha = {settings['alpha']}. A "
        f"share has a 95 % interval of at most +-{worst:.1f} points. Every certificate was re-checked. "
        "Rows are different classifiers; the largest of several rows is no certificate of any of them."
    )
    title = f"{settings['data']}: certified accuracy in % at l2 radius r"
    tables = [Table(title, ("classifier", *(f"r = {r:g}" for r in radii)), tuple(rows), note)]
    tables.append(_costs(context))
    if settings["attacked"]:
        tables.append(_attacked(context))
    picture = f"hycas-{settings['data']}.png"
    plot(context.folder / picture, lines, title=title, x="l2 radius, pixels in [0, 1]")
    return Result(tuple(tables), (picture,), tuple(settings["notes"]))


def _recipe(context: Context, name: str) -> Recipe:
    changes = dict(context.settings["networks"][name])
    short = f"{context.settings['data']}-{name}".replace(" ", "-")
    return Recipe(name=short, data=context.settings["data"], seed=context.seed).changed(**changes)


def _network(context: Context, name: str) -> tuple[nn.Module, Recipe]:
    """Trained in the experiment's folder; a training that is complete there is only read."""
    recipe = _recipe(context, name)
    folder = context.folder / "networks" / recipe.name
    return train(recipe, pictures(recipe), folder, progress=context.progress), recipe


def _certified(context: Context, name: str, classifier: str) -> list[Row]:
    """Rows of all images, certified and kept in shards."""
    net, recipe = _network(context, name)
    data = spread(official_test(recipe), context.settings["images"])
    rows: list[Row] = []
    for start in range(0, len(data), SHARD):
        key = f"certified-{name}-{classifier}-{start:04d}"
        rows += context.piece(key, partial(_shard, context, net, recipe, data, classifier, start))
        context.progress(f"certifying {name}, {classifier}", len(rows) / len(data))
    return rows


def _shard(
    context: Context, net: nn.Module, recipe: Recipe, data: ImageSet, classifier: str, start: int
) -> list[Row]:
    settings = context.settings
    chosen: dict[str, Any] = {"alpha": settings["alpha"], "n": settings["draws"], "n0": 64}
    chosen["seed"] = context.seed
    if classifier == "votes":
        task = problem("experiment", net, recipe, data, "votes")
        part = replace(task, examples=task.examples[start : start + SHARD])
        return certified(part, SHARD, **chosen)
    task = problem("experiment", net, recipe, data, cast(Classifier, classifier), **chosen)
    assert task.certifier is not None
    rows: list[Row] = []
    for example in task.examples[start : start + SHARD]:
        cert = task.certifier.certify(example.inputs, input_id=example.id)
        cert.verify()
        found = {"id": example.id, "label": example.label, "prediction": cert.prediction}
        rows.append({**found, "samples": cert.samples, "frontier": [[0, cert.frontier[0]]]})
    return rows


def _costs(context: Context) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name in context.settings["networks"]:
        net, recipe = _network(context, name)
        used = cost(net, input_shape(recipe))
        constant = bound(net, input_shape(recipe)).value if isinstance(net, HyCASNet) else None
        log = _last(context, recipe)
        rows.append((name, used.parameters, used.multiply_adds, constant, log["validation"]))
    columns = ("network", "parameters", "multiply-adds", "ledger bound", "held out under its noise, %")
    return Table("Networks", columns, tuple(rows), "No ledger bound is stated for a plain network.")


def _last(context: Context, recipe: Recipe) -> dict[str, Any]:
    from ironbound.training.log import Log

    folder = context.folder / "networks" / recipe.name
    return Log(folder / "metrics.jsonl", recipe.steps).lines[-1]


def _attacked(context: Context) -> Table:
    settings = context.settings
    rows: list[tuple[Cell, ...]] = []
    for name in settings["attacked"]:
        cells = context.piece(f"attacked-{name}", partial(_under_attack, context, name))
        rows.append((name, *cells))
    columns = ("network", "clean, %", *(f"linf {eps}/255, %" for eps in settings["eps"]))
    note = (
        f"APGD on cross-entropy, {settings['attack_steps']} steps, {settings['attacked_images']} images; "
        f"networks trained under noise are attacked with their noise, {settings['eot']} passes averaged in "
        "every gradient, and judged by the mean logits of fresh passes. An estimate, no certificate."
    )
    return Table(f"{settings['data']}: accuracy under attack", columns, tuple(rows), note)


def _under_attack(context: Context, name: str) -> list[float]:
    from ironbound.attacks import robust_accuracy

    settings = context.settings
    net, recipe = _network(context, name)
    data = spread(official_test(recipe), settings["attacked_images"])
    random = recipe.sigma > 0.0 or recipe.network == "hycas"
    model = Noisy(net, recipe.sigma, context.seed) if recipe.sigma > 0.0 else net
    found: list[float] = []
    for eps in settings["eps"]:
        one = robust_accuracy(
            model.eval(),
            data.scaled(),
            np.asarray(data.labels),
            eps=eps / 255,
            attack="apgd",
            steps=settings["attack_steps"],
            eot=settings["eot"] if random else 1,
            seed=context.seed,
        )
        found += [100.0 * one.clean] if not found else []
        found.append(100.0 * one.robust)
    return found
