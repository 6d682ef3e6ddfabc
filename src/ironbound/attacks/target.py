"""What is attacked: an input under noise and the classifier's votes, with gradients where there are any.

With a torch network behind the base, gradients are those of the network, averaged over noise. Without, the
votes under noise tell the direction: for Gaussian noise the gradient of a class's probability is the mean of
vote times noise over sigma^2 (Stein), and the noise on a discrete channel tries all symbols in all places.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ironbound.channels import AnisotropicGaussian, Deletion
from ironbound.channels.base import AbstractChannel, Array
from ironbound.models.base import as_base
from ironbound.models.torch import TorchClassifier
from ironbound.smoothing.answers import labels

Inputs = dict[str, Array]
Floats = NDArray[np.float64]


@dataclass
class Queries:
    """How many rows the base was asked about."""

    rows: int = 0


@dataclass(frozen=True)
class Target:
    """Votes and directions of one classifier at inputs near one clean input.

    Args:
        base: as for `SmoothedClassifier`.
        channels: the noise on each channel of the attacked input.
        prediction: the class to leave.
        num_classes, class_names: as for `SmoothedClassifier`.
        noisy: False to attack the base itself; its noise then only serves to look around.
    """

    base: Any
    channels: Mapping[str, AbstractChannel]
    prediction: int
    num_classes: int
    class_names: tuple[str, ...] | None = None
    noisy: bool = True
    white_box: bool = True
    queries: Queries = field(default_factory=Queries)

    @property
    def network(self) -> TorchClassifier | None:
        """The torch network behind the base, if there is one and it may be looked into."""
        found = self.base
        while not isinstance(found, TorchClassifier):
            found = getattr(found, "base", None)
            if found is None:
                return None
        return found if self.white_box else None

    def draws(self, inputs: Inputs, count: int, generator: np.random.Generator, wide: float = 1.0) -> Inputs:
        """Noised copies; `wide` stretches the noise on continuous channels."""
        noised = {name: c.sample(inputs[name], generator, count) for name, c in self.channels.items()}
        if wide == 1.0:
            return noised
        return {
            n: inputs[n] + wide * (v - inputs[n]) if v.dtype.kind == "f" else v for n, v in noised.items()
        }

    def votes(self, batch: Inputs) -> NDArray[np.int64]:
        """Labels of the rows of a batch, (B,)."""
        count = len(next(iter(batch.values())))
        self.queries.rows += count
        return labels(as_base(self.base)(dict(batch)), count, self.num_classes, self.class_names)

    def counts(self, inputs: Inputs, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """Votes (C,) for each class among `count` draws; of a base without noise one draw stands for all."""
        if not self.noisy:
            vote = int(self.votes({name: value[None] for name, value in inputs.items()})[0])
            return count * np.eye(self.num_classes, dtype=np.int64)[vote] if vote >= 0 else self._none()
        total = self._none()
        for start in range(0, count, 4096):
            found = self.votes(self.draws(inputs, min(4096, count - start), generator))
            total += np.bincount(found[found >= 0], minlength=self.num_classes)
        return total

    def losses(self, several: list[Inputs], count: int, seed: int) -> Floats:
        """How close each input is to another answer, larger is closer; all under equal random numbers.

        With a network the logarithm of the mean probability of another class, else the share of other votes.
        """
        each = count if self.noisy else 1
        parts = [
            self.draws(one, count, np.random.default_rng(seed))
            if self.noisy
            else {name: value[None] for name, value in one.items()}
            for one in several
        ]
        batch = {name: np.concatenate([part[name] for part in parts]) for name in self.channels}
        network = self.network
        if network is None:
            wrong = self.votes(batch) != self.prediction
            return wrong.reshape(len(several), each).mean(axis=1)
        self.queries.rows += each * len(several)
        other = _log_other(torch.as_tensor(network(dict(batch))), self.prediction)
        return other.view(len(several), each).logsumexp(dim=1).double().numpy()

    def directions(self, inputs: Inputs, count: int, seed: int) -> tuple[Inputs, dict[str, Floats | None]]:
        """For each continuous channel the way to go, for each discrete one scores (length, symbols).

        The scores estimate what writing a symbol at a place does to the loss; None where nothing is known.
        Under deletion noise places mean nothing: scores (1, symbols) say what showing a symbol does.
        """
        if self.network is None:
            return self._by_votes(inputs, count, seed)
        return self._by_gradient(self.network, inputs, count, seed)

    def _none(self) -> NDArray[np.int64]:
        return np.zeros(self.num_classes, dtype=np.int64)

    def _by_votes(self, inputs: Inputs, count: int, seed: int) -> tuple[Inputs, dict[str, Floats | None]]:
        generator = np.random.default_rng(seed)
        batch, wrong = inputs, np.zeros(0)
        for wide in (1.0, 2.0, 4.0):
            batch = self.draws(inputs, count, generator, wide)
            wrong = (self.votes(batch) != self.prediction).astype(np.float64)
            if 8 <= wrong.sum() <= count - 8:
                break  # enough of both answers to tell a direction
        wrong -= wrong.mean()
        moves: Inputs = {}
        scores: dict[str, Floats | None] = {}
        for name, value in inputs.items():
            if value.dtype.kind == "f":
                moves[name] = np.tensordot(wrong, batch[name] - value, axes=1)
                channel = self.channels[name]
                if isinstance(channel, AnisotropicGaussian):  # vote times noise over the variance
                    moves[name] /= np.asarray(channel.sigmas).reshape(channel.shape) ** 2
            elif isinstance(self.channels[name], Deletion):
                scores[name] = _shown(batch[name], wrong)
            else:
                scores[name] = _means(batch[name], value, wrong)
        return moves, scores

    def _by_gradient(
        self, network: TorchClassifier, inputs: Inputs, count: int, seed: int
    ) -> tuple[Inputs, dict[str, Floats | None]]:
        batch = self.draws(inputs, count, np.random.default_rng(seed)) if self.noisy else _once(inputs)
        module = network.module
        kinds = [p.dtype for p in module.parameters() if p.is_floating_point()]
        tensors = {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in batch.items()}
        for name, tensor in tensors.items():
            if tensor.is_floating_point():
                tensors[name] = tensor.to(kinds[0] if kinds else tensor.dtype).requires_grad_()
        seen: list[tuple[torch.nn.Embedding, torch.Tensor, torch.Tensor]] = []

        def watch(part: Any, given: Any, output: torch.Tensor) -> None:
            if output.requires_grad:
                seen.append((part, given[0], output))

        embeddings = [part for part in module.modules() if isinstance(part, torch.nn.Embedding)]
        hooks = [part.register_forward_hook(watch) for part in embeddings]
        modes = [(part, part.training) for part in module.modules()]
        try:
            module.eval()
            arguments = network.arguments
            given = (tensors,) if arguments is None else tuple(tensors[name] for name in arguments)
            loss = _log_other(module(*given), self.prediction).logsumexp(dim=0)
            sources = [t for t in tensors.values() if t.requires_grad] + [output for _, _, output in seen]
            found = torch.autograd.grad(loss, sources, allow_unused=True)
        finally:
            for hook in hooks:
                hook.remove()
            for part, training in modes:
                part.training = training
        self.queries.rows += len(next(iter(batch.values())))
        gradients = {id(s): g for s, g in zip(sources, found, strict=True) if g is not None}
        moves: Inputs = {}
        scores: dict[str, Floats | None] = {}
        for name, tensor in tensors.items():
            if tensor.requires_grad:
                own = gradients.get(id(tensor))
                moves[name] = np.zeros_like(inputs[name]) if own is None else own.sum(dim=0).numpy()
                continue
            scores[name] = None
            for part, ids, output in seen:
                own = gradients.get(id(output))
                if own is None or ids.shape != tensor.shape or not torch.equal(ids, tensor):
                    continue
                channel = self.channels[name]
                if isinstance(channel, Deletion):
                    # Columns are filled with pads: what a symbol in place of one of them does, on average.
                    gain = own.sum(dim=0).mean(dim=0) @ part.weight.detach().T
                    scores[name] = (gain - gain[channel.pad])[None].double().numpy()
                else:
                    kept = tensor == torch.from_numpy(inputs[name])
                    pull = (own * kept[..., None]).sum(dim=0)
                    gain = pull @ part.weight.detach().T
                    here = gain.gather(1, torch.from_numpy(inputs[name])[:, None])
                    scores[name] = (gain - here).double().numpy()
        return moves, scores


def _once(inputs: Inputs) -> Inputs:
    return {name: value[None] for name, value in inputs.items()}


def _log_other(scores: torch.Tensor, prediction: int) -> torch.Tensor:
    """log P(another class than the prediction) of each row; finite where a probability rounds to 1."""
    rest = torch.cat([scores[:, :prediction], scores[:, prediction + 1 :]], dim=1)
    return rest.logsumexp(dim=1) - scores.logsumexp(dim=1)


def _shown(noised: Array, wrong: Floats) -> Floats:
    """Mean of `wrong` among the draws that show a symbol, shrunk where they are few; (1, symbols)."""
    size = int(noised.max()) + 1
    shown = np.zeros((len(noised), size), dtype=bool)
    shown[np.arange(len(noised))[:, None], noised] = True
    return ((wrong @ shown) / (shown.sum(axis=0) + 8.0))[None]


def _means(noised: Array, value: Array, wrong: Floats) -> Floats:
    """Mean of `wrong` among the draws that show a symbol in a place, shrunk where they are few."""
    size = int(max(noised.max(), value.max())) + 1
    scores = np.zeros((value.size, size))
    for at in range(value.size):
        sums = np.bincount(noised[:, at], weights=wrong, minlength=size)
        often = np.bincount(noised[:, at], minlength=size)
        scores[at] = sums / (often + 8.0)
    return scores
