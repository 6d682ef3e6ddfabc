"""Task mnist-latent, small: a run, verify, the audit, and that nothing is drawn."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from ironbound.cli.app import app
from ironbound.data.problem import Problem
from ironbound.data.tasks import has_own_method, load_task
from ironbound.errors import InputError
from ironbound.latent import LatentCertifier, NetworkEncoder, audit, mnist_task
from ironbound.latent.orthogonal_training import (
    fit_encoder,
    orthogonal_mlp,
    orthogonal_patches,
    retract,
    shifted,
)


def blocks(folder: Path) -> None:
    """Files in the form of MNIST: digit k is a bright row of blocks at place k."""
    rng = np.random.default_rng(0)
    (folder / "mnist").mkdir()
    for name, count in (("train", 600), ("t10k", 200)):
        labels = np.resize(np.arange(10, dtype=np.uint8), count)
        images = rng.integers(0, 60, size=(count, 28, 28), dtype=np.uint8)
        for row, label in enumerate(labels):
            images[row, 2 * label + 2 : 2 * label + 6, 4:24] += 180
        with gzip.open(folder / "mnist" / f"{name}-images-idx3-ubyte.gz", "wb") as file:
            file.write(struct.pack(">IIII", 2051, count, 28, 28) + images.tobytes())
        with gzip.open(folder / "mnist" / f"{name}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(struct.pack(">II", 2049, count) + labels.tobytes())


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    blocks(tmp_path)
    monkeypatch.setenv("IRONBOUND_DATA", str(tmp_path))
    monkeypatch.setenv("IRONBOUND_CACHE", str(tmp_path / "cache"))
    settings = {**mnist_task.SETTINGS, "sizes": [784, 32, 10], "steps": 60, "margin": 0.2}
    for name, value in settings.items():
        monkeypatch.setitem(mnist_task.SETTINGS, name, value)
    monkeypatch.setattr(mnist_task, "IMAGES_PER_DIGIT", 2)
    return tmp_path


def test_the_task_certifies_verifies_and_reports(small: Path) -> None:
    runner, out = CliRunner(), small / "run"
    done = runner.invoke(app, ["certify", "mnist-latent", "--out", str(out)])
    assert done.exit_code == 0, done.output
    again = runner.invoke(app, ["certify", "mnist-latent", "--out", str(out)])
    assert again.exit_code == 0, again.output
    checked = runner.invoke(app, ["verify", str(out)])
    assert checked.exit_code == 0, checked.output
    shown = runner.invoke(app, ["report", str(out)])
    assert shown.exit_code == 0, shown.output
    assert (out / "report.html").is_file()


def test_its_certificates_go_back_to_encoder_and_classifier(small: Path) -> None:
    problem: Problem = load_task("mnist-latent")
    assert has_own_method(problem.name)
    certifier = cast(LatentCertifier, problem.certifier)
    encoder = cast(NetworkEncoder, certifier.model.encoder)
    assert 1.0 <= encoder.lipschitz < 1.0001
    assert len(problem.examples) == 20
    right = 0
    for example in problem.examples[:6]:
        certificate = certifier.certify(example.inputs, input_id=example.id)
        certificate.verify()
        assert certificate.alpha == 0.0
        assert certificate.prediction in (None, certifier.predict(example.inputs))
        scores: Any = certifier.model.classifier_.scores_
        audit(certificate, scores, encoder=encoder, x=example.inputs["image"])
        right += certificate.prediction == example.label
    assert right >= 5
    assert certifier.settings["encoder"] == "1-Lipschitz network"
    assert problem.model_digest == certifier.digest


def test_training_repeats_and_stays_orthogonal() -> None:
    x, y = torch.randn(64, 1, 6, 6, generator=torch.Generator().manual_seed(0)), torch.arange(64) % 3
    nets = []
    for _ in range(2):
        torch.manual_seed(1)
        net = orthogonal_mlp([36, 8, 3])
        fit_encoder(net, x, y, steps=15, batch=16, augment=shifted(1))
        nets.append(net)
    for first, second in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.equal(first, second)
    assert 1.0 - 1e-4 < NetworkEncoder(nets[0], (1, 6, 6)).lipschitz < 1.0 + 1e-5


def test_retraction_recovers_from_large_weights() -> None:
    torch.manual_seed(0)
    net = orthogonal_mlp([6, 4, 2])
    with torch.no_grad():
        cast(torch.nn.Linear, net[1]).weight.mul_(50.0)
    retract(net, 30)
    assert NetworkEncoder(net, (6,)).lipschitz < 1.0 + 1e-5
    with pytest.raises(InputError, match="hidden layers even"):
        orthogonal_mlp([6, 3, 2])


def test_patches_are_orthogonal_and_move_no_pair_apart() -> None:
    """Gradient ascent on the stretch of a pair of images, which starts where training would leave it."""
    torch.manual_seed(0)
    net = orthogonal_patches((3, 8, 8), [12, 16], [10, 4])
    with torch.no_grad():
        cast(torch.nn.Conv2d, net[1]).weight.mul_(1.3)  # the retraction's work
    x, y = torch.rand(96, 3, 8, 8), torch.arange(96) % 4
    fit_encoder(net, x, y, steps=12, batch=16, augment=shifted(1, mirror=True))
    encoder = NetworkEncoder(net, (3, 8, 8))
    assert 1.0 - 1e-4 < encoder.lipschitz < 1.0 + 1e-4
    pair = torch.rand(2, 64, 3, 8, 8).double().requires_grad_()
    climb, plain = torch.optim.Adam([pair], 0.05), net.double()
    stretch = torch.zeros(64)
    for _ in range(60):
        moved, apart = (part.flatten(1) for part in (plain(pair[0]) - plain(pair[1]), pair[0] - pair[1]))
        stretch = moved.norm(dim=1) / apart.norm(dim=1)
        climb.zero_grad()
        (-stretch.sum()).backward()
        climb.step()
    assert 0.9 < float(stretch.detach().max()) <= encoder.lipschitz
    for wrong in ([3], []):
        with pytest.raises(InputError, match="channels must be"):
            orthogonal_patches((3, 8, 8), wrong, [2])
    with pytest.raises(InputError, match="divisible by 4"):
        orthogonal_patches((3, 6, 8), [4, 4], [2])
