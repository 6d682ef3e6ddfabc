"""HyCAS on images: certified accuracy against radius, accuracy under APGD, and ablations, from one pattern.

Networks are trained by the experiment itself, into its folder, and certified in pieces. A row of a table is
one deployed classifier; no row is a maximum over classifiers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, cast

from torch import nn

from ironbound.data.images import ImageSet
from ironbound.errors import ConfigError
from ironbound.experiments.context import Context
from ironbound.experiments.curves import plot
from ironbound.experiments.hycas_attacks import attacked, strengths
from ironbound.experiments.hycas_choice import candidates
from ironbound.experiments.measure import Row, accuracy, certified
from ironbound.experiments.paired import balanced, mcnemar, only
from ironbound.experiments.result import Cell, Result, Table
from ironbound.lipschitz import HyCASNet, bound, cost
from ironbound.training.data import official_test, pictures
from ironbound.training.loop import train
from ironbound.training.networks import input_shape
from ironbound.training.recipe import Recipe
from ironbound.training.tasks import Classifier, problem, spread

__all__ = ["NAMES", "figure"]

SHARD = 20
NAMES = {
    "votes": "votes under noise",
    "expected": "expected logits, no input noise",
    "ramp": "mean ramp score under noise",
}


def figure(context: Context) -> Result:
    """Certified accuracy of every classifier named in the settings, and accuracy under attack.

    Settings: data; networks (name -> changes of a recipe); certified (pairs "network:classifier"); images,
    and fewer of them for some pairs (fewer); draws, alpha; options (classifier -> settings of it); radii,
    plot; paired (two pairs of the same images each); attacked (names of networks), attacked_images,
    attacked_pairs, eps (in 1/255), eot, judge, attack_steps; strong, strong_images, strengths (see
    `hycas_attacks`); held_out (see `hycas_choice`; none if absent); notes.

    Published figures: columns, rows and a note, printed as they are.

    A piece is made again only if what it depends on changes: another row costs that row.
    """
    settings = context.settings
    found: dict[str, list[Row]] = {}
    for key in settings["certified"]:
        name, _, classifier = str(key).partition(":")
        found[key] = _certified(context, name, classifier)
    tables = [*_shares(context, found), _costs(context)]
    trained, narrow = partial(_network, context), partial(_narrow, context)
    if settings["paired"]:
        tables.append(_paired(context, found))
    test = official_test(Recipe(name="", data=settings["data"]))
    if settings["attacked"]:
        tables += attacked(context, trained, narrow, test)
    if settings["strong"]:
        tables += strengths(context, trained, narrow, test)
    if "held_out" in settings:
        tables.append(candidates(context, trained, narrow))
    if context.published:
        published = context.published
        rows = tuple(tuple(row) for row in published["rows"])
        tables.append(Table("Published figures", tuple(published["columns"]), rows, published["note"]))
    picture = f"{context.name}.png"
    grid = list(settings["plot"])
    lines = {_label(key): (grid, accuracy(rows, 0, grid)) for key, rows in found.items()}
    title = f"{settings['data']}: certified accuracy in % at l2 radius r"
    plot(context.folder / picture, lines, title=title, x="l2 radius, pixels in [0, 1]")
    return Result(tuple(tables), (picture,), tuple(settings["notes"]))


def _label(key: str) -> str:
    name, _, classifier = key.partition(":")
    return f"{name}, {NAMES[classifier]}"


def _images(context: Context, key: str) -> int:
    return context.settings["fewer"].get(key, context.settings["images"])


def _shares(context: Context, found: dict[str, list[Row]]) -> list[Table]:
    """Certified accuracy over images, and averaged over classes."""
    settings, radii = context.settings, list(context.settings["radii"])
    heads = ("classifier", "images", *(f"r = {r:g}" for r in radii))
    note = (
        f"Test images, evenly spread; n = {settings['draws']:,}, alpha = {settings['alpha']}. A share has a "
        f"95 % interval of at most +-{_interval(settings['images']):.1f} points for {settings['images']} "
        "images. Every certificate was re-checked. Rows are different classifiers; the largest of several "
        "rows is no certificate of any of them."
    )
    title = f"{settings['data']}: certified accuracy in % at l2 radius r"
    first = [(_label(key), len(rows), *accuracy(rows, 0, radii)) for key, rows in found.items()]
    second = [(_label(key), len(rows), *balanced(rows, radii)) for key, rows in found.items()]
    even = "Every class counts the same here, so a constant answer gets 100 % over the number of classes."
    return [
        Table(title, heads, tuple(first), note),
        Table(f"{title}, mean over the classes", heads, tuple(second), even),
    ]


def _interval(count: int) -> float:
    return 100 * 1.96 * math.sqrt(0.25 / count)


def _paired(context: Context, found: dict[str, list[Row]]) -> Table:
    """McNemar's exact test for every pair and radius."""
    rows: list[tuple[Cell, ...]] = []
    for one, two in context.settings["paired"]:
        if one not in found or two not in found or _images(context, one) != _images(context, two):
            raise ConfigError(f"paired: {one} and {two} must both be certified, on the same images")
        for r in context.settings["radii"]:
            counts = only(found[one], found[two], r)
            rows.append((_label(one), _label(two), r, *counts, mcnemar(*counts)))
    columns = ("first", "second", "r", "only the first certifies", "only the second", "p")
    note = (
        "McNemar's exact test, two-sided, of each radius by itself; nothing is corrected for several tests."
    )
    return Table("Pairs on the same images", columns, tuple(rows), note)


def _recipe(context: Context, name: str) -> Recipe:
    changes = dict(context.settings["networks"][name])
    short = f"{context.settings['data']}-{name}".replace(" ", "-")
    return Recipe(name=short, data=context.settings["data"], seed=context.seed).changed(**changes)


def _network(context: Context, name: str) -> tuple[nn.Module, Recipe]:
    """Trained in the experiment's folder; a training that is complete there is only read."""
    recipe = _recipe(context, name)
    folder = context.folder / "networks" / recipe.name
    return train(recipe, pictures(recipe), folder, progress=context.progress), recipe


def _narrow(context: Context, name: str, depends: Mapping[str, Any]) -> Context:
    """A context whose pieces depend on one network and on these values only."""
    return replace(context, settings={"recipe": _recipe(context, name).record(), **depends})


def _certified(context: Context, name: str, classifier: str) -> list[Row]:
    """Rows of all images, certified and kept in shards."""
    net, recipe = _network(context, name)
    settings = context.settings
    count = _images(context, f"{name}:{classifier}")
    data = spread(official_test(recipe), count)
    depends = {key: settings[key] for key in ("draws", "alpha")}
    depends |= {"images": count, "options": settings["options"].get(classifier, {})}
    known = _narrow(context, name, depends)
    rows: list[Row] = []
    for start in range(0, len(data), SHARD):
        key = f"certified-{name}-{classifier}-{start:04d}"
        rows += known.piece(key, partial(_shard, context, net, recipe, data, classifier, start))
        context.progress(f"certifying {name}, {classifier}", len(rows) / len(data))
    return rows


def _shard(
    context: Context, net: nn.Module, recipe: Recipe, data: ImageSet, classifier: str, start: int
) -> list[Row]:
    settings = context.settings
    chosen: dict[str, Any] = {"alpha": settings["alpha"], "n": settings["draws"], "n0": 64}
    chosen |= {"seed": context.seed, **settings["options"].get(classifier, {})}
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
