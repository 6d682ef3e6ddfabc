"""The report: its numbers agree with the parts, its words with the numbers, and its page stands alone."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from ironbound.errors import InputError
from ironbound.latent import GaussianClassifier, report, transfer


def data(apart: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=400)
    means = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]) * apart
    return means[y] + rng.normal(size=(400, 3)) * np.array([1.0, 0.7, 1.3])[y][:, None], y


def test_a_good_and_a_bad_latent(tmp_path: Path) -> None:
    for apart, word in ((9.0, "this latent suits"), (0.3, "does not separate")):
        clf = GaussianClassifier().fit(*data(apart))
        z, y = data(apart, seed=1)
        found = report(clf, z, y, tmp_path, title="<b>Latent</b>")
        assert word in str(found)
        page = found.html.read_text(encoding="utf-8")
        assert "&lt;b&gt;Latent" in page
        assert "<b>" not in page
        assert not re.search(r"https?://", page)
        assert page.count("data:image/png;base64,") == 4
        assert all(path.stat().st_size > 5_000 for path in found.pictures)


def test_numbers_are_those_of_the_parts(tmp_path: Path) -> None:
    clf = GaussianClassifier().fit(*data(6.0))
    z, y = data(6.0, seed=1)
    f = report(clf, z, y, tmp_path, radii=[0.0, 0.5, 1.0], eps=[0.0, 0.1], lipschitz=2.0).findings
    right = clf.predict(z) == y
    for one in f.measured:
        held = np.sum(right & ((clf.radius(z) / 2.0 > one.radius) | (one.radius == 0.0)))
        assert one.correct == held
        assert one.lower <= held / 400 <= one.upper
    for row, q in enumerate(f.mixture):
        assert f.sensitivity["binary_kl"][row, 0] == q
        assert f.sensitivity["binary_kl"][row, 1] == transfer(q, 0.1)
        for method in ("pinsker", "bretagnolle_huber"):
            assert np.all(f.sensitivity[method][row] <= f.sensitivity["binary_kl"][row])
    assert f.reach is not None
    assert [line.radius for line in f.reach.lines] == [0.0, 1.0, 2.0]  # the latent's own units
    # Data of the fitted law: no test can tell them apart by much, and the prediction holds.
    assert f.distance.lower < 0.2
    assert abs(f.mixture[1] - f.measured[1].measured) < 0.1


def test_odd_shapes(tmp_path: Path) -> None:
    z, y = data(6.0)
    several = GaussianClassifier("diagonal", components=2, random_state=0).fit(
        z, np.array(["a", "b", "c"])[y]
    )
    few = np.repeat(np.arange(3), 2)
    held = np.concatenate([z[y == k][:2] for k in range(3)] * 8)
    found = report(several, held, np.array(["a", "b", "c"])[np.tile(few, 8)], tmp_path)
    assert found.findings.reach is None
    assert found.findings.divergence is None  # every point occurs eight times
    assert all(one is None or one.samples == 16 for _, one in found.findings.normality)
    one_axis = GaussianClassifier("shared").fit(z[:, :1], y)
    assert report(one_axis, z[:, :1], y, tmp_path).html.is_file()
    with pytest.raises(InputError, match="held-out latents"):
        report(several, z[:2], y[:2], tmp_path)
    with pytest.raises(InputError, match="lipschitz must be"):
        report(several, z, np.array(["a", "b", "c"])[y], tmp_path, lipschitz=0.0)
