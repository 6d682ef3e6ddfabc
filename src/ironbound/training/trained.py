"""Weights on disk as safetensors, with the recipe beside them, and networks read back."""

from __future__ import annotations

import json
import os
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from ironbound.errors import InputError
from ironbound.lipschitz.noise import Draws
from ironbound.training.networks import build
from ironbound.training.recipe import Recipe


def save_network(net: nn.Module, recipe: Recipe, path: Path) -> None:
    """Write the weights, and in the metadata the recipe that says which network they belong to."""
    part = path.with_suffix(f".{os.getpid()}.part")
    tensors = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
    save_file(tensors, part, {"recipe": json.dumps(recipe.record(), sort_keys=True)})
    os.replace(part, path)


def load_network(path: Path | str, draws: Draws = "sample") -> tuple[nn.Module, Recipe]:
    """The network of a weights file in eval mode, and its recipe.

    Args:
        path: a file that `save_network` or `ironbound train` wrote, or the folder it lies in.
        draws: see `networks.build`.
    Raises:
        InputError: there is no such file, it is damaged, or holds no recipe.
    """
    file = Path(path)
    file = file / "weights.safetensors" if file.is_dir() else file
    try:
        with safe_open(file, framework="pt") as opened:
            text = (opened.metadata() or {}).get("recipe")
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"weights must be a safetensors file of `ironbound train`; {file}: {error}"
        ) from None
    if text is None:
        raise InputError(f"{file} holds no recipe; weights must have been written by `ironbound train`")
    recipe = Recipe(name="").changed(**json.loads(text))
    net = build(recipe, draws)
    try:
        net.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(f"the weights in {file} do not fit their recipe: {error}") from None
    return net.eval(), recipe
