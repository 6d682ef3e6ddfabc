"""Margin certificates of a randomised Lipschitz network: the classifier of the expected, squashed logits.

The classifier is Z(x) = E[B tanh(s(x) / B)] over the internal draws, argmax over classes. Its radius needs
a lower confidence bound on each Z_A - Z_j and Lipschitz constants from the ledger, nothing else: no input
noise. As everywhere, constants hold in exact arithmetic; what float32 adds in a forward pass is not covered.
It is another classifier than the smoothed one; the two radii must never be mixed. Math notes "Lipschitz",
sections 2.5 to 2.8.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ironbound.confidence import AlphaLedger
from ironbound.errors import InputError, wrong_value
from ironbound.lipschitz.bounded_mean import Rule, mean_lower
from ironbound.lipschitz.hycas import HyCASNet
from ironbound.lipschitz.ledger import LipschitzBound, bound
from ironbound.lipschitz.noise import draws_are_independent, sources, undisturbed
from ironbound.lipschitz.norms import ROUNDING_MARGIN

Array = NDArray[np.float64]

_UP = 1.0 + ROUNDING_MARGIN


@dataclass(frozen=True)
class MarginBounds:
    """Lipschitz constants that a margin may be divided by.

    Args:
        network: of all logits together.
        features: of the layer in front of a linear readout, or None.
        readout: its matrix, shape (classes, features), or None.
    """

    network: LipschitzBound
    features: LipschitzBound | None = None
    readout: Tensor | None = None

    def of_difference(self, one: int, two: int) -> tuple[float, str]:
        """Constant of B tanh(s_one / B) - B tanh(s_two / B), the smaller of two, and which it is.

        "network": sqrt(2) L. "pairwise": L_features times the largest |a w_one - b w_two| over slopes a and b
        in [0, 1], which a convex function takes at a corner: max(|w_one|, |w_two|, |w_one - w_two|). Without
        squashing the last of the three would do.
        """
        general = math.sqrt(2.0) * self.network.value * _UP
        if self.features is None or self.readout is None:
            return general, "network"
        first, second = self.readout[one].double(), self.readout[two].double()
        corners = (first, second, first - second)
        largest = max(float(torch.linalg.vector_norm(corner)) for corner in corners)
        pairwise = self.features.value * largest * _UP
        return (pairwise, "pairwise") if pairwise < general else (general, "network")


@dataclass(frozen=True)
class Rival:
    """What is known about one class that is not the prediction: Z_A - Z_label > `margin_lower`, if certain.

    `radius` is margin_lower over `lipschitz`, rounded down; 0 if the margin is not positive.
    """

    label: int
    margin_lower: float
    alpha: float
    lipschitz: float
    form: str
    radius: float


@dataclass(frozen=True)
class MarginResult:
    """Outcome of a margin certification; `radius` is in input units, rounded down, None if it abstains.

    With probability at least 1 - alpha over the internal draws, the classifier of the expected squashed
    logits predicts `prediction` for every input closer than `radius` in the 2-norm.
    """

    prediction: int | None
    reason: str
    radius: float | None
    alpha: float
    limit: float
    rule: str
    selection_draws: int
    draws: int
    rows_per_forward: int
    rivals: tuple[Rival, ...]
    derivation: str

    @property
    def abstained(self) -> bool:
        return self.prediction is None


def squash(scores: Array, limit: float) -> Array:
    """B tanh(s / B), entry by entry: 1-Lipschitz, between -B and B.

    Example:
        >>> squash(np.array([0.0, 1e9]), 2.0).tolist()
        [0.0, 2.0]
    """
    return limit * np.tanh(np.asarray(scores, dtype=np.float64) / limit)


def margin_bounds(net: nn.Module, input_shape: tuple[int, ...]) -> MarginBounds:
    """Constants of a network by the ledger; with the pairwise form where the readout is known to be linear.

    Example:
        >>> margin_bounds(nn.Linear(3, 2), (3,)).features is None
        True
    """
    if type(net) is not HyCASNet:  # a subclass may compute something else behind the same features
        return MarginBounds(bound(net, input_shape))
    return MarginBounds(bound(net, input_shape), bound(net.features, input_shape), net.readout())


def certify_scores(
    selection: Array,
    estimation: Array,
    bounds: MarginBounds,
    *,
    alpha: float = 0.001,
    limit: float = 2.0,
    rule: Rule = "betting",
    rows_per_forward: int = 1,
) -> MarginResult:
    """Certify from logits alone: what `certify_margin` does once the network has been run.

    Args:
        selection: logits of the draws that choose the class, shape (n0, classes).
        estimation: logits of other, independent draws, shape (n, classes), in the order they were drawn. A
            row with a NaN counts as the worst possible one.
        bounds: Lipschitz constants.
        alpha: error probability of the whole statement, divided equally over the rivals.
        limit: B. It is part of the classifier. Large against the logits changes nothing but costs draws.
        rule: how means are bounded.
        rows_per_forward: only recorded.
    Raises:
        InputError: shapes that do not fit, or an argument out of range.

    Example:
        >>> one = LipschitzBound(1.0, ())
        >>> logits = np.tile([[1.0, -1.0]], (400, 1))
        >>> result = certify_scores(logits[:50], logits, MarginBounds(one))
        >>> result.prediction, 1.0 < result.radius < 2 * math.tanh(0.5) * 2 / math.sqrt(2)
        (0, True)
    """
    chosen, scores = np.asarray(selection, np.float64), np.asarray(estimation, np.float64)
    if chosen.ndim != 2 or chosen.shape[0] < 1 or chosen.shape[1] < 2:
        raise wrong_value("selection", chosen.shape, "of shape (n0, classes), at least one draw, two classes")
    if scores.ndim != 2 or scores.shape[0] < 2 or scores.shape[1] != chosen.shape[1]:
        raise wrong_value("estimation", scores.shape, f"of shape (n >= 2, {chosen.shape[1]})")
    if not 0.0 < limit < math.inf:
        raise wrong_value("limit", limit, "positive and finite")
    means = np.nan_to_num(squash(chosen, limit), nan=-limit).mean(axis=0)
    label = int(means.argmax())
    others = [j for j in range(chosen.shape[1]) if j != label]
    shares = AlphaLedger(alpha).split([f"class {j}" for j in others])
    squashed = squash(scores, limit)
    squashed[np.isnan(squashed).any(axis=1)] = np.nan
    differences = (squashed[:, [label]] - squashed[:, others]).T
    # One rounding of a difference of two numbers of size at most B.
    differences = np.maximum(differences - limit * 2.0**-50, -2 * limit)
    share = shares[f"class {others[0]}"]
    lowers = mean_lower(differences, share, low=-2 * limit, high=2 * limit, rule=rule)
    rivals = tuple(
        _rival(bounds, label, j, float(lower), share) for j, lower in zip(others, lowers, strict=True)
    )
    radius = min(rival.radius for rival in rivals)
    certain = radius > 0.0
    closest = min(rivals, key=lambda rival: rival.margin_lower)
    reason = f"the expected logit is not proven to exceed that of class {closest.label}"
    return MarginResult(
        prediction=label if certain else None,
        reason="" if certain else reason,
        radius=radius if certain else None,
        alpha=alpha,
        limit=limit,
        rule=rule,
        selection_draws=chosen.shape[0],
        draws=scores.shape[0],
        rows_per_forward=rows_per_forward,
        rivals=rivals,
        derivation=bounds.network.derivation,
    )


def certify_margin(
    net: nn.Module,
    x: Tensor,
    *,
    alpha: float = 0.001,
    n: int = 1000,
    n0: int = 50,
    limit: float = 2.0,
    rule: Rule = "betting",
    bounds: MarginBounds | None = None,
    seed: int = 0,
    input_id: str = "0",
    batch_size: int = 250,
) -> MarginResult:
    """Certified radius of the classifier of the expected squashed logits at one input.

    The internal draws are keyed by (seed, input_id, purpose): selection and estimation never share one, and
    what was computed before has no influence. A network whose draws are shared by a batch is run row by row.

    Args:
        net: with a Lipschitz rule for every part; its source of noise is used and left as it was.
        x: one input without a batch axis.
        n, n0: draws for estimation and for selection.
        bounds: of `margin_bounds(net, x.shape)`, if computed before; they depend on the weights alone.
        batch_size: rows per forward pass, recorded as part of the scheme of draws.
        alpha, limit, rule: as in `certify_scores`.
    Raises:
        InputError: a module without a rule, parts with different sources of noise, or bad arguments.

    Example:
        >>> from ironbound.lipschitz import HyCASConfig, Noise
        >>> config = HyCASConfig.preset("tiny", (1, 6, 6), 2)
        >>> net = HyCASNet(config, noise=Noise(0), generator=torch.Generator().manual_seed(0))
        >>> certify_margin(net, torch.ones(1, 6, 6), n=200).draws
        200
    """
    if n < 2 or n0 < 1 or batch_size < 1:
        raise wrong_value("n, n0, batch_size", (n, n0, batch_size), "at least 2, 1 and 1")
    known = margin_bounds(net, tuple(x.shape)) if bounds is None else bounds
    rows = batch_size if draws_are_independent(net) else 1
    selection = draw_scores(net, x, n0, rows, seed=seed, key=f"{input_id} selection")
    estimation = draw_scores(net, x, n, rows, seed=seed, key=f"{input_id} estimation")
    return certify_scores(
        selection, estimation, known, alpha=alpha, limit=limit, rule=rule, rows_per_forward=rows
    )


def draw_scores(net: nn.Module, x: Tensor, count: int, rows: int, *, seed: int, key: str) -> Array:
    """Logits of `count` independent internal draws at one input, shape (count, classes), in eval mode."""
    found = sources(net)
    if len(found) > 1:
        raise InputError(f"net has {len(found)} sources of noise; build all its layers with one Noise")
    if rows > 1 and not draws_are_independent(net):
        raise wrong_value("rows", rows, "1, since the rows of a batch share their draws in this network")
    modes = [(part, part.training) for part in net.modules()]
    digest = hashlib.sha256(f"ironbound margin {seed} {key}".encode()).digest()
    try:
        net.eval()
        with torch.no_grad(), undisturbed(net):
            for source in found:
                source.reseed(int.from_bytes(digest[:7], "big"))
            sizes = [min(rows, count - start) for start in range(0, count, rows)]
            parts = [net(x.expand(size, *x.shape)).double().cpu().numpy() for size in sizes]
    finally:
        for part, mode in modes:
            part.training = mode
    return np.concatenate(parts)


def _rival(bounds: MarginBounds, label: int, other: int, lower: float, alpha: float) -> Rival:
    lipschitz, form = bounds.of_difference(label, other)
    if not lower > 0.0:
        radius = 0.0
    else:
        radius = math.nextafter(lower / lipschitz, 0.0) if lipschitz > 0.0 else math.inf
    return Rival(other, lower, alpha, lipschitz, form, radius)
