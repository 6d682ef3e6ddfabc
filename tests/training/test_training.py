"""Training: decided by its recipe, resumed bit for bit, and able to learn with every loss."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from ironbound.errors import ConfigError, InputError, RunError
from ironbound.lipschitz import HyCASNet, bound
from ironbound.training import PRESETS, Recipe, load_network, preset, read_recipe, train
from ironbound.training import checkpoint as checkpoints
from ironbound.training.data import Pictures
from ironbound.training.log import Log
from ironbound.training.loop import follow
from ironbound.training.losses import StreamWeights, disagreement, loss_of, stream_names, worst_shift
from ironbound.training.networks import build

TINY = Recipe(name="tiny", width=8, blocks=(1,), fold=4, sigma=0.1, steps=12, batch=16, rate=1e-2)


def bars(seed: int = 0, count: int = 96) -> Pictures:
    """Bright upper halves against bright lower halves."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % 2
    x = 0.3 * torch.rand(count, 1, 28, 28, generator=generator)
    x[y == 0, :, :14] += 0.6
    x[y == 1, :, 14:] += 0.6
    return Pictures(x, y, x[:32], y[:32])


def weights(net: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


def equal(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


class Stopped(Exception):
    pass


def stop_at(fraction: float) -> Any:
    def hear(stage: str, done: float) -> None:
        if done >= fraction:
            raise Stopped

    return hear


@pytest.mark.parametrize("changes", [{}, {"network": "plain", "auxiliary": 0.0}, {"mode": "residual"}])
def test_an_interrupted_training_ends_with_the_same_weights(changes: dict[str, Any], tmp_path: Path) -> None:
    recipe = TINY.changed(**changes)
    whole = weights(train(recipe, bars()))
    with pytest.raises(Stopped):
        train(recipe, bars(), tmp_path, save_every=5, progress=stop_at(0.6))
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["step"] == 5
    resumed = train(recipe, bars(), tmp_path, save_every=5)
    assert equal(weights(resumed), whole)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 13))
    assert (tmp_path / "curve.png").stat().st_size > 1000
    other = weights(train(recipe.changed(seed=1), bars()))
    assert not equal(other, whole)


def test_a_training_that_is_killed_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
        "from test_training_module import TINY, bars, train\n"
        "train(TINY.changed(steps=400), bars(), Path(sys.argv[1]), save_every=1)\n"
    )
    (tmp_path / "test_training_module.py").write_text(Path(__file__).read_text(encoding="utf-8"))
    folder = tmp_path / "run"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(folder), str(tmp_path)],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    limit = time.monotonic() + 60
    while not (folder / "checkpoint.pt").exists() and time.monotonic() < limit:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    found = checkpoints.load(folder / "checkpoint.pt", TINY.changed(steps=400).record())
    assert found is not None
    reached = int(found["step"])
    assert 1 <= reached < 400
    # The weights at the step reached are those of an undisturbed training at that step.
    undisturbed = tmp_path / "undisturbed"
    with pytest.raises(Stopped):
        train(
            TINY.changed(steps=400), bars(), undisturbed, save_every=reached, progress=stop_at(reached / 400)
        )
    state = torch.load(undisturbed / "checkpoint.pt", weights_only=True)
    assert state["step"] == reached
    assert equal(state["network"], found["network"])
    assert torch.equal(state["generator"], found["generator"])


def test_metrics_beyond_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 1}\n{"step": 2, "loss": 1}\n{"step": 3, "lo')
    assert [line["step"] for line in Log(path, 1).lines] == [1]
    assert path.read_text() == '{"step": 1, "loss": 1}\n'


def test_the_folder_of_another_recipe_is_refused_with_the_difference(tmp_path: Path) -> None:
    train(TINY.changed(steps=1), bars(), tmp_path)
    with pytest.raises(RunError, match=r"sigma = 0\.1, now 0\.2"):
        train(TINY.changed(steps=1, sigma=0.2), bars(), tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"torn")
    with pytest.raises(RunError, match="no checkpoint that can be read"):
        train(TINY.changed(steps=1), bars(), tmp_path)


def test_weights_are_read_back_with_their_recipe(tmp_path: Path) -> None:
    net = train(TINY.changed(steps=2), bars(), tmp_path)
    again, recipe = load_network(tmp_path)
    assert recipe == TINY.changed(steps=2)
    assert equal(weights(again), weights(net))
    assert isinstance(again, HyCASNet)
    assert again.config.draws == "sample"
    (tmp_path / "weights.safetensors").write_bytes(b"no")
    with pytest.raises(InputError, match="weights must be a safetensors file"):
        load_network(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 40},
        {"steps": 40, "network": "plain", "temperature": 1.0, "auxiliary": 0.0, "rate": 3e-3},
        {"steps": 25, "network": "plain", "temperature": 1.0, "method": "adversarial", "attack_steps": 2},
        {
            "steps": 25,
            "network": "plain",
            "temperature": 1.0,
            "method": "trades",
            "attack_steps": 2,
            "beta": 1.0,
        },
        {
            "steps": 25,
            "network": "plain",
            "temperature": 1.0,
            "method": "smoothadv",
            "attack_steps": 2,
            "copies": 2,
            "consistency": 1.0,
        },
    ],
)
def test_every_loss_learns(changes: dict[str, Any]) -> None:
    net = train(TINY.changed(**changes), bars())
    data = bars(seed=5)
    with torch.no_grad():
        right = (net(data.x).argmax(1) == data.y).float().mean()
    assert float(right) > 0.9
    if isinstance(net, HyCASNet):
        assert bound(net, (1, 28, 28)).value <= 2.0


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("method", ["adversarial", "trades"])
def test_the_inner_attack_stays_in_its_ball_and_raises_the_loss(method: str, norm: str) -> None:
    eps = {"linf": 0.05, "l2": 0.7}[norm]
    recipe = TINY.changed(network="plain", temperature=1.0, method=method, norm=norm, eps=eps, attack_steps=5)
    net, data = train(recipe.changed(method="noise", steps=20), bars()), bars(seed=2)
    shift = worst_shift(net, data.x, data.y, recipe, torch.Generator().manual_seed(0))
    size = shift.abs().amax() if norm == "linf" else shift.flatten(1).norm(dim=1).max()
    assert 0.9 * eps < float(size) <= eps * (1 + 1e-5)
    with torch.no_grad():
        losses = [torch.nn.functional.cross_entropy(net(x), data.y) for x in (data.x, data.x + shift)]
    assert float(losses[1]) > float(losses[0])
    assert not net.training


def test_a_smoothed_classifier_is_attacked_as_one() -> None:
    changes = {"network": "plain", "temperature": 1.0, "sigma": 0.3, "copies": 4, "eps": 0.05}
    recipe = TINY.changed(**changes, method="smoothadv", attack_steps=5)
    net, data = train(recipe.changed(method="noise", steps=20), bars()), bars(seed=2)
    count, generator = len(data.y), torch.Generator().manual_seed(0)
    x, y = data.x.repeat(4, 1, 1, 1), data.y.repeat(4)
    x = x + 0.3 * torch.randn(x.shape, generator=generator)
    alike, apart = (
        worst_shift(net, x, y, recipe.changed(method=method), torch.Generator().manual_seed(0))
        for method in ("smoothadv", "adversarial")
    )
    assert all(torch.equal(alike[:count], part) for part in alike.split(count))
    assert not torch.equal(apart[:count], apart[count : 2 * count])
    assert 0.045 < float(alike.abs().amax()) <= 0.05 * (1 + 1e-5)

    def loss(shift: torch.Tensor) -> float:
        """Of the mean answer, as an attacker of the vote sees it."""
        with torch.no_grad():
            mean = net(x + shift).softmax(1).unflatten(0, (4, -1)).mean(0)
        return float(torch.nn.functional.nll_loss(mean.log(), data.y))

    # Worse than no shift, and than the shift that was found for one copy alone, given to all of them.
    assert loss(alike) > loss(apart[:count].repeat(4, 1, 1, 1)) > loss(torch.zeros(x.shape))


@pytest.mark.parametrize("method", ["noise", "adversarial", "smoothadv", "trades"])
def test_consistency_is_charged_once_by_every_method(method: str) -> None:
    changes = {"network": "plain", "copies": 2, "attack_steps": 1, "auxiliary": 0.0, "temperature": 1.0}
    recipe = TINY.changed(**changes, method=method, sigma=1.0)
    net, data = train(recipe.changed(method="noise", steps=2), bars()), bars(seed=2)
    losses, logits = [], []
    for weight in (0.0, 1.0, 2.0):
        chosen, generator = recipe.changed(consistency=weight, entropy=0.1), torch.Generator().manual_seed(3)
        loss, seen = loss_of(net, StreamWeights(()), data.x, data.y, chosen, generator)
        losses.append(float(loss.detach()))
        logits.append(seen)
    assert torch.equal(logits[0], logits[1])
    assert torch.equal(logits[0], logits[2])
    # The entropy term is there as soon as consistency is: it is the first step without the second.
    per_unit = losses[2] - losses[1]
    entropy = losses[1] - losses[0] - per_unit
    assert per_unit > 1e-6
    assert 0.0 < entropy <= 0.1 * math.log(2) + 1e-6


def test_auxiliary_losses_train_the_weights_of_the_streams() -> None:
    net = build(TINY, draws="batch")
    names = stream_names(net)
    assert names == ("frequency", "projection", "spectral")
    extra = StreamWeights(names)
    data, generator = bars(), torch.Generator().manual_seed(0)
    loss, _ = loss_of(net, extra, data.x[:8], data.y[:8], TINY, generator)
    loss.backward()
    assert extra.log_variance.grad is not None
    assert int((extra.log_variance.grad != 0).sum()) == 1
    assert stream_names(build(TINY.changed(streams="spectral"))) == ()
    assert stream_names(build(TINY.changed(network="plain"))) == ()


def test_balanced_batches_show_every_class_equally_often() -> None:
    y = torch.tensor([0] * 90 + [1] * 10)
    data = Pictures(torch.zeros(100, 1, 1, 1), y, torch.zeros(0), y[:0])
    shares = [
        float(data.sampler(b)(4000, torch.Generator().manual_seed(0))[1].float().mean())
        for b in (False, True, 1.0, 0.5)
    ]
    assert 0.05 < shares[0] < 0.15
    assert 0.45 < shares[1] < 0.55
    assert shares[2] == shares[1]
    assert 0.2 < shares[3] < 0.3  # weights 9^(1/2) to 1


def test_recipes_are_read_and_refused_by_name(tmp_path: Path) -> None:
    assert all(recipe.name == name for name, recipe in PRESETS.items())
    file = tmp_path / "mine.toml"
    file.write_text('preset = "mnist-hycas-small"\nsigma = 0.25\nblocks = [1]\n')
    recipe = read_recipe(str(file))
    assert (recipe.name, recipe.data, recipe.sigma, recipe.blocks) == ("mine", "mnist", 0.25, (1,))
    assert Recipe(name="").changed(**recipe.record()) == recipe
    with pytest.raises(ConfigError, match="did you mean 'pneumonia-hycas-small'"):
        preset("pneumonia-hycas-smal")
    for text, named in [
        ("sigmaa = 1.0", "did you mean 'sigma'"),
        ('method = "fgsm"', "method must be one of"),
        ("steps = 0", "steps must be a whole number"),
        ("sigma = -1.0", "sigma must be 0 or more"),
        ('streams = "temporal"', "streams must be"),
        ("steps =", "is not TOML"),
    ]:
        file.write_text(text)
        with pytest.raises(ConfigError, match=named):
            read_recipe(str(file))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_recipe(str(tmp_path / "absent.toml"))


def test_a_loss_that_is_not_finite_stops_the_training() -> None:
    data = bars()
    data.x[:] = float("nan")
    with pytest.raises(InputError, match="the loss is nan"):
        train(TINY, data)


def test_answers_that_differ_between_draws_cost_and_answers_that_agree_do_not() -> None:
    agreed = torch.tensor([[3.0, 0.0], [0.0, 1.0]]).repeat(2, 1)
    assert float(disagreement(agreed, 2, 1.0, 0.0)) == pytest.approx(0.0, abs=1e-6)
    # Two images, each under two draws: answers about the first turn over; their mean is a half.
    turned = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 2.0], [0.0, 1.0]])
    p = torch.softmax(torch.tensor([2.0, 0.0]), 0).double()
    apart = -0.5 * float(torch.log(2 * p).sum())
    assert float(disagreement(turned, 2, 3.0, 0.0)) == pytest.approx(3.0 * apart / 2, rel=1e-5)
    q = torch.softmax(torch.tensor([0.0, 1.0]), 0).double()
    entropy = (math.log(2) - float((q * q.log()).sum())) / 2
    assert float(disagreement(turned, 2, 0.0, 1.0)) == pytest.approx(entropy, rel=1e-5)


def test_every_copy_of_an_image_has_noise_of_its_own_and_its_own_label() -> None:
    seen: list[torch.Tensor] = []

    class Spy(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return torch.stack([x.mean(dim=(1, 2, 3)), -x.mean(dim=(1, 2, 3))], dim=1)

    recipe = TINY.changed(copies=3, consistency=1.0, temperature=50.0, auxiliary=0.0, sigma=0.01)
    x = torch.stack([torch.full((1, 4, 4), 0.9), torch.full((1, 4, 4), -0.9)])
    generator = torch.Generator().manual_seed(0)
    loss, logits = loss_of(Spy(), StreamWeights(()), x, torch.tensor([0, 1]), recipe, generator)
    assert seen[0].shape == (6, 1, 4, 4)
    assert not torch.equal(seen[0][:2], seen[0][2:4])
    assert float((seen[0].unflatten(0, (3, 2)) - x).abs().max()) < 0.1
    assert logits.shape == (2, 2)
    assert float(loss) < 1e-3  # labels in the wrong order would cost about 90


def test_the_kept_weights_are_a_running_mean_and_survive_an_interruption(tmp_path: Path) -> None:
    recipe = TINY.changed(copies=2, consistency=2.0, entropy=0.1, average=0.9, auxiliary=0.0)
    whole = weights(train(recipe, bars()))
    assert not equal(whole, weights(train(recipe.changed(average=0.0), bars())))
    with pytest.raises(Stopped):
        train(recipe, bars(), tmp_path, save_every=5, progress=stop_at(0.6))
    assert equal(weights(train(recipe, bars(), tmp_path, save_every=5)), whole)


def test_the_running_mean_of_constant_weights_is_reached() -> None:
    mean, net = (build(TINY.changed(network="plain", seed=seed)) for seed in (0, 1))
    with torch.no_grad():
        net.layers[2].num_batches_tracked.fill_(7)  # type: ignore[union-attr, operator, index]
    follow(mean, net, 0.5, step=0)
    assert not equal(weights(mean), weights(net))
    for step in range(1, 60):
        follow(mean, net, 0.5, step)
    for name, value in net.state_dict().items():
        assert torch.allclose(mean.state_dict()[name], value, atol=1e-6), name


def test_a_checkpoint_from_before_a_setting_existed_had_its_default(tmp_path: Path) -> None:
    train(TINY.changed(steps=2), bars(), tmp_path)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    del state["recipe"]["copies"], state["recipe"]["average"]
    torch.save(state, tmp_path / "checkpoint.pt")
    train(TINY.changed(steps=2), bars(), tmp_path)
    with pytest.raises(RunError, match="copies = 1, now 2"):
        train(TINY.changed(steps=2, copies=2), bars(), tmp_path)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"consistency": 1.0}, "consistency"),
        ({"method": "smoothadv"}, "copies"),
        ({"consistency": -1.0, "copies": 2}, "consistency"),
        ({"average": 1.0}, "average"),
        ({"balanced": 1.5}, "balanced"),
        ({"copies": 0}, "copies"),
    ],
)
def test_settings_of_consistency_that_cannot_be_are_refused(changes: dict[str, Any], name: str) -> None:
    with pytest.raises(InputError, match=name):
        TINY.changed(**changes)
