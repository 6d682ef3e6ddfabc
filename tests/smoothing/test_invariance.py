"""One certificate for an input, however its draws are asked for: batches, order, threads, restarts."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import pytest
import torch

import ironbound as ib
from ironbound.channels.base import Array
from ironbound.smoothing import batches
from ironbound.smoothing.batches import Batches, Rows, cores, count, drawing_thread
from ironbound.smoothing.draws import Draws
from ironbound.smoothing.statistics import Statistics

SMOOTHING = ib.Smoothing(
    image=ib.Gaussian(sigma=0.5),
    grey=ib.Gaussian(sigma=0.25, exact=True),
    tokens=ib.UniformReplacement(beta=0.4, alphabet=6),
)
THREAT = ib.Threat(image=ib.L2(), tokens=ib.TokenL0(max_d=1))
STOPS: list[dict[str, Any]] = [
    {"stop": "fixed", "n": 1000},
    {"stop": "target", "n": 4000, "target": [{"image": 0.2, "tokens": 1}, {"image": 0.4}]},
    {"stop": "precision", "n": 3000, "precision": 0.2},
    {"stop": "fixed", "n": 1000, "shared_noise": True},
]


def base(batch: dict[str, Array]) -> Array:
    agreeing = (batch["tokens"] == batch["tokens"][:, :1]).mean(axis=1)
    return (batch["image"].mean(axis=1) + batch["grey"].mean(axis=1) + agreeing > 0.9).astype(np.int64)


def inputs(total: int) -> list[tuple[str, dict[str, Array]]]:
    """Texts of three lengths, so that batches are of one shape each."""
    generator = np.random.default_rng(7)
    return [
        (
            f"row {i}",
            {
                "image": np.full(4, generator.uniform(-0.5, 1.5), dtype=np.float32),
                "grey": np.full(3, 51 / 255, dtype=np.float32),
                "tokens": np.full(3 + i % 3, i % 6, dtype=np.int64),
            },
        )
        for i in range(total)
    ]


def certificates(
    data: list[tuple[str, dict[str, Array]]], size: int, ahead: bool, settings: dict[str, Any]
) -> Generator[tuple[str, str], None, None]:
    model = ib.SmoothedClassifier(base, SMOOTHING, num_classes=2, batch_size=size, draw_ahead=ahead)
    found = model.outcomes(data, threat=THREAT, statistics=Statistics(alpha=0.01, seed=5, **settings))
    for place, outcome in found:
        assert outcome.certificate is not None, outcome.error
        yield data[place][0], outcome.certificate.to_json()


@pytest.mark.parametrize("settings", STOPS, ids=lambda s: s["stop"] + ", shared" * ("shared_noise" in s))
@pytest.mark.parametrize("ahead", [False, True], ids=["one thread", "drawing ahead"])
def test_batches_threads_and_order_change_nothing(settings: dict[str, Any], ahead: bool) -> None:
    data = inputs(10)
    alone = ib.SmoothedClassifier(base, SMOOTHING, num_classes=2, draw_ahead=False)
    expected = {
        name: alone.certify(one, threat=THREAT, input_id=name, alpha=0.01, seed=5, **settings).to_json()
        for name, one in data
    }
    for size in (37, 100, 1000, 10_000):
        assert dict(certificates(data, size, ahead, settings)) == expected
        assert dict(certificates(data[::-1], size, ahead, settings)) == expected


@pytest.mark.parametrize("settings", STOPS, ids=lambda s: s["stop"] + ", shared" * ("shared_noise" in s))
@pytest.mark.parametrize("ahead", [False, True], ids=["one thread", "drawing ahead"])
def test_a_stream_that_is_killed_and_begun_again_changes_nothing(
    settings: dict[str, Any], ahead: bool
) -> None:
    data = inputs(12)
    expected = dict(certificates(data, 100, False, settings))
    found: dict[str, str] = {}
    for stop_after in (3, 4, 12):
        rest = [item for item in data if item[0] not in found]
        stream = certificates(rest, 64, ahead, settings)
        for _ in range(min(stop_after, len(rest))):
            name, text = next(stream)
            found[name] = text
        stream.close()  # what was drawn ahead, and every half-counted input, is lost
    assert found == expected


def test_one_thousand_draws_are_ten_hundreds_are_a_count_resumed_anywhere() -> None:
    for ahead in (False, True):
        model = ib.SmoothedClassifier(base, SMOOTHING, num_classes=2, draw_ahead=ahead)
        voters = model._voters  # pyright: ignore[reportPrivateUsage]
        reading = voters.read(inputs(1)[0][1])

        def votes(start: int, stop: int, voters: Any = voters, reading: Any = reading) -> Array:
            fresh = Draws(SMOOTHING, reading.values, 0, "0", "estimation")
            return count(voters, reading, fresh, start, stop)

        whole = votes(0, 1000)
        assert whole.sum() == 1000
        assert whole.min() > 0
        assert np.array_equal(whole, sum(votes(100 * i, 100 * (i + 1)) for i in range(10)))
        assert np.array_equal(whole, votes(0, 333) + votes(333, 1000))


def test_rows_of_one_batch_are_counted_for_their_own_input() -> None:
    model = ib.SmoothedClassifier(lambda batch: batch["x"][:, 0] > 0.5, ib.Smoothing(x=ib.Gaussian(1e-6)), 2)
    voters = model._voters  # pyright: ignore[reportPrivateUsage]
    rows = []
    for i, level in enumerate([0.0, 1.0, 1.0, 0.0]):
        reading = voters.read({"x": [level]})
        rows.append(Rows(Draws(model.smoothing, reading.values, 0, str(i), "e"), reading, 0, 10 + i))
    some = Batches(voters, 1000)
    found = some.votes(rows, some.draw(rows))
    assert [np.asarray(votes).tolist() for votes in found] == [[10, 0], [0, 11], [0, 12], [13, 0]]


def test_want_of_memory_is_met_wherever_draws_are_made() -> None:
    """Also in `certify` and `predict`; the smaller size is kept, and said."""
    sizes: list[int] = []

    def tight(batch: dict[str, Array]) -> Array:
        sizes.append(len(batch["image"]))
        if len(batch["image"]) > 90:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 1 TB")
        return base(batch)

    _, one = inputs(1)[0]
    roomy = ib.SmoothedClassifier(base, SMOOTHING, num_classes=2)
    model = ib.SmoothedClassifier(tight, SMOOTHING, num_classes=2, batch_size=1000)
    with pytest.warns(RuntimeWarning, match="out of memory: batches now hold (250|125|62) draws"):
        found = model.certify(one, threat=THREAT, n=500, n0=20)
    assert found == roomy.certify(one, threat=THREAT, n=500, n0=20)
    sizes.clear()
    assert model.predict([one], n=300) == roomy.predict([one], n=300)
    assert max(sizes) <= 62


def test_a_base_may_keep_and_change_what_it_is_given() -> None:
    kept: list[Array] = []

    def greedy(batch: dict[str, Array]) -> Array:
        answer = base(batch)
        kept.append(batch["image"])
        for array in batch.values():
            array[...] = 0
        return answer

    data = inputs(4)
    for ahead in (False, True):
        model = ib.SmoothedClassifier(greedy, SMOOTHING, num_classes=2, batch_size=50, draw_ahead=ahead)
        found = model.certify_many(data, threat=THREAT, n=300, seed=5, alpha=0.01)
        assert {c.input_id: c.to_json() for c in found} == dict(
            certificates(data, 77, False, {"stop": "fixed", "n": 300})
        )
    assert not any(array.any() for array in kept)


def test_tensors_reach_the_model_on_its_device_and_in_eval_mode() -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.normal = torch.nn.BatchNorm1d(8)
            self.seen: set[tuple[bool, str]] = set()

        def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
            self.seen.add((self.training, batch["x"].device.type))
            return self.normal(batch["x"])[:, :2]

    net = Net().train()
    model = ib.SmoothedClassifier(net, ib.Smoothing(x=ib.Gaussian(0.5)), num_classes=2, draw_ahead=True)
    model.certify({"x": torch.ones(8)}, threat=ib.Threat(x=ib.L2()), n=100)
    assert net.seen == {(False, "cpu")}
    assert net.training
    assert net.normal.training


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_a_model_on_cuda_gives_the_counts_of_the_cpu() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2)).double()
    found = []
    for device in ("cpu", "cuda"):
        wrapped = ib.models.TorchClassifier(net.to(device), arguments=["x"])
        model = ib.SmoothedClassifier(wrapped, ib.Smoothing(x=ib.Gaussian(0.5)), num_classes=2)
        found.append(model.certify({"x": np.linspace(0, 1, 8)}, threat=ib.Threat(x=ib.L2()), n=5000))
    assert found[0].to_json() == found[1].to_json()


def test_a_second_thread_is_used_where_there_are_cores_and_work_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "cores", lambda: 2)
    for ahead, values, expected in ((None, 2**20, True), (None, 100, False), (False, 2**20, False)):
        with drawing_thread(ahead, values) as thread:
            assert (thread is not None) == expected
    with drawing_thread(True, 1) as thread:
        assert thread is not None
    monkeypatch.undo()
    monkeypatch.setenv("IRONBOUND_CORES", "1")
    assert cores() == 1
    with drawing_thread(None, 2**20) as thread:
        assert thread is None


@pytest.mark.parametrize("ahead", [False, True], ids=["one thread", "drawing ahead"])
def test_an_input_that_fails_ends_once_although_more_of_its_draws_are_in_the_air(ahead: bool) -> None:
    def touchy(batch: dict[str, Array]) -> Array:
        if (batch["image"] > 50).any():
            raise RuntimeError("cannot read this one")
        return base(batch)

    data = inputs(3)
    data[0] = ("bad", {**data[0][1], "image": np.full(4, 100, dtype=np.float32)})
    model = ib.SmoothedClassifier(
        touchy, SMOOTHING, num_classes=2, batch_size=50, draw_ahead=ahead, unrepeatable="ignore"
    )
    statistics = Statistics(alpha=0.01, n=400, n0=400, seed=5)
    found = list(model.outcomes(data, threat=THREAT, statistics=statistics))
    assert sorted(place for place, _ in found) == [0, 1, 2]
    assert str(dict(found)[0].error) == "cannot read this one"
    assert all(dict(found)[place].certificate is not None for place in (1, 2))
