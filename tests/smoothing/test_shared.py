"""Noise that inputs share: what is shared, what stays independent, and that each certificate still holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import ironbound as ib
from ironbound.channels.base import Array
from ironbound.errors import InputError
from ironbound.smoothing.draws import Draws
from ironbound.smoothing.randomness import SCHEME, SHARED_SCHEME
from ironbound.smoothing.shared import SharedNoise

SMOOTHING = ib.Smoothing(
    grid=ib.Gaussian(sigma=0.25, exact=True),
    image=ib.Gaussian(sigma=0.5),
    tokens=ib.UniformReplacement(beta=0.4, alphabet=6),
    wide=ib.AnisotropicGaussian(sigmas=[0.5, 1.0, 2.0]),
)


def values(level: float, length: int = 4) -> dict[str, Array]:
    return SMOOTHING.check(
        {
            "grid": np.full(3, round(level * 255) / 255, dtype=np.float32),
            "image": np.full((2, 2), level),
            "tokens": np.full(length, 2),
            "wide": np.array([level, 0.0, -level]),
        }
    )


def draws(one: dict[str, Array], shared: SharedNoise | None, **other: Any) -> Draws:
    address = {"seed": 0, "input_id": "a", "purpose": "estimation"} | other
    return Draws(SMOOTHING, one, shared=shared, **address)


def test_noise_is_that_of_every_other_input_and_no_more_of_its_name() -> None:
    shared = SharedNoise()
    one = draws(values(0.2), shared).take(0, 300)
    other = draws(values(0.4, length=7), shared, input_id="b").take(0, 300)
    for name in ("image", "wide"):
        left, right = one[name] - values(0.2)[name], other[name] - values(0.4)[name]
        assert np.allclose(left, right, atol=1e-12)
        assert left.std() > 0.3
    # A longer text moves nothing in another channel, and whole grid steps agree exactly.
    steps = [np.rint(x["grid"] * 255) - np.rint(v * 255) for x, v in ((one, 0.2), (other, 0.4))]
    assert np.array_equal(*steps)


def test_streams_of_purposes_seeds_and_channels_are_different() -> None:
    kinds = [{}, {"purpose": "selection"}, {"seed": 1}]
    seen = [draws(values(0.0), SharedNoise(), **kind).take(0, 2000) for kind in kinds]
    images = [one["image"].ravel() for one in seen] + [seen[0]["wide"].ravel()[:8000]]
    images.append(draws(values(0.0), None).take(0, 2000)["image"].ravel())  # noise of its own
    for i, left in enumerate(images):
        for right in images[:i]:
            size = min(left.size, right.size)
            assert abs(np.corrcoef(left[:size], right[:size])[0, 1]) < 5 / np.sqrt(size)


def test_draws_of_one_input_are_independent_of_each_other() -> None:
    taken = draws(values(0.0), SharedNoise()).take(0, 4000)["image"].reshape(4000, -1)[:, 0]
    assert len(np.unique(taken)) == 4000
    assert stats.kstest(taken / 0.5, "norm").pvalue > 1e-4
    assert abs(np.corrcoef(taken[:-1], taken[1:])[0, 1]) < 5 / np.sqrt(4000)


@pytest.mark.parametrize("most", [0, 3000, 10**6])
def test_what_is_held_changes_nothing(most: int) -> None:
    shared = SharedNoise(most)
    expected = draws(values(0.3), SharedNoise()).take(0, 700)
    for start, stop in ((0, 700), (650, 700), (0, 64), (63, 200)):
        found = draws(values(0.3), shared).take(start, stop)
        assert all(np.array_equal(found[name], expected[name][start:stop]) for name in SMOOTHING)
    held = sum(block.nbytes for block in shared._held.values())
    assert held <= most
    assert (held > 0) == (most > 0)


def test_nobody_can_write_into_what_others_read() -> None:
    shared = SharedNoise()
    first = draws(values(0.3), shared).take(0, 64)
    first["image"][:] = 0.0
    assert draws(values(0.3), shared).take(0, 64)["image"].any()
    with pytest.raises(ValueError, match="read-only"):
        next(iter(shared._held.values()))[0] = 1.0


def above(batch: dict[str, Array]) -> Array:
    return batch["x"][:, 0] > 0


def model(**settings: Any) -> ib.SmoothedClassifier:
    return ib.SmoothedClassifier(above, ib.Smoothing(x=ib.Gaussian(1.0)), num_classes=2, **settings)


def test_the_record_names_the_scheme_and_only_then() -> None:
    made: dict[bool, Any] = {
        shared: model().certify({"x": [1.0]}, threat=ib.Threat(x=ib.L2()), n=500, shared_noise=shared)
        for shared in (False, True)
    }
    assert made[True].evidence.noise_scheme == SHARED_SCHEME != SCHEME == made[False].evidence.noise_scheme
    made[True].verify()
    assert made[True].statement != made[False].statement
    assert "noise that inputs of the run share" in made[True].statement
    with pytest.raises(InputError, match="shared_noise"):
        model().certify({"x": [1.0]}, threat=ib.Threat(x=ib.L2()), shared_noise=1)  # type: ignore[arg-type]


def test_equal_inputs_err_together_but_each_within_alpha() -> None:
    """The dependence is real, and the guarantee of each input is what it was."""
    p, alpha, runs = float(stats.norm.cdf(0.8)), 0.1, 400
    inputs = [(str(i), {"x": [0.8]}) for i in range(3)]
    wrong = np.zeros((runs, 3), dtype=bool)
    classifier = model(draw_ahead=False)
    for seed in range(runs):
        found: Any = classifier.certify_many(
            inputs, threat=ib.Threat(x=ib.L2()), n=200, n0=10, alpha=alpha, seed=seed, shared_noise=True
        )
        wrong[seed] = [one.evidence.estimates[0].bound > p for one in found]
    assert (wrong[:, 0] == wrong[:, 1]).all()  # equal inputs meet equal noise
    assert wrong[:, 0].sum() > 0
    assert stats.binomtest(int(wrong[:, 0].sum()), runs, alpha, alternative="greater").pvalue > 1e-3


def test_two_channels_of_one_kind_have_noise_of_their_own() -> None:
    noise = ib.Smoothing(a=ib.Gaussian(1.0), b=ib.Gaussian(1.0))
    one = {"a": np.zeros(5), "b": np.zeros(5)}
    taken = Draws(noise, one, 0, "a", "estimation", SharedNoise()).take(0, 500)
    assert abs(np.corrcoef(taken["a"].ravel(), taken["b"].ravel())[0, 1]) < 0.1
