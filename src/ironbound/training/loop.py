"""The training loop: resumable, and decided by its recipe alone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ironbound.data.training import single_thread
from ironbound.lipschitz.noise import sources
from ironbound.training import checkpoint
from ironbound.training.data import Pictures
from ironbound.training.log import Log
from ironbound.training.losses import StreamWeights, loss_of, stream_names
from ironbound.training.networks import build
from ironbound.training.recipe import Recipe
from ironbound.training.trained import save_network

CHECKPOINT, METRICS, CURVE, WEIGHTS = "checkpoint.pt", "metrics.jsonl", "curve.png", "weights.safetensors"
_LOGGED = 20


def _silent(stage: str, fraction: float) -> None:
    pass


def train(
    recipe: Recipe,
    pictures: Pictures,
    folder: Path | None = None,
    *,
    device: str = "cpu",
    save_every: int = 100,
    progress: Callable[[str, float], None] = _silent,
) -> nn.Module:
    """A trained network, in eval mode, on the CPU, with internal draws of its own for every row.

    With a folder, the same call goes on from the last checkpoint there; on a CPU an interrupted training ends
    with the same weights, bit for bit, as one that was not. The folder then holds `weights.safetensors`,
    `metrics.jsonl`, `curve.png` and `checkpoint.pt`.

    Args:
        recipe: what to train.
        pictures: training and held-out images of the recipe's data.
        folder: where to keep things; None for nowhere.
        device: a torch device. Batches and input noise are drawn on the CPU, so they do not depend on it.
        save_every: steps between checkpoints.
        progress: told of a stage and the fraction done.
    Raises:
        RunError: the folder holds the training of another recipe.
        InputError: images of another shape, or the loss is not finite any more.
    """
    state: dict[str, Any] | None = None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        state = checkpoint.load(folder / CHECKPOINT, recipe.record())
    with single_thread():
        return _run(recipe, pictures, folder, torch.device(device), save_every, progress, state)


def rate_at(step: int, recipe: Recipe) -> float:
    """Learning rate of a step (from 0): a linear rise over the first twentieth, then half a cosine.

    Example:
        >>> recipe = Recipe(name="x", steps=100, rate=1.0)
        >>> [round(rate_at(s, recipe), 2) for s in (0, 4, 52, 99)]
        [0.2, 1.0, 0.51, 0.0]
    """
    rise = max(1, recipe.steps // 20)
    if step < rise:
        return recipe.rate * (step + 1) / rise
    done = (step - rise) / max(1, recipe.steps - rise)
    return recipe.rate * 0.5 * (1.0 + math.cos(math.pi * done))


def _run(
    recipe: Recipe,
    pictures: Pictures,
    folder: Path | None,
    device: torch.device,
    save_every: int,
    progress: Callable[[str, float], None],
    state: dict[str, Any] | None,
) -> nn.Module:
    net = build(recipe, draws="batch").to(device)
    weights = StreamWeights(stream_names(net) if recipe.auxiliary > 0.0 else ()).to(device)
    generator = torch.Generator().manual_seed(recipe.seed)
    parameters = [*net.parameters(), *weights.parameters()]
    optimiser = torch.optim.AdamW(parameters, recipe.rate, weight_decay=recipe.decay)
    mean = build(recipe, draws="batch").to(device) if recipe.average > 0.0 else None
    first = 0
    if state is not None:
        net.load_state_dict(state["network"])
        weights.load_state_dict(state["weights"])
        optimiser.load_state_dict(state["optimiser"])
        generator.set_state(state["generator"])
        if mean is not None:
            mean.load_state_dict(state["mean"])
        for source, kept in zip(sources(net), state["noise"], strict=True):
            source.restore(kept)
        first = int(state["step"])
    log = Log(None if folder is None else folder / METRICS, first)
    draw = pictures.sampler(recipe.balanced)
    every = max(1, recipe.steps // _LOGGED)
    began = time.perf_counter()
    for step in range(first, recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = rate_at(step, recipe)
        x, y = (part.to(device) for part in draw(recipe.batch, generator))
        net.train()
        loss, logits = loss_of(net, weights, x, y, recipe, generator)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        if mean is not None:
            follow(mean, net, recipe.average, step)
        best = net if mean is None else mean
        done = step + 1
        if done % every == 0 or done == recipe.steps:
            value = float(loss.detach())
            _finite(value, step, recipe)
            log.add(
                step=done,
                loss=value,
                accuracy=100.0 * float((logits.argmax(1) == y).float().mean()),
                validation=_held_out(best, pictures, recipe, device),
                rate=rate_at(step, recipe),
                seconds=round(time.perf_counter() - began, 2),
            )
        if folder is not None and (done % save_every == 0 or done == recipe.steps):
            known = _state(recipe, done, net, weights, optimiser, generator)
            checkpoint.save(
                folder / CHECKPOINT, known | ({} if mean is None else {"mean": mean.state_dict()})
            )
        progress(f"training {recipe.name}", done / recipe.steps)
    finished = build(recipe)
    last = net if mean is None else mean
    finished.load_state_dict({name: value.cpu() for name, value in last.state_dict().items()})
    if folder is not None:
        save_network(finished, recipe, folder / WEIGHTS)
        log.draw(folder / CURVE, recipe.name)
    return finished.eval()


def follow(mean: nn.Module, net: nn.Module, keep: float, step: int) -> None:
    """Move running means of weights towards a network's, in place; early ones, from fresh weights, soon fade.

    What is counted in whole numbers (batches seen) is copied.

    Example:
        >>> mean, net = nn.Linear(1, 1), nn.Linear(1, 1)
        >>> follow(mean, net, 0.0, step=0)
        >>> torch.equal(mean.weight, net.weight)
        True
    """
    part = min(keep, (1 + step) / (10 + step))
    now = net.state_dict()
    with torch.no_grad():
        for name, value in mean.state_dict().items():
            if value.dtype.is_floating_point:
                value.mul_(part).add_(now[name], alpha=1.0 - part)
            else:
                value.copy_(now[name])


def _state(
    recipe: Recipe,
    step: int,
    net: nn.Module,
    weights: nn.Module,
    optimiser: torch.optim.Optimizer,
    generator: torch.Generator,
) -> dict[str, Any]:
    return {
        "recipe": recipe.record(),
        "step": step,
        "network": net.state_dict(),
        "weights": weights.state_dict(),
        "optimiser": optimiser.state_dict(),
        "generator": generator.get_state(),
        "noise": [source.state() for source in sources(net)],
    }


def _finite(loss: float, step: int, recipe: Recipe) -> None:
    if not math.isfinite(loss):
        from ironbound.errors import InputError

        raise InputError(f"the loss is {loss} at step {step}; a smaller rate than {recipe.rate} may help")


def _held_out(net: nn.Module, pictures: Pictures, recipe: Recipe, device: torch.device) -> float:
    """Accuracy in percent on held-out images under one draw of noise each; moves no random stream."""
    from ironbound.lipschitz.noise import undisturbed

    x, y = pictures.held_out(512)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    right: list[Tensor] = []
    net.eval()
    with torch.no_grad(), undisturbed(net):
        for start in range(0, len(x), 128):
            rows = slice(start, start + 128)
            logits = net((x[rows] + recipe.sigma * noise[rows]).to(device))
            right.append(logits.argmax(1).cpu() == y[rows])
    return 100.0 * float(torch.cat(right).float().mean())
