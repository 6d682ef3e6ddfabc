"""What decides the weights of a network: data, architecture, loss, schedule, seed; read from TOML."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from ironbound.errors import ConfigError, InputError, wrong_value

Kind = Literal["hycas", "plain"]
Method = Literal["noise", "adversarial", "smoothadv", "trades"]

_CHOICES: dict[str, tuple[str, ...]] = {
    "data": ("pneumonia", "mnist", "fashion-mnist", "cifar10"),
    "network": ("hycas", "plain"),
    "method": ("noise", "adversarial", "smoothadv", "trades"),
    "norm": ("linf", "l2"),
    "mode": ("normalized", "residual"),
    "gate": ("stream", "channel"),
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides the weights of a network.

    Args:
        name: of the recipe, for files and titles.
        data: "pneumonia", "mnist", "fashion-mnist" or "cifar10"; the training part is used.
        network: "hycas", or "plain": a residual network with batch normalisation, of the same size.
        width, blocks, fold, mode, gate, injection, streams: as in `HyCASConfig`; `streams` lists the streams
            to keep, "" for the published ones. Only the first three matter for a plain network.
        sigma: standard deviation of the noise on the input, in pixels of [0, 1]; 0 for none.
        method: "noise" (cross-entropy under noise), "adversarial" (on the worst input found for each draw of
            noise), "smoothadv" (on the worst input found for the mean answer of all copies, which is attacked
            as one smoothed classifier; Salman et al. 2019, arXiv 1906.04584), or "trades".
        eps, norm, attack_steps, beta: of the inner attack, and the weight of the second term of TRADES.
        auxiliary: weight of the losses of single streams; 0 for none. One stream a step is asked, at random,
            and the streams' weights are learned (as log-variances).
        copies: draws of noise an image in every batch.
        consistency: weight of the divergence of the answers under each draw from their mean, which makes a
            vote under noise less divided (Jeong and Shin 2020, arXiv 2006.04062); it needs 2 or more copies.
            With "trades" the answers are those before the attack, else those under it.
        entropy: weight of the entropy of that mean, added to the loss; it counts where consistency does.
        average: how much of a running mean of the weights a step keeps (the mean is what is kept in the end
            and judged on held-out images); 0 for the last weights.
        temperature: logits are multiplied by it in the loss. Logits of a Lipschitz network are small.
        balanced: True if every class is drawn equally often, False if as often as it occurs; or a power
            between 0 and 1 in between: each image's weight is its class's count to minus this power.
        steps, batch, rate, decay: of AdamW; the rate rises over the first twentieth and falls as a cosine.
        seed: of initial weights, batches, noise and internal draws.
    Raises:
        InputError: naming the argument.

    Example:
        >>> Recipe(name="x", steps=10).changed(sigma=0.25).sigma
        0.25
    """

    name: str
    data: str = "pneumonia"
    network: str = "hycas"
    width: int = 16
    blocks: tuple[int, ...] = (1, 1)
    fold: int = 2
    mode: str = "normalized"
    gate: str = "stream"
    injection: bool = True
    streams: str = ""
    sigma: float = 0.5
    method: str = "noise"
    eps: float = 8 / 255
    norm: str = "linf"
    attack_steps: int = 7
    beta: float = 6.0
    auxiliary: float = 0.2
    copies: int = 1
    consistency: float = 0.0
    entropy: float = 0.0
    average: float = 0.0
    temperature: float = 16.0
    balanced: bool | float = False
    steps: int = 1000
    batch: int = 64
    rate: float = 5e-3
    decay: float = 1e-4
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise wrong_value(name, getattr(self, name), "one of " + ", ".join(map(repr, choices)))
        for name in ("steps", "batch", "width", "fold", "attack_steps", "copies"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise wrong_value(name, value, "a whole number of at least 1")
        for name in ("sigma", "eps", "beta", "auxiliary", "decay", "consistency", "entropy"):
            if not 0.0 <= float(getattr(self, name)) < math.inf:
                raise wrong_value(name, getattr(self, name), "0 or more, and finite")
        for name in ("rate", "temperature"):
            if not 0.0 < float(getattr(self, name)) < math.inf:
                raise wrong_value(name, getattr(self, name), "positive and finite")
        if not 0.0 <= self.balanced <= 1.0:
            raise wrong_value("balanced", self.balanced, "true, false, or a power between 0 and 1")
        if not 0.0 <= self.average < 1.0:
            raise wrong_value("average", self.average, "at least 0 and below 1")
        if self.consistency > 0.0 and self.copies < 2:
            raise wrong_value("consistency", self.consistency, "0 unless copies is at least 2")
        if self.method == "smoothadv" and self.copies < 2:
            raise wrong_value("copies", self.copies, '2 or more for method "smoothadv"')
        if not set(self.stream_names) <= {"spectral", "frequency", "projection"}:
            raise wrong_value("streams", self.streams, '"spectral", "frequency", "projection", joined by "+"')

    @property
    def stream_names(self) -> tuple[str, ...]:
        """Streams that are kept; empty for the published ones."""
        return tuple(part for part in self.streams.split("+") if part)

    def changed(self, **changes: Any) -> Recipe:
        """The same recipe with other values.

        Raises:
            ConfigError: no such key, with the nearest one. InputError: a value cannot be.
        """
        known = [field.name for field in fields(Recipe)]
        for key in changes:
            if key not in known:
                near = get_close_matches(key, known, n=1)
                raise ConfigError(
                    f"unknown key {key!r} in a recipe; "
                    + (f"did you mean {near[0]!r}?" if near else f"valid: {', '.join(known)}")
                )
        return replace(self, **{k: tuple(v) if isinstance(v, list) else v for k, v in changes.items()})

    def record(self) -> dict[str, Any]:
        """Plain values, for files; `Recipe(name="").changed(**record)` is the recipe again."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}


def _presets() -> dict[str, Recipe]:
    base = Recipe(name="pneumonia-hycas-small")
    several = [
        base,
        base.changed(name="pneumonia-hycas-residual", mode="residual"),
        base.changed(name="pneumonia-lipschitz-small", streams="spectral", injection=False, auxiliary=0.0),
        base.changed(name="pneumonia-plain-small", network="plain", temperature=1.0, auxiliary=0.0),
    ]
    steady: dict[str, Any] = {"copies": 2, "consistency": 5.0, "entropy": 0.1, "average": 0.995}
    several += [
        several[0].changed(
            name="pneumonia-hycas-consistent", temperature=32.0, **{**steady, "auxiliary": 0.0}
        ),
        several[3].changed(name="pneumonia-plain-consistent", **steady),
    ]
    # Chosen on validation images (experiment hycas-pneumonia).
    robust: dict[str, Any] = {**steady, "method": "smoothadv", "attack_steps": 2, "balanced": 0.5}
    robust |= {"consistency": 3.0, "entropy": 0.0, "auxiliary": 0.0}
    several += [
        several[0].changed(
            name="pneumonia-hycas-smoothadv", temperature=32.0, streams="spectral+frequency", **robust
        ),
        several[3].changed(name="pneumonia-plain-smoothadv", **robust),
    ]
    for data in ("mnist", "fashion-mnist", "cifar10"):
        several += [r.changed(name=r.name.replace("pneumonia", data), data=data) for r in several[:4]]
    return {recipe.name: recipe for recipe in several}


PRESETS: Mapping[str, Recipe] = _presets()
"""Recipes that train within five minutes on one core, by name."""


def preset(name: str) -> Recipe:
    """A recipe by name.

    Raises:
        ConfigError: with the nearest name.

    Example:
        >>> preset("mnist-hycas-small").data
        'mnist'
    """
    if name not in PRESETS:
        near = get_close_matches(name, PRESETS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(PRESETS)}"
        raise ConfigError(f"{name!r} is neither a training preset nor a .toml file; {hint}")
    return PRESETS[name]


def read_recipe(target: str) -> Recipe:
    """The recipe of a preset's name, or of a TOML file with keys of `Recipe` (and `preset` to start from).

    Raises:
        ConfigError: no such preset or file, not TOML, an unknown key, or a value that cannot be.
    """
    if not (target.endswith(".toml") or "/" in target):
        return preset(target)
    path = Path(target)
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{target} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{target} is not TOML: {error}") from None
    start = preset(str(found.pop("preset"))) if "preset" in found else Recipe(name=path.stem)
    try:
        return start.changed(**{"name": path.stem, **found})
    except (InputError, TypeError, ValueError) as error:
        raise ConfigError(f"{target}: {error}") from None
