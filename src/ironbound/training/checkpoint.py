"""The state of a training between two steps, on disk: written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from ironbound.errors import RunError
from ironbound.training.recipe import Recipe


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint; whoever reads sees the old one or the new one."""
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def load(path: Path, recipe: dict[str, Any]) -> dict[str, Any] | None:
    """The checkpoint, None if there is none yet. Only tensors and plain values are read.

    Raises:
        RunError: it is damaged, or of another recipe (with the first difference).
    """
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        # What older checkpoints do not name had its default.
        before = {**Recipe(name="").record(), **state["recipe"]}
    except Exception as error:
        raise RunError(
            f"{path} is no checkpoint that can be read ({error}); remove it to begin anew"
        ) from None
    for key, value in recipe.items():
        if before.get(key) != value:
            raise RunError(
                f"{path.parent} holds a training with {key} = {before.get(key)!r}, now {value!r}; "
                "choose another folder"
            )
    return state
