"""The vectorised ziggurat: the law, the layers, and what the leftover numbers become."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ironbound.channels import normal
from ironbound.channels.normal import fill_normal, standard_normal

FALSE_ALARM = 1e-6
SIZE = 20_000_000 if os.environ.get("IRONBOUND_SLOW") == "full" else 2_000_000


def random(key: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=key))


def drawn(count: int, key: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    numbers = np.full(count, np.nan, dtype=np.float32)
    fill_normal(random(key), numbers)
    return numbers


def test_the_layers_have_equal_areas_and_end_at_the_top() -> None:
    edges, heights, _, _ = normal._tables()  # pyright: ignore[reportPrivateUsage]
    areas = edges[1:-1] * np.diff(heights)[1:]
    assert np.allclose(areas, areas[0], rtol=1e-11, atol=0)
    tail = math.sqrt(2 * math.pi) * stats.norm.sf(edges[1])
    assert math.isclose(edges[1] * heights[1] + tail, areas[0], rel_tol=1e-11)
    assert math.isclose(edges[0] * heights[1], areas[0], rel_tol=1e-11)
    assert math.isclose(edges[-2] * (1 - heights[-2]), areas[0], rel_tol=1e-9)
    assert edges[-1] == 0


def test_every_part_of_the_line_has_its_mass() -> None:
    """Cells at and around the edges of layers, where a slip in the method would show, and far out."""
    layers = normal._tables()[0]  # pyright: ignore[reportPrivateUsage]
    inner = np.concatenate([layers[1:-1], (layers[1:-2] + layers[2:-1]) / 2, [3.8, 4.2, 4.6]])
    ends = np.sort(np.concatenate([-inner, [0.0], inner]))
    seen = np.bincount(np.searchsorted(ends, drawn(SIZE).astype(np.float64)), minlength=ends.size + 1)
    masses = np.diff([0.0, *stats.norm.cdf(ends), 1.0])
    assert stats.chisquare(seen, masses / masses.sum() * SIZE).pvalue > FALSE_ALARM


def test_the_tail_is_that_of_the_normal_law() -> None:
    start = float(normal._tables()[0][1])  # pyright: ignore[reportPrivateUsage]
    found = np.concatenate([drawn(2_000_000, key) for key in range(4)]).astype(np.float64)
    for side in (found, -found):
        far = side[side > start]
        share = stats.norm.sf(far) / stats.norm.sf(start)
        assert stats.kstest(share, "uniform").pvalue > FALSE_ALARM
        assert stats.binomtest(far.size, found.size, float(stats.norm.sf(start))).pvalue > FALSE_ALARM


def test_moments_and_sums() -> None:
    numbers = drawn(SIZE, key=1).astype(np.float64).reshape(-1, 100)
    rows = numbers.sum(axis=1) / 10
    assert stats.kstest(rows, "norm").pvalue > FALSE_ALARM
    squares = (numbers**2).sum(axis=1)
    assert stats.kstest(squares, stats.chi2(100).cdf).pvalue > FALSE_ALARM


def test_numbers_are_independent_of_their_neighbours() -> None:
    numbers = drawn(1_000_000, key=2).astype(np.float64)
    for lag in (1, 2, 3, 4, 256, 2**14):
        for power in (1, 2):
            one, other = numbers[:-lag] ** power, numbers[lag:] ** power
            one, other = one - one.mean(), other - other.mean()
            z = float((one * other).mean() / (one.std() * other.std())) * math.sqrt(one.size)
            assert abs(z) < 5.5


def test_the_size_and_the_place_share_no_bits() -> None:
    """Layer and place in it come from one word; numbers that end with equal bits are spread alike."""
    numbers = np.abs(drawn(500_000, key=3))
    low = (numbers.view(np.uint32) & 1).astype(bool)
    found: Any = stats.ks_2samp(numbers[low], numbers[~low])
    assert found.pvalue > FALSE_ALARM


@pytest.mark.parametrize("count", [0, 1, 2, 3, 16_383, 16_384, 16_385, 40_001])
def test_every_number_is_filled(count: int) -> None:
    numbers = drawn(count)
    assert np.isfinite(numbers).all()
    assert not np.any(numbers == 0)


def test_the_chunk_is_no_part_of_the_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = drawn(50_001)
    monkeypatch.setattr(normal, "_CHUNK", 1000)
    assert np.array_equal(drawn(50_001), expected)


def test_float64_is_drawn_by_numpy() -> None:
    found = standard_normal(random(), (3, 4), np.float64)
    assert np.array_equal(found, random().standard_normal((3, 4)))
    assert standard_normal(random(), (3, 4), np.float32).dtype == np.float32


class Scripted:
    """Stands for a generator: given words, given uniform numbers, and 42 for each fresh normal number."""

    def __init__(self, words: list[int], uniform: list[float]) -> None:
        self.words, self.uniform = words, uniform
        self.bit_generator = self

    def random_raw(self, size: int) -> Any:
        both = np.array(self.words, dtype="<u4").view("<u8")
        assert both.size == size
        return both

    def random(self, size: int) -> Any:
        return np.array([self.uniform.pop(0) for _ in range(size)])

    def standard_normal(self, size: int) -> Any:
        return np.full(size, 42.0)


def scripted(words: list[int], uniform: list[float]) -> list[float]:
    numbers = np.empty(len(words), dtype=np.float32)
    fill_normal(Scripted(words, uniform), numbers)  # type: ignore[arg-type]
    return numbers.tolist()


@pytest.mark.parametrize("layer", [0, 1, 77, 254])
def test_a_place_and_its_mirror_give_opposite_numbers(layer: int) -> None:
    edge = float(normal._tables()[0][layer])  # pyright: ignore[reportPrivateUsage]
    for place in (0, 1, 12345, 2**22):
        one, other = scripted([place << 8 | layer, (2**24 - 1 - place) << 8 | layer], [])
        assert one == -other > 0
        assert math.isclose(one, (place + 0.5) * 2.0**-23 * edge, rel_tol=1e-6)


@pytest.mark.parametrize("layer", [1, 2, 100, 254, 255])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_at_the_edge_of_a_layer_the_density_decides(layer: int, share: float) -> None:
    """A point is kept when its height, uniform within the layer, lies under the curve."""
    edges = normal._tables()[0]  # pyright: ignore[reportPrivateUsage]
    outer, inner = float(edges[layer]), float(edges[layer + 1])
    place = int((inner + share * (outer - inner)) / outer * 2**23)
    x = (place + 0.5) * 2.0**-23 * outer
    low, high, curve = (math.exp(-0.5 * at * at) for at in (outer, inner, x))
    under = (curve - low) / (high - low)
    word = place << 8 | layer
    kept, anew = (scripted([word, 77], [u])[0] for u in (under - 1e-4, under + 1e-4))
    assert math.isclose(kept, x, rel_tol=1e-6)
    assert anew == 42.0


def test_beyond_the_lowest_layer_the_tail_is_inverted() -> None:
    edges = normal._tables()[0]  # pyright: ignore[reportPrivateUsage]
    place = int(edges[1] / edges[0] * 2**23) + 10
    for word, side in ((place << 8, 1), ((2**24 - 1 - place) << 8, -1)):
        for uniform in (0.0, 0.3, 0.999):
            found = scripted([word, 77], [0.5, uniform])[0]
            share = stats.norm.sf(side * found) / stats.norm.sf(edges[1])
            assert math.isclose(share, 1 - uniform, rel_tol=1e-5)
