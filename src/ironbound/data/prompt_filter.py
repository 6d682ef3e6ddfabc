"""Task prompt-filter: a text-only filter of harmful requests, attacked by words appended to the request.

Harmful: AdvBench (Zou et al., 2023). Benign: ordinary messages (SMS Spam Collection) and news (AG News). The
two differ in style as well as in intent, and the filter learns both: it shows what certification does, and
is no measure of how well harm can be recognised.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ironbound.channels import Alphabet, Smoothing, UniformReplacement
from ironbound.data import prompt_texts, tasks
from ironbound.data.benign import calibration
from ironbound.data.problem import Example, Problem
from ironbound.data.prompt_texts import PAD, encoded, parts, tokenizer
from ironbound.data.registry import arrays_digest
from ironbound.data.training import OneThread, Progress, network_digest, single_thread, trained
from ironbound.data.weights import kept
from ironbound.threats import SuffixAppend, Threat

NAME = "prompt-filter"
CLASS_NAMES = ("benign", "harmful")
MAX_D = 8
SETTINGS: dict[str, Any] = {
    "beta": 0.25,
    "vocabulary": 2000,
    "steps": 1500,
    "batch": 128,
    "rate": 5e-2,
    "decay": 1e-3,
    "draws": 100_000,
    "alpha": 0.01,
    "tau": None,  # a threshold of one's own; refused where the benign draws do not support it
    "seed": 0,
}


class WordSum(torch.nn.Module):
    """Log-odds of "harmful" (B,) from token ids (B, L): a sum over tokens, each counting 1 at most."""

    def __init__(self, tokens: int, pad: int) -> None:
        super().__init__()
        self.weight = torch.nn.Embedding(tokens, 1, padding_idx=pad)
        torch.nn.init.zeros_(self.weight.weight)
        self.bias = torch.nn.Parameter(torch.zeros(1))
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        votes = torch.tanh(self.weight(tokens)).squeeze(-1).sum(dim=1)
        return self.scale.abs() * votes + self.bias


@dataclass(frozen=True)
class Filter:
    """Label 1 ("harmful") where the log-odds of the network exceed `margin`."""

    network: WordSum
    margin: float

    def __call__(self, batch: Mapping[str, Any]) -> torch.Tensor:
        tokens = torch.as_tensor(np.asarray(batch["prompt"]))
        with torch.no_grad():
            return (self.network(tokens) > self.margin).long()


def fit(
    network: WordSum,
    harmful: torch.Tensor,
    benign: torch.Tensor,
    settings: Mapping[str, Any],
    progress: Callable[[float], None],
) -> None:
    """Train on as many harmful as benign texts; up to eight random tokens stand where pads begin."""
    generator = torch.Generator().manual_seed(int(settings["seed"]))
    steps, half = int(settings["steps"]), int(settings["batch"]) // 2
    size = network.weight.num_embeddings
    optimiser = torch.optim.AdamW(network.parameters(), settings["rate"], weight_decay=settings["decay"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings["rate"], total_steps=steps)
    labels = torch.cat([torch.ones(half), torch.zeros(half)])
    network.train()
    for step in range(steps):
        rows = [part[torch.randint(len(part), (half,), generator=generator)] for part in (harmful, benign)]
        tokens = torch.cat(rows)
        loss = functional.binary_cross_entropy_with_logits(
            network(_slotted(tokens, size, settings["beta"], generator)), labels
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        progress((step + 1) / steps)


def _slotted(tokens: torch.Tensor, size: int, beta: float, generator: torch.Generator) -> torch.Tensor:
    """Texts with eight more places, each a random token at the rate beta and else a pad."""
    slot = torch.randint(1, size, (len(tokens), MAX_D), generator=generator)
    drawn = torch.rand(slot.shape, generator=generator) < beta
    return torch.cat([tokens, torch.where(drawn, slot, torch.zeros_like(slot))], dim=1)


def load(
    *,
    cache: Path | str | None = None,
    progress: Progress | None = None,
    settings: Mapping[str, Any] = SETTINGS,
) -> Problem:
    """The task: 220 harmful requests, whether appended tokens can argue the flag away.

    The margin lies just above every noisy draw of benign texts set aside for it; tau is the upper confidence
    bound of the share of noisy draws of other benign texts that are flagged, each drawn equally often.

    Raises:
        InputError: the data or the `tokenizers` library are not here.
    """
    split = parts(cache)
    words = tokenizer([*split.harmful, *split.benign], settings["vocabulary"])
    ids = {
        name: encoded(words, getattr(split, name))
        for name in ("harmful", "benign", "choosing", "calibrating")
    }
    certified = encoded(words, split.certified)

    def train(network: WordSum, report: Callable[[float], None]) -> None:
        fit(network, torch.from_numpy(ids["harmful"]), torch.from_numpy(ids["benign"]), settings, report)

    network = trained(
        NAME,
        lambda: WordSum(words.vocabulary_size, PAD),
        train,
        settings={**settings, "data": arrays_digest(ids), "tokenizer": words.digest},
        sources=[sys.modules[__name__], prompt_texts],
        cache=cache,
        progress=progress,
    )

    # The pad is no ordinary token, but stands where the noise writes: it belongs to what the noise can show.
    plain = words.allowed("plain")
    allowed = Alphabet([PAD, *plain.ids], f"{plain.name}; and the pad")

    def calibrate() -> dict[str, NDArray[Any]]:
        margin = float(max(_odds(network, ids["choosing"], allowed, settings, 1)))
        checked = _odds(network, ids["calibrating"], allowed, settings, 2)
        flagged = np.array([np.count_nonzero(checked > margin)])
        return {"margin": np.array([margin]), "flagged": flagged, "draws": np.array([checked.size])}

    known = {key: value for key, value in settings.items() if key not in ("alpha", "tau")}
    known |= {"network": network_digest(network), "data": arrays_digest(ids)}
    sources = [sys.modules[__name__], prompt_texts]
    found = kept(f"{NAME}-margin", calibrate, settings=known, sources=sources, cache=cache)
    margin = float(found["margin"][0])
    examples = tuple(
        # As long as the texts of the calibration; the threat puts the slot behind it.
        Example(f"request-{i:03d}", {"prompt": row}, 1, text)
        for i, (row, text) in enumerate(zip(certified, split.certified, strict=True))
    )
    smoothing = Smoothing(prompt=UniformReplacement(beta=settings["beta"], alphabet=allowed))
    threat = Threat(prompt=SuffixAppend(max_d=MAX_D, pad=PAD, slot=MAX_D))
    digest = arrays_digest({"margin": np.array([margin])}) + network_digest(network)
    proved = calibration(
        smoothing,
        threat,
        examples[0].inputs,
        flagged=int(found["flagged"][0]),
        draws=int(found["draws"][0]),
        benign=len(ids["calibrating"]),
        scope="inputs",
        alpha=settings["alpha"],
        seed=2,
        scheme=f"torch generator, {__name__}",
        model_digest=digest,
        data_digest=arrays_digest({"prompts": ids["calibrating"]}),
        threshold=settings["tau"],
    )
    return Problem(
        name=NAME,
        base=OneThread(Filter(network, margin)),
        smoothing=smoothing,
        threat=threat,
        num_classes=2,
        class_names=CLASS_NAMES,
        examples=examples,
        # 0.01 of it is spent on the threshold, as in the paper, and 0.01 on the draws of a certificate.
        statistics={"alpha": 0.01 + settings["alpha"], "n": 10_000, "n0": 100},
        threshold=proved.tau,
        positive=proved.positive,
        calibration=proved,
        model_digest=digest,
        data_digest=arrays_digest({"prompts": certified}),
        description=tasks.task_description(NAME),
    )


def _odds(
    network: WordSum, ids: NDArray[np.int64], allowed: Iterable[int], settings: Mapping[str, Any], seed: int
) -> NDArray[np.float32]:
    """Log-odds of noisy draws of benign texts under the certified noise; every text equally often."""
    generator = torch.Generator().manual_seed(seed)
    each = -(-int(settings["draws"]) // len(ids))
    # The noise keeps the pad or writes one of the other allowed tokens, and never a control token.
    others = torch.tensor([token for token in allowed if token != PAD])
    rows, found = torch.from_numpy(ids).repeat_interleave(each, dim=0), []
    for part in rows.split(5000):
        slot = others[torch.randint(len(others), (len(part), MAX_D), generator=generator)]
        drawn = torch.rand(slot.shape, generator=generator) < settings["beta"]
        shown = torch.cat([part, torch.where(drawn, slot, torch.zeros_like(slot))], dim=1)
        with torch.no_grad(), single_thread():
            found.append(network(shown).numpy())
    return np.concatenate(found)
