"""Diffusion models of the `diffusers` library: a UNet and its schedule, from a local folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ironbound.errors import InputError

# What `diffusers` calls predictions, and what they are called here.
_PREDICTS = {"epsilon": "noise", "sample": "sample", "v_prediction": "velocity"}


@dataclass(frozen=True)
class DiffusionModel:
    """A diffusion model, ready to be asked for one step.

    Attributes:
        unet: called with states (B, C, H, W) and a time; such as `UNet2DModel`.
        remaining: of the schedule, "alphas_cumprod".
        predicts: "noise", "sample" or "velocity".
    """

    unet: Any
    remaining: tuple[float, ...]
    predicts: str

    def __call__(self, state: torch.Tensor, time: int) -> torch.Tensor:
        """The prediction for states (B, C, H, W), or (B, H, W) without an axis of colours.

        A learned variance in further channels is left out.
        """
        own = next(self.unet.parameters())
        planes = state[:, None] if state.ndim == 3 else state
        with torch.no_grad():
            found = self.unet(planes.to(own.device, own.dtype), time)
        found = getattr(found, "sample", found)[:, : planes.shape[1]].to(state)
        return found[:, 0] if state.ndim == 3 else found


def from_diffusers(unet: Any, scheduler: Any) -> DiffusionModel:
    """A model of `diffusers` and its scheduler; the model is put into eval mode.

    Args:
        unet: such as `UNet2DModel`.
        scheduler: such as `DDPMScheduler`, of the training: it has `alphas_cumprod`.
    Raises:
        InputError: the scheduler has no such schedule, or predicts something else.
    """
    remaining = getattr(scheduler, "alphas_cumprod", None)
    kind = getattr(scheduler.config, "prediction_type", "epsilon")
    if remaining is None or kind not in _PREDICTS:
        raise InputError(
            f"scheduler must have alphas_cumprod and predict one of {', '.join(_PREDICTS)}; got "
            f"{type(scheduler).__name__}, {kind!r}"
        )
    # A schedule that ends in pure noise has a last value of 0, a time that matches no noise of ours.
    values = tuple(value for value in torch.as_tensor(remaining).double().tolist() if 0.0 < value < 1.0)
    return DiffusionModel(unet.eval(), values, _PREDICTS[kind])


def load_diffusion(path: str | Path, device: str | None = None) -> DiffusionModel:
    """A model from a folder as `diffusers` pipelines write it, with subfolders `unet` and `scheduler`.

    Only local files are read, and only safetensors.

    Raises:
        InputError: no such folder, not loadable, or `diffusers` is not installed.
    """
    try:
        from diffusers import DDPMScheduler, UNet2DModel  # pyright: ignore[reportPrivateImportUsage]
    except ImportError:
        raise InputError("diffusion models need diffusers: pip install 'ironbound[denoise]'") from None
    folder = Path(path)
    for part in ("unet", "scheduler"):
        if not (folder / part).is_dir():  # a name that is no folder would be looked up on the network
            raise InputError(f"path must be a local folder with unet and scheduler; got {str(path)!r}")
    try:
        unet: Any = UNet2DModel.from_pretrained(
            str(folder / "unet"), local_files_only=True, use_safetensors=True, low_cpu_mem_usage=False
        )
        scheduler = DDPMScheduler.from_pretrained(str(folder / "scheduler"), local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: cannot be loaded: {' '.join(str(error).split())[:300]}") from None
    return from_diffusers(unet if device is None else unet.to(device), scheduler)
