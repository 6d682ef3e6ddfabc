"""Adaptive smoothing (ARS) against plain randomised smoothing: one backbone, one effective sigma, two norms.

Each row is one classifier. In the 2-norm ARS is a map of plain noise of its effective sigma: nothing can be
gained but by training. In the max-norm a mask moves noise to where it does no harm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ironbound.channels import AdaptiveGaussian, Gaussian, Smoothing
from ironbound.channels.adaptive import effective_sigma
from ironbound.data.images import ImageSet
from ironbound.data.problem import Example, Problem
from ironbound.data.training import OneThread, network_digest, single_thread
from ironbound.experiments.context import Context
from ironbound.experiments.curves import plot
from ironbound.experiments.measure import Row, accuracy, certified
from ironbound.experiments.result import Cell, Result, Table
from ironbound.models.torch import TorchClassifier
from ironbound.smoothing.adaptive import TorchMask, released
from ironbound.threats import L2, LInf, Threat
from ironbound.training.data import Pictures, official_test, pictures
from ironbound.training.loop import rate_at
from ironbound.training.networks import build, input_shape, num_classes
from ironbound.training.recipe import Recipe
from ironbound.training.tasks import spread

SHARD = 20
UNIT = "pixel in [0, 1]"


class MaskNet(nn.Module):
    """Images (B, C, H, W) -> logits of a mask of that shape; three convolutions at half size and one at full.

    Args:
        channels, width: of the images, and between.
        start: the logit that every mask begins with.
    """

    def __init__(self, channels: int, width: int, start: float) -> None:
        super().__init__()
        self.start = start
        self.down = nn.Sequential(
            nn.Conv2d(channels, width, 5, padding=2, stride=2), nn.ReLU(),
            nn.Conv2d(width, width, 5, padding=2), nn.ReLU(),
            nn.Conv2d(width, width, 5, padding=2), nn.ReLU(),
        )  # fmt: skip
        self.last = nn.Conv2d(width, channels, 3, padding=1)
        # The mask begins even, which is plain noise; training moves away from there.
        nn.init.zeros_(self.last.weight)

    def forward(self, x: Tensor) -> Tensor:
        up = functional.interpolate(self.down(x), size=x.shape[-2:], mode="bilinear", align_corners=False)
        return self.last(up) + self.start


def figure(context: Context) -> Result:
    """Certified accuracy of ARS and of RS with the same backbone, data, steps and effective sigma.

    Settings: data; sigma; share (of 1/sigma^2 that stage one spends); rows (name -> "plain", "l2" or "linf");
    mask_width, steps, batch, rate; images, draws, alpha; radii (2-norm), levels (max-norm, in 1/255); notes.
    """
    settings = context.settings
    with single_thread():
        found = {name: _certified(context, name) for name in settings["rows"]}
    size = math.prod(input_shape(_recipe(context)))
    first = _table(context, found, "l2", settings["radii"], 1.0)
    # A shift of at most r in every entry has a 2-norm of at most r sqrt(D).
    levels = [level / 255 for level in settings["levels"]]
    second = _table(context, found, "linf", levels, math.sqrt(size))
    lines = {}
    for name, rows in found.items():
        scale = 1.0 if settings["rows"][name] == "linf" else math.sqrt(size)
        if settings["rows"][name] != "l2":
            grid = [0.5 * k / 255 for k in range(25)]
            lines[name] = ([255 * r for r in grid], accuracy(rows, 0, [scale * r for r in grid]))
    curves, masks = "ars-pneumonia.png", "ars-masks.png"
    title = f"{settings['data']}: certified accuracy against the max-norm"
    plot(context.folder / curves, lines, title=title, x="max-norm radius, in 1/255")
    _draw_masks(context, masks)
    return Result((first, second, _costs(context)), (curves, masks), tuple(settings["notes"]))


def _table(
    context: Context, found: dict[str, list[Row]], norm: str, radii: list[float], factor: float
) -> Table:
    """Rows certified in this norm, and plain smoothing beside them."""
    settings = context.settings
    rows: list[tuple[Cell, ...]] = []
    for name, certificates in found.items():
        kind = settings["rows"][name]
        if kind not in (norm, "plain"):
            continue
        scale = factor if kind == "plain" else 1.0
        rows.append((name, *accuracy(certificates, 0, [scale * r for r in radii])))
    count = settings["images"]
    note = (
        f"{count} test images, evenly spread; effective sigma {settings['sigma']}, "
        f"n = {settings['draws']:,}, alpha = {settings['alpha']}; every certificate was re-checked. A "
        f"share has a 95 % interval of at most +-{98 / math.sqrt(count):.1f} points."
    )
    title = f"{settings['data']}: certified accuracy in % at "
    if norm == "l2":
        heads = tuple(f"r = {r:g}" for r in radii)
        return Table(f"{title}2-norm r", ("classifier", *heads), tuple(rows), note)
    heads = tuple(f"{255 * r:g}/255" for r in radii)
    note += " Plain smoothing: the ball of 2-norm r sqrt(D) contains that of max-norm r."
    return Table(f"{title}max-norm r", ("classifier", *heads), tuple(rows), note)


def _recipe(context: Context) -> Recipe:
    s = context.settings
    return Recipe(
        name="ars", data=s["data"], network="plain", temperature=1.0, auxiliary=0.0, sigma=s["sigma"],
        steps=s["steps"], batch=s["batch"], rate=s["rate"], seed=context.seed,
    )  # fmt: skip


def _channel(context: Context, kind: str, mask: TorchMask) -> AdaptiveGaussian | Gaussian:
    """Noise of the same effective sigma for every kind."""
    s = context.settings
    one, two = s["sigma"] / math.sqrt(s["share"]), s["sigma"] / math.sqrt(1.0 - s["share"])
    if kind == "plain":
        return Gaussian(effective_sigma(one, two), 0.0, 1.0, UNIT)
    size = math.prod(input_shape(_recipe(context)))
    return AdaptiveGaussian(one, two, mask, mask.digest, kind, size, 0.0, 1.0, UNIT)  # type: ignore[arg-type]


def _networks(context: Context, name: str) -> tuple[nn.Module, nn.Module]:
    """Backbone and mask network of a row, trained jointly; read back where they were trained before."""
    s, recipe = context.settings, _recipe(context)
    kind = s["rows"][name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(context.seed)
        mask = MaskNet(input_shape(recipe)[0], s["mask_width"], 2.0 if kind == "l2" else 0.0)
    nets = nn.ModuleList([build(recipe), mask])
    path = context.folder / f"weights-{name.replace(' ', '-')}.safetensors"
    told = _told(context, kind)
    from safetensors import safe_open
    from safetensors.torch import save_file

    if path.is_file():
        with safe_open(path, framework="pt") as opened:
            if (opened.metadata() or {}).get("settings") == told:
                nets.load_state_dict({key: opened.get_tensor(key) for key in opened.keys()})  # noqa: SIM118
                return nets.eval()[0], nets[1]
    _train(nets, kind, context, recipe, partial(context.progress, f"training {name}"))
    save_file({key: value.contiguous() for key, value in nets.state_dict().items()}, path, {"settings": told})
    return nets.eval()[0], nets[1]


def _told(context: Context, kind: str) -> str:
    s = context.settings
    names = ("data", "sigma", "share", "mask_width", "steps", "batch", "rate")
    return repr([kind, context.seed, *(s[name] for name in names)])


def _train(
    nets: nn.ModuleList, kind: str, context: Context, recipe: Recipe, progress: Callable[[float], None]
) -> None:
    """Cross-entropy under the noise of the row; both networks together."""
    data: Pictures = pictures(recipe)
    generator = torch.Generator().manual_seed(recipe.seed)
    draw = data.sampler(balanced=False)
    channel = _channel(context, kind, TorchMask(nets[1]))
    optimiser = torch.optim.AdamW(nets.parameters(), recipe.rate, weight_decay=recipe.decay)
    nets.train()
    for step in range(recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = rate_at(step, recipe)
        x, y = draw(recipe.batch, generator)
        if isinstance(channel, Gaussian):
            shown = x + channel.sigma * torch.randn(x.shape, generator=generator)
        else:
            shown = released(x, nets[1], channel, generator)
        loss = functional.cross_entropy(nets[0](shown), y)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(nets.parameters(), 1.0)
        optimiser.step()
        progress((step + 1) / recipe.steps)


def _problem(context: Context, name: str, data: ImageSet) -> Problem:
    kind, recipe = context.settings["rows"][name], _recipe(context)
    backbone, mask = _networks(context, name)
    images = data.scaled()
    return Problem(
        name=f"ars-{name}",
        examples=tuple(
            Example(id=f"image-{i:05d}", inputs={"image": x}, label=int(data.labels[i]))
            for i, x in enumerate(images)
        ),
        base=OneThread(TorchClassifier(backbone, arguments=["image"])),
        smoothing=Smoothing(image=_channel(context, kind, TorchMask(mask))),
        threat=Threat(image=LInf() if kind == "linf" else L2()),
        num_classes=num_classes(recipe),
        class_names=data.class_names,
        rivals="complement",
        model_digest=network_digest(nn.ModuleList([backbone, mask])),
        data_digest="",
        statistics={"alpha": context.settings["alpha"], "n": context.settings["draws"], "n0": 64},
    )


def _certified(context: Context, name: str) -> list[Row]:
    """Rows of all images, certified and kept in shards."""
    data = spread(official_test(_recipe(context)), context.settings["images"])
    problem = _problem(context, name, data)
    rows: list[Row] = []
    for start in range(0, len(data), SHARD):
        part = _part(problem, start)
        rows += context.piece(
            f"certified-{name}-{start:04d}", partial(certified, part, SHARD, seed=context.seed)
        )
        context.progress(f"certifying {name}", len(rows) / len(data))
    return rows


def _part(problem: Problem, start: int) -> Problem:
    from dataclasses import replace

    return replace(problem, examples=problem.examples[start : start + SHARD])


def _costs(context: Context) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, kind in context.settings["rows"].items():
        backbone, mask = _networks(context, name)
        counts = [sum(p.numel() for p in net.parameters()) for net in (backbone, mask)]
        rows.append((name, counts[0], None if kind == "plain" else counts[1], _spared(context, name)))
    columns = ("classifier", "backbone parameters", "mask parameters", "least noise / effective sigma")
    note = (
        "The last column: standard deviation of what is shown in the tenth of the pixels where it is least, "
        "over the effective sigma; mean over 20 test images."
    )
    return Table("Networks", columns, tuple(rows), note)


def _spared(context: Context, name: str) -> float | None:
    kind = context.settings["rows"][name]
    if kind == "plain":
        return None
    deviations = _deviations(context, name, 20)[1]
    tenth = np.sort(deviations.reshape(len(deviations), -1), axis=1)[:, : deviations[0].size // 10]
    return float(tenth.mean()) / context.settings["sigma"]


def _deviations(context: Context, name: str, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, the standard deviation of what is shown of them given one mask, and that mask."""
    s, kind = context.settings, context.settings["rows"][name]
    mask_net = _networks(context, name)[1]
    x = spread(official_test(_recipe(context)), count).scaled()
    channel = _channel(context, kind, TorchMask(mask_net))
    assert isinstance(channel, AdaptiveGaussian)
    noise = np.random.default_rng(context.seed).standard_normal(x.shape).astype(np.float32)
    mask = channel.mask(x + np.float32(channel.first) * noise)
    sigma = np.full((len(x), 1, 1, 1), channel.second)
    if kind == "linf":
        sigma = channel.second * np.sqrt((mask**2).mean(axis=(1, 2, 3), keepdims=True))
    precision = 1 / channel.first**2 + mask**2 / sigma**2
    assert s["sigma"] > 0
    return x, 1 / np.sqrt(precision), mask


def _draw_masks(context: Context, name: str) -> None:
    """Pictures, masks, and how much noise is left where."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    kinds = [row for row, kind in context.settings["rows"].items() if kind != "plain"]
    shown = min(6, context.settings["images"])
    figure = Figure(figsize=(1.5 * shown, 1.5 * (1 + 2 * len(kinds)) + 0.3), layout="constrained")
    FigureCanvasAgg(figure)
    grid = np.atleast_2d(figure.subplots(1 + 2 * len(kinds), shown))
    for i, row in enumerate(kinds):
        x, deviation, mask = _deviations(context, row, shown)
        panels = [(0, x, "image", (0, 1)), (1 + 2 * i, mask, f"mask, {row}", (0, 1))]
        panels.append((2 + 2 * i, deviation, f"noise left, {row}", (0, 2 * context.settings["sigma"])))
        for place, values, title, (low, high) in panels:
            for k in range(shown):
                axes = grid[place, k]
                axes.imshow(values[k, 0], cmap="gray" if place == 0 else "viridis", vmin=low, vmax=high)
                axes.set_axis_off()
            grid[place, 0].set_title(title, loc="left", fontsize=8)
    figure.savefig(context.folder / name, dpi=120, metadata={"Software": None})
