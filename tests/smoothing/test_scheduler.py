"""Continuous batching: full batches, the same certificates as alone, errors traced to their input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import ironbound as ib
from ironbound.channels.base import Array
from ironbound.smoothing.draws import Draws
from ironbound.smoothing.job import job
from ironbound.smoothing.rules import Rules
from ironbound.smoothing.scheduler import alone, together
from ironbound.smoothing.statistics import Statistics
from ironbound.smoothing.underway import Job, Need, Outcome
from ironbound.smoothing.voting import Reading, Voters

SMOOTHING = ib.Smoothing(image=ib.Gaussian(sigma=0.5), tokens=ib.UniformReplacement(beta=0.4, alphabet=6))
THREAT = ib.Threat(image=ib.L2(), tokens=ib.TokenL0(max_d=1))
STOPS: list[dict[str, Any]] = [
    {"stop": "fixed", "n": 700},
    {"stop": "target", "n": 3000, "target": {"image": 0.2, "tokens": 1}},
    {"stop": "precision", "n": 3000, "precision": 0.2},
]


class Counting:
    """A base whose rows are independent; remembers the size of every batch that it was given."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, batch: dict[str, Array]) -> Array:
        self.sizes.append(len(batch["image"]))
        agreeing = (batch["tokens"] == batch["tokens"][:, :1]).mean(axis=1)
        return (batch["image"].mean(axis=(1, 2)) + agreeing > 0.9).astype(np.int64)


def inputs(count: int) -> list[dict[str, Array]]:
    """Texts of three lengths, images from clear to hopeless."""
    generator = np.random.default_rng(7)
    return [
        {
            "image": np.full((2, 2), generator.uniform(-0.5, 1.5)),
            "tokens": np.full(3 + i % 3, i % 6, dtype=np.int64),
        }
        for i in range(count)
    ]


@pytest.mark.parametrize("settings", STOPS, ids=lambda s: s["stop"])
def test_the_same_certificates_as_one_at_a_time_for_every_batch_size(settings: dict[str, Any]) -> None:
    data = inputs(11)
    single = ib.SmoothedClassifier(Counting(), SMOOTHING, num_classes=2)
    expected = [
        single.certify(one, threat=THREAT, input_id=str(i), seed=3, **settings) for i, one in enumerate(data)
    ]
    assert len({c.samples for c in expected}) == 1 or settings["stop"] != "fixed"
    for size in (1 if settings["stop"] == "fixed" else 7, 64, 1000, 5000):
        model = ib.SmoothedClassifier(Counting(), SMOOTHING, num_classes=2, batch_size=size)
        found = list(model.certify_many(data, threat=THREAT, seed=3, **settings))
        assert [c.to_json() for c in found] == [c.to_json() for c in expected]


def test_the_order_of_the_inputs_changes_nothing() -> None:
    data = [(f"input-{i}", one) for i, one in enumerate(inputs(9))]
    model = ib.SmoothedClassifier(Counting(), SMOOTHING, num_classes=2, batch_size=200)
    settings = STOPS[1]
    forward = {c.input_id: c.to_json() for c in model.certify_many(data, threat=THREAT, **settings)}
    names = [c.input_id for c in model.certify_many(data[::-1], threat=THREAT, **settings)]
    backward = {c.input_id: c.to_json() for c in model.certify_many(data[::-1], threat=THREAT, **settings)}
    assert forward == backward
    assert names == [name for name, _ in data[::-1]]


def test_batches_are_full() -> None:
    base = Counting()
    model = ib.SmoothedClassifier(base, SMOOTHING, num_classes=2, batch_size=256, unrepeatable="ignore")
    same = [{"image": np.full((2, 2), 0.4), "tokens": np.zeros(3, dtype=np.int64)} for _ in range(40)]
    used = sum(c.samples for c in model.certify_many(same, threat=THREAT, **STOPS[1]))
    assert sum(base.sizes) == used
    full = sum(size == 256 for size in base.sizes)
    # One input alone asks for 64 draws at a time; together only the tail of the run is not full.
    assert full >= 0.8 * used / 256
    assert max(base.sizes) == 256


def test_texts_of_many_lengths_share_batches_with_their_like() -> None:
    generator = np.random.default_rng(1)
    read: list[int] = []

    def texts() -> Iterator[dict[str, Array]]:
        for i, length in enumerate(generator.integers(1, 20, 900)):
            read.append(i)
            yield {"image": np.full((2, 2), 0.4), "tokens": np.zeros(length, dtype=np.int64)}

    base = Counting()
    model = ib.SmoothedClassifier(base, SMOOTHING, num_classes=2, batch_size=512, unrepeatable="ignore")
    most = used = 0
    for done, certificate in enumerate(model.certify_many(texts(), threat=THREAT, **STOPS[1]), start=1):
        most, used = max(most, len(read) - done), used + certificate.samples
    assert sum(base.sizes) == used
    assert used / len(base.sizes) > 256  # a text alone asks for 64 draws at a time, or fewer
    assert most < 512  # and yet none waits for its like until the end: certificates come in order


def test_an_early_stop_asks_for_no_draw_too_many() -> None:
    base = Counting()
    model = ib.SmoothedClassifier(base, SMOOTHING, num_classes=2, batch_size=4096, unrepeatable="ignore")
    certificates = list(model.certify_many(inputs(12), threat=THREAT, **STOPS[1]))
    assert sum(base.sizes) == sum(c.samples for c in certificates)
    assert len({c.samples for c in certificates}) > 1


def test_out_of_memory_halves_the_batch_and_changes_nothing() -> None:
    class Tight(Counting):
        def __call__(self, batch: dict[str, Array]) -> Array:
            if len(batch["image"]) > 100:
                raise MemoryError
            return super().__call__(batch)

    expected, _ = run(Counting(), size=1000)
    base = Tight()
    found, halved = run(base, size=1000)
    assert halved == [100]  # half of the 200 rows that the first batch had
    assert max(base.sizes) <= 100
    assert [o.certificate for o in found] == [o.certificate for o in expected]


def test_out_of_memory_with_one_row_is_an_error_of_that_input() -> None:
    class Hopeless(Counting):
        def __call__(self, batch: dict[str, Array]) -> Array:
            raise MemoryError("no room at all")

    found, halved = run(Hopeless(), size=4)
    assert halved == [2, 1]
    assert all(isinstance(o.error, MemoryError) for o in found)


def test_an_error_ends_its_own_input_only() -> None:
    class Touchy(Counting):
        def __call__(self, batch: dict[str, Array]) -> Array:
            if (batch["image"] > 50).any():
                raise RuntimeError("cannot read this one")
            return super().__call__(batch)

    data = inputs(6)
    data[2] = {**data[2], "image": np.full((2, 2), 100.0)}
    expected, _ = run(Counting(), size=500)
    found, _ = run(Touchy(), size=500, data=data)
    for place, (one, other) in enumerate(zip(found, expected, strict=True)):
        if place == 2:
            assert one.certificate is None
            assert str(one.error) == "cannot read this one"
        else:
            assert one.certificate == other.certificate


def test_a_bad_input_is_reported_after_those_before_it() -> None:
    data = [*inputs(3), {"image": np.full((2, 2), np.nan), "tokens": np.zeros(3, dtype=np.int64)}]
    model = ib.SmoothedClassifier(Counting(), SMOOTHING, num_classes=2, batch_size=100_000)
    stream = model.certify_many(data, threat=THREAT, n=200)
    assert [next(stream).input_id for _ in range(3)] == ["0", "1", "2"]
    with pytest.raises(ib.InputError, match="input '3'"):
        next(stream)


def test_inputs_are_read_only_when_there_is_room() -> None:
    read: list[int] = []

    def stream() -> Iterator[dict[str, Array]]:
        for i, one in enumerate(inputs(500)):
            read.append(i)
            yield one

    model = ib.SmoothedClassifier(Counting(), SMOOTHING, num_classes=2, batch_size=300)
    next(iter(model.certify_many(stream(), threat=THREAT, n=400)))
    assert len(read) < 20


def run(
    base: Counting, size: int, data: list[dict[str, Array]] | None = None
) -> tuple[list[Outcome], list[int]]:
    """Outcomes in the order of the inputs, and the batch sizes after each halving."""
    rules = Rules.build(2, None, 1, None, None)
    voters = Voters(base, SMOOTHING, rules, size)
    halved: list[int] = []

    def jobs() -> Iterator[tuple[int, Reading, Job]]:
        for i, one in enumerate(data or inputs(6)):
            reading = voters.read(one)
            yield i, reading, job(SMOOTHING, rules, reading, THREAT, Statistics(n=300), str(i))

    found = dict(together(jobs(), voters, halved=halved.append))
    return [found[i] for i in sorted(found)], halved


def test_a_job_alone_hears_its_progress() -> None:
    heard: list[int] = []
    rules = Rules.build(2, None, 1, None, None)
    voters = Voters(Counting(), SMOOTHING, rules, 40)
    reading = voters.read(inputs(1)[0])
    draws = Draws(SMOOTHING, reading.values, 0, "0", "estimation")

    def ask() -> Job:
        votes = yield Need(draws, 0, 100, heard.append)
        raise KeyError(int(votes.sum()))

    with pytest.raises(KeyError, match="100"):
        alone(ask(), reading, voters)
    assert heard == [40, 80, 100]


def test_outcomes_are_the_certificates_of_one_at_a_time_in_the_order_they_are_done() -> None:
    data = [(f"input-{i}", one) for i, one in enumerate(inputs(12))]
    data[5] = ("bad", {"image": np.zeros((2, 2))})
    taken: list[int] = []

    def lazily() -> Iterator[tuple[str, dict[str, Array]]]:
        for i, one in enumerate(data):
            taken.append(i)
            yield one

    model = ib.SmoothedClassifier(Counting(), SMOOTHING, num_classes=2, batch_size=128)
    found: dict[int, Outcome] = {}
    waiting: list[int] = []
    for place, outcome in model.outcomes(lazily(), threat=THREAT, statistics=Statistics(**STOPS[1])):
        found[place] = outcome
        waiting.append(len(taken) - len(found))
    assert max(waiting) <= 4 * 128 // 64  # a batch of each of the three shapes, and the one under way
    assert list(found) != sorted(found)
    assert "channel 'tokens'" in str(found[5].error)
    for place, (name, one) in enumerate(data):
        if place != 5:
            expected = model.certify(one, threat=THREAT, input_id=name, **STOPS[1])
            assert found[place].certificate == expected
