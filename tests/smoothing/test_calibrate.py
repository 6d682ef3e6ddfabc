"""Calibrated thresholds: what the draws support, coverage, the share of alpha, noise, and the record."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import os
from typing import Any

import numpy as np
import pytest
from scipy import stats

import ironbound as ib
from ironbound.certificate import Calibration
from ironbound.certificate.codec import digest
from ironbound.confidence import clopper_pearson_upper
from ironbound.errors import InvalidCertificate
from ironbound.smoothing import calibrate, draws_needed

FULL = os.environ.get("IRONBOUND_SLOW") == "full"
NOISE = ib.Smoothing(x=ib.Gaussian(sigma=0.5))
THREAT = ib.Threat(x=ib.L2())


def above(level: float) -> Any:
    return lambda batch: batch["x"][:, 0] > level


def filtered(level: float = 1.5, noise: ib.Smoothing = NOISE, **settings: Any) -> ib.SmoothedClassifier:
    return ib.SmoothedClassifier(above(level), noise, num_classes=2, **settings)


def benign(*places: float) -> list[tuple[str, dict[str, Any]]]:
    return [(f"benign-{i}", {"x": [place]}) for i, place in enumerate(places)]


def calibrated(**settings: Any) -> Calibration:
    chosen: dict[str, Any] = {"threat": THREAT, "draws": 4000, "alpha": 0.005} | settings
    return calibrate(filtered(), benign(0.0, 0.2, -0.5), **chosen)


@pytest.fixture(scope="module")
def certificate() -> ib.Certificate:
    model = filtered(calibration=calibrated())
    return model.certify({"x": [2.0]}, threat=THREAT, alpha=0.01, n=2000, input_id="attack")


def test_the_published_threshold_and_its_sample() -> None:
    assert 4.6e-5 < clopper_pearson_upper(0, 100_000, 0.01) < 4.61e-5
    assert draws_needed(4.6051e-5, 0.01) == 100_000
    for threshold, alpha in ((4.6e-5, 0.01), (0.01, 0.001), (0.3, 0.05)):
        n = draws_needed(threshold, alpha)
        assert clopper_pearson_upper(0, n, alpha) <= threshold < clopper_pearson_upper(0, n - 1, alpha)


def test_a_threshold_that_the_sample_cannot_support_is_refused_before_any_draw() -> None:
    def never(batch: Any) -> Any:
        raise AssertionError("asked")

    model = ib.SmoothedClassifier(never, NOISE, num_classes=2)
    with pytest.raises(ib.InputError, match=r"4\.6e-05 is more than .* it takes 100,111 draws"):
        calibrate(model, benign(0.0), threat=THREAT, draws=1000, alpha=0.01, threshold=4.6e-5)


def test_a_flagged_draw_may_take_the_support_away() -> None:
    model = filtered(1.0)
    assert calibrate(model, benign(-9.0), threat=THREAT, draws=1000, threshold=0.006).tau == 0.006
    with pytest.raises(ib.InputError, match=r"flagged of 1,000 draws"):
        calibrate(model, benign(0.3), threat=THREAT, draws=1000, threshold=0.006)
    with pytest.raises(ib.InputError, match="bounded by"):
        calibrate(model, benign(5.0), threat=THREAT, draws=1000)


def test_the_flags_of_all_inputs_are_counted_whatever_the_batches() -> None:
    inputs = benign(0.9, 1.2, 0.4, 1.6, 0.0)
    found = {
        calibrate(filtered(batch_size=size), inputs, threat=THREAT, draws=703, positive=1).flagged
        for size in (None, 1, 7, 64)
    }
    assert len(found) == 1
    rates = stats.norm.sf([(1.5 - v) / 0.5 for v in (0.9, 1.2, 0.4, 1.6, 0.0)])
    assert abs(found.pop() / 705 - rates.mean()) < 5 * math.sqrt(0.25 / 705)
    assert calibrate(filtered(), inputs, threat=THREAT, draws=703).draws == 705


def test_a_draw_without_a_class_counts_as_flagged() -> None:
    model = ib.SmoothedClassifier(lambda batch: np.where(batch["x"][:, 0] > 1, -1, 0), NOISE, num_classes=2)
    found = calibrate(model, benign(0.0), threat=THREAT, draws=4000)
    assert 40 < found.flagged < 160  # P(N(0, 1/4) > 1) = 0.0228


def test_inputs_of_several_lengths() -> None:
    noise = ib.Smoothing(t=ib.UniformReplacement(beta=0.25, alphabet=10))
    model = ib.SmoothedClassifier(lambda batch: (batch["t"] == 9).all(axis=1), noise, num_classes=2)
    texts = [(str(i), {"t": [1] * n}) for i, n in enumerate((3, 5, 4, 5))]
    threat = ib.Threat(t=ib.TokenL0(max_d=1))
    found = calibrate(model, texts, threat=threat, draws=2000)
    assert found.draws == 2000
    assert found.flagged <= 2
    filter_ = ib.SmoothedClassifier(model._voters.base, noise, num_classes=2, calibration=found)  # pyright: ignore
    cert = filter_.certify({"t": [9] * 7}, threat=threat, n=500)
    assert cert.prediction == 1
    cert.verify()


def test_a_population_needs_a_new_input_for_every_draw() -> None:
    with pytest.raises(ib.InputError, match="3, one for each input"):
        calibrated(scope="population")
    found = calibrate(
        filtered(), benign(*np.linspace(-1, 0, 1000)), threat=THREAT, draws=1000, scope="population"
    )
    assert (found.inputs, found.draws, found.scope) == (1000, 1000, "population")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": 0.3}, "alpha must be"),
        ({"draws": 0}, "draws must be"),
        ({"positive": 2}, "positive must be"),
        ({"scope": "all"}, "scope must be"),
        ({"threshold": 0.7}, "threshold must be"),
    ],
)
def test_settings_are_refused_by_name(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ib.InputError, match=message):
        calibrated(**settings)


def test_its_error_probability_is_a_part_of_the_certificates(certificate: ib.Certificate) -> None:
    assert certificate.prediction == 1
    assert certificate.alpha == 0.01
    assert certificate.ledger == {"lower bound on class 1": 0.005, "calibrated threshold": 0.005}
    assert "3 benign inputs of its calibration" in certificate.statement
    again = ib.Certificate.from_json(certificate.to_json())
    assert again == certificate
    again.verify()


def test_a_certificate_whose_alpha_the_threshold_has_spent_is_refused() -> None:
    model = filtered(calibration=calibrated())
    with pytest.raises(ib.InputError, match="calibrate with a smaller one"):
        model.certify({"x": [2.0]}, threat=THREAT, alpha=0.005)


def test_early_stops_spend_only_what_is_left() -> None:
    model = filtered(calibration=calibrated())
    found = model.certify({"x": [3.0]}, threat=THREAT, alpha=0.01, stop="target", target={"x": 0.2})
    assert found.covers(x=0.2)
    assert found.ledger["lower bound on class 1"] == 0.005


def test_other_noise_than_calibrated_is_refused() -> None:
    model = filtered(noise=ib.Smoothing(x=ib.Gaussian(sigma=0.25)), calibration=calibrated())
    with pytest.raises(ib.InputError, match=r"sigma 0\.5 \(here 0\.25\)"):
        model.certify({"x": [2.0]}, threat=THREAT)


def test_noise_elsewhere_in_the_text_is_refused() -> None:
    noise = ib.Smoothing(t=ib.UniformReplacement(beta=0.25, alphabet=10))
    model = ib.SmoothedClassifier(lambda batch: batch["t"][:, -1] == 9, noise, num_classes=2)
    at_end = ib.Threat(t=ib.SuffixInPlace(max_d=2))
    found = calibrate(model, [("a", {"t": [1, 2, 3]})], threat=at_end, draws=2000)
    filter_ = ib.SmoothedClassifier(model._voters.base, noise, num_classes=2, calibration=found)  # pyright: ignore
    assert filter_.certify({"t": [3, 2, 9]}, threat=at_end, n=500).verify() is None
    for other in (ib.Threat(t=ib.TokenL0(max_d=2)), ib.Threat(t=ib.SuffixInPlace(max_d=3))):
        with pytest.raises(ib.InputError, match="calibrated under other noise on 't'"):
            filter_.certify({"t": [3, 2, 9]}, threat=other)
    with pytest.raises(ib.InputError, match="per-budget"):
        filter_.certify(
            {"t": [3, 2, 9]}, threat=ib.Threat(t=ib.SuffixInPlace(max_d=2, sampling="per_budget"))
        )


def test_another_threshold_beside_a_calibration_is_refused() -> None:
    with pytest.raises(ib.InputError, match="brings its own threshold"):
        filtered(calibration=calibrated(), threshold=0.3)


def resealed(data: Any) -> str:
    fields = {name: item for name, item in data.items() if name != "fingerprint"}
    return json.dumps(fields | {"fingerprint": digest(fields)})


TAMPERED: list[tuple[tuple[str, ...], Any]] = [
    (("calibration", "flagged"), 1),
    (("calibration", "draws"), 40_020),
    (("calibration", "draws"), 4001),
    (("calibration", "inputs"), 5),
    (("calibration", "inputs"), 0),
    (("calibration", "alpha"), 0.004),
    (("calibration", "alpha"), 0.0051),
    (("calibration", "bound"), 0.001),
    (("calibration", "tau"), 0.0013),
    (("calibration", "positive"), 0),
    (("calibration", "scope"), "population"),
    (("calibration", "scope"), "everywhere"),
    (("calibration", "noise"), []),
    (("tau",), 0.001),
    (("channels", "0", "sigma"), 0.6),
]


@pytest.mark.parametrize(("path", "value"), TAMPERED, ids=lambda v: str(v))
def test_tampering_is_found(certificate: ib.Certificate, path: tuple[str, ...], value: Any) -> None:
    data = json.loads(certificate.to_json())
    place = data["evidence"]
    for step in path[:-1]:
        place = place[int(step) if step.isdigit() else step]
    assert place[path[-1]] != value
    place[path[-1]] = value
    with pytest.raises(InvalidCertificate):
        ib.Certificate.from_json(resealed(data)).verify()


def test_lowering_tau_with_its_bound_together_is_found(certificate: ib.Certificate) -> None:
    data = json.loads(certificate.to_json())
    for where in (data["evidence"], data["evidence"]["calibration"]):
        where["tau"] = 0.001
    data["evidence"]["calibration"]["bound"] = 0.001
    data["evidence"]["threshold"] = 0.001
    with pytest.raises(InvalidCertificate, match="bound"):
        ib.Certificate.from_json(resealed(data)).verify()


def test_leaving_the_calibration_out_leaves_an_honest_record_of_a_chosen_threshold(
    certificate: ib.Certificate,
) -> None:
    data = json.loads(certificate.to_json())
    del data["evidence"]["calibration"]
    other = ib.Certificate.from_json(resealed(data))
    other.verify()
    assert "calibrat" not in other.statement
    assert "calibration" not in json.loads(other.to_json())["evidence"]


def test_the_sum_of_the_shares_counts(certificate: ib.Certificate) -> None:
    data = copy.deepcopy(json.loads(certificate.to_json()))
    data["alpha"] = 0.0099
    with pytest.raises(InvalidCertificate, match="spend together"):
        ib.Certificate.from_json(resealed(data)).verify()


@pytest.mark.slow
@pytest.mark.parametrize(
    "rates",
    [(0.02,) * 4, (0.0, 0.0, 0.0, 0.08), (0.04, 0.04, 0.0, 0.0), (0.5, 0.001, 0.001, 0.002)],
    ids=["equal", "one", "two", "half"],
)
def test_coverage_for_the_mean_of_unequal_rates(rates: tuple[float, ...]) -> None:
    alpha, each, runs = 0.05, 100, 40_000 if FULL else 20_000
    generator = np.random.default_rng(5)
    flagged = generator.binomial(each, rates, size=(runs, len(rates))).sum(axis=1)
    bounds = {k: clopper_pearson_upper(int(k), each * len(rates), alpha) for k in np.unique(flagged)}
    failed = sum(bounds[k] < float(np.mean(rates)) for k in flagged.tolist())
    assert stats.binomtest(failed, runs, alpha, alternative="greater").pvalue > 1e-6


def test_the_bound_for_the_mean_is_hoeffdings_exactly() -> None:
    """The failure probability of sums of unequal flags, computed exactly, stays below alpha."""
    alpha, n = 0.25, 12
    generator = np.random.default_rng(0)
    bounds = [clopper_pearson_upper(k, n, alpha) for k in range(n + 1)]
    for _ in range(3000):
        rates = generator.beta(*generator.choice([0.1, 0.5, 1.0, 4.0], size=2), size=n)
        law = np.ones(1)
        for rate in rates:
            law = np.convolve(law, [1 - rate, rate])
        mean = rates.mean()
        failed = sum(law[k] for k in range(n + 1) if bounds[k] < mean and bounds[k] <= 0.5)
        assert failed <= alpha + 1e-12


def test_draws_of_the_same_inputs_would_say_too_much_of_a_population() -> None:
    """Why "population" takes one draw an input: with many of each, the level is missed by far."""
    generator = np.random.default_rng(1)
    rate, alpha, inputs, each = 0.05, 0.01, 20, 50
    flagging = generator.random((2000, inputs)) < rate  # inputs that are flagged always, or never
    bounds = [clopper_pearson_upper(k * each, inputs * each, alpha) for k in range(inputs + 1)]
    failed = np.mean([bounds[k] < rate for k in flagging.sum(axis=1)])
    assert failed > 20 * alpha
    single = [clopper_pearson_upper(k, inputs, alpha) for k in range(inputs + 1)]
    assert np.mean([single[k] < rate for k in flagging.sum(axis=1)]) <= alpha


def test_the_record_is_frozen_and_equal_by_value() -> None:
    one, other = calibrated(), calibrated()
    assert one == other
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.tau = 0.0  # type: ignore[misc]
