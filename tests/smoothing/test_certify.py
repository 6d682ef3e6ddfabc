"""The public class: contract, decision forms, stopping rules, abstention, and identical counts."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest
import torch

import ironbound as ib
from ironbound import confidence
from ironbound.certificate import SmoothingEvidence
from ironbound.smoothing import Progress
from ironbound.smoothing.batches import count as count_votes
from ironbound.smoothing.draws import Draws

SIGMA = 0.5
IMAGE = ib.Smoothing(x=ib.Gaussian(sigma=SIGMA))
L2 = ib.Threat(x=ib.L2())


def sign(batch: dict[str, Any]) -> Any:
    """Class 1 where the first entry is positive: p_A = Phi(x / sigma), true radius x."""
    return batch["x"][:, 0] > 0


def evidence(cert: ib.Certificate) -> SmoothingEvidence:
    assert isinstance(cert.evidence, SmoothingEvidence)
    return cert.evidence


def radius(cert: ib.Certificate, d: int = 0) -> float:
    """The certified radius, -1 where there is none."""
    found = cert.frontier[d]
    return -1.0 if found is None else found


def certify(base: Any, x: float, **options: Any) -> ib.Certificate:
    classes = options.pop("num_classes", 2)
    made = {k: options.pop(k) for k in ("threshold", "positive", "rivals", "batch_size") if k in options}
    model = ib.SmoothedClassifier(base, IMAGE, num_classes=classes, **made)
    return model.certify({"x": [x, 0.0]}, threat=L2, **options)


def test_the_contract_of_the_design_works_verbatim() -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(()))

        def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
            score = batch["image"].mean(dim=(1, 2)) * 3 + (batch["tokens"] < 50).float().mean(dim=1) - 0.5
            return torch.stack([-score, score * self.scale], dim=1)

    base, vocabulary = Net().train(), 100
    x, t = torch.full((4, 4), 0.5), torch.arange(16)

    smoothing = ib.Smoothing(
        image=ib.Gaussian(sigma=0.5), tokens=ib.UniformReplacement(beta=0.25, alphabet=vocabulary)
    )
    model = ib.SmoothedClassifier(base, smoothing, num_classes=2)
    cert = model.certify(
        {"image": x, "tokens": t},
        threat=ib.Threat(image=ib.L2(), tokens=ib.TokenL0(max_d=8)),
        alpha=0.01,
        n=10_000,
        stop="fixed",
        seed=0,
    )
    assert cert.prediction == 1
    assert not cert.abstained
    assert list(cert.frontier) == list(range(9))
    assert radius(cert) > 0.5
    assert cert.frontier[1] is not None
    assert cert.samples == 10_100
    assert cert.alpha == 0.01
    assert cert.method == "smoothing"
    assert cert.covers(image=0.5, tokens=0)
    assert not cert.covers(image=50.0, tokens=1)
    assert ib.Certificate.from_json(cert.to_json()) == cert
    cert.verify()
    assert base.training
    assert model.predict({"image": torch.stack([x, -x]), "tokens": torch.stack([t, t + 60])}).tolist() == [
        1,
        0,
    ]
    again = model.certify_many(
        [{"image": x, "tokens": t}], threat=ib.Threat(image=ib.L2(), tokens=ib.TokenL0(max_d=8)), seed=0
    )
    assert list(again) == [cert]


def test_the_radius_is_the_closed_form_of_the_counts() -> None:
    cert = certify(sign, 0.6, n=2000, alpha=0.001)
    estimate = evidence(cert).estimates[0]
    assert estimate.bound == confidence.clopper_pearson_lower(estimate.successes, 2000, 0.001)
    exact = SIGMA * mp.sqrt(2) * mp.erfinv(2 * mp.mpf(estimate.bound) - 1)  # sigma Phi^-1(p)
    assert radius(cert) <= exact < radius(cert) * (1 + 1e-9)
    assert 0.45 < radius(cert) < 0.6  # below the true radius, and near it


# --- the same counts, however the work is cut --------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 100, 333, 5000])
def test_batches_do_not_matter(size: int) -> None:
    reference = certify(sign, 0.3, n=1000, batch_size=1000)
    assert certify(sign, 0.3, n=1000, batch_size=size) == reference


@pytest.mark.parametrize(
    "options", [{"stop": "target", "target": {"x": 0.1}}, {"stop": "precision", "precision": 0.4}]
)
def test_batches_do_not_matter_to_the_time_of_stopping(options: dict[str, Any]) -> None:
    first, second = (certify(sign, 0.3, n=3000, batch_size=b, **options) for b in (3000, 37))
    assert first == second
    assert first.samples < 3000


def test_order_does_not_matter_and_ids_and_seeds_do() -> None:
    model = ib.SmoothedClassifier(sign, IMAGE, num_classes=2)
    rows = [(f"row{i}", {"x": [0.1 * i, 0.0]}) for i in range(4)]
    forward = {c.input_id: c for c in model.certify_many(rows, threat=L2, n=500)}
    backward = {c.input_id: c for c in model.certify_many(rows[::-1], threat=L2, n=500)}
    assert forward == backward
    assert forward["row2"] == model.certify(rows[2][1], threat=L2, n=500, input_id="row2")
    counts = {
        evidence(model.certify(rows[2][1], threat=L2, n=500, input_id=i, seed=s)).estimates[0].successes
        for i in ("a", "b", "c")
        for s in (0, 1)
    }
    assert len(counts) > 2


def test_a_count_resumed_in_the_middle_is_the_same() -> None:
    model = ib.SmoothedClassifier(sign, IMAGE, num_classes=2)
    reading = model._voters.read({"x": [0.3, 0.0]})

    def count(start: int, stop: int) -> Any:
        fresh = Draws(IMAGE, reading.values, 0, "0", "estimation")
        return count_votes(model._voters, reading, fresh, start, stop)

    assert np.array_equal(count(0, 10_000), count(0, 4711) + count(4711, 10_000))


def test_selection_and_estimation_draws_are_disjoint_and_complete() -> None:
    seen: list[Any] = []

    def spy(batch: dict[str, Any]) -> Any:
        seen.append(batch["x"].copy())
        return sign(batch)

    cert = certify(spy, 0.3, n=700, n0=50)
    examined, used = (np.concatenate(part).ravel() for part in (seen[:4], seen[4:]))
    assert used.size == 2 * cert.samples == 1500
    assert np.unique(used).size == used.size
    assert not np.isin(used, examined).any()


# --- decision forms ---------------------------------------------------------------------------------------


def thirds(batch: dict[str, Any]) -> Any:
    """Class 2 above zero, classes 0 and 1 below it."""
    x = batch["x"]
    return np.where(x[:, 0] > 0, 2, (x[:, 1] > 0).astype(int))


def test_bonferroni_shares_alpha_over_all_classes_and_beats_the_complement_far_from_one_half() -> None:
    options: dict[str, Any] = {"num_classes": 3, "n": 4000, "alpha": 0.01}
    near, sure = 0.05, 0.6
    for x in (near, sure):
        cert = certify(thirds, x, rivals="bonferroni", **options)
        assert [e.label for e in evidence(cert).estimates] == [2, 0, 1]
        assert sum(e.alpha for e in evidence(cert).estimates) <= 0.01
        assert cert.frontier == certify(thirds, x, **options).frontier  # the default for more than 2 classes
    rivals, complement = (
        certify(thirds, near, rivals=r, **options).frontier[0] or 0.0 for r in ("bonferroni", "complement")
    )
    assert rivals > complement + 0.05


def test_two_classes_use_the_complement_unless_asked() -> None:
    assert evidence(certify(sign, 0.3, n=500)).form == "threshold"
    cert = certify(sign, 0.3, n=500, rivals="bonferroni")
    assert evidence(cert).form == "rivals"
    assert radius(cert) < radius(certify(sign, 0.3, n=500))


def test_each_side_has_its_own_threshold() -> None:
    likely = certify(sign, 0.3, n=3000, threshold=0.2)
    assert (likely.prediction, evidence(likely).threshold) == (1, 0.2)
    assert radius(likely) > radius(certify(sign, 0.3, n=3000))
    unlikely = certify(sign, -0.9, n=3000, threshold=0.2)
    assert (unlikely.prediction, evidence(unlikely).threshold) == (0, 0.8)
    swapped = certify(sign, 0.3, n=3000, threshold=0.2, positive=0)  # class 0 has 27 % of the votes
    assert (swapped.prediction, evidence(swapped).threshold) == (0, 0.2)
    assert certify(sign, 0.3, n=3000).prediction == 1


def test_a_filter_flags_what_exceeds_its_threshold_though_most_draws_pass() -> None:
    flagged = certify(sign, -0.4, n=3000, threshold=4.6e-5)  # 21 % of the draws say 1
    assert flagged.prediction == 1
    assert radius(flagged) > 0.5 * (3.9 - 0.9) - 0.1
    assert (evidence(flagged).positive, evidence(flagged).tau) == (1, 4.6e-5)
    passed = certify(sign, -3.0, n=100_000, alpha=0.01, threshold=1e-4)
    assert passed.prediction == 0
    assert evidence(passed).threshold == 1 - 1e-4
    assert evidence(certify(sign, -0.4, n=3000)).tau is None


def test_answers_that_are_no_class_count_against_the_prediction() -> None:
    def shy(batch: dict[str, Any]) -> Any:
        scores = np.stack([batch["x"][:, 0] < 0, batch["x"][:, 0] > 0], axis=1).astype(float)
        scores[batch["x"][:, 1] > 0] = np.nan
        return scores

    cert = certify(shy, 3.0, n=2000)
    estimate = evidence(cert).estimates[0]
    assert 900 < estimate.successes < 1100
    assert estimate.trials == 2000
    assert cert.abstained
    silent = certify(lambda batch: np.full(len(batch["x"]), -1), 3.0, n=2000)
    assert silent.abstained
    assert "named a class" in silent.reason
    silent.verify()


@pytest.mark.parametrize("stop", [{"stop": "fixed"}, {"stop": "precision", "precision": 0.3}])
def test_draws_without_a_class_count_for_every_rival(stop: dict[str, Any]) -> None:
    def failing(batch: dict[str, Any]) -> Any:
        votes = (batch["x"][:, 0] > 0).astype(int) * 2
        return np.where(batch["x"][:, 1] > 1.0, -1, votes)  # P(N(0, 1/4) > 1): 2.3 % of the draws fail

    model = ib.SmoothedClassifier(failing, ib.Smoothing(x=ib.Gaussian(0.5)), num_classes=3)
    cert = model.certify({"x": [2.0, 0.0]}, threat=ib.Threat(x=ib.L2()), n=2000, **stop)
    first, *rivals = evidence(cert).estimates
    assert (first.label, cert.prediction) == (2, 2)
    assert all(r.successes > 0 and r.bound >= 0.01 for r in rivals)
    if stop["stop"] == "fixed":
        assert all(r.successes == 2000 - first.successes for r in rivals)
    cert.verify()


def test_no_certificate_is_a_result_with_a_reason() -> None:
    cert = certify(sign, 0.0, n=1000)
    assert cert.abstained
    assert cert.prediction is None
    assert cert.frontier == {0: None}
    assert "does not exceed the threshold 0.5" in cert.reason
    cert.verify()
    assert not cert.covers(x=0.0)


def test_unattacked_channels_are_noised_and_recorded() -> None:
    smoothing = ib.Smoothing(x=ib.Gaussian(sigma=0.5), t=ib.Mask(beta=0.5, mask_id=9))
    model = ib.SmoothedClassifier(
        lambda b: (b["x"][:, 0] > 0) & (b["t"][:, 0] != 9), smoothing, num_classes=2
    )
    inputs = {"x": [2.0], "t": [1, 2]}
    only_x = model.certify(inputs, threat=ib.Threat(x=ib.L2()), n=1000)
    assert 0.4 < evidence(only_x).estimates[0].successes / 1000 < 0.6
    only_t = model.certify(inputs, threat=ib.Threat(t=ib.TokenL0(max_d=2)), n=1000)
    assert list(only_t.frontier) == [0, 1, 2]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.uint8])
def test_tensors_reach_the_base_as_tensors(dtype: torch.dtype) -> None:
    seen: list[Any] = []

    def base(batch: dict[str, Any]) -> Any:
        seen.append(batch["x"].dtype)
        return batch["x"][:, 0] > 0

    model = ib.SmoothedClassifier(base, IMAGE, num_classes=2)
    x = torch.tensor([2.0, 0.0]).to(dtype)
    assert model.certify({"x": x.requires_grad_(dtype.is_floating_point)}, threat=L2, n=100).prediction == 1
    assert set(seen) == {torch.float64 if dtype == torch.float64 else torch.float32}


def test_two_discrete_channels_give_a_frontier_of_pairs() -> None:
    smoothing = ib.Smoothing(
        a=ib.UniformReplacement(beta=0.5, alphabet=50),
        b=ib.Categorical([3, 4], 0.5),
        x=ib.Gaussian(sigma=1.0),
    )
    model = ib.SmoothedClassifier(lambda b: np.ones(len(b["x"]), dtype=int), smoothing, num_classes=2)
    threat = ib.Threat(a=ib.TokenL0(max_d=2), b=ib.FieldsL0(max_d=1), x=ib.L2())
    frontier = model.certify({"a": [1, 2, 3], "b": [0, 0], "x": [0.0]}, threat=threat, n=20_000).frontier
    assert list(frontier) == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]
    radii = {d: -1.0 if r is None else r for d, r in frontier.items()}
    assert radii[0, 0] > radii[0, 1] > radii[1, 1] >= radii[2, 1]
    assert radii[1, 0] > radii[2, 0]


# --- stopping ---------------------------------------------------------------------------------------------


def test_a_decided_target_stops_early_and_is_covered() -> None:
    cert = certify(sign, 0.9, n=50_000, stop="target", target={"x": 0.5})
    assert evidence(cert).stop_reason == "decided"
    assert cert.samples < 1500
    assert cert.covers(x=0.5)
    assert evidence(cert).estimates[0].rule == "clopper_pearson_looks"


def test_a_hopeless_target_stops_early() -> None:
    cert = certify(sign, 0.3, n=50_000, stop="target", target={"x": 0.6})
    assert evidence(cert).stop_reason == "hopeless"
    assert cert.samples < 1500
    assert not cert.covers(x=0.6)
    beyond = certify(sign, 9.0, n=1000, stop="target", target={"x": 4.0})  # beyond even a unanimous vote
    assert (evidence(beyond).stop_reason, beyond.samples) == ("hopeless", 164)


def test_a_close_target_takes_all_draws() -> None:
    missed, reached = (certify(sign, x, n=3000, stop="target", target={"x": 0.25}) for x in (0.27, 0.285))
    assert (evidence(missed).stop_reason, missed.samples, missed.covers(x=0.25)) == ("n_max", 3100, False)
    assert (evidence(reached).stop_reason, reached.samples, reached.covers(x=0.25)) == ("decided", 3100, True)


def test_several_targets_are_all_decided() -> None:
    targets = [{"x": 0.2}, {"x": 0.4}, {"x": 5.0}]
    cert = certify(sign, 0.7, n=50_000, stop="target", target=targets)
    assert evidence(cert).stop_reason == "decided"
    assert cert.covers(x=0.4)
    assert cert.samples > certify(sign, 0.7, n=50_000, stop="target", target={"x": 0.2}).samples


@pytest.mark.parametrize("rivals", ["bonferroni", "complement"])
def test_targets_and_precision_in_both_forms(rivals: str) -> None:
    options: dict[str, Any] = {"num_classes": 3, "n": 50_000, "rivals": rivals}
    good = certify(thirds, 0.9, stop="target", target={"x": 0.3}, **options)
    assert evidence(good).stop_reason == "decided"
    assert good.covers(x=0.3)
    bad = certify(thirds, 0.3, stop="target", target={"x": 0.8}, **options)
    assert evidence(bad).stop_reason == "hopeless"
    near = certify(thirds, 0.5, stop="precision", precision=0.2, **options)
    assert evidence(near).stop_reason == "precision reached"
    assert near.samples < 10_000


def test_precision_is_reached_and_finer_takes_longer() -> None:
    coarse, fine = (certify(sign, 0.5, n=100_000, stop="precision", precision=p) for p in (0.3, 0.1))
    assert evidence(coarse).stop_reason == evidence(fine).stop_reason == "precision reached"
    assert coarse.samples < fine.samples < 100_000
    assert radius(fine) > 0.5 * 0.85
    out = certify(sign, 0.0, n=100_000, stop="precision")
    assert out.samples == 100_100 or evidence(out).stop_reason == "hopeless"


def test_a_discrete_target_and_precision_without_a_continuous_channel() -> None:
    smoothing = ib.Smoothing(t=ib.UniformReplacement(beta=0.6, alphabet=240))
    model = ib.SmoothedClassifier(lambda b: (b["t"] < 120).mean(axis=1) > 0.4, smoothing, num_classes=2)
    options: dict[str, Any] = {"threat": ib.Threat(t=ib.TokenL0(max_d=4)), "n": 30_000}
    tokens = {"t": np.arange(40)}
    cert = model.certify(tokens, stop="target", target={"t": 1}, **options)
    assert evidence(cert).stop_reason == "decided"
    assert cert.covers(t=1)
    assert cert.samples < 3000
    precise = model.certify(tokens, stop="precision", **options)
    full = model.certify(tokens, **options)
    if evidence(precise).stop_reason == "precision reached":
        known = [d for d, r in precise.frontier.items() if r is not None]
        assert all(full.frontier[d] is not None for d in known)


def test_progress_is_told_and_never_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[Progress] = []
    certify(sign, 0.5, n=1000, n0=100, batch_size=300, callback=told.append, input_id="me")
    assert [(p.stage, p.drawn, p.planned) for p in told] == [
        ("selection", 100, 100),
        ("estimation", 300, 1000),
        ("estimation", 600, 1000),
        ("estimation", 900, 1000),
        ("estimation", 1000, 1000),
    ]
    assert {p.input_id for p in told} == {"me"}
    assert capsys.readouterr() == ("", "")


def test_predict_takes_batches_and_lists_and_abstains() -> None:
    model = ib.SmoothedClassifier(sign, IMAGE, num_classes=2)
    assert model.predict({"x": np.array([[1.0], [-1.0], [0.0]])}).tolist() == [1, 0, -1]
    assert model.predict([{"x": [1.0, 5.0]}, {"x": [-1.0]}]).tolist() == [1, 0]
    assert model.predict([]).tolist() == []
    careful = ib.SmoothedClassifier(sign, IMAGE, num_classes=2, threshold=0.05)
    assert careful.predict({"x": np.array([[-0.5], [-2.0]])}).tolist() == [1, 0]
    three = ib.SmoothedClassifier(thirds, IMAGE, num_classes=3)
    assert three.predict([{"x": [-2.0, 0.0]}, {"x": [-2.0, 2.0]}]).tolist() == [-1, 1]
