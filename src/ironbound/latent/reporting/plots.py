"""The pictures of a latent report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ironbound.latent._rounding import Array
from ironbound.latent.gaussian import GaussianClassifier
from ironbound.latent.reporting.findings import METHODS, Findings

COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9"),
    *("#E69F00", "#7F7F7F", "#8C564B", "#17BECF", "#B5BD61"),
)
_SHOWN = 2_000


def draw(classifier: GaussianClassifier, found: Findings, folder: Path) -> dict[str, Path]:
    """Write the PNG files; heading -> path, in the order of the page."""
    pictures: dict[str, tuple[str, Callable[[Any], None]]] = {
        "Classes in the latent": ("projection", lambda axes: _projection(axes, classifier, found)),
        "Certified radii": ("radii", lambda axes: _histogram(axes, found)),
        "Certified accuracy": ("accuracy", lambda axes: _curves(axes, found)),
        "Sensitivity to the fit": ("sensitivity", lambda axes: _sensitivity(axes, found)),
    }
    return {title: _saved(folder / f"{name}.png", paint) for title, (name, paint) in pictures.items()}


def _saved(path: Path, paint: Callable[[Any], None]) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.add_subplot()
    paint(axes)
    axes.grid(True, color="#8a919c", alpha=0.3, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    handles, _ = axes.get_legend_handles_labels()
    if handles:
        figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    figure.savefig(path, dpi=150, metadata={"Software": None})
    return path


def _projection(axes: Any, classifier: GaussianClassifier, f: Findings) -> None:
    """The two directions that tell the fitted means apart best, relative to the spread within classes."""
    plane = _plane(classifier)
    shown = np.random.default_rng(0).permutation(len(f.latents))[:_SHOWN]
    flat = (f.latents[shown] @ plane.T, f.labels[shown])
    for k, name in enumerate(classifier.classes_):
        colour = COLOURS[k % len(COLOURS)]
        own = flat[0][flat[1] == k]
        axes.plot(own[:, 0], own[:, 1], ".", color=colour, markersize=3, alpha=0.45)
        for m in np.flatnonzero(classifier.owner_ == k):
            line = _ellipse(classifier, int(m), plane)
            axes.plot(
                line[:, 0],
                line[:, 1],
                color=colour,
                linewidth=1.6,
                label=str(name) if len(classifier.classes_) <= 20 else None,
            )
    axes.set_xlabel("first discriminant direction")
    axes.set_ylabel("second discriminant direction")
    axes.set_title(
        "Held-out latents, and ellipses that hold 90 % of each fitted Gaussian", loc="left", fontsize=10
    )


def _plane(classifier: GaussianClassifier) -> Array:
    within = _within(classifier)
    values, vectors = np.linalg.eigh(within)
    root = vectors / np.sqrt(np.maximum(values, 1e-12 * values[-1]))
    means = (classifier.means_ - classifier.means_.mean(axis=0)) @ root
    _, _, axes = np.linalg.svd(means, full_matrices=True)
    plane = (axes[:2] if len(axes) > 1 else np.vstack([axes, np.zeros_like(axes)])) @ root.T
    return plane


def _within(classifier: GaussianClassifier) -> Array:
    parts = [np.diag(s) if s.ndim == 1 else s for s in classifier.covariances_]
    return np.mean(parts, axis=0)


def _ellipse(classifier: GaussianClassifier, m: int, plane: Array) -> Array:
    s = classifier.covariances_[0 if classifier.covariance == "shared" else m]
    flat = plane @ (np.diag(s) if s.ndim == 1 else s) @ plane.T
    values, vectors = np.linalg.eigh(flat)
    angle = np.linspace(0.0, 2.0 * np.pi, 121)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1) * 2.146  # sqrt of the 90 % quantile of chi2(2)
    return circle * np.sqrt(np.maximum(values, 0.0)) @ vectors.T + plane @ classifier.means_[m]


def _histogram(axes: Any, f: Findings) -> None:
    kept = f.right & np.isfinite(f.radius)
    top = float(np.quantile(f.radius[kept], 0.995)) if kept.any() else 1.0
    bins = np.linspace(0.0, max(top, 1e-9), 50)
    axes.hist(np.minimum(f.radius[kept], top), bins, color=COLOURS[0], alpha=0.75, label="exact radius")
    axes.hist(
        np.minimum(f.closed[kept], top),
        bins,
        histtype="step",
        color=COLOURS[1],
        linewidth=1.8,
        label="closed form",
    )
    axes.set_xlabel(f"radius ({f.unit})")
    axes.set_ylabel("rightly classified inputs")
    _title(axes, "How far an attacker has to go")


def _curves(axes: Any, f: Findings) -> None:
    at = np.array(f.at)
    low, high = (100.0 * np.array([getattr(one, name) for one in f.measured]) for name in ("lower", "upper"))
    axes.fill_between(at, low, high, color=COLOURS[0], alpha=0.2, linewidth=0)
    axes.plot(
        at, [100.0 * one.measured for one in f.measured], color=COLOURS[0], linewidth=2, label="measured"
    )
    axes.plot(
        at, 100.0 * np.array(f.mixture), "--", color=COLOURS[1], linewidth=2, label="if the fit were true"
    )
    if f.reach is not None:
        best = [100.0 * line.any_classifier for line in f.reach.lines]
        axes.plot(at, best, ":", color=COLOURS[6], linewidth=2, label="no classifier does\nbetter on the fit")
    axes.set_ylim(0, 103)
    axes.set_xlim(left=0.0)
    axes.set_xlabel(f"radius ({f.unit})")
    axes.set_ylabel("right and certified (%)")
    axes.set_title(
        f"Certified accuracy on held-out data, {100 * (1 - f.alpha):g} % intervals", loc="left", fontsize=10
    )


def _sensitivity(axes: Any, f: Findings) -> None:
    index = len(f.at) // 2
    names = {"binary_kl": "binary KL", "bretagnolle_huber": "Bretagnolle-Huber", "pinsker": "Pinsker"}
    axes.set_xscale("symlog", linthresh=1e-3)
    for k, method in enumerate(METHODS):
        axes.plot(
            f.eps,
            100.0 * f.sensitivity[method][index],
            ("-", "--", ":")[k],
            color=COLOURS[k],
            linewidth=2,
            label=names[method],
        )
    axes.axhline(100.0 * f.measured[index].measured, color="#222222", linewidth=1.2, label="measured")
    axes.axvspan(
        0.0,
        f.distance.kl_lower,
        color=COLOURS[6],
        alpha=0.18,
        linewidth=0,
        label="eps ruled out\nby the test",
    )
    axes.set_xlim(0.0, max(f.eps))
    axes.set_ylim(0, 103)
    axes.set_xlabel("eps: KL(data || mixture) in nats")
    axes.set_ylabel(f"promised at radius {f.at[index]:g} (%)")
    _title(axes, "What a promise made on the mixture keeps on the data")


def _title(axes: Any, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=10)
