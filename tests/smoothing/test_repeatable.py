"""Bases that answer at random, or by the company a row keeps, are found out before the first certificate."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

import ironbound as ib
from ironbound.channels.base import Array
from ironbound.errors import InputError
from ironbound.smoothing.repeatable import UnrepeatableError
from ironbound.smoothing.statistics import Statistics

NOISE = ib.Smoothing(x=ib.Gaussian(sigma=0.5))
THREAT = ib.Threat(x=ib.L2())
CLEAN = {"x": np.linspace(-0.2, 1.0, 8, dtype=np.float32)}
WEIGHTS = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
COIN = np.random.default_rng(1)


def scores(batch: dict[str, Array]) -> Array:
    return batch["x"] @ WEIGHTS


def labels(batch: dict[str, Array]) -> Array:
    return np.argmax(scores(batch), axis=1)


class Dropout(torch.nn.Module):
    """Dropout that eval mode does not turn off."""

    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        kept = torch.nn.functional.dropout(batch["x"], 0.1, training=True)
        return kept @ torch.from_numpy(WEIGHTS)


def sampling(batch: dict[str, Array]) -> Array:
    """Like a language model that samples its answer: labels only."""
    return (labels(batch) + (COIN.random(len(batch["x"])) < 0.2)) % 3


def normalised(batch: dict[str, Array]) -> Array:
    """Batch normalisation that forgot its eval mode."""
    x = batch["x"]
    return ((x - x.mean(axis=0)) / (x.std(axis=0) + 1e-3)) @ WEIGHTS


def ranked(batch: dict[str, Array]) -> Array:
    """The upper half of a batch is class 1: labels only."""
    first = batch["x"][:, 0]
    return (first > np.median(first)).astype(int)


def by_place(batch: dict[str, Array]) -> Array:
    """Answers that follow the place in the batch."""
    return np.arange(len(batch["x"])) % 3


def smoothed(base: Any, **settings: Any) -> ib.SmoothedClassifier:
    return ib.SmoothedClassifier(base, NOISE, num_classes=3, **settings)


def certified(base: Any, **settings: Any) -> ib.Certificate:
    return smoothed(base, **settings).certify(CLEAN, threat=THREAT, n=200, n0=20)


@pytest.mark.parametrize("base", [scores, labels], ids=["scores", "labels"])
def test_a_base_that_repeats_itself_is_found_good_at_the_cost_of_68_draws(base: Any) -> None:
    asked: list[int] = []

    def counting(batch: dict[str, Array]) -> Array:
        asked.append(len(batch["x"]))
        return base(batch)

    model = smoothed(counting)
    found = model.examine(CLEAN)
    assert found.good
    assert (found.draws, found.again, found.elsewhere) == (32, 0, 0)
    assert asked == [32, 32, 3, 1]
    assert "repeats itself" in str(found)


@pytest.mark.parametrize("base", [Dropout(), sampling], ids=["dropout", "sampling"])
def test_a_random_base_is_named_and_refused(base: Any) -> None:
    found = smoothed(base).examine(CLEAN)
    assert found.random
    assert not found.good
    assert found.again > 0
    with pytest.raises(InputError, match=r'base answers at random: .*unrepeatable="warn"'):
        certified(base)


@pytest.mark.parametrize("base", [Dropout(), sampling], ids=["dropout", "sampling"])
def test_a_random_base_is_accepted_on_request_with_one_warning(base: Any) -> None:
    model = smoothed(base, unrepeatable="warn")
    with pytest.warns(RuntimeWarning, match="answers at random"):
        model.certify(CLEAN, threat=THREAT, n=200, n0=20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.certify(CLEAN, threat=THREAT, n=200, n0=20).verify()
        certified(base, unrepeatable="ignore").verify()


@pytest.mark.parametrize("base", [normalised, ranked, by_place])
@pytest.mark.parametrize("unrepeatable", ["refuse", "warn"])
def test_a_base_that_mixes_rows_is_refused_whatever_is_asked(base: Any, unrepeatable: str) -> None:
    found = smoothed(base).examine(CLEAN)
    assert found.depends_on_batch
    assert not found.random
    with pytest.raises(UnrepeatableError, match="mixes the rows of a batch"):
        certified(base, unrepeatable=unrepeatable)


def test_the_order_of_floating_point_sums_is_no_randomness() -> None:
    calls: list[int] = []

    def shaky(batch: dict[str, Array]) -> Array:
        calls.append(1)
        return scores(batch) * np.float32(1 + 1e-6 * len(calls))

    assert smoothed(shaky).examine(CLEAN).good


def test_calls_that_failed_say_nothing() -> None:
    def flaky(batch: dict[str, Array]) -> Array:
        found = labels(batch)
        found[COIN.integers(len(found))] = -1
        return found

    assert smoothed(flaky).examine(CLEAN).good


@pytest.mark.parametrize("base", [scores, labels], ids=["scores", "labels"])
def test_a_score_that_is_no_number_the_second_time_is_a_change(base: Any) -> None:
    calls: list[int] = []

    def later(batch: dict[str, Array]) -> Array:
        calls.append(1)
        found = base(batch).astype(float)
        if len(calls) == 2 and base is scores:
            found[3] = np.nan
        return found

    assert smoothed(later).examine(CLEAN).again == (1 if base is scores else 0)


def test_the_examination_changes_no_certificate() -> None:
    assert certified(scores) == certified(scores, unrepeatable="ignore")


def test_a_stream_of_inputs_ends_at_once_with_the_reason() -> None:
    model = smoothed(ranked)
    with pytest.raises(UnrepeatableError, match="mixes"):
        list(model.certify_many([CLEAN], threat=THREAT, n=200))
    with pytest.raises(UnrepeatableError, match="mixes"):
        list(model.outcomes([("a", CLEAN)], threat=THREAT, statistics=Statistics(n=200)))


def test_a_base_that_fails_on_the_first_input_is_examined_on_the_next() -> None:
    def touchy(batch: dict[str, Array]) -> Array:
        if (batch["x"] > 50).any():
            raise RuntimeError("cannot read this one")
        return ranked(batch)

    data = [("bad", {"x": np.full(8, 100.0)}), ("good", CLEAN)]
    stream = smoothed(touchy).outcomes(data, threat=THREAT, statistics=Statistics(n=200))
    place, outcome = next(stream)
    assert place == 0
    assert str(outcome.error) == "cannot read this one"
    with pytest.raises(UnrepeatableError):
        next(stream)


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(InputError, match="unrepeatable"):
        smoothed(scores, unrepeatable="maybe")
