"""HRS on a safety filter: what joint certification costs against one channel alone, and how noise sets it.

The paper's filters are vision-language models on photographs; these run on two cores and speak of MNIST
pictures with claims (see `ironbound.data.mnist_filter`): the same kernels, threshold rule and attackers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ironbound.data import mnist_filter
from ironbound.data.mnist_benign import SLOT, calibrated
from ironbound.data.problem import Problem
from ironbound.experiments.context import Context
from ironbound.experiments.curves import plot
from ironbound.experiments.measure import Row, alone, certified, radius
from ironbound.experiments.result import Result, Table
from ironbound.threats import SuffixAppend, Threat

WHERE = (
    "Ours: MNIST pictures in [0, 1] and claims of 16 words, a small convolutional network, two CPU cores; "
    "the paper's: photographs and prompts, LLaVA-Guard class models. Compare patterns, not sizes."
)
HALVED = (
    "Published radii from the denoised path were matched in [-1, 1] units and reported as if in [0, 1]; they "
    "overstate by 1.98 and should be halved before comparing."
)


def means(context: Context) -> Result:
    """Image-only radius, text-only budget, hybrid radius at d = 1 and hybrid budget, means over pairs."""
    rows = {
        kind: context.piece(f"rows-{kind}", partial(_rows, context, {"noised": kind}))
        for kind in ("image", "tokens", "both")
    }
    alone, text, both = rows["image"], rows["tokens"], rows["both"]
    published = context.published
    table = Table(
        f"Means over {len(both)} pairs that are unsafe only together (0 where nothing is certified)",
        ("what", "ours", "published"),
        (
            ("image-only radius, d = 0", _mean(alone, 0), published["image_only_radius"]),
            ("hybrid radius, d = 0", _mean(both, 0), None),
            ("hybrid radius, d = 1", _mean(both, 1), published["hybrid_radius_d1"]),
            ("text-only budget", _budget(text), published["text_only_budget"]),
            ("hybrid budget", _budget(both), published["hybrid_budget"]),
        ),
        HALVED,
    )
    return Result((table, _calibration(context, ("image", "tokens", "both"))), (), (WHERE,))


def beta_sweep(context: Context) -> Result:
    """How the rate of replacement trades budget against radius."""
    cells, lines = [], {}
    for place, beta in enumerate(context.settings["betas"]):
        rows = context.piece(f"rows-beta-{beta}", partial(_rows, context, {"beta": beta}))
        largest = [_largest(row) for row in rows]
        certain = [(row, d) for row, d in zip(rows, largest, strict=True) if d >= 1]
        share = 100.0 * len(certain) / len(rows)
        budget = float(np.mean([d for _, d in certain])) if certain else None
        reach = float(np.mean([radius(row, d) for row, d in certain])) if certain else None
        theirs = context.published["rows"][place]
        cells.append((beta, share, theirs[1], budget, theirs[2], reach, theirs[3]))
        ds = list(range(mnist_filter.MAX_D + 1))
        lines[f"beta = {beta:g}"] = (ds, [_mean(rows, d) for d in ds])
    plot(
        context.folder / "beta.png",
        lines,
        title="Filter: mean certified radius by budget",
        x="d: appended words",
        y="mean radius (pixel in [0, 1])",
        limit=None,
    )
    columns = ("beta", "certified %", "published", "mean d_max", "published", "radius at d_max", "published")
    note = (
        "Certified: at d = 1 or more, joint with the image. At beta = 1 the appended words are drawn afresh "
        "whatever the attacker writes: every d costs next to nothing, and the price is what the model loses "
        "by the noise. Ours adds up what words say and loses nothing; the paper's loses half its pairs. "
        f"{HALVED}"
    )
    return Result((Table("Sweep of beta", columns, tuple(cells), note),), ("beta.png",), (WHERE,))


def sigmas(context: Context) -> Result:
    """Two sizes of noise on the image."""
    cells = []
    for sigma in context.settings["sigmas"]:
        rows = context.piece(f"rows-sigma-{sigma}", partial(_rows, context, {"sigma": sigma}))
        share = 100.0 * sum(_largest(row) >= 1 for row in rows) / len(rows)
        cells.append((sigma, share, _budget(rows), _mean(rows, 0), _mean(rows, 1), _mean(rows, 2)))
    columns = ("sigma", "certified % at d = 1", "mean budget", "radius d = 0", "radius d = 1", "radius d = 2")
    note = (
        "The paper compares 0.5 with 1.0 on 224 x 224 photographs; at 28 x 28 pixels half of that leaves as "
        "much of the picture."
    )
    return Result((Table("Size of the noise on the image", columns, tuple(cells), note),), (), (WHERE,))


def sampling(context: Context) -> Result:
    """One sample for all budgets against one sample for each."""
    cells = []
    for kind in ("shared", "per_budget"):
        rows = context.piece(f"rows-{kind}", partial(_rows, context, {}, sampling=kind))
        draws = float(np.mean([row["samples"] for row in rows]))
        cells.append((kind.replace("_", " "), draws, _budget(rows), *(_mean(rows, d) for d in (1, 2, 3, 4))))
    columns = ("sampling", "draws an input", "mean budget", *(f"radius d = {d}" for d in (1, 2, 3, 4)))
    note = (
        f"Published: shared {context.published['shared_seconds']} s an input against "
        f"{context.published['per_budget_seconds']} s, radius {context.published['shared_radius']} against "
        f"{context.published['per_budget_radius']}. Per budget, each d has its own smoothed classifier and "
        "alpha / 8; the authors' code uses the full alpha for each, which fails in 7.6 % of families of "
        "eight. tau is the largest of the upper bounds over all nine noises, each at alpha / 9."
    )
    return Result((Table("Shared against per-budget sampling", columns, tuple(cells), note),), (), (WHERE,))


def anywhere(context: Context) -> Result:
    """Words replaced anywhere against words appended."""
    cells = []
    for attack in ("append", "anywhere"):
        budgets = []
        for kind in ("tokens", "both"):
            change = {"attack": attack, "noised": kind}
            budgets.append(_budget(context.piece(f"rows-{attack}-{kind}", partial(_rows, context, change))))
        theirs = context.published[attack]
        cells.append((attack, budgets[0], theirs[0], budgets[1], theirs[1]))
    columns = ("attack", "text-only budget", "published", "hybrid budget", "published")
    note = "An attacker who may replace any word can take away what the model rests on, not only add to it."
    return Result((Table("Where the attacker may write", columns, tuple(cells), note),), (), (WHERE,))


def _rows(context: Context, change: Mapping[str, Any], *, sampling: str = "shared") -> list[Row]:
    """Certify the pairs under changed settings; a channel that is not noised is part of the model."""
    known = mnist_filter.SETTINGS | dict(context.settings["task"]) | dict(change)
    problem = mnist_filter.load(progress=context.progress, settings=known)
    if sampling == "per_budget":
        problem = _per_budget(problem, known)
    # alpha is that of a certificate's own draws; the calibrated threshold's comes on top, as in the paper.
    tau = 0.0 if problem.calibration is None else problem.calibration.alpha
    settings = {
        "n": context.settings["draws"],
        "alpha": context.settings["alpha"] + tau,
        "seed": context.seed,
    }
    count = context.settings["pairs"]
    if known["noised"] == "both":
        return certified(problem, count, progress=context.progress, **settings)
    return alone(problem, known["noised"], count, progress=context.progress, **settings)


def _per_budget(problem: Problem, known: Mapping[str, Any]) -> Problem:
    """The problem with one sample for each budget, and a threshold that holds under every noise."""
    network = mnist_filter.model(settings=known)
    margin = calibrated(network, settings=known).margin
    share = known["alpha"] / (SLOT + 1)
    bounds = [
        calibrated(network, settings={**known, "places": d, "alpha": share}, margin=margin).tau
        for d in range(SLOT + 1)
    ]
    tokens = problem.threat["tokens"]
    assert isinstance(tokens, SuffixAppend)
    return replace(
        problem,
        threshold=max(bounds),
        calibration=None,  # one threshold for several noises, which no record holds
        threat=Threat(image=problem.threat["image"], tokens=replace(tokens, sampling="per_budget")),
    )


def _calibration(context: Context, kinds: Sequence[str]) -> Table:
    cells = []
    for kind in kinds:
        known = mnist_filter.SETTINGS | dict(context.settings["task"]) | {"noised": kind}
        found = calibrated(mnist_filter.model(settings=known), settings=known)
        cells.append((kind, found.margin, found.flagged, found.draws, found.tau))
    note = f"Published tau: {context.published['tau']:g} (none of 100,000 benign draws flagged)."
    return Table(
        "Calibration on benign pairs", ("noised", "margin", "flagged", "draws", "tau"), tuple(cells), note
    )


def _mean(rows: Sequence[Row], d: int) -> float:
    return float(np.mean([max(radius(row, d), 0.0) if row["prediction"] == 1 else 0.0 for row in rows]))


def _largest(row: Row) -> int:
    """The largest certified budget; -1 where not even d = 0 is."""
    if row["prediction"] != 1:
        return -1
    return max((d for d, found in row["frontier"] if found is not None), default=-1)


def _budget(rows: Sequence[Row]) -> float:
    return float(np.mean([max(_largest(row), 0) for row in rows]))
