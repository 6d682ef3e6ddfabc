"""Exact sampling: what floating-point noise gives away, the exact mode does not."""

from __future__ import annotations

import itertools
import json
import math
from fractions import Fraction
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from scipy import stats

import ironbound as ib
from ironbound import laws
from ironbound.certificate.codec import digest
from ironbound.channels.base import Array
from ironbound.errors import InputError, InvalidCertificate
from ironbound.runs.plan import plan
from ironbound.smoothing.draws import Draws
from tests.little_runs import CONFIG, write_config

FALSE_ALARM = 1e-6
SIGMA = 0.5
CLEAN = np.ones(256, dtype=np.float32)  # white pixels: 255/255
ATTACKED = np.full(256, 239, dtype=np.float32) / np.float32(255)
DISTANCE = math.sqrt(256) * 16 / 255
THREAT = ib.Threat(x=ib.L2())


def reachable(batch: dict[str, Array]) -> Array:
    """Class 1 where every pixel can be the rounded sum of 1.0 and some float32 noise.

    Such a sum of size below 2 is a multiple of 2^-24: 1.0 is one, and the noise that leaves less than half
    of it is at least 1/2 in size, hence one as well. Around 239/255 some sums lie on a finer grid.
    """
    scaled = batch["x"].astype(np.float64) * 2.0**24
    return np.all(scaled == np.rint(scaled), axis=1).astype(np.int64)


def smoothed(exact: bool, base: Any = reachable) -> ib.SmoothedClassifier:
    return ib.SmoothedClassifier(base, ib.Smoothing(x=ib.Gaussian(SIGMA, exact=exact)), num_classes=2)


def share(exact: bool, clean: Array, label: int, n: int = 4000) -> float:
    """How often the base says `label` around an input."""
    smoothing = ib.Smoothing(x=ib.Gaussian(SIGMA, exact=exact))
    draws = Draws(smoothing, smoothing.check({"x": clean}), 1, "attack", "estimation")
    return float(np.mean(reachable(draws.take(0, n)) == label))


def test_the_attack_breaks_the_certificate_of_floating_point_noise() -> None:
    """Both are 8-bit images; the second lies well inside of the certified ball and changes the answer."""
    cert = smoothed(exact=False).certify({"x": CLEAN}, threat=THREAT, alpha=0.001, n=2000)
    assert cert.prediction == 1
    assert cert.covers(x=DISTANCE)
    assert share(False, ATTACKED, label=1) < 0.05


def test_the_attack_finds_nothing_in_the_exact_mode() -> None:
    """256 quotients k/255 say nothing about x: the base answers alike around both inputs."""
    cert = smoothed(exact=True).certify({"x": CLEAN}, threat=THREAT, alpha=0.001, n=2000)
    label = cert.prediction
    assert label is not None
    assert cert.covers(x=DISTANCE)
    assert share(True, ATTACKED, label) > 0.5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("refine", [1, 3])
def test_exact_noise_is_the_same_integers_around_every_input(dtype: str, refine: int) -> None:
    """Immune by construction: what is drawn never meets x but in a sum of integers, and the rest is a map."""
    generator = np.random.default_rng(2)
    codes = generator.integers(0, 256, size=(2, 5, 7))
    channel = ib.Gaussian(SIGMA, exact=True, refine=refine)
    steps = 255 * refine
    whole = []
    for one in codes:
        clean = channel.check((one / 255).astype(dtype), "x")
        noised = channel.sample(clean, np.random.Generator(np.random.Philox(key=4)), 300)
        assert noised.dtype == dtype
        integers = np.rint(noised.astype(np.float64) * steps)
        # Nothing but the integer reaches the base: its quotient, rounded once.
        assert np.array_equal(integers.astype(dtype) / np.dtype(dtype).type(steps), noised)
        whole.append(integers - refine * one)
    assert np.array_equal(whole[0], whole[1])
    assert len(np.unique(whole[0])) > 100


def test_floating_point_noise_is_not() -> None:
    channel = ib.Gaussian(SIGMA)
    noise = []
    for one in (CLEAN, ATTACKED):
        noised = channel.sample(channel.check(one, "x"), np.random.Generator(np.random.Philox(key=4)), 300)
        noise.append(noised.astype(np.float64) - one)
    assert not np.array_equal(noise[0], noise[1])


def masses(scale: float, shift: int, reach: int) -> list[Any]:
    """P(shift + round(N(0, scale^2)) = k) for |k| < reach, with all the rest at both ends."""
    ends = [mp.ncdf((mp.mpf(2 * k + 1) / 2 - shift) / mp.mpf(scale)) for k in range(-reach, reach)]
    return [b - a for a, b in itertools.pairwise([mp.mpf(0), *ends, mp.mpf(1)])]


@pytest.mark.parametrize(("scale", "moves"), [(0.4, (1,)), (1.3, (2,)), (1.3, (1, -1)), (2.0, (3, 1))])
def test_no_attacker_on_the_grid_beats_the_gaussian_law(scale: float, moves: tuple[int, ...]) -> None:
    """Every test of one or two pixels on the grid, by enumeration: its best is above the law's bound."""
    law = laws.gaussian(math.hypot(*moves) / scale)
    with mp.workdps(40):
        each = [list(zip(masses(scale, 0, 14), masses(scale, m, 14), strict=True)) for m in moves]
        pairs = [
            (mp.fprod(a for a, _ in outcome), mp.fprod(b for _, b in outcome))
            for outcome in itertools.product(*each)
            if all(a > 0 for a, _ in outcome)
        ]
        pairs.sort(key=lambda pq: pq[1] / pq[0])
        for p in (0.6, 0.9, 0.99, 0.9999):
            spent = cost = mp.mpf(0)
            for a, b in pairs:
                take = min(a, mp.mpf(p) - spent)
                spent, cost = spent + take, cost + take / a * b
            assert law.lower(p) <= cost
            if scale > 1:  # rounding to coarser steps hides more; rounding to fine ones next to nothing
                assert cost <= law.lower(p) + 0.2


@pytest.mark.slow
def test_bounds_on_a_known_probability_hold_as_often_as_they_say() -> None:
    """The base looks at one pixel; its probability comes from the masses above."""
    runs, alpha, scale = 400, 0.05, 3.0
    with mp.workdps(30):
        truth = mp.ncdf(mp.mpf(5) / 2 / mp.mpf(scale))  # P(V <= 2)
    model = ib.SmoothedClassifier(
        lambda batch: batch["x"][:, 0] < 102.5,
        ib.Smoothing(x=ib.Gaussian(scale, exact=True, grid=1)),
        num_classes=2,
    )
    inputs = [(str(i), {"x": np.array([100], dtype=np.uint8)}) for i in range(runs)]
    found = list(model.certify_many(inputs, threat=THREAT, alpha=alpha, n=500, n0=20))
    bounds = [cert.evidence.estimates[0].bound for cert in found]  # type: ignore[attr-defined]
    wrong = sum(bound > truth for bound in bounds)
    assert wrong > 0
    assert stats.binom.sf(wrong - 1, runs, alpha) > FALSE_ALARM
    assert float(np.mean(bounds)) > float(truth) - 0.1


@pytest.mark.parametrize("pixel", [0.5, 100.0 / 255 + 0.01, -0.3])
def test_an_input_off_the_grid_is_refused(pixel: float) -> None:
    with pytest.raises(InputError, match=r"entry \(1,\) of x.*whole multiple of 1/255"):
        ib.Gaussian(0.5, exact=True).check([0.0, pixel], "x")


def test_an_input_beyond_exact_float32_integers_is_refused() -> None:
    with pytest.raises(InputError, match="exact=True"):
        ib.Gaussian(10.0, exact=True, grid=1).check([2.0**23], "x")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_grid_is_found_in_spite_of_the_rounding_of_its_points(dtype: str) -> None:
    codes = np.arange(256)
    for scaled in (codes.astype(dtype) / 255, codes.astype(dtype) * np.dtype(dtype).type(1 / 255)):
        found = ib.Gaussian(0.5, exact=True).check(scaled.astype(dtype), "x")
        assert np.array_equal(found, (codes / 255).astype(dtype))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"exact": 1}, "exact"),
        ({"exact": True, "grid": 0}, "grid"),
        ({"exact": True, "grid": 2.5}, "grid"),
        ({"exact": True, "refine": True}, "refine"),
        ({"exact": True, "refine": 100}, "sigma.*grid=1"),
        ({"grid": 1}, "exact=True"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_used_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ib.Gaussian(0.5, **settings)


def made() -> ib.Certificate:
    model = smoothed(exact=True, base=lambda batch: batch["x"].mean(axis=1) > 0.5)
    return model.certify({"x": CLEAN}, threat=THREAT, n=500)


def test_the_record_names_the_grid_and_verifies() -> None:
    cert = made()
    record = json.loads(cert.to_json())["evidence"]["channels"][0]
    assert {name: record[name] for name in ("noise", "grid", "refine", "sigma")} == {
        "noise": "gaussian_grid",
        "grid": 255,
        "refine": 1,
        "sigma": SIGMA,
    }
    assert "in whole steps of 1/255" in cert.statement
    ib.Certificate.from_json(cert.to_json()).verify()
    plain = smoothed(exact=False).certify({"x": CLEAN}, threat=THREAT, n=500)
    assert "whole steps" not in plain.statement
    assert '"grid"' not in plain.to_json()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grid": 0}, "grid must be between 1"),
        ({"refine": 0}, "refine must be between 1"),
        ({"sigma": 0.0}, "radius"),
        ({"sigma": 2 * SIGMA}, "radius"),
        ({"noise": "gaussian"}, "grid"),
        ({"grid": None}, "grid"),
        ({"grid": 255.5}, "grid"),
    ],
    ids=str,
)
def test_a_tampered_record_is_refused(changes: dict[str, Any], message: str) -> None:
    data = json.loads(made().to_json())
    data["evidence"]["channels"][0] |= changes
    fields = {item: value for item, value in data.items() if item != "fingerprint"}
    with pytest.raises(InvalidCertificate, match=message):
        ib.Certificate.from_json(json.dumps(fields | {"fingerprint": digest(fields)})).verify()


def test_the_scale_is_sigma_in_steps_without_rounding() -> None:
    channel = ib.Gaussian(0.3, exact=True, refine=3)
    assert channel._scale == Fraction(0.3) * 765  # pyright: ignore[reportPrivateUsage]


def test_a_configuration_asks_for_it(tmp_path: Any) -> None:
    text = CONFIG.replace('noise = "gaussian"', 'noise = "gaussian"\nexact = true\ngrid = 2')
    path = write_config(tmp_path, config=text)
    problem = plan(str(path), {}).problem
    assert problem.smoothing["image"] == ib.Gaussian(
        problem.smoothing["image"].sigma,  # type: ignore[attr-defined]
        unit="grey levels",
        exact=True,
        grid=2,
    )
