"""The table `[denoise]`: a one-shot diffusion denoiser in front of the model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ironbound.channels import Gaussian, Smoothing
from ironbound.errors import ConfigError, InputError
from ironbound.runs.loading import call, digest, source_file
from ironbound.runs.table import Table


class DenoiseTable(Table):
    """Where the diffusion model comes from; noise and range are those of its channel."""

    channel: str = "image"
    path: str | None = None
    loader: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")] | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    files: tuple[str, ...] = ()
    schedule: Literal["linear", "cosine"] = "linear"
    predicts: Literal["noise", "sample", "velocity"] = "noise"
    model_low: float = -1.0
    model_high: float = 1.0
    device: str | None = None

    @model_validator(mode="after")
    def _one_model(self) -> DenoiseTable:
        if (self.path is None) == (self.loader is None):
            raise ValueError("give either path (a folder of diffusers) or loader (package.module:function)")
        return self


def denoised(
    base: Callable[..., Any], table: DenoiseTable | None, smoothing: Smoothing, folder: Path
) -> Callable[..., Any]:
    """The base behind its denoiser, or the base itself where there is none.

    Sigma and range are taken from the channel, so that noise and denoiser cannot disagree.

    Raises:
        ConfigError: no such channel, no Gaussian noise or no range on it, or the model cannot be loaded.
    """
    if table is None:
        return base
    noise = smoothing.get(table.channel)
    if not isinstance(noise, Gaussian) or noise.low is None or noise.high is None:
        raise ConfigError(
            f"denoise.channel: {table.channel!r} must have Gaussian noise with low and high, the values of "
            "black and white, from which the size of the noise in the diffusion model's units follows"
        )
    from ironbound.smoothing.denoise import Denoised, OneShotDenoiser, Schedule

    if table.path is not None:
        from ironbound.models.diffusion import load_diffusion

        predict: Any = load_diffusion(folder / table.path, table.device)
        schedule, predicts = Schedule(predict.remaining), predict.predicts
    else:
        predict = call(str(table.loader), folder, table.arguments, "denoise.loader")
        schedule, predicts = getattr(Schedule, table.schedule)(), table.predicts
    try:
        denoiser = OneShotDenoiser(
            predict,
            schedule,
            noise.sigma,
            float(noise.low),
            float(noise.high),
            table.model_low,
            table.model_high,
            predicts,
        )
    except InputError as error:
        raise ConfigError(f"denoise: {error}") from None
    return Denoised(base, denoiser, table.channel)


def with_denoiser(own: str, table: DenoiseTable | None, folder: Path) -> str:
    """The digest of model and denoiser together: the table, the source of a loader, and all files."""
    if table is None:
        return own
    files = [folder / file for file in table.files]
    if table.path is not None:
        files += sorted(path for path in (folder / table.path).rglob("*") if path.is_file())
    source = None if table.loader is None else source_file(table.loader, folder)
    files = files if source is None else [source, *files]
    settings = json.dumps(table.model_dump(exclude={"device"}), sort_keys=True, default=str)
    return hashlib.sha256((own + digest(files, settings)).encode()).hexdigest()
