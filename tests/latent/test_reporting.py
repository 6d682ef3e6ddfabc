"""The report: its numbers agree with the parts, its words with the numbers, and its page stands alone."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ironbound.errors import InputError
from ironbound.latent import GaussianClassifier, report, transfer
from ironbound.latent.reporting.findings import Findings, find
from ironbound.latent.reporting.page import page


def data(apart: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=400)
    means = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]) * apart
    return means[y] + rng.normal(size=(400, 3)) * np.array([1.0, 0.7, 1.3])[y][:, None], y


def findings(classifier: GaussianClassifier, z: np.ndarray, y: np.ndarray, **chosen: Any) -> Findings:
    """What a report would show, without its pictures."""
    settings: dict[str, Any] = {"radii": None, "eps": [0.0, 0.1], "lipschitz": 1.0, "unit": "pixel"}
    return find(classifier, z, y, **{**settings, "alpha": 0.05, "seed": 0, **chosen})


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ironbound.latent.reporting.findings._SAMPLES", 4_000)


def test_the_page_of_a_good_latent(tmp_path: Path) -> None:
    clf = GaussianClassifier().fit(*data(9.0))
    z, y = data(9.0, seed=1)
    found = report(clf, z, y, tmp_path, title="<b>Latent</b>")
    assert "this latent suits" in str(found)
    text = found.html.read_text(encoding="utf-8")
    assert "&lt;b&gt;Latent" in text
    assert "<b>" not in text
    assert not re.search(r"https?://", text)
    assert text.count("data:image/png;base64,") == 4
    assert all(path.stat().st_size > 5_000 for path in found.pictures)


@pytest.mark.parametrize(("apart", "word"), [(0.3, "does not separate"), (3.5, "by narrow margins")])
def test_words_for_a_latent_that_suits_less(apart: float, word: str) -> None:
    clf = GaussianClassifier().fit(*data(apart))
    found = findings(clf, *data(apart, seed=1), radii=[0.0, 2.0, 2.5])
    assert word in found.sentences[-1]


def test_the_sentences_say_the_numbers() -> None:
    clf = GaussianClassifier().fit(*data(6.0))
    f = findings(clf, *data(6.0, seed=1), radii=[0.0, 1.0, 2.0], lipschitz=2.0)
    whole, middle = f.measured[0], f.measured[1]
    words = "\n".join(f.sentences)
    assert f"Of {whole.samples:,} held-out inputs {100 * whole.measured:.1f} %" in words
    assert f"shift shorter than {np.median(f.radius[f.right]):.3g} pixel" in words
    assert f"At radius 1, {100 * middle.measured:.1f} % are right and certified" in words
    assert f"{100 * middle.lower:.1f} % to {100 * middle.upper:.1f} %" in words
    assert f.distance.kl_lower == 0.0
    assert "does not tell data from the fitted mixture with 95 % confidence" in words
    assert f"promises {100 * f.mixture[1]:.1f} %" in words
    gain = np.median((f.radius / f.closed)[(f.radius > 0.0) & (f.closed > 0.0)])
    assert f"{gain:.2f} times the closed-form margin" in words
    assert f.reach is not None
    assert f.reach.separation in words
    assert f"at most {math.ceil(1e3 * f.reach.lines[1].any_classifier) / 10:.1f} % at radius 1" in words
    against = sum(min(one.skewness_p, one.kurtosis_p) < 0.01 for _, one in f.normality if one is not None)
    assert f"for {against} of 3 classes" in words


def test_the_sentences_say_how_far_data_and_fit_are_apart() -> None:
    clf = GaussianClassifier().fit(*data(6.0))
    z, y = data(6.0, seed=1)
    f = findings(clf, z + 1.5, y, radii=[0.0, 1.0, 2.0])
    words = "\n".join(f.sentences)
    assert f.distance.kl_lower > 0.0
    assert f"at least {f.distance.lower:.3f} with 95 % confidence" in words
    assert f"eps is {f.distance.kl_lower:.3g} nats" in words
    assert f"carries {100 * transfer(f.mixture[1], f.distance.kl_lower):.1f} % over" in words


def test_the_tables_say_the_numbers() -> None:
    clf = GaussianClassifier().fit(*data(4.0))
    f = findings(clf, *data(4.0, seed=1), radii=[0.0, 0.5, 1.0])
    text = page("Latent", f, {})
    assert f.reach is not None
    for one, promised, line in zip(f.measured, f.mixture, f.reach.lines, strict=True):
        row = re.search(rf"<td>{one.radius:g}</td>(.*?)</tr>", text)
        assert row is not None
        measured, interval, model, best = re.findall(r"<td>(.*?) %</td>", row[1])
        assert measured == f"{100 * one.measured:.2f}"
        assert interval == f"{100 * one.lower:.2f} % to {100 * one.upper:.2f}"
        assert model == f"{100 * promised:.2f}"
        assert 0.0 <= float(best) / 100 - line.any_classifier <= 2e-4  # rounded up
    for name, one in f.normality:
        assert one is not None
        shown = [f"{p:.3f}" if p >= 0.001 else "below 0.001" for p in (one.skewness_p, one.kurtosis_p)]
        assert f"<td>{name}</td><td>{one.samples}</td><td>{shown[0]}</td><td>{shown[1]}</td>" in text
    assert f"{f.distance.lower:.4f}" in text
    assert f"{f.distance.kl_lower:.4f} nats" in text


def test_numbers_are_those_of_the_parts() -> None:
    clf = GaussianClassifier().fit(*data(6.0))
    z, y = data(6.0, seed=1)
    f = findings(clf, z, y, radii=[0.0, 0.5, 1.0], lipschitz=2.0)
    assert f.radius == pytest.approx(clf.radius(z) / 2.0)
    assert f.closed == pytest.approx(clf.closed_form_radius(z) / 2.0)
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
    """One dimension, two components per class, labels that are texts, every point eight times."""
    z, y = data(6.0)
    z, names = z[:, :1], np.array(["a", "b", "c"])[y]
    several = GaussianClassifier("diagonal", components=2, random_state=0).fit(z, names)
    held = np.concatenate([z[y == k][:2] for k in range(3)] * 8)
    found = report(several, held, np.tile(np.repeat(["a", "b", "c"], 2), 8), tmp_path)
    assert found.html.is_file()
    assert found.findings.reach is None
    assert found.findings.divergence is None
    assert all(one is None or one.samples == 16 for _, one in found.findings.normality)
    with pytest.raises(InputError, match="held-out latents"):
        report(several, z[:2], y[:2], tmp_path)
    with pytest.raises(InputError, match="lipschitz must be"):
        report(several, z, names, tmp_path, lipschitz=0.0)
