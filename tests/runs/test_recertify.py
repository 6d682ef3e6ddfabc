"""New claims from stored counts: the old ones at the old settings, sound ones at others."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from little_runs import classify, plan, write_config
from scipy.stats import binom
from typer.testing import CliRunner

from ironbound import (
    L2,
    Categorical,
    FieldsL0,
    Gaussian,
    Mask,
    SmoothedClassifier,
    Smoothing,
    SuffixAppend,
    SuffixInPlace,
    Threat,
    TokenL0,
    UniformReplacement,
)
from ironbound.certificate import Certificate, channel_record
from ironbound.channels import Deletion, SynonymReplacement
from ironbound.cli import app
from ironbound.errors import InputError, RunError
from ironbound.runs import plan as plans
from ironbound.runs.calibration import calibrated, write_filter
from ironbound.runs.folder import RESULTS
from ironbound.runs.recertify import Change, recertify, reclaim
from ironbound.runs.recertify.attack import attack_of
from ironbound.runs.recheck import recheck
from ironbound.runs.runner import run
from ironbound.runs.store import Row, Store
from ironbound.smoothing.goal import Attack
from ironbound.threats import Edits, SynonymL0

Base = Callable[[dict[str, np.ndarray]], Any]


def rows(out: Path) -> list[Row]:
    with Store.open(out / RESULTS) as store:
        return list(store.rows())


def certificates(out: Path) -> list[str | None]:
    return [row.certificate for row in rows(out)]


@pytest.mark.parametrize("name", ["digits", "digits-claims", "adult", "prompt-filter"])
@pytest.mark.parametrize("stop", ["fixed", "precision"])
def test_runs_of_tasks_are_reproduced_bit_for_bit(name: str, stop: str, tmp_path: Path) -> None:
    try:
        planned = plans.plan(name, {"n": 1000, "stop": stop}, limit=4)
    except InputError as error:
        if "IRONBOUND_DATA" in str(error):
            pytest.skip(str(error))
        raise
    run(planned, tmp_path / "old")
    found = recertify(tmp_path / "old", tmp_path / "new", Change())
    assert (found.inputs, found.same, found.failed, found.repeatable) == (4, 4, 0, True)
    assert certificates(tmp_path / "new") == certificates(tmp_path / "old")
    assert recheck(tmp_path / "new").ok


def test_shared_noise_is_resumed_and_reproduced_bit_for_bit(tmp_path: Path) -> None:
    rules: dict[str, Any] = {"n": 1000, "shared_noise": True}
    run(plans.plan("digits-claims", rules, limit=6), tmp_path / "whole")
    run(plans.plan("digits-claims", rules, limit=2), tmp_path / "parts")
    run(plans.plan("digits-claims", rules, limit=6), tmp_path / "parts")
    assert certificates(tmp_path / "parts") == certificates(tmp_path / "whole")
    run(plans.plan("digits-claims", {"n": 1000}, limit=6), tmp_path / "own")
    assert certificates(tmp_path / "own") != certificates(tmp_path / "whole")
    recertify(tmp_path / "whole", tmp_path / "new", Change())
    assert certificates(tmp_path / "new") == certificates(tmp_path / "whole")
    assert recheck(tmp_path / "new").ok


TEXT = np.array([3, 1, 4, 1, 5, 9, 2, 6])


def words(batch: dict[str, np.ndarray]) -> np.ndarray:
    return (batch["tokens"] >= 4).mean(axis=1) > 0.3


def three(batch: dict[str, np.ndarray]) -> np.ndarray:
    score = batch["tokens"].mean(axis=1)
    return np.where(score > 12, -1, np.digitize(score, [1.0, 2.5]))


KINDS: list[tuple[Base, Smoothing, Threat, dict[str, Any]]] = [
    (words, Smoothing(tokens=UniformReplacement(0.3, 10)), Threat(tokens=TokenL0(3)), {}),
    (
        words,
        Smoothing(tokens=UniformReplacement(0.3, (1, 3, 4, 5, 8))),
        Threat(tokens=TokenL0(2, "open")),
        {},
    ),
    (words, Smoothing(tokens=Mask(0.3, 0)), Threat(tokens=TokenL0(3)), {}),
    (three, Smoothing(tokens=Categorical((10,) * 8, 0.2)), Threat(tokens=FieldsL0(2)), {"num_classes": 3}),
    (
        three,
        Smoothing(tokens=Categorical((10, 12, 10, 11, 10, 10, 10, 10), (0.1, 0.2) * 4)),
        Threat(tokens=FieldsL0(2)),
        {"num_classes": 3},
    ),
    (words, Smoothing(tokens=UniformReplacement(0.5, 10)), Threat(tokens=SuffixInPlace(3)), {}),
    (
        words,
        Smoothing(tokens=UniformReplacement(0.5, (1, 2))),
        Threat(tokens=SuffixInPlace(2, "open")),
        {},
    ),
    (words, Smoothing(tokens=Mask(0.5, 0)), Threat(tokens=SuffixAppend(3)), {}),
    (
        words,
        Smoothing(tokens=UniformReplacement(0.5, 10)),
        Threat(tokens=SuffixInPlace(3, sampling="per_budget")),
        {},
    ),
    (words, Smoothing(tokens=UniformReplacement(0.3, 10)), Threat(tokens=TokenL0(2)), {"threshold": 0.1}),
    (
        words,
        Smoothing(tokens=SynonymReplacement(0.3, [[1, 4, 7], [2, 5], [3, 6, 8, 9]])),
        Threat(tokens=SynonymL0(3)),
        {},
    ),
    (words, Smoothing(tokens=Deletion(0.6, 8, 0)), Threat(tokens=Edits(2, ["substitute", "delete"])), {}),
]


@pytest.mark.parametrize("stop", ["fixed", "precision"])
@pytest.mark.parametrize(("base", "smoothing", "threat", "rules"), KINDS)
def test_every_kind_of_noise_is_reproduced_and_claimed_at_another_alpha(
    base: Base, smoothing: Smoothing, threat: Threat, rules: dict[str, Any], stop: Any
) -> None:
    model = SmoothedClassifier(base, smoothing, **{"num_classes": 2, **rules})
    settings: dict[str, Any] = {"threat": threat, "n": 600, "n0": 30, "stop": stop}
    old = model.certify({"tokens": TEXT}, alpha=0.05, **settings)
    assert reclaim(old, Change()).to_json() == old.to_json()
    stricter = reclaim(old, Change(alpha=0.001))
    stricter.verify()
    assert stricter.alpha == 0.001
    for budget, radius in stricter.frontier.items():
        before = old.frontier[budget]
        assert radius is None or (before is not None and radius <= before)
    if stop == "fixed":
        # A run at that alpha draws the same noise, so it is certified the same.
        assert stricter.to_json() == model.certify({"tokens": TEXT}, alpha=0.001, **settings).to_json()


@pytest.mark.parametrize(("base", "smoothing", "threat", "rules"), KINDS)
def test_the_attack_is_read_from_the_record(
    base: Base, smoothing: Smoothing, threat: Threat, rules: dict[str, Any]
) -> None:
    values = smoothing.check({"tokens": TEXT})
    records = [channel_record(record) for record in smoothing.records(values, threat)]
    assert attack_of(records, ["tokens"]) == Attack.build(smoothing, values, threat)


def test_with_continuous_noise_and_other_budgets(tmp_path: Path) -> None:
    threats = {d: Threat(image=L2(), tokens=TokenL0(d)) for d in (0, 1, 2, 4)}
    smoothing = Smoothing(image=Gaussian(0.5), tokens=UniformReplacement(0.25, 10))
    model = SmoothedClassifier(classify, smoothing, 2)
    example: dict[str, Any] = {"image": [1.5, 0.0, 0.0], "tokens": TEXT}
    made = {d: model.certify(example, threat=threat, n=2000) for d, threat in threats.items()}
    for old in made.values():
        for d, other in made.items():
            assert reclaim(old, Change(max_d={"tokens": d})).to_json() == other.to_json()
    with pytest.raises(InputError, match="8 places"):
        reclaim(made[2], Change(max_d={"tokens": 9}))
    with pytest.raises(InputError, match="not attacked"):
        reclaim(made[2], Change(max_d={"image": 2}))


@pytest.mark.parametrize("first", [0.2, 0.6])
def test_a_threshold_may_be_chosen_anew(first: float) -> None:
    def sometimes(batch: dict[str, np.ndarray]) -> np.ndarray:
        return batch["x"][:, 0] > 0

    model = {
        t: SmoothedClassifier(sometimes, Smoothing(x=Gaussian(1.0)), 2, threshold=t)
        for t in (0.05, 0.2, 0.6, 0.97)
    }
    old = model[first].certify({"x": [0.8]}, threat=Threat(x=L2()), n=2000)
    assert old.prediction == 1
    for threshold in (0.05, 0.2, 0.6):
        new = reclaim(old, Change(threshold=threshold))
        fresh = model[threshold].certify({"x": [0.8]}, threat=Threat(x=L2()), n=2000)
        assert new.to_json() == fresh.to_json()
    # At 0.97 the other class is selected, and its votes are not known.
    other = reclaim(old, Change(threshold=0.97))
    assert other.abstained
    assert "whose votes the run did not count" in other.reason
    assert other.frontier == {0: None}


def test_rivals_may_be_left_out_and_not_made_up() -> None:
    model = SmoothedClassifier(three, Smoothing(tokens=Categorical((10,) * 8, 0.1)), 3)
    old = model.certify({"tokens": TEXT}, threat=Threat(tokens=FieldsL0(1)), n=500)
    new = reclaim(old, Change(rivals="complement"))
    plain = SmoothedClassifier(three, Smoothing(tokens=Categorical((10,) * 8, 0.1)), 3, rivals="complement")
    fresh = plain.certify({"tokens": TEXT}, threat=Threat(tokens=FieldsL0(1)), n=500)
    assert new.to_json() == fresh.to_json()
    with pytest.raises(InputError, match="2 classes"):
        reclaim(old, Change(threshold=0.2))


@pytest.mark.parametrize("stop", ["fixed", "precision"])
def test_claims_at_another_alpha_cover(stop: Any) -> None:
    """Counts stopped for the old alpha, claimed at a larger one: wrong no more often than that says."""
    p, alpha, repeats = 0.8, 0.3, 300

    def coin(batch: dict[str, np.ndarray]) -> np.ndarray:
        return batch["x"][:, 0] < 0.8416212335729143  # a standard normal stays below it with 0.8

    model = SmoothedClassifier(coin, Smoothing(x=Gaussian(1.0)), 2)
    wrong = 0
    for i in range(repeats):
        old = model.certify(
            {"x": [0.0]}, threat=Threat(x=L2()), alpha=0.01, n=400, n0=20, stop=stop, input_id=str(i)
        )
        bound = reclaim(old, Change(alpha=alpha)).evidence.estimates[0].bound  # type: ignore[attr-defined]
        wrong += bound > p
    assert wrong <= binom.isf(1e-6, repeats, alpha)
    assert wrong > 0 or stop != "fixed"  # else the test could not fail


def test_tampered_counts_are_not_claimed_from() -> None:
    model = SmoothedClassifier(words, Smoothing(tokens=Mask(0.3, 0)), 2)
    old = model.certify({"tokens": TEXT}, threat=Threat(tokens=TokenL0(1)), n=300)
    record = json.loads(old.to_json())
    record["evidence"]["estimates"][0]["successes"] += 1
    from ironbound.errors import InvalidCertificate

    with pytest.raises(InvalidCertificate):
        reclaim(Certificate.from_json(json.dumps(record)), Change(alpha=0.02))


def test_the_new_folder_is_a_run_like_any_other(tmp_path: Path) -> None:
    config = write_config(tmp_path / "mine")
    old, new = tmp_path / "old", tmp_path / "deep" / "new"
    assert run(plans.plan(str(config), {}), old) == 0
    done = CliRunner().invoke(app, ["recertify", str(old), "--alpha", "0.05", "--out", str(new), "--json"])
    assert done.exit_code == 0, done.output
    assert "before the counts were seen" in done.stderr
    assert "the better of two forms" not in done.stderr
    other = CliRunner().invoke(app, ["recertify", str(old), "--complement", "--out", str(tmp_path / "half")])
    assert other.exit_code == 0, other.output
    assert "the better of two forms" in other.stderr
    assert json.loads(done.stdout)["repeatable"] is True
    assert CliRunner().invoke(app, ["verify", str(new)]).exit_code == 0
    run(plans.plan(str(config), {"alpha": 0.05}), tmp_path / "fresh")
    assert certificates(new) == certificates(tmp_path / "fresh")
    # Its config.toml repeats it, and certify sees that nothing is left to do.
    done = CliRunner().invoke(app, ["certify", str(new / "config.toml"), "--out", str(new), "--json"])
    assert done.exit_code == 0, done.output
    # The same command again goes on; another one is refused.
    assert recertify(old, new, Change(alpha=0.05)).inputs == 6
    with pytest.raises(RunError, match="another run"):
        recertify(old, new, Change(alpha=0.04))
    with pytest.raises(RunError, match="the run itself"):
        recertify(old, old, Change(alpha=0.04))


def test_counts_that_stopped_early_make_a_run_of_their_own(tmp_path: Path) -> None:
    planned = plan(stop="precision", precision=0.2)
    run(planned, tmp_path / "old")
    (tmp_path / "old" / "config.toml").write_text('task = "little"\n')
    found = recertify(tmp_path / "old", tmp_path / "new", Change(alpha=0.05))
    assert not found.repeatable
    fresh = dataclasses.replace(planned, statistics=planned.statistics.model_copy(update={"alpha": 0.05}))
    with pytest.raises(RunError, match="another run"):
        run(fresh, tmp_path / "new")
    assert recheck(tmp_path / "new").ok


def test_what_the_command_line_refuses(tmp_path: Path) -> None:
    run(plan(), tmp_path / "old")
    for arguments, message in (
        (["--alpha", "1.5"], "probability in (0, 1)"),
        (["--max-d", "few"], "whole number"),
        (["--max-d", "words=1"], "not attacked"),
        (["--positive", "1"], "together with threshold"),
        (["--threshold", "0.2", "--complement"], "takes its place"),
    ):
        done = CliRunner().invoke(app, ["recertify", str(tmp_path / "old"), *arguments])
        assert done.exit_code == 2, done.output
        assert message in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_a_calibrated_threshold_keeps_its_share_of_alpha(tmp_path: Path) -> None:
    config = write_config(tmp_path / "mine", count=12)
    made = calibrated(plans.plan(str(config), {}, filtered=False), draws=2000, alpha=0.005)
    write_filter(made, config.parent / "filter.toml")
    config.write_text(config.read_text() + '\n[filter]\nfile = "filter.toml"\n')
    old, new = tmp_path / "old", tmp_path / "new"
    run(plans.plan(str(config), {"n": 1000}, limit=3), old)
    assert recertify(old, tmp_path / "again", Change()).same == 3
    recertify(old, new, Change(alpha=0.02))
    run(plans.plan(str(config), {"n": 1000, "alpha": 0.02}, limit=3), tmp_path / "fresh")
    assert certificates(new) == certificates(tmp_path / "fresh")
    assert recheck(new).ok
    for change, message in ((Change(alpha=0.004), "calibrated threshold"), (Change(threshold=0.3), "anew")):
        with pytest.raises(InputError, match=message):
            recertify(old, tmp_path / "refused", change)
    assert not (tmp_path / "refused").exists()
