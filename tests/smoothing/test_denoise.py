"""One-shot denoising: times, units, formulas, diffusers, and what it does for certified accuracy."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ironbound as ib
from ironbound.data import digit_images
from ironbound.errors import ConfigError
from ironbound.experiments import digit_denoiser
from ironbound.models import TorchClassifier
from ironbound.runs.plan import plan
from ironbound.runs.runner import run
from ironbound.smoothing.denoise import Denoised, OneShotDenoiser, Schedule

LINEAR = Schedule.linear()


@pytest.mark.parametrize("schedule", [LINEAR, Schedule.cosine()], ids=["linear", "cosine"])
@pytest.mark.parametrize("sigma", [0.05, 0.25, 0.5, 1.0, 2.0, 7.0])
def test_the_nearest_time_is_found(schedule: Schedule, sigma: float) -> None:
    time = schedule.time_of(sigma)
    sizes = [schedule.noise_at(t) for t in range(len(schedule.remaining))]
    assert abs(math.log(sizes[time] / sigma)) == min(abs(math.log(s / sigma)) for s in sizes)
    assert sizes[time] == pytest.approx(sigma, rel=0.06)


def test_noise_beyond_the_schedule_is_refused() -> None:
    for sigma in (1e-4, 500.0, 0.0, math.nan):
        with pytest.raises(ib.InputError, match="sigma must be"):
            LINEAR.time_of(sigma)
    for remaining in ((), (0.5, 0.6), (1.0, 0.5), (0.5, 0.0)):
        with pytest.raises(ib.InputError, match="falling"):
            Schedule(remaining)


RANGES = [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (-2.0, 6.0)]


@pytest.mark.parametrize(("low", "high"), RANGES)
@pytest.mark.parametrize(("model_low", "model_high"), [(-1.0, 1.0), (0.0, 1.0)])
def test_the_model_sees_the_noise_of_its_time(
    low: float, high: float, model_low: float, model_high: float
) -> None:
    """Seen by the model, noise has the size that belongs to the time, whatever the user's units are."""
    sigma = 0.3 * (high - low)
    seen: list[tuple[torch.Tensor, int]] = []

    def predict(state: torch.Tensor, time: int) -> torch.Tensor:
        seen.append((state, time))
        return torch.zeros_like(state)

    denoiser = OneShotDenoiser(predict, LINEAR, sigma, low, high, model_low, model_high)
    middle = (low + high) / 2
    generator = torch.Generator().manual_seed(0)
    denoiser(middle + sigma * torch.randn(400, 8, 8, generator=generator, dtype=torch.float64))
    state, time = seen[0]
    left = LINEAR.remaining[time]
    assert float(state.std()) == pytest.approx(math.sqrt(1 - left), rel=0.02)
    assert float(state.mean()) == pytest.approx(math.sqrt(left) * (model_low + model_high) / 2, abs=0.02)


@pytest.mark.parametrize(("low", "high"), RANGES)
@pytest.mark.parametrize("predicts", ["noise", "sample", "velocity"])
def test_a_perfect_model_gives_the_clean_image_back(low: float, high: float, predicts: Any) -> None:
    clean = torch.rand(5, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(5, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    own = 2 * clean - 1

    def perfect(state: torch.Tensor, time: int) -> torch.Tensor:
        left = LINEAR.remaining[time]
        exact = (state - math.sqrt(left) * own) / math.sqrt(1 - left)
        velocity = math.sqrt(left) * exact - math.sqrt(1 - left) * own
        return {"noise": exact, "sample": own, "velocity": velocity}[predicts]

    sigma = 0.2 * (high - low)
    users = low + (high - low) * clean
    denoiser = OneShotDenoiser(perfect, LINEAR, sigma, low, high, predicts=predicts)
    found = denoiser(users + sigma * noise)
    assert torch.allclose(found, users, atol=1e-9 * (high - low))


def test_the_same_noise_gives_the_same_radius_in_models_of_other_units() -> None:
    """One Bayes denoiser, written for models in [0, 1] and in [-1, 1]: equal answers, equal radii.

    The clean pixel is black or white; of the noised one the mean given what is seen is the best estimate.
    """

    def bayes(low: float, high: float) -> Any:
        def predict(state: torch.Tensor, time: int) -> torch.Tensor:
            left = LINEAR.remaining[time]
            apart = math.sqrt(left) * (high - low)
            middle = math.sqrt(left) * (high + low) / 2
            white = torch.sigmoid((state - middle) * apart / (1 - left))
            return low + (high - low) * white

        return predict

    sigma, found = 0.4, []
    for low, high in ((0.0, 1.0), (-1.0, 1.0)):
        denoiser = OneShotDenoiser(
            bayes(low, high), LINEAR, sigma, model_low=low, model_high=high, predicts="sample"
        )
        assert denoiser.sigma_model == sigma * (high - low)
        base = Denoised(lambda batch: (batch["image"].flatten(1).mean(dim=1) > 0.6).long(), denoiser)
        smoothing = ib.Smoothing(image=ib.Gaussian(sigma, low=0.0, high=1.0))
        model = ib.SmoothedClassifier(base, smoothing, num_classes=2)
        image = np.zeros((4, 4))
        image[:, :3] = 1.0
        found.append(model.certify({"image": image}, threat=ib.Threat(image=ib.L2()), n=1000))
    one, other = found
    assert one.prediction == other.prediction == 1
    # The two times differ by a rounding to the grid, so a draw or two may be answered differently.
    assert one.frontier[0] == pytest.approx(other.frontier[0], rel=0.02)
    assert one.frontier[0] < 4 * sigma  # in the user's units: twice that would be the mistaken unit


def test_radii_are_the_users_whatever_the_denoiser_does() -> None:
    """A base that is always right has radius sigma * quantile, with any denoiser and any of its units."""
    smoothing = ib.Smoothing(image=ib.Gaussian(0.25, low=0.0, high=1.0))
    plain = ib.SmoothedClassifier(lambda batch: np.ones(len(batch["image"])), smoothing, num_classes=2)
    certs = [plain.certify({"image": np.zeros((2, 2))}, threat=ib.Threat(image=ib.L2()), n=500)]
    for low, high in ((0.0, 1.0), (-1.0, 1.0), (-8.0, 8.0)):
        denoiser = OneShotDenoiser(
            lambda state, time: torch.zeros_like(state), LINEAR, 0.25, model_low=low, model_high=high
        )
        base = Denoised(lambda batch: torch.ones(len(batch["image"])).long(), denoiser)
        model = ib.SmoothedClassifier(base, smoothing, num_classes=2)
        certs.append(model.certify({"image": np.zeros((2, 2))}, threat=ib.Threat(image=ib.L2()), n=500))
    assert len({cert.frontier[0] for cert in certs}) == 1


def test_a_denoiser_that_changes_the_shape_is_refused() -> None:
    denoiser = OneShotDenoiser(lambda state, time: state[:, :1], LINEAR, 0.25)
    with pytest.raises(ib.InputError, match="shape of its input"):
        denoiser(torch.zeros(2, 3, 4, 4))
    with pytest.raises(ib.InputError, match="works on the channel"):
        Denoised(lambda batch: batch, denoiser)({"text": [1]})
    with pytest.raises(ib.InputError, match="predicts must be"):
        OneShotDenoiser(lambda state, time: state, LINEAR, 0.25, predicts="image")  # type: ignore[arg-type]
    with pytest.raises(ib.InputError, match="low and high"):
        OneShotDenoiser(lambda state, time: state, LINEAR, 0.25, low=1.0, high=0.0)


def reach(base: Any, sigma: float) -> np.ndarray:
    """Certified radius of each of 54 test digits, -1 where wrong or not certified."""
    data = digit_images.load()
    smoothing = ib.Smoothing(image=ib.Gaussian(sigma, low=0.0, high=1.0))
    model = ib.SmoothedClassifier(base, smoothing, num_classes=10, rivals="complement")
    inputs = ({"image": image} for image in data.test[::5])
    certs = model.certify_many(inputs, threat=ib.Threat(image=ib.L2()), alpha=0.001, n=400, n0=40)
    right = zip(certs, data.test_digits[::5], strict=True)
    return np.array([c.frontier[0] if c.prediction == digit else -1.0 for c, digit in right])


def test_a_small_denoiser_raises_certified_accuracy_on_digits() -> None:
    base, sigma = TorchClassifier(digit_denoiser.classifier(), arguments=["image"]), 0.5
    denoiser = OneShotDenoiser(digit_denoiser.denoiser(), digit_denoiser.SCHEDULE, sigma)
    plain, cleaned = reach(base, sigma), reach(Denoised(base, denoiser), sigma)
    assert np.mean(cleaned >= 0.25) > np.mean(plain >= 0.25) + 0.2


def test_the_match_in_the_models_units_denoises_best() -> None:
    images = torch.from_numpy(digit_images.load().test)
    noised = images + 0.5 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    error = {
        factor: float(
            (
                OneShotDenoiser(digit_denoiser.denoiser(), digit_denoiser.SCHEDULE, 0.5 * factor)(noised)
                - images
            )
            .square()
            .mean()
        )
        for factor in (0.5, 1.0, 2.0)
    }
    assert error[1.0] < 0.25 * 0.5**2  # of the noise's own
    assert error[1.0] < error[0.5]  # matched to the user's number instead of the model's units
    assert error[1.0] < error[2.0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random UNet and the schedule of DDPM, as `diffusers` writes them."""
    diffusers = pytest.importorskip("diffusers", reason="needs the extra denoise")
    path = tmp_path_factory.mktemp("ddpm")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        unet = diffusers.UNet2DModel(
            sample_size=8,
            in_channels=1,
            out_channels=2,  # noise, and a learned variance
            block_out_channels=(8, 16),
            layers_per_block=1,
            norm_num_groups=4,
            down_block_types=("DownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "UpBlock2D"),
            attention_head_dim=4,
        )
    unet.save_pretrained(path / "unet")
    diffusers.DDPMScheduler().save_pretrained(path / "scheduler")
    return path


def test_a_unet_of_diffusers_with_the_schedule_of_ddpm(folder: Path) -> None:
    from diffusers import DDPMScheduler  # pyright: ignore[reportPrivateImportUsage]

    from ironbound.models.diffusion import load_diffusion

    model = load_diffusion(folder)
    assert model.predicts == "noise"
    assert model.remaining == pytest.approx(LINEAR.remaining, rel=1e-4)
    denoiser = OneShotDenoiser(model, Schedule(model.remaining), 0.25)
    noised = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    found = denoiser(noised)
    # The library's own one-step estimate of x_0 at the same time.
    state = denoiser.state(noised)
    predicted = model.unet(state, denoiser.time).sample[:, :1]
    scheduler: Any = DDPMScheduler(clip_sample=True)
    theirs = scheduler.step(predicted, denoiser.time, state).pred_original_sample
    assert torch.allclose(found, (theirs + 1) / 2, atol=1e-5)
    assert torch.allclose(denoiser(noised[:, 0]), found[:, 0])
    with pytest.raises(ib.InputError, match="local folder"):
        load_diffusion("google/ddpm-cifar10-32")


CONFIG = """
name = "cleaned"
[model]
loader = "model:load"
num_classes = 2
[denoise]
{denoise}
[data]
kind = "npz"
path = "data.npz"
arrays = {{ image = "image" }}
label = "label"
[channels.image]
noise = "gaussian"
sigma = 0.25
{range}
[threat.image]
kind = "l2"
[statistics]
n = 200
n0 = 20
"""


def configured(tmp_path: Path, denoise: str, limits: str = "low = 0.0\nhigh = 1.0") -> str:
    images = np.stack([np.full((8, 8), level) for level in (0.1, 0.9)])
    np.savez(tmp_path / "data.npz", image=images, label=np.array([0, 1]))
    (tmp_path / "model.py").write_text(
        "def load():\n    return lambda batch: (batch['image'].mean(axis=(1, 2)) > 0.5).long()\n"
        "def shrink():\n    return lambda state, time: 0 * state\n".replace("axis=(1, 2)", "dim=(1, 2)"),
        encoding="utf-8",
    )
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.format(denoise=denoise, range=limits), encoding="utf-8")
    return str(path)


def test_from_a_configuration(tmp_path: Path, folder: Path) -> None:
    found = set()
    for table in (
        f'path = "{folder}"',
        'loader = "model:shrink"',
        'loader = "model:shrink"\npredicts = "sample"',
    ):
        planned = plan(configured(tmp_path, table), {})
        found.add(planned.problem.model_digest)
        base: Any = planned.problem.base
        assert (base.denoiser.sigma_model, base.denoiser.time) == (0.5, 144)
    assert len(found) == 3  # another denoiser is another model
    planned = plan(configured(tmp_path, 'loader = "model:shrink"'), {})
    assert run(planned, tmp_path / "run") == 0
    assert plan(str(tmp_path / "run" / "config.toml"), {}).identity() == planned.identity()


@pytest.mark.parametrize(
    ("table", "limits", "message"),
    [
        ('loader = "model:shrink"', "", "low and high"),
        ('loader = "model:shrink"\nchannel = "picture"', "low = 0.0\nhigh = 1.0", "'picture' must have"),
        ("", "low = 0.0\nhigh = 1.0", "give either path"),
        ('path = "nothing"', "low = 0.0\nhigh = 1.0", "local folder"),
        ('loader = "model:shrink"', "low = 0.0\nhigh = 0.001", "denoise: sigma must be"),
    ],
)
def test_tables_are_refused_by_name(tmp_path: Path, table: str, limits: str, message: str) -> None:
    with pytest.raises((ConfigError, ib.InputError), match=message):
        plan(configured(tmp_path, table, limits), {})


def test_the_library_imports_without_diffusers() -> None:
    code = (
        "import sys; sys.modules['diffusers'] = None\n"
        "import ironbound.smoothing.denoise, ironbound.models.diffusion as m\n"
        "try:\n    m.load_diffusion('.')\nexcept ValueError as e:\n    print(e)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'ironbound[denoise]'" in done.stdout
