"""GML on texts: a frozen sentence encoder, exact radii in its latent, and certificates about tokens."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ironbound.certificate import Certificate
from ironbound.channels import Mask, Smoothing
from ironbound.data import sets
from ironbound.experiments.context import Context
from ironbound.experiments.result import Cell, Result, Table
from ironbound.latent import (
    CenterSmoothing,
    EncoderHead,
    GaussianClassifier,
    MiniLM,
    kl_estimate,
    transfer,
    tv_lower_bound,
)
from ironbound.smoothing import SmoothedClassifier
from ironbound.threats import Threat, TokenL0

Record = dict[str, Any]
HEADS: tuple[dict[str, Any], ...] = (
    {"covariance": "shared", "shrinkage": "ledoit-wolf"},
    {"covariance": "shared", "shrinkage": 0.5},
    {"covariance": "full", "shrinkage": 0.5},
    {"covariance": "low_rank", "shrinkage": "ledoit-wolf"},
)
MEANS: dict[str, Any] = {"covariance": "shared", "shrinkage": 1.0}


def texts(context: Context) -> Result:
    """SMS Spam and AG News on MiniLM: latent radii, and token budgets under masking.

    Settings: sets, train, test (texts), longest (tokens), radii (latent), beta, draws, smoothed, max_d.
    """
    cells: list[tuple[Cell, ...]] = []
    tokens: list[tuple[Cell, ...]] = []
    fits: list[tuple[Cell, ...]] = []
    radii = list(context.settings["radii"])
    for name in context.settings["sets"]:
        found = context.piece(f"texts-{name}", lambda name=name: _latent(context, name))
        for kind in ("gaussian", "mean"):
            one = found[kind]
            cells.append((f"{name}, {one['name']}", one["clean"], *one["certified"], one["milliseconds"]))
        e = found["eps"]
        fits.append(
            (
                name,
                found["fitted"],
                e["knn"],
                e["tv"],
                e["kl_lower"],
                e["mixture"],
                e["carried"],
                e["measured"],
            )
        )
        certified = context.piece(f"tokens-{name}", lambda name=name: _tokens(context, name))
        tokens += [tuple(row) for row in certified]
    shown = tuple(f"r = {r:g}" for r in radii)
    budgets = tuple(f"d = {d}" for d in range(context.settings["max_d"] + 1))
    first = ("set, head", "clean %", *shown, "ms per 1,000")
    last = ("set", "how fitted", "eps, k-NN", "TV at least", "eps at least", "mixture", "carried over")
    tables = (
        Table("Latent radii: right and certified in %", first, tuple(cells)),
        Table(
            "Token budgets under masking: right and certified in %",
            ("set", "method", "texts", *budgets, "s per text"),
            tuple(tokens),
            "The same frozen encoder and the same head, fitted to masked training texts, under the same "
            "noise. Encoder and head is never behind by more than chance: a ball inside a class's region has "
            "no more probability than the region.",
        ),
        Table(
            f"What eps, how fitted, how sensitive (r = {radii[0]:g})",
            (*last, "measured"),
            tuple(fits),
            "eps in nats; the k-NN figure is an estimate. Carried over: the transfer bound at the smallest "
            "eps that the held-out two-sample test leaves.",
        ),
    )
    note = (
        "Latent radii are in the latent (vectors of length 1): the encoder has no Lipschitz constant, so "
        "they say nothing about the text by themselves. Certificates about the text are those of the second "
        "table."
    )
    return Result(tables, (), (note,))


def _rows(context: Context, name: str) -> tuple[list[str], Any, list[str], Any]:
    data = getattr(sets, name.replace("-", "_"))()
    order = np.random.default_rng(context.seed).permutation(len(data))
    train, test = context.settings["train"], context.settings["test"]
    first, second = order[:train], order[train : train + test]
    return (
        [data.texts[i] for i in first],
        data.labels[first],
        [data.texts[i] for i in second],
        data.labels[second],
    )


def _embedded(context: Context, name: str) -> tuple[Any, Any, Any, Any]:
    """Latents and labels of the training and of the test texts; kept in the folder."""
    path = context.folder / f"latents-{name}-{context.settings['train']}-{context.settings['test']}.npz"
    if not path.is_file():
        train, y, test, v = _rows(context, name)
        mini = MiniLM(longest=context.settings["longest"])
        z = mini.embed([*train, *test], lambda done: context.progress(f"embedding {name}", done))
        np.savez(path, z=z, y=np.concatenate([y, v]))
    with np.load(path, allow_pickle=False) as kept:
        z, labels = kept["z"], kept["y"]
    cut = context.settings["train"]
    return z[:cut], labels[:cut], z[cut:], labels[cut:]


def _chosen(context: Context, name: str) -> tuple[GaussianClassifier, str]:
    """The head that certifies most at the first radius on the last fifth of the training texts."""
    z, y, _, _ = _embedded(context, name)
    keep, r = len(z) * 4 // 5, context.settings["radii"][0]
    scores: list[float] = []
    for head in HEADS:
        clf = GaussianClassifier(**head).fit(z[:keep], y[:keep])
        scores.append(float(np.mean((clf.predict(z[keep:]) == y[keep:]) & (clf.radius(z[keep:]) > r))))
    best = HEADS[int(np.argmax(scores))]
    return GaussianClassifier(**best).fit(z, y), f"{best['covariance']}, shrinkage {best['shrinkage']}"


def _latent(context: Context, name: str) -> Record:
    z, y, u, v = _embedded(context, name)
    radii = list(context.settings["radii"])
    head, fitted = _chosen(context, name)
    found: Record = {"fitted": fitted}
    means = GaussianClassifier(**MEANS, priors=np.full(len(head.classes_), 1.0 / len(head.classes_))).fit(
        z, y
    )
    for kind, clf, title in (("gaussian", head, "Gaussian"), ("mean", means, "nearest class mean")):
        clf.prepare()
        start = time.perf_counter()
        radius = clf.radius(u)
        spent = time.perf_counter() - start
        right = clf.predict(u) == v
        found[kind] = {
            "name": title,
            "clean": 100.0 * float(np.mean(right)),
            "certified": [100.0 * float(np.mean(right & (radius > r))) for r in radii],
            "milliseconds": 1e6 * spent / len(u),
        }
    drawn, labels = head.sample(4000, random_state=context.seed)
    held = float(np.mean((head.predict(drawn) == labels) & (head.radius(drawn) > radii[0])))
    bound = tv_lower_bound(u, drawn[: len(u)], seed=context.seed)
    _, once = np.unique(u, axis=0, return_index=True)  # messages that were sent twice have no distance
    found["eps"] = {
        "knn": kl_estimate(u[once], drawn[: len(once)]).estimated,
        "tv": bound.lower,
        "kl_lower": bound.kl_lower,
        "mixture": 100.0 * held,
        "carried": 100.0 * transfer(held, bound.kl_lower),
        "measured": found["gaussian"]["certified"][0],
    }
    return found


def _tokens(context: Context, name: str) -> list[list[Cell]]:
    settings = context.settings
    train, y, test, v = _rows(context, name)
    mini = MiniLM(longest=settings["longest"])
    # What the noise shows is what the head has to tell apart: it is fitted to masked training texts.
    rng = np.random.default_rng(context.seed)
    read = [mini.ids(text) for text in train]
    masked = [np.where(rng.random(len(one)) < settings["beta"], mini.mask_id, one) for one in read]
    z = mini.embed_ids(masked, lambda done: context.progress(f"embedding masked {name}", done))
    head = GaussianClassifier("shared").fit(z, y)
    smoothing = Smoothing(tokens=Mask(beta=settings["beta"], mask_id=mini.mask_id, alphabet=mini.vocabulary))
    threat = Threat(tokens=TokenL0(max_d=settings["max_d"]))
    voted = SmoothedClassifier(
        EncoderHead(mini.encoder, head), smoothing, len(head.classes_), rivals="complement"
    )
    center = CenterSmoothing(mini.encoder, head, smoothing)
    rows: list[list[Cell]] = []
    for title, certify in (("encoder + head", voted.certify), ("center smoothing", center.certify)):
        held = np.zeros(settings["max_d"] + 1)
        start = time.perf_counter()
        for i in range(settings["smoothed"]):
            certificate: Certificate = certify(
                {"tokens": mini.ids(test[i])},
                threat=threat,
                alpha=0.01,
                n=settings["draws"],
                n0=32,
                seed=context.seed,
                input_id=str(i),
            )
            certificate.verify()
            if certificate.prediction == v[i]:
                held += [radius is not None for radius in certificate.frontier.values()]
            context.progress(f"{name}: {title}", (i + 1) / settings["smoothed"])
        spent = (time.perf_counter() - start) / settings["smoothed"]
        rows.append(
            [name, title, settings["smoothed"], *(100.0 * held / settings["smoothed"]).tolist(), spent]
        )
    return rows
