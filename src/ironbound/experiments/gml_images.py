"""GML on images: exact radii behind encoders with a constant, against smoothing and nearest class means."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy.special import ndtri
from torch import nn

from ironbound.channels import Gaussian, Smoothing
from ironbound.data import digits, sets
from ironbound.data.training import OneThread, single_thread
from ironbound.experiments.context import Context
from ironbound.experiments.curves import plot
from ironbound.experiments.result import Cell, Result, Table
from ironbound.latent import (
    EncodedClassifier,
    GaussianClassifier,
    LinearEncoder,
    NetworkEncoder,
    certified_accuracy,
    kl_estimate,
    mnist_task,
    transfer,
    tv_lower_bound,
)
from ironbound.models.torch import TorchClassifier
from ironbound.smoothing import SmoothedClassifier
from ironbound.threats import L2, Threat

Record = dict[str, Any]
HEADS: tuple[dict[str, Any], ...] = (
    {"covariance": "shared", "shrinkage": 1.0},
    {"covariance": "shared", "shrinkage": 0.5},
    {"covariance": "full", "shrinkage": 0.9},
    {"covariance": "full", "shrinkage": 0.5},
    {"covariance": "full", "shrinkage": "ledoit-wolf"},
)
NOTE = (
    "Deterministic rows: exact l2 radii in input space, no sampling, no probability of error. The encoder's "
    "size and the head's covariance and shrinkage were chosen by certified accuracy at the second radius of "
    "the table, on the last fifth of the training images. Randomized smoothing: a convolutional network "
    "trained under the same noise on the same training images, alpha 0.001, Cohen's radius; at most the "
    "stated number of votes, fewer where every radius of the table is decided before, by a bound that is "
    "valid at every stopping time. Its clean column is the accuracy of the smoothed classifier, abstentions "
    "counted as wrong; its curve is exact at the radii of the table, and no more than a lower bound between."
)


class SmallNet(nn.Module):
    """Two convolutions: the base of randomised smoothing; scores (B, C) from images (B, [3,] H, W)."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        wide = 16 * channels if channels == 1 else 32
        self.first = nn.Unflatten(1, (1, side)) if channels == 1 else nn.Identity()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, wide, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(wide, 2 * wide, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2 * wide * (side // 4) ** 2, 128),
            nn.ReLU(),
            nn.Linear(128, 10),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.layers(self.first(image))


def images(context: Context) -> Result:
    """Certified accuracy against r, clean accuracy and cost for one set of images.

    Settings: set, train, test (images), radii, pca (sizes, none to leave it out), network (settings of the
    1-Lipschitz encoder), sigmas, draws, smoothed (images certified by smoothing), steps (of the network under
    noise).
    """
    radii = list(context.settings["radii"])
    kinds = {
        "PCA": lambda: _latent(context, "pca"),
        "1-Lipschitz network": lambda: _latent(context, "network"),
        "nearest class mean": lambda: _latent(context, "mean"),
    }
    if not context.settings["pca"]:
        del kinds["PCA"]
    records = [context.piece(f"latent-{k.split()[0]}", make) for k, make in kinds.items()]
    for sigma in context.settings["sigmas"]:
        records.append(context.piece(f"smoothing-{sigma}", partial(_smoothed, context, sigma)))
    cells: list[tuple[Cell, ...]] = [
        (r["name"], r["clean"], *r["certified"], r["count"], r["seconds"], r["fit"]) for r in records
    ]
    name = context.settings["set"]
    columns = ("method", "clean %", *(f"r = {r:g}" for r in radii), "inputs", "s per 1,000", "fit s")
    tables = [Table(f"{name}: right and certified in %", columns, tuple(cells), NOTE)]
    tables.append(_questions([r for r in records if "eps" in r], radii))
    plot(
        context.folder / f"gml-{name}.png",
        {str(r["name"]).split(", n ")[0]: (r["grid"], r["curve"]) for r in records},
        title=f"{name}: right and certified",
        x="r, 2-norm of the change (pixels in [0, 1])",
    )
    return Result(tuple(tables), (f"gml-{name}.png",), ())


def _questions(records: Sequence[Record], radii: Sequence[float]) -> Table:
    """What eps, how fitted, how sensitive."""
    cells: list[tuple[Cell, ...]] = []
    for r in records:
        e = r["eps"]
        cells.append(
            (
                r["name"],
                r["fitted"],
                e["knn"],
                e["tv"],
                e["kl_lower"],
                100 * e["mixture"],
                100 * e["binary_kl"],
                r["certified"][1],
                r["gain"],
            )
        )
    columns = (
        *("encoder", "how fitted", "eps, k-NN estimate", "TV at least", "eps at least"),
        *(f"mixture promises at r = {radii[1]:g}, %", "carried over at that eps, %"),
        *("measured, %", "median exact / closed form"),
    )
    note = (
        "eps in nats. The k-NN figure is an estimate and bounds nothing; TV and eps at least hold with 95 % "
        "confidence (held-out two-sample classifier). The transfer bound at the smallest eps that the test "
        "leaves stands beside what is measured: the measured accuracy needs no eps at all."
    )
    return Table("What eps, how fitted, how sensitive", columns, tuple(cells), note)


def _data(context: Context) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Training and test images in [0, 1], float32, channels first, with labels."""
    found = []
    for split in ("train", "test"):
        data = getattr(sets, context.settings["set"].replace("-", "_"))(split)
        rows = slice(context.settings[split])
        x = data.images[rows].astype(np.float32) / np.float32(255)
        found.append((np.ascontiguousarray(np.moveaxis(x, 3, 1)) if x.ndim == 4 else x, data.labels[rows]))
    return found[0], found[1]


def _latent(context: Context, kind: str) -> Record:
    (x, y), (u, v) = _data(context)
    radii, start = list(context.settings["radii"]), time.perf_counter()
    keep = len(x) * 4 // 5
    held = slice(keep, keep + 2000)
    best: tuple[float, EncodedClassifier, str] | None = None
    for encoder in _encoders(context, kind, x[:keep]):
        z = encoder.encode(x[: held.stop])[0]  # once: the heads are tried on latents
        heads = HEADS if kind != "mean" else HEADS[:1]
        priors = np.full(10, 0.1) if kind == "mean" else None
        for head in heads:
            tried = GaussianClassifier(**head, priors=priors).fit(z[:keep], y[:keep])
            right = tried.predict(z[held]) == y[held]
            score = float(np.mean(right & (tried.radius(z[held]) > radii[1] * encoder.lipschitz)))
            if best is None or score > best[0]:
                model = EncodedClassifier(encoder, GaussianClassifier(**head, priors=priors))
                best = score, model, f"{encoder.name}, {head['covariance']}, shrinkage {head['shrinkage']}"
            context.progress(f"{kind}: choosing the head", 0.5)
    assert best is not None
    _, model, fitted = best
    model.fit(x, y)
    spent = time.perf_counter() - start
    model.radius(u[:100])  # eigenbases of all pairs belong to the fit
    start = time.perf_counter()
    radius = model.radius(u)
    seconds = 1000.0 * (time.perf_counter() - start) / len(u)
    right = model.predict(u) == v
    z = model.latents(u)
    classifier = model.classifier_
    assert isinstance(classifier, GaussianClassifier)
    exact, closed = classifier.radius(z), classifier.closed_form_radius(z)
    for certificate in model.certify(u[:20]):
        certificate.verify()
    name = {"pca": "PCA, Gaussian", "network": "1-Lipschitz, Gaussian", "mean": "nearest class mean"}[kind]
    found = _record(context, name, right, radius, seconds, spent)
    usable = (closed > 0.0) & np.isfinite(exact)
    found["gain"] = float(np.median(exact[usable] / closed[usable]))
    found["fitted"] = fitted
    if kind != "mean":
        found["eps"] = _eps(classifier, z, radii[1], context.seed)
    return found


def _eps(classifier: GaussianClassifier, z: Any, r: float, seed: int) -> dict[str, float]:
    drawn, labels = classifier.sample(10_000, random_state=seed)
    held = np.mean((classifier.predict(drawn) == labels) & (classifier.radius(drawn) > r))
    part, other = z[:2000], drawn[: min(2000, len(z))]
    bound = tv_lower_bound(part, other, seed=seed)
    return {
        "knn": kl_estimate(part, other).estimated,
        "tv": bound.lower,
        "kl_lower": bound.kl_lower,
        "mixture": float(held),
        "binary_kl": transfer(float(held), bound.kl_lower),
    }


def _encoders(context: Context, kind: str, x: Any) -> list[Any]:
    if kind == "pca":
        return [LinearEncoder.pca(x, size) for size in context.settings["pca"]]
    if kind == "mean":
        # The latent is the image itself: the constant is 1, and nothing is rounded.
        return [NetworkEncoder(nn.Sequential(nn.Flatten()), x.shape[1:], name="pixels")]
    name = context.settings["set"]
    data = getattr(sets, name.replace("-", "_"))("train")
    # Trained on the images that choose nothing, so that the choice of the head is made on fresh ones.
    data = type(data)(data.images[: len(x)], data.labels[: len(x)], data.class_names)
    settings = {**mnist_task.SETTINGS, **context.settings["network"], "seed": context.seed}
    return [
        mnist_task.encoder(
            data, f"gml-{name}", cache=context.folder, progress=context.progress, settings=settings
        )
    ]


def _smoothed(context: Context, sigma: float) -> Record:
    (x, y), (u, v) = _data(context)
    settings, radii = context.settings, context.settings["radii"]
    start = time.perf_counter()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(context.seed)
        network = SmallNet(1 if x.ndim == 3 else 3, x.shape[-1])
    known: Mapping[str, Any] = {
        **digits.SETTINGS,
        "sigma": sigma,
        "steps": settings["steps"],
        "seed": context.seed,
        "rate": 3e-3,
        "batch": 128,
    }
    stage = f"training under sigma {sigma}"
    with single_thread():
        digits.fit(
            network,
            torch.from_numpy(x),
            torch.from_numpy(y),
            known,
            lambda done: context.progress(stage, done),
        )
    spent = time.perf_counter() - start
    model = SmoothedClassifier(
        OneThread(TorchClassifier(network.eval(), arguments=("image",))),
        Smoothing(image=Gaussian(sigma)),
        10,
        rivals="complement",
    )
    count = settings["smoothed"]
    inputs = ((str(i), {"image": u[i]}) for i in range(count))
    # What no count of so many draws can certify is not asked for.
    most = sigma * float(ndtri(0.001 ** (1.0 / settings["draws"])))
    start = time.perf_counter()
    stream = model.certify_many(
        inputs,
        threat=Threat(image=L2()),
        alpha=0.001,
        n=settings["draws"],
        n0=100,
        stop="target",
        target=[{"image": r} for r in (0.0, *radii) if r < most],
        seed=context.seed,
    )
    drawn = 0
    radius, right = np.zeros(count), np.zeros(count, dtype=bool)
    for i, certificate in enumerate(stream):
        right[i] = certificate.prediction == v[i]
        radius[i] = certificate.frontier[0] or 0.0
        drawn += certificate.samples
        context.progress(f"certifying at sigma {sigma}", (i + 1) / count)
    seconds = 1000.0 * (time.perf_counter() - start) / count
    name = f"smoothing, sigma {sigma:g}, n <= {settings['draws']:,}, {drawn / count:,.0f} on average"
    return _record(context, name, right, radius, seconds, spent)


def _record(context: Context, name: str, right: Any, radius: Any, seconds: float, fit: float) -> Record:
    radii = list(context.settings["radii"])
    grid = np.linspace(0.0, 2.0 * radii[-1] / 1.5, 41).tolist()
    table = certified_accuracy(radius, right, radii)
    return {
        "name": name,
        "clean": 100.0 * float(np.mean(right)),
        "certified": [100.0 * one.measured for one in table],
        "grid": grid,
        "curve": [100.0 * float(np.mean(right & (radius > r))) for r in grid],
        "seconds": seconds,
        "fit": fit,
        "count": len(right),
    }
