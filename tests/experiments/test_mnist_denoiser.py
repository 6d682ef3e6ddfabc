"""The diffusion model of the MNIST experiment: noise is what a state has beside the picture."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ironbound.data.registry import data_folder
from ironbound.experiments import mnist_denoiser
from ironbound.experiments.context import Context
from ironbound.experiments.digit_denoiser import SCHEDULE
from ironbound.experiments.registry import experiment
from ironbound.smoothing.denoise import OneShotDenoiser


class Knowing(mnist_denoiser.MnistDiffusion):
    """A model that knows the picture."""

    def __init__(self, clean: torch.Tensor) -> None:
        super().__init__(8)
        self.clean = clean

    def picture(self, state: torch.Tensor, time: int | torch.Tensor) -> torch.Tensor:
        return self.clean.expand_as(state)


@pytest.mark.parametrize("time", [3, 200, 499])
def test_who_knows_the_picture_knows_the_noise(time: int) -> None:
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(28, 28, generator=generator) * 2 - 1
    noise = torch.randn(5, 28, 28, generator=generator)
    left = float(SCHEDULE.remaining[time])
    state = left**0.5 * clean + (1 - left) ** 0.5 * noise
    torch.testing.assert_close(Knowing(clean)(state, time), noise, atol=2e-3, rtol=2e-3)


def test_behind_the_denoiser_the_picture_comes_back_in_the_users_units() -> None:
    generator = torch.Generator().manual_seed(1)
    clean = torch.rand(28, 28, generator=generator)
    noised = clean + 0.5 * torch.randn(4, 28, 28, generator=generator)
    denoised = OneShotDenoiser(Knowing(clean * 2 - 1), SCHEDULE, 0.5)(noised)
    torch.testing.assert_close(denoised, clean.expand(4, 28, 28), atol=2e-2, rtol=0)


def test_the_smoke_size_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if data_folder("mnist") is None:
        pytest.skip("mnist is not in IRONBOUND_DATA")
    monkeypatch.setenv("IRONBOUND_CACHE", str(tmp_path))
    found = experiment("denoise-mnist")
    (table,) = mnist_denoiser.table(Context("denoise-mnist", found.settings["smoke"], {}, tmp_path)).tables
    assert [row[0] for row in table.rows] == ["clean", "denoised", "trained under noise"]
    for row in table.rows:
        shares = [float(cell or 0) for cell in row[1:]]
        assert shares == sorted(shares, reverse=True)  # a larger radius is never certified more often
    assert float(table.rows[2][1] or 0) > 0
