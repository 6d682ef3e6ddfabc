"""Certifiers of Lipschitz networks: they make sealed certificates, one classifier each.

    ExpectedLogits   the largest expected, squashed logit; no noise on the input
    RampSmoothed     the mean score under noise on the input and internal draws, with the ramp bound

Each is a `Certifier` of `ironbound.data.problem`. They are different classifiers, and so is the smoothed one
(`randomised.py`): radii of different ones must never be combined.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ironbound.certificate import Certificate, Claim
from ironbound.confidence import AlphaLedger
from ironbound.data.training import network_digest
from ironbound.errors import wrong_value
from ironbound.lipschitz import blocks
from ironbound.lipschitz.margin import MarginBounds, margin_bounds, squash
from ironbound.lipschitz.margin_evidence import MarginEvidence, RivalMargin
from ironbound.lipschitz.norms import ROUNDING_MARGIN
from ironbound.lipschitz.ramp import ramp_radius
from ironbound.lipschitz.ramp_evidence import RampEvidence
from ironbound.lipschitz.records import LedgerLine, counted, lines

Array = NDArray[np.float64]

_UP = 1.0 + 4 * ROUNDING_MARGIN
# A constant network gets this constant, so that radii stay finite.
_LEAST = 1e-12


@dataclass
class _Network:
    """A network with its constants, digest and number of internal draws, computed once."""

    net: nn.Module
    shape: tuple[int, ...]
    bounds: MarginBounds = field(init=False)
    ledger: tuple[LedgerLine, ...] = field(init=False)
    digest: str = field(init=False)
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.net.eval()
        self.bounds = margin_bounds(self.net, self.shape)
        self.ledger = lines(self.bounds.network)
        self.digest = network_digest(self.net)
        self.size = blocks.internal_size(self.net, self.shape)

    def scores(self, x: NDArray[Any], count: int, sigma: float, seed: int, name: str, purpose: str) -> Array:
        tensor = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))
        if tuple(tensor.shape) != self.shape:
            raise wrong_value("the input", tuple(tensor.shape), f"of shape {self.shape}")
        address = {"seed": seed, "input_id": name, "purpose": purpose, "size": self.size}
        parts = blocks.scores(self.net, tensor, count, sigma=sigma, **address)  # type: ignore[arg-type]
        return torch.cat(list(parts)).numpy()

    def constant(self, one: int, two: Sequence[int], squashed: bool) -> tuple[float, str, float]:
        """Lipschitz constant of logit `one` less the largest of `two`, its form, and the readout's norm."""
        general = max(math.sqrt(2.0) * self.bounds.network.value * _UP, _LEAST)
        features, readout = self.bounds.features, self.bounds.readout
        if features is None or readout is None:
            return general, "network", 0.0
        rows = readout.double()
        vectors: list[Tensor] = [rows[one] - rows[j] for j in two]
        if squashed:
            vectors += [rows[one], *(rows[j] for j in two)]
        norm = max(float(torch.linalg.vector_norm(vector)) for vector in vectors) * _UP
        pairwise = max(features.value * norm * _UP, _LEAST)
        return (pairwise, "pairwise", norm) if pairwise < general else (general, "network", 0.0)


class ExpectedLogits:
    """Margin certificates of the classifier of the expected, squashed logits.

    Args:
        net: with a Lipschitz rule for every part; random networks draw row by row (draws="sample").
        shape: of one input.
        channel, unit: how certificates name the input and its unit.
        alpha: error probability of one certificate. n, n0: draws that estimate, and that pick the class.
        limit: B, part of the classifier. seed: of all draws.
        class_names: printed in certificates.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> with torch.no_grad():
        ...     _ = net[1].weight.copy_(torch.eye(2, 4)), net[1].bias.zero_()
        >>> model = ExpectedLogits(net, (1, 2, 2), limit=4.0)
        >>> cert = model.certify({"image": np.array([[[2.0, 0.0], [0.0, 0.0]]])}, input_id="a")
        >>> cert.verify()
        >>> cert.prediction, 1.2 < cert.frontier[0] < math.sqrt(2)
        (0, True)
    """

    def __init__(
        self,
        net: nn.Module,
        shape: tuple[int, ...],
        *,
        channel: str = "image",
        unit: str = "pixel in [0, 1]",
        alpha: float = 0.001,
        n: int = 1000,
        n0: int = 64,
        limit: float = 1.0,
        seed: int = 0,
        class_names: Sequence[str] | None = None,
    ) -> None:
        _positive(limit=limit)
        _sample(alpha, n, n0)
        self._network = _Network(net, tuple(shape))
        self._channel, self._unit = channel, unit
        self._alpha, self._n, self._n0, self._limit, self._seed = alpha, n, n0, limit, seed
        self._names = None if class_names is None else tuple(class_names)

    @property
    def settings(self) -> Mapping[str, Any]:
        """What certificates depend on besides the network and the input."""
        found = {"alpha": self._alpha, "n": self._n, "n0": self._n0, "limit": self._limit, "seed": self._seed}
        return {"method": MarginEvidence.method, "scheme": blocks.SCHEME, **found}

    def predict(self, inputs: Mapping[str, NDArray[Any]]) -> int:
        """The class that the selection draws of the input "0" pick; nothing is proven."""
        return int(self._selection(inputs[self._channel], "0").argmax())

    def certify(self, inputs: Mapping[str, NDArray[Any]], *, input_id: str) -> Certificate:
        """A sealed certificate of one input; "cannot certify" is one too."""
        x = inputs[self._channel]
        selection = self._selection(x, input_id)
        label = int(selection.argmax())
        found = self._network.scores(x, self._n, 0.0, self._seed, input_id, "estimation")
        squashed = squash(found, self._limit)
        squashed[np.isnan(squashed).any(axis=1)] = np.nan
        others = [j for j in range(len(selection)) if j != label]
        shares = AlphaLedger(self._alpha).split([str(j) for j in others])
        rivals: list[RivalMargin] = []
        for j in others:
            # One rounding of a difference of two numbers of size at most B.
            apart = squashed[:, label] - squashed[:, j] - self._limit * 2.0**-50
            histogram = counted(apart, -2 * self._limit, 2 * self._limit, shares[str(j)])
            constant, form, readout = self._network.constant(label, [j], squashed=True)
            rivals.append(RivalMargin(j, histogram, constant, form, readout))  # type: ignore[arg-type]
        mu = min(_reach(rival) for rival in rivals)
        evidence = MarginEvidence(
            channel=self._channel,
            unit=self._unit,
            model=self._network.digest,
            limit=self._limit,
            selection_draws=self._n0,
            selection=tuple(selection.tolist()),
            rivals=tuple(rivals),
            ledger_lines=self._network.ledger,
            seed=self._seed,
            noise_scheme=blocks.SCHEME,
        )
        closest = min(rivals, key=lambda rival: rival.differences.share).label
        reason = f"the expected logit is not proven to exceed that of class {closest}"
        return _sealed(
            input_id,
            evidence,
            label,
            mu,
            reason,
            self._alpha,
            self._n0 + self._n,
            self._names,
            len(selection),
        )

    def _selection(self, x: NDArray[Any], input_id: str) -> Array:
        found = self._network.scores(x, self._n0, 0.0, self._seed, input_id, "selection")
        return np.nan_to_num(squash(found, self._limit), nan=-self._limit).mean(axis=0)


class RampSmoothed:
    """Ramp certificates of the mean score under Gaussian noise on the input and internal draws.

    Args:
        net, shape, channel, unit, alpha, n, n0, seed, class_names: as in `ExpectedLogits`.
        sigma: of the noise.
        slope: of the score, part of the classifier: the steeper, the closer to a majority vote.
    """

    def __init__(
        self,
        net: nn.Module,
        shape: tuple[int, ...],
        *,
        sigma: float,
        slope: float = 4.0,
        channel: str = "image",
        unit: str = "pixel in [0, 1]",
        alpha: float = 0.001,
        n: int = 1000,
        n0: int = 64,
        seed: int = 0,
        class_names: Sequence[str] | None = None,
    ) -> None:
        _positive(sigma=sigma, slope=slope)
        _sample(alpha, n, n0)
        self._network = _Network(net, tuple(shape))
        self._channel, self._unit, self._sigma, self._slope = channel, unit, float(sigma), float(slope)
        self._alpha, self._n, self._n0, self._seed = alpha, n, n0, seed
        self._names = None if class_names is None else tuple(class_names)

    @property
    def settings(self) -> Mapping[str, Any]:
        """What certificates depend on besides the network and the input."""
        found = {"alpha": self._alpha, "n": self._n, "n0": self._n0, "seed": self._seed}
        own = {"method": RampEvidence.method, "scheme": blocks.SCHEME}
        return {**own, "sigma": self._sigma, "slope": self._slope, **found}

    def predict(self, inputs: Mapping[str, NDArray[Any]]) -> int:
        """The class that the selection draws of the input "0" pick; nothing is proven."""
        return int(self._selection(inputs[self._channel], "0").argmax())

    def certify(self, inputs: Mapping[str, NDArray[Any]], *, input_id: str) -> Certificate:
        """A sealed certificate of one input; "cannot certify" is one too."""
        x = inputs[self._channel]
        selection = self._selection(x, input_id)
        label = int(selection.argmax())
        found = self._network.scores(x, self._n, self._sigma, self._seed, input_id, "estimation")
        histogram = counted(ramp_scores(found, self._slope)[:, label] - 2.0**-50, 0.0, 1.0, self._alpha)
        others = [j for j in range(len(selection)) if j != label]
        constant, form, readout = self._network.constant(label, others, squashed=False)
        constant *= self._slope * _UP
        radius = ramp_radius(math.nextafter(histogram.share, 0.0), self._sigma, constant)
        # A little less than proven, for the roundings on the way from radius to mu.
        mu = 0.0 if radius is None else radius / self._sigma * (1.0 - 1e-9)
        evidence = RampEvidence(
            channel=self._channel,
            unit=self._unit,
            sigma=self._sigma,
            model=self._network.digest,
            slope=self._slope,
            lipschitz=constant,
            form=form,  # type: ignore[arg-type]
            readout=readout,
            selection_draws=self._n0,
            selection=tuple(selection.tolist()),
            scores=histogram,
            ledger_lines=self._network.ledger,
            seed=self._seed,
            noise_scheme=blocks.SCHEME,
        )
        reason = f"the mean score of class {label} is not proven to exceed 1/2"
        return _sealed(
            input_id,
            evidence,
            label,
            mu,
            reason,
            self._alpha,
            self._n0 + self._n,
            self._names,
            len(selection),
        )

    def _selection(self, x: NDArray[Any], input_id: str) -> Array:
        found = self._network.scores(x, self._n0, self._sigma, self._seed, input_id, "selection")
        return ramp_scores(found, self._slope).mean(axis=0)


def ramp_scores(logits: Array, slope: float) -> Array:
    """clip(1/2 + slope (s_c - max over others), 0, 1) for every class; logits (n, C). NaN counts as 0.

    Example:
        >>> ramp_scores(np.array([[1.0, 0.5, 0.0]]), 0.5).tolist()
        [[0.75, 0.25, 0.0]]
    """
    top = np.sort(logits, axis=1)
    best, second = top[:, -1:], top[:, -2:-1]
    rest = np.where(logits == best, second, best)
    return np.nan_to_num(np.clip(0.5 + slope * (logits - rest), 0.0, 1.0), nan=0.0)


def _reach(rival: RivalMargin) -> float:
    """The shift that a rival's margin allows, a little less than proven; 0 if it is not positive."""
    low, high = rival.differences.low, rival.differences.high
    lower = low + rival.differences.share * (high - low) - 1e-12 * (high - low)
    return max(0.0, lower / rival.lipschitz * (1.0 - 1e-9))


def _sealed(
    input_id: str,
    evidence: MarginEvidence | RampEvidence,
    label: int,
    mu: float,
    reason: str,
    alpha: float,
    samples: int,
    names: tuple[str, ...] | None,
    classes: int,
) -> Certificate:
    certain = mu > 0.0
    return Certificate.build(
        input_id=input_id,
        method=evidence.method,
        num_classes=classes,
        class_names=names,
        prediction=label if certain else None,
        reason="" if certain else reason,
        alpha=alpha,
        samples=samples,
        claims=(Claim((), mu if certain else None),),
        evidence=evidence,
    )


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not 0.0 < value < math.inf:
            raise wrong_value(name, value, "positive and finite")


def _sample(alpha: float, n: int, n0: int) -> None:
    if not 0.0 < alpha < 1.0:
        raise wrong_value("alpha", alpha, "a probability in (0, 1)")
    if n < 2 or n0 < 1:
        raise wrong_value("n, n0", (n, n0), "at least 2 and 1")
