"""HRS against baselines: subsampling certifies nothing, and the product of one-channel bounds is unsound."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

from ironbound.baselines import Subsampled, naive_product, one_channel
from ironbound.data import digits_claims, mnist_filter
from ironbound.data.claims import read
from ironbound.data.problem import Example, Problem
from ironbound.data.training import single_thread
from ironbound.experiments.context import Context
from ironbound.experiments.result import Result, Table
from ironbound.smoothing import SmoothedClassifier
from ironbound.threats import L2, Threat, TokenL0


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
        fill={"image": 0.0, "tokens": mnist_filter.PAD},
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


def naive(context: Context) -> Result:
    """Attacked inputs that an image-only and a text-only certificate, side by side, call safe."""
    rows = context.piece("rows", partial(_naive, context))
    tried = [row for row in rows if row["tried"]]
    broken = [row for row in tried if row["broken"]]
    joint = [row for row in tried if row["joint"]]
    table = Table(
        f"digits-claims, {len(rows)} pairs: what the product calls safe and an attack breaks",
        ("what", "number"),
        (
            ("pairs with an image-only radius and a text-only budget of 1 or more", len(tried)),
            ("of them, smoothed answer provably turned inside the product's budgets", len(broken)),
            ("of the turned ones, ruled out by a joint certificate at the same budgets", len(joint)),
        ),
        "Turned: the attacked input's answer differs, by a Clopper-Pearson bound at alpha = 0.001.",
    )
    examples = Table(
        "Attacked inputs",
        (
            "pair",
            "image moved by",
            "product allows",
            "words changed",
            "product allows",
            "share before",
            "after",
        ),
        tuple(
            (
                row["id"],
                row["moved"],
                row["radius"],
                row["changed"],
                row["budget"],
                row["before"],
                row["after"],
            )
            for row in broken[: context.settings["shown"]]
        ),
    )
    notes = tuple(f'{row["id"]}: "{row["clean"]}" became "{row["attacked"]}".' for row in broken[:1])
    return Result((table, examples), (), notes, ok=not joint)


def _naive(context: Context) -> list[dict[str, Any]]:
    problem = digits_claims.load(progress=context.progress)
    network = digits_claims.model()
    examples = problem.examples[: context.settings["pairs"]]
    rows: list[dict[str, Any]] = []
    for place, example in enumerate(examples):
        rows.append(_attacked(problem, network, example, context))
        context.progress("attacking the product", (place + 1) / len(examples))
    return rows


def _attacked(
    problem: Problem, network: digits_claims.AgreementNet, example: Example, context: Context
) -> dict[str, Any]:
    draws, seed = context.settings["draws"], context.seed
    tensors = {name: torch.from_numpy(value) for name, value in example.inputs.items()}
    known: dict[str, Any] = {"n": draws, "seed": seed, "input_id": example.id}
    alone = {
        name: one_channel(problem.base, problem.smoothing, tensors, name, 2).certify(
            {name: example.inputs[name]}, threat=Threat(**{name: attack}), **known
        )
        for name, attack in (("image", L2()), ("tokens", TokenL0(max_d=digits_claims.MAX_D)))
    }
    product = naive_product(alone["image"], alone["tokens"])
    row: dict[str, Any] = {"id": example.id, "tried": False, "broken": False, "joint": False}
    if product.prediction is None or product.radius is None or product.budget < 1:
        return row
    row |= {"tried": True, "radius": product.radius, "budget": product.budget}
    attacked = _attack(network, example, product.prediction, product.radius, product.budget, context)
    moved = float(np.linalg.norm(attacked["image"].astype(np.float64) - example.inputs["image"]))
    changed = int(np.count_nonzero(attacked["tokens"] != example.inputs["tokens"]))
    assert product.calls_safe(moved, changed)
    model = SmoothedClassifier(problem.base, problem.smoothing, 2)
    threat = Threat(image=L2(), tokens=TokenL0(max_d=digits_claims.MAX_D))
    clean = model.certify(example.inputs, threat=threat, **known)
    named: dict[str, Any] = {**known, "input_id": f"{example.id}+"}
    after = model.certify(attacked, threat=threat, alpha=0.001, **named)
    share = _share(problem, attacked, product.prediction, draws)
    turned = after.prediction is not None and after.prediction != product.prediction
    return row | {
        "broken": clean.prediction == product.prediction and turned,
        # The joint certificate of the clean input, asked about this very attack: it must not have allowed it.
        "joint": turned
        and clean.prediction == product.prediction
        and clean.covers(image=moved, tokens=changed),
        "moved": moved,
        "changed": changed,
        "before": _share(problem, example.inputs, product.prediction, draws),
        "after": share,
        "clean": read(example.inputs["tokens"]),
        "attacked": read(attacked["tokens"]),
    }


def _attack(
    network: digits_claims.AgreementNet,
    example: Example,
    label: int,
    radius: float,
    budget: int,
    context: Context,
) -> dict[str, Any]:
    """Words first, each the best of all, then the image by its gradient, both under noise."""
    generator = torch.Generator().manual_seed(context.seed)
    copies, steps = context.settings["copies"], context.settings["steps"]
    image, tokens = (torch.from_numpy(example.inputs[name]) for name in ("image", "tokens"))
    size = network.words.num_embeddings
    with single_thread():
        for _ in range(budget):
            tokens = _best_word(
                network, image, tokens, label, size, generator, example.inputs["tokens"], budget
            )
        start, shift = image, torch.zeros_like(image)
        for _ in range(steps):
            shift.requires_grad_(True)
            noised = (
                start + shift + digits_claims.SIGMA * torch.randn(copies, *image.shape, generator=generator)
            )
            words = digits_claims.noised(tokens.expand(copies, -1), digits_claims.BETA, generator)
            scores = network(noised, words).log_softmax(dim=1)
            (gradient,) = torch.autograd.grad(scores[:, label].mean(), shift)
            with torch.no_grad():
                shift = shift - 2.5 * radius / steps * gradient / gradient.norm().clamp_min(1e-12)
                shift = shift * min(1.0, radius / float(shift.norm().clamp_min(1e-12)))
                shift = (start + shift).clamp(0, 1) - start
    attacked = (start + shift).detach().numpy().astype(np.float32)
    # Rounding must not carry the attack over the radius that it is allowed.
    moved = attacked.astype(np.float64) - example.inputs["image"]
    if np.linalg.norm(moved) > radius:
        attacked = (example.inputs["image"] + moved * (0.9999 * radius / np.linalg.norm(moved))).astype(
            np.float32
        )
    return {"image": attacked, "tokens": tokens.numpy()}


@torch.no_grad()
def _best_word(
    network: digits_claims.AgreementNet,
    image: torch.Tensor,
    tokens: torch.Tensor,
    label: int,
    size: int,
    generator: torch.Generator,
    clean: Any,
    budget: int,
) -> torch.Tensor:
    """The one replacement that lowers the mean probability of the label most, with the image under noise."""
    noised = image + digits_claims.SIGMA * torch.randn(16, *image.shape, generator=generator)
    shown = network.image(noised).log_softmax(dim=1)
    best, found = tokens, float("inf")
    for position in range(tokens.numel()):
        if int(tokens[position]) != int(clean[position]):
            continue  # a word is changed once
        tried = tokens.repeat(size, 1)
        tried[:, position] = torch.arange(size)
        said = (network.words(tried).sum(dim=1) + network.prior).log_softmax(dim=1)
        value = torch.zeros(size)
        for one in shown:
            scores = network.agreement(one.expand(size, -1), said)
            value += scores.log_softmax(dim=1)[:, label]
        if float(value.min()) < found:
            best, found = tried[int(value.argmin())], float(value.min())
    return best


def _share(problem: Problem, inputs: Any, label: int, draws: int) -> float:
    """Share of noisy draws that name the label: a plain estimate, for the table."""
    from ironbound.smoothing.draws import Draws

    noise = Draws(problem.smoothing, problem.smoothing.check(inputs), 1, "share", "prediction")
    answers = problem.base({name: torch.from_numpy(v) for name, v in noise.take(0, draws).items()})
    return float((np.asarray(answers).argmax(axis=1) == label).mean())
