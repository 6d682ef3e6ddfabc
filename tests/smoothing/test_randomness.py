"""Draws depend on (seed, input id, purpose, number) and on nothing else."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ironbound.channels import Categorical, Gaussian, Mask, Smoothing, UniformReplacement
from ironbound.errors import InputError
from ironbound.smoothing.draws import Draws
from ironbound.smoothing.randomness import SCHEME, block_of, draws_per_block, generator, restart

SMOOTHING = Smoothing(
    tokens=UniformReplacement(0.5, [1, 5, 7, 300]),
    image=Gaussian(0.5),
    fields=Categorical([3, 9], 0.3),
    words=Mask(0.4, mask_id=9),
)
INPUT: dict[str, Any] = {
    "image": np.zeros((2, 4000), dtype=np.float32),
    "tokens": [1, 2, 7],
    "fields": [0, 8],
    "words": [1],
}
VALUES = SMOOTHING.check(INPUT)


def draws(seed: int = 0, input_id: str = "a", purpose: str = "estimation") -> Draws:
    return Draws(SMOOTHING, VALUES, seed, input_id, purpose)


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in SMOOTHING)


WHOLE = draws().take(0, 60)


def test_a_block_is_shorter_than_the_range_that_is_tested() -> None:
    assert draws_per_block(VALUES) == 8  # so that the ranges below begin and end inside of blocks


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, 60), min_size=0, max_size=6), data=st.data())
def test_any_division_and_order_gives_the_same_draws(cuts: list[int], data: st.DataObject) -> None:
    edges = sorted({0, 60, *cuts})
    pieces = list(pairwise(edges))
    source = draws()
    for start, stop in data.draw(st.permutations(pieces)):
        part = source.take(start, stop)
        assert same(part, {name: array[start:stop] for name, array in WHOLE.items()})


def test_what_the_base_does_to_a_batch_cannot_reach_later_draws() -> None:
    source = draws()
    for array in source.take(0, 5).values():
        array[...] = 0
    assert same(source.take(0, 60), WHOLE)


@pytest.mark.parametrize(
    "other", [draws(seed=1), draws(input_id="b"), draws(purpose="selection")], ids=["seed", "id", "purpose"]
)
def test_every_part_of_the_key_matters(other: Draws) -> None:
    fresh = other.take(0, 60)["image"].ravel()
    assert not np.any(fresh == WHOLE["image"].ravel())


def test_keys_do_not_run_into_each_other() -> None:
    first = [generator(0, "1", "2", 3), generator(0, "1,2", "", 3), generator(12, "", "", 3)]
    seen = {int(g.integers(2**63)) for g in first}
    assert len(seen) == 3


def test_blocks_do_not_overlap() -> None:
    blocks = [generator(0, "a", "estimation", b).integers(2**63, size=1000) for b in range(20)]
    assert len(set(np.concatenate(blocks).tolist())) == 20_000


def test_blocks_follow_each_other_without_gap_and_begin_small() -> None:
    for most in (1, 5, 63, 64, 65, 200, 4096):
        index, at, sizes = 0, 0, []
        while at < 12 * most + 9000:
            found, first, end = block_of(at, most)
            assert (found, first) == (index, at)
            assert all(block_of(i, most) == (found, first, end) for i in (first, (first + end) // 2, end - 1))
            sizes.append(end - first)
            index, at = index + 1, end
        assert sizes == sorted(sizes)
        assert sizes[0] == min(64, most)
        assert sizes[-1] == most


def test_what_is_decided_early_costs_little_noise() -> None:
    drawn: list[int] = []

    class Counting(Gaussian):
        def sample(self, value: Any, generator: np.random.Generator, count: int) -> Any:
            drawn.append(count)
            return super().sample(value, generator, count)

    Draws(Smoothing(x=Counting(0.5)), {"x": np.zeros(8)}, 0, "0", "selection").take(0, 100)
    assert sum(drawn) == 128


def test_blocks_hold_what_fits_into_a_cache_and_one_draw_at_least() -> None:
    assert draws_per_block({"x": np.zeros(1)}) == 4096
    assert draws_per_block({"x": np.zeros(2**15), "y": np.zeros(1)}) == 1
    assert draws_per_block({"x": np.zeros(10**6)}) == 1


@pytest.mark.parametrize("seed", [0.5, "0", None, True])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(InputError, match="seed"):
        generator(seed, "a", "b", 0)


def test_the_scheme_is_pinned() -> None:
    """A change here changes every count that was ever recorded: it needs a new scheme name."""
    assert SCHEME == "philox-sha256-v3"
    smoothing = Smoothing(
        t=UniformReplacement(0.5, [1, 5, 7, 300]),
        x=Gaussian(0.5),
        f=Categorical([3, 9], 0.3),
        w=Mask(0.4, mask_id=9),
        y=Gaussian(1.0),
        z=Gaussian(0.5, exact=True),
    )
    single = np.zeros(2, dtype=np.float32)
    clean = {"t": [1, 2, 7], "x": single, "f": [0, 8], "w": [1, 2], "y": [0.0], "z": single}
    values = smoothing.check(clean)
    drawn = Draws(smoothing, values, 7, "x", "estimation").take(8190, 8192)
    assert drawn["f"].tolist() == [[2, 8], [0, 8]]
    assert drawn["t"].tolist() == [[5, 2, 7], [5, 2, 7]]
    assert drawn["w"].tolist() == [[9, 2], [1, 2]]
    assert np.allclose(drawn["x"], [[-0.80636913, 0.08677052], [0.10674547, -0.27663776]], atol=1e-6)
    assert np.allclose(drawn["y"], [[-0.63177955], [0.28312772]], atol=1e-6)
    assert np.array_equal(np.rint(drawn["z"] * 255), [[-42, -212], [-293, -142]])


def test_a_generator_that_is_restarted_has_forgotten_everything() -> None:
    for before in (0, 1, 2, 3, 5):
        used = generator(0, "a", "estimation", 0)
        used.integers(2**32, size=before, dtype=np.uint32)  # an odd number leaves half a word behind
        used.standard_normal(before)
        restart(used, 1, "b", "selection", 9)
        fresh = generator(1, "b", "selection", 9)
        assert np.array_equal(
            used.integers(2**32, size=9, dtype=np.uint32), fresh.integers(2**32, size=9, dtype=np.uint32)
        )
        assert np.array_equal(used.standard_normal(9), fresh.standard_normal(9))
