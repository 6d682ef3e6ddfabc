"""HRS against subsampling in the manner of MMCert, which certifies nothing on pairs unsafe only together."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ironbound.baselines import Subsampled
from ironbound.data import mnist_benign, mnist_filter
from ironbound.experiments.context import Context
from ironbound.experiments.result import Result, Table


def mmcert(context: Context) -> Result:
    """Subsampling on pairs that are unsafe only together, against attackers of pixels and of words."""
    settings = context.settings
    found = context.piece("rows", partial(_subsampled, context))
    pixels, words = settings["keep_pixels"], settings["keep_words"]
    cells = [
        (
            f"{pixels} of 784 pixels, {words} of 16 words",
            len(found),
            100.0 * float(np.mean([row["flagged"] for row in found])),
            float(np.mean([row["share"] for row in found])),
            *(100.0 * float(np.mean([row[name] for row in found])) for name in ("none", "one", "l2")),
        )
    ]
    columns = (
        "subsample",
        "pairs",
        "flagged %",
        "mean share of flagged draws",
        "certified %, nothing changed",
        "certified %, 1 pixel and 1 word",
        "certified %, picture moved in the 2-norm",
    )
    note = (
        "Published: subsampling in the manner of MMCert certifies nothing on interaction-only pairs. An "
        "attacker in the 2-norm may change every pixel, so that no subsample is out of reach; this row is 0 "
        "whatever the model does."
    )
    return Result((Table("Subsampling (MMCert style) on the filter", columns, tuple(cells), note),))


def _subsampled(context: Context) -> list[dict[str, Any]]:
    settings = context.settings
    problem = mnist_filter.load(
        progress=context.progress, settings=mnist_filter.SETTINGS | {"attack": "anywhere"}
    )
    model = Subsampled(
        problem.base,
        keep={"image": settings["keep_pixels"], "tokens": settings["keep_words"]},
        fill={"image": 0.0, "tokens": mnist_benign.PAD},
        num_classes=2,
        threshold=problem.threshold,
    )
    rows: list[dict[str, Any]] = []
    chosen = problem.examples[: settings["pairs"]]
    for place, example in enumerate(chosen):
        found = model.certify(
            example.inputs, n=settings["draws"], n0=100, seed=context.seed, input_id=example.id
        )
        flagged = found.prediction == 1
        rows.append(
            {
                "flagged": flagged,
                "share": found.successes / found.trials if flagged else 0.0,
                "none": flagged and found.certified(),
                "one": flagged and found.certified(image=1, tokens=1),
                "l2": flagged and found.certified(image=784),
            }
        )
        context.progress("subsampling", (place + 1) / len(chosen))
    return rows
