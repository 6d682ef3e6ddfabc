"""Samplers against their definitions: false alarms at 1e-6 per test, seeds fixed."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy import stats

from ironbound.channels import (
    AbstractChannel,
    AdaptiveGaussian,
    AnisotropicGaussian,
    Categorical,
    Gaussian,
    Mask,
    UniformReplacement,
)
from ironbound.laws import Law, compose
from ironbound.threats import L2, FieldsL0, TokenL0

FALSE_ALARM = 1e-6
DRAWS = 60_000


def random(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=seed))


def column_agrees(seen: np.ndarray[Any, Any], masses: dict[int, float]) -> None:
    """Chi-square of one position against its exact masses; symbols without mass must never show."""
    counts = Counter(seen.tolist())
    assert set(counts) <= {symbol for symbol, mass in masses.items() if mass > 0}
    possible = [s for s, mass in masses.items() if mass > 0]
    assert math.isclose(sum(masses.values()), 1.0)
    if len(possible) > 1:
        expected = np.array([masses[s] for s in possible]) * seen.size
        found = stats.chisquare([counts[s] for s in possible], expected / expected.sum() * seen.size)
        assert found.pvalue > FALSE_ALARM


def replacement_masses(token: int, alphabet: list[int], beta: float) -> dict[int, float]:
    """Math notes, section 3: keep with 1 - beta, else uniform on the alphabet without the token itself."""
    others = [s for s in alphabet if s != token]
    return {token: 1.0 - beta} | {s: beta / len(others) for s in others}


REPLACEMENTS = [
    (7, 0.25, [0, 6, 3]),
    (2, 0.5, [0, 1]),
    (2, 1.0, [0, 1]),
    (40, 1.0, [0, 39, 20]),
    (3, 1e-3, [2, 0]),
    ([4, 9, 30], 0.6, [9, 4, 30]),  # all inside
    ([4, 9, 30], 0.6, [5, 4, 99]),  # inside and outside, below and above
    ([4, 9, 30], 1.0, [0, 30, 31]),
    (list(range(1, 20)), 0.3, [0, 1, 19]),
]


@pytest.mark.parametrize(("alphabet", "beta", "tokens"), REPLACEMENTS, ids=str)
def test_replacement_draws_another_symbol_uniformly(alphabet: Any, beta: float, tokens: list[int]) -> None:
    channel = UniformReplacement(beta=beta, alphabet=alphabet)
    noised = channel.sample(channel.check(tokens, "t"), random(), DRAWS)
    symbols = list(range(alphabet)) if isinstance(alphabet, int) else alphabet
    for i, token in enumerate(tokens):
        column_agrees(noised[:, i], replacement_masses(token, symbols, beta))


@pytest.mark.parametrize("betas", [0.25, [0.1, 0.9, 0.5, 1.0]], ids=str)
def test_fields_of_mixed_arity_and_rate(betas: Any) -> None:
    arities, codes = [2, 42, 3, 7], [1, 0, 2, 3]
    channel = Categorical(arities, betas)
    noised = channel.sample(channel.check(codes, "c"), random(), DRAWS)
    for i, (arity, code) in enumerate(zip(arities, codes, strict=True)):
        column_agrees(noised[:, i], replacement_masses(code, list(range(arity)), channel.betas[i]))


def test_masking_shows_the_mask_at_its_rate() -> None:
    channel = Mask(beta=0.3, mask_id=9)
    noised = channel.sample(channel.check([1, 9], "t"), random(), DRAWS)
    column_agrees(noised[:, 0], {1: 0.7, 9: 0.3})
    assert np.all(noised[:, 1] == 9)


def test_positions_and_draws_are_independent() -> None:
    channel = Categorical([3, 4], 0.5)
    noised = channel.sample(channel.check([0, 0], "c"), random(), DRAWS)
    for one, other in ((noised[:, 0], noised[:, 1]), (noised[:-1, 0], noised[1:, 0])):
        table = np.histogram2d(one, other, bins=(np.arange(4) - 0.5, np.arange(5) - 0.5))[0]
        table = table[:, table.any(axis=0)]
        found: Any = stats.chi2_contingency(table)
        assert found.pvalue > FALSE_ALARM


def test_a_large_alphabet_is_reached_to_its_ends() -> None:
    size = 200_000
    channel = UniformReplacement(beta=1.0, alphabet=size)
    noised = channel.sample(channel.check([17] * 4, "t"), random(), 50_000).ravel()
    assert noised.min() >= 0
    assert noised.max() < size
    assert not np.any(noised == 17)
    assert stats.kstest((noised + 0.5) / size, "uniform").pvalue > FALSE_ALARM


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gaussian_noise_is_normal_in_the_units_of_the_input(dtype: str) -> None:
    channel = Gaussian(sigma=0.25)
    clean = channel.check(np.array([3.0, -1.0], dtype=dtype), "x")
    noise = (channel.sample(clean, random(), DRAWS).astype(np.float64) - clean) / 0.25
    for column in noise.T:
        assert stats.kstest(column, "norm").pvalue > FALSE_ALARM
        squares = float(np.sum(column**2))
        assert FALSE_ALARM / 2 < stats.chi2.cdf(squares, DRAWS) < 1 - FALSE_ALARM / 2
    assert abs(float(np.mean(noise[:, 0] * noise[:, 1]))) < 5 / math.sqrt(DRAWS)


SIGMAS = [0.1, 0.12, 0.3, 1 / 3, 0.7, 1e-3, 20.1, 2.5e4]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noise_is_never_less_than_what_the_certificate_states(
    dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At draws of exactly 1, each channel's noise is the least number of its type that is not below sigma."""

    def ones(generator: object, shape: tuple[int, ...], dtype: Any) -> Any:
        return np.ones(shape, dtype=dtype)

    class Ones:
        def standard_normal(self, shape: tuple[int, ...], dtype: Any) -> Any:
            return np.ones(shape, dtype=dtype)

    for module in ("gaussian", "adaptive"):
        monkeypatch.setattr(f"ironbound.channels.{module}.standard_normal", ones)
    zero, seen = np.zeros(1, dtype=dtype), list[Any]()

    def masker(first: Any) -> Any:
        seen.append(first)
        return np.ones_like(first)

    below = 0
    for sigma in SIGMAS:
        plain = Gaussian(sigma).sample(zero, random(), 1)
        uneven = AnisotropicGaussian([sigma]).sample(zero, Ones(), 1)  # type: ignore[arg-type]
        AdaptiveGaussian(sigma, sigma, masker, "ones").sample(zero, random(), 1)
        for drawn in (plain, uneven, seen[-1]):
            assert drawn.dtype == dtype
            assert float(np.nextafter(drawn[0, 0], dtype(0))) < sigma <= float(drawn[0, 0])
        below += float(dtype(sigma)) < sigma
    assert (below > 0) == (dtype is np.float32)  # rounding to nearest would not do


def test_images_of_whole_grey_levels_become_float32_in_the_same_units() -> None:
    channel = Gaussian(sigma=20.0, low=0, high=255)
    clean = channel.check(np.array([[0, 255]], dtype=np.uint8), "image")
    assert clean.dtype == np.float32
    assert clean.tolist() == [[0.0, 255.0]]
    noised = channel.sample(clean, random(), 4000)
    assert noised.min() < -20  # nothing is clipped, nothing is rounded
    assert not np.all(noised == np.rint(noised))


# --- sampled log-likelihood ratios obey the law that the certificate uses ---------------------------------


def ratios(
    noised: np.ndarray[Any, Any], clean: list[dict[int, float]], attacked: list[dict[int, float]]
) -> list[float]:
    """log dQ/dP of each draw, from the masses of the definition."""
    found: list[float] = []
    for row in noised.tolist():
        p = math.prod(masses.get(z, 0.0) for z, masses in zip(row, clean, strict=True))
        q = math.prod(masses.get(z, 0.0) for z, masses in zip(row, attacked, strict=True))
        found.append(math.inf if p == 0 else -math.inf if q == 0 else math.log(q / p))
    return found


def agrees_with_law(found: list[float], law: Law, log_mass: np.ndarray[Any, Any]) -> None:
    atoms = law.log_ratio
    nearest = [
        int(np.argmin(np.where(atoms == r, 0.0, np.abs(atoms - r))))
        if math.isfinite(r)
        else int(np.flatnonzero(atoms == r)[0])
        for r in found
    ]
    for r, i in zip(found, nearest, strict=True):
        assert atoms[i] == r or abs(atoms[i] - r) < 1e-9
    expected = np.exp(log_mass) * len(found)
    common = expected > 5
    seen = np.bincount(nearest, minlength=atoms.size)
    table = np.append(seen[common], seen[~common].sum())
    want = np.append(expected[common], expected[~common].sum())
    if want[-1] == 0:
        assert table[-1] == 0
        table, want = table[:-1], want[:-1]
    if table.size > 1:
        assert stats.chisquare(table, want / want.sum() * table.sum()).pvalue > FALSE_ALARM


IDS = [4, 9, 30, 31, 50]
DISCRETE: list[tuple[AbstractChannel, list[int], list[int], Any, list[list[int]]]] = [
    (UniformReplacement(0.25, 5), [0, 1, 2], [3, 4, 2], TokenL0(2), [list(range(5))] * 3),
    (UniformReplacement(0.6, IDS), [4, 9, 31], [9, 50, 30], TokenL0(3), [IDS] * 3),
    (Categorical([3, 7, 2], 0.25), [0, 6, 1], [0, 2, 0], FieldsL0(2), [[0, 1, 2], list(range(7)), [0, 1]]),
]


@pytest.mark.parametrize(("channel", "clean", "attacked", "budget", "symbols"), DISCRETE, ids=str)
def test_sampled_ratios_follow_the_law(
    channel: AbstractChannel, clean: list[int], attacked: list[int], budget: Any, symbols: list[list[int]]
) -> None:
    changed = sum(a != b for a, b in zip(clean, attacked, strict=True))
    beta: Any = getattr(channel, "beta", None)
    p = [replacement_masses(a, s, beta) for a, s in zip(clean, symbols, strict=True)]
    q = [replacement_masses(b, s, beta) for b, s in zip(attacked, symbols, strict=True)]
    if isinstance(channel, Categorical):
        from ironbound.laws import fields

        law = fields([a for a, x, y in zip(channel.arities, clean, attacked, strict=True) if x != y], beta)
    else:
        (law,) = channel.laws(budget, changed, channel.check(clean, "t"))
    from_p = channel.sample(channel.check(clean, "t"), random(1), 20_000)
    from_q = channel.sample(channel.check(attacked, "t"), random(2), 20_000)
    agrees_with_law(ratios(from_p, p, q), law, law.log_p)
    agrees_with_law(ratios(from_q, p, q), law, law.log_q)


@pytest.mark.parametrize(
    ("clean", "attacked"),
    [([4, 9], [9, 70]), ([3, 9], [4, 9]), ([3, 8], [7, 8]), ([3, 9], [70, 50])],
    ids=["written-outside", "clean-outside", "both-outside", "mixed"],
)
def test_sampled_ratios_follow_the_open_laws(clean: list[int], attacked: list[int]) -> None:
    """Each kind of open position against the law of exactly that kind."""
    from ironbound.laws.constructors import positions_law
    from ironbound.laws.positions import replaced

    beta = 0.6
    channel = UniformReplacement(beta, IDS)
    kinds = [
        replaced(5, beta, clean_inside=a in IDS, attacked_inside=b in IDS)
        for a, b in zip(clean, attacked, strict=True)
        if a != b
    ]
    law = positions_law([(kind, 1) for kind in kinds])
    p = [replacement_masses(a, IDS, beta) for a in clean]
    q = [replacement_masses(b, IDS, beta) for b in attacked]
    noised = channel.sample(channel.check(clean, "t"), random(3), 20_000)
    agrees_with_law(ratios(noised, p, q), law, law.log_p)
    again = channel.sample(channel.check(attacked, "t"), random(4), 20_000)
    agrees_with_law(ratios(again, p, q), law, law.log_q)


def test_sampled_mask_ratios_follow_the_law() -> None:
    channel = Mask(beta=0.4, mask_id=9)
    clean, attacked = [1, 2], [3, 5]
    p = [{a: 0.6, 9: 0.4} for a in clean]
    q = [{b: 0.6, 9: 0.4} for b in attacked]
    (law,) = channel.laws(TokenL0(2), 2, channel.check(clean, "t"))
    agrees_with_law(ratios(channel.sample(np.array(clean), random(5), 20_000), p, q), law, law.log_p)
    agrees_with_law(ratios(channel.sample(np.array(attacked), random(6), 20_000), p, q), law, law.log_q)


def test_sampled_gaussian_ratios_follow_the_law() -> None:
    channel = Gaussian(sigma=0.5)
    clean, shift = np.zeros(4), np.array([0.3, -0.2, 0.0, 0.6])
    (law,) = channel.laws(L2(), float(np.linalg.norm(shift)), clean)
    mu = compose(law).mu
    for origin, sign, seed in ((clean, -1.0, 7), (clean + shift, 1.0, 8)):
        noised = channel.sample(origin, random(seed), DRAWS)
        ratio = (((noised - clean) ** 2).sum(axis=1) - ((noised - clean - shift) ** 2).sum(axis=1)) / 0.5
        assert stats.kstest((ratio - sign * mu**2 / 2) / mu, "norm").pvalue > FALSE_ALARM
