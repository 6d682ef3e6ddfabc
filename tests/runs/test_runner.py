"""Runs: committed rows, exact resumption, refusals that change nothing, errors that stop nobody else."""

from __future__ import annotations

import dataclasses
import sqlite3
import time
import tomllib
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import pytest
from little_runs import classify, plan

from ironbound.certificate import Certificate
from ironbound.channels import Gaussian, Smoothing
from ironbound.data.problem import Example
from ironbound.errors import InputError, RunError
from ironbound.models.http.health import Failures
from ironbound.runs.engines import Asked
from ironbound.runs.engines.local import LocalEngine
from ironbound.runs.folder import CONFIG, RESULTS, differences
from ironbound.runs.recheck import recheck
from ironbound.runs.runner import Event, run
from ironbound.runs.store import Row, Store
from ironbound.smoothing import SmoothedClassifier
from ironbound.threats import L2, Threat, TokenL0


def rows(out: Path) -> list[Row]:
    with Store.open(out / RESULTS) as store:
        return list(store.rows())


def certificates(out: Path) -> dict[str, str | None]:
    return {row.input_id: row.certificate for row in rows(out)}


class Interrupting:
    """A model that is interrupted by the user at its `at`-th call."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return classify(batch)


def breaks_on_negative(batch: dict[str, np.ndarray]) -> np.ndarray:
    if batch["tokens"].min() >= 0 and batch["image"][:, 2].max() > 50:
        raise RuntimeError("this picture\nbreaks me")
    return classify(batch)


def test_every_input_gets_a_row_and_a_valid_certificate(tmp_path: Path) -> None:
    assert run(plan(), tmp_path / "out") == 0
    found = rows(tmp_path / "out")
    assert [row.input_id for row in found] == [f"input-{i}" for i in range(6)]
    assert all(row.prediction == row.label == row.base_prediction for row in found)
    assert all(row.samples == 320 for row in found)
    checked = recheck(tmp_path / "out")
    assert (checked.valid, checked.invalid, checked.errors, checked.ok) == (6, (), 0, True)


def test_an_interrupted_run_resumes_to_the_same_certificates(tmp_path: Path) -> None:
    run(plan(), tmp_path / "whole")
    calls: list[int] = []
    out = tmp_path / "parts"
    for at in (8, 11):  # each session begins with four calls that examine the model
        with pytest.raises(KeyboardInterrupt):
            run(plan(base=Interrupting(at)), out)
        calls.append(len(rows(out)))
    run(plan(), out)
    assert 0 < calls[0] < calls[1] < 6
    assert certificates(out) == certificates(tmp_path / "whole")
    with Store.open(out / RESULTS) as store:
        assert [session["outcome"] for session in store.sessions()] == ["stopped", "stopped", "finished"]


def test_a_finished_run_does_nothing_again(tmp_path: Path) -> None:
    run(plan(), tmp_path)
    before = rows(tmp_path)

    def never(batch: dict[str, np.ndarray]) -> np.ndarray:
        raise AssertionError("asked again")

    assert run(plan(base=never), tmp_path) == 0
    assert rows(tmp_path) == before


def test_a_larger_limit_extends_a_run(tmp_path: Path) -> None:
    run(dataclasses.replace(plan(), limit=2), tmp_path / "parts")
    assert len(rows(tmp_path / "parts")) == 2
    run(dataclasses.replace(plan(), limit=5), tmp_path / "parts")
    run(dataclasses.replace(plan(), limit=5), tmp_path / "whole")
    assert certificates(tmp_path / "parts") == certificates(tmp_path / "whole")


def test_a_model_that_raises_on_one_input_costs_that_input_only(tmp_path: Path) -> None:
    broken = plan(base=breaks_on_negative)
    examples = list(broken.problem.examples)
    examples[2].inputs["image"][2] = 100.0
    assert run(broken, tmp_path) == 1
    found = rows(tmp_path)
    assert [row.status for row in found] == ["predicted"] * 2 + ["error"] + ["predicted"] * 3
    assert found[2].reason == "RuntimeError: this picture breaks me"
    assert found[2].certificate is None
    # The same command tries it again, and leaves the others alone.
    repaired = plan(base=classify)
    repaired.problem.examples[2].inputs["image"][2] = 100.0
    assert run(repaired, tmp_path) == 0
    assert [r for i, r in enumerate(rows(tmp_path)) if i != 2] == [r for i, r in enumerate(found) if i != 2]


def test_bad_values_in_one_input_are_an_error_row_that_names_them(tmp_path: Path) -> None:
    bad = plan()
    bad.problem.examples[1].inputs["image"][1] = np.nan
    assert run(bad, tmp_path) == 1
    assert "image" in rows(tmp_path)[1].reason
    assert "nan" in rows(tmp_path)[1].reason


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"n": 301}, "statistics.n: 300 in the folder, 301 now"),
        ({"seed": 1}, "statistics.seed: 0 in the folder, 1 now"),
        ({"alpha": 0.02}, "statistics.alpha: 0.01 in the folder, 0.02 now"),
    ],
)
def test_a_folder_of_another_run_is_refused_with_the_difference(
    tmp_path: Path, change: dict[str, Any], shown: str
) -> None:
    run(plan(), tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(RunError) as caught:
        run(plan(**change), tmp_path)
    assert shown in str(caught.value)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_other_data_or_another_model_is_another_run(tmp_path: Path) -> None:
    first = plan()
    run(first, tmp_path)
    for key in ("model_digest", "data_digest"):
        other = dataclasses.replace(first, problem=dataclasses.replace(first.problem, **{key: "other"}))
        with pytest.raises(RunError, match=f"{key}: . in the folder, other now"):
            run(other, tmp_path)


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(RunError, match=r"not empty and holds no run \(it has thesis.tex\)"):
        run(plan(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(RunError, match="is a file"):
        run(plan(), tmp_path / "out")


def test_a_truncated_database_is_reported_and_kept(tmp_path: Path) -> None:
    run(plan(), tmp_path)
    path = tmp_path / RESULTS
    cut = path.read_bytes()[:5000]
    path.write_bytes(cut)
    with pytest.raises(RunError, match="is damaged"):
        run(plan(), tmp_path)
    assert path.read_bytes() == cut


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    def again(event: Event) -> None:
        if event.kind == "row":
            with pytest.raises(RunError, match="in use by another"):
                run(plan(), tmp_path)

    run(dataclasses.replace(plan(), limit=1), tmp_path, again)


def test_events_tell_the_whole_story(tmp_path: Path) -> None:
    heard: list[Event] = []
    run(dataclasses.replace(plan(), limit=2), tmp_path)
    run(plan(), tmp_path, heard.append)
    assert heard[0] == Event("start", 2, 6, 2)
    assert [event.done for event in heard if event.kind == "row"] == [3, 4, 5, 6]
    assert heard[-1] == Event("end", 6, 6, 2)
    assert all(0 <= event.part <= 1 for event in heard)
    assert any(event.kind == "draws" for event in heard)


def test_the_written_configuration_is_complete(tmp_path: Path) -> None:
    run(plan(seed=7), tmp_path)
    written = tomllib.loads((tmp_path / CONFIG).read_text())
    assert written["task"] == "little"
    assert written["statistics"] == {
        "alpha": 0.01,
        "n": 300,
        "n0": 20,
        "stop": "fixed",
        "seed": 7,
        "positive": 1,
    }
    assert written["recorded"]["model_digest"] == "m"
    assert set(written["recorded"]["versions"]) >= {"python", "ironbound", "torch", "numpy"}


def test_no_identity_differs_from_itself() -> None:
    assert differences(plan().identity(), plan().identity()) == []


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("UPDATE results SET certificate = replace(certificate, 'input-1', 'input-x')", "fingerprint"),
        ("UPDATE results SET certificate = substr(certificate, 1, 300)", "JSON"),
        ("UPDATE results SET samples = samples - 1", "draws"),
        ("UPDATE results SET prediction = 1 - prediction", "prediction"),
        ("UPDATE results SET stop_reason = 'decided'", "stopped because of 'n_max', the row says 'decided'"),
    ],
)
def test_a_changed_row_is_found_and_named(tmp_path: Path, sql: str, reason: str) -> None:
    run(dataclasses.replace(plan(), limit=3), tmp_path)
    with sqlite3.connect(tmp_path / RESULTS) as connection:
        connection.execute(sql + " WHERE input_id = 'input-1'")
    connection.close()
    found = recheck(tmp_path)
    assert found.valid == 2
    assert not found.ok
    ((name, why),) = found.invalid
    assert name == "input-1"
    assert reason in why


def test_swapped_certificates_are_found(tmp_path: Path) -> None:
    run(dataclasses.replace(plan(), limit=4), tmp_path)
    with sqlite3.connect(tmp_path / RESULTS) as connection:
        connection.execute(
            "UPDATE results SET certificate = (SELECT certificate FROM results WHERE position = 0) "
            "WHERE position = 2"
        )
    connection.close()
    assert recheck(tmp_path).invalid == (("input-2", "it is the certificate of input 'input-0'"),)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"alpha": 0.3}, "alpha is 0.3, in this run 0.01"),
        ({"seed": 5}, "seed is 5, in this run 0"),
        ({"stop": "precision"}, "stop is 'precision', in this run 'fixed'"),
    ],
)
def test_certificates_of_another_run_are_found(tmp_path: Path, other: dict[str, Any], reason: str) -> None:
    """Each is valid, and proves what it says: but not what the folder's report says of it."""
    run(dataclasses.replace(plan(), limit=3), tmp_path / "here")
    run(dataclasses.replace(plan(**other), limit=3), tmp_path / "there")
    with sqlite3.connect(tmp_path / "here" / RESULTS) as connection:
        connection.execute("ATTACH ? AS other", (str(tmp_path / "there" / RESULTS),))
        connection.execute("INSERT OR REPLACE INTO results SELECT * FROM other.results WHERE position = 1")
    connection.close()
    found = recheck(tmp_path / "here")
    assert found.valid == 2
    ((name, why),) = found.invalid
    assert name == "input-1"
    assert reason in why


@pytest.mark.parametrize("what", ["threat", "noise"])
def test_certificates_under_another_threat_or_noise_are_found(tmp_path: Path, what: str) -> None:
    here = dataclasses.replace(plan(), limit=3)
    run(here, tmp_path / "here")
    problem = here.problem
    changed: dict[str, Any] = {"threat": Threat(image=L2(), tokens=TokenL0(1))}
    if what == "noise":
        tokens = problem.smoothing["tokens"]
        changed = {"smoothing": Smoothing(image=Gaussian(0.75, unit="grey levels"), tokens=tokens)}
    run(dataclasses.replace(here, problem=dataclasses.replace(problem, **changed)), tmp_path / "there")
    with sqlite3.connect(tmp_path / "here" / RESULTS) as connection:
        connection.execute("ATTACH ? AS other", (str(tmp_path / "there" / RESULTS),))
        connection.execute("INSERT OR REPLACE INTO results SELECT * FROM other.results WHERE position = 1")
    connection.close()
    ((name, why),) = recheck(tmp_path / "here").invalid
    assert name == "input-1"
    assert f"the {what} is" in why


def test_rows_that_were_taken_out_are_missed(tmp_path: Path) -> None:
    run(dataclasses.replace(plan(), limit=4), tmp_path)
    assert recheck(tmp_path).missing == 0
    with sqlite3.connect(tmp_path / RESULTS) as connection:
        connection.execute("DELETE FROM results WHERE position IN (1, 3)")
    connection.close()
    found = recheck(tmp_path)
    assert (found.valid, found.missing) == (2, 2)


SETTINGS: list[dict[str, Any]] = [
    {"stop": "fixed", "n": 300},
    {"stop": "target", "n": 2000, "target": ({"image": 0.2, "tokens": 1}, {"image": 0.6})},
    {"stop": "precision", "n": 2000, "precision": 0.6},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: s["stop"])
def test_certificates_are_those_of_one_input_after_another(tmp_path: Path, settings: dict[str, Any]) -> None:
    many = plan(count=20, seed=4, **settings)
    model = SmoothedClassifier(classify, many.problem.smoothing, 2, class_names=("no", "yes"))
    known = {**settings, "n0": 20, "seed": 4}
    expected = {
        example.id: model.certify(
            example.inputs, threat=many.problem.threat, input_id=example.id, **known
        ).to_json()
        for example in many.problem.examples
    }
    for size in (7, 100, 6000):
        document = {"task": "little", "model": {"batch_size": size}}
        run(dataclasses.replace(many, document=document), tmp_path / str(size))
        assert certificates(tmp_path / str(size)) == expected
    found = rows(tmp_path / "100")
    assert {row.stop_reason for row in found} <= {"n_max", "decided", "hopeless", "precision reached"}
    assert (settings["stop"] == "fixed") == ({row.stop_reason for row in found} == {"n_max"})
    assert all(row.samples == Certificate.from_json(row.certificate or "").samples for row in found)


def test_running_out_of_memory_is_told_and_changes_nothing(tmp_path: Path) -> None:
    def tight(batch: dict[str, np.ndarray]) -> np.ndarray:
        if len(batch["image"]) > 100:
            raise MemoryError
        return classify(batch)

    heard: list[Event] = []
    assert run(plan(base=tight), tmp_path / "tight", heard.append) == 0
    notes = [event.text for event in heard if event.kind == "note"]
    assert notes[-1] == "out of memory: batches now hold 60 draws"
    run(plan(), tmp_path / "roomy")
    assert certificates(tmp_path / "tight") == certificates(tmp_path / "roomy")
    with Store.open(tmp_path / "tight" / RESULTS) as store:
        assert store.sessions()[0]["notes"] == notes


class Lazy(Sequence[Example]):
    """Examples made when asked for, and counted while anybody holds them."""

    def __init__(self, count: int) -> None:
        self.size = count
        self.alive = self.most = 0

    def __len__(self) -> int:
        return self.size

    @overload
    def __getitem__(self, place: int) -> Example: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Example]: ...
    def __getitem__(self, place: int | slice) -> Example | Sequence[Example]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(self.size))]
        if place >= self.size:
            raise IndexError
        inputs = {"image": np.full(3, 2.0), "tokens": np.full(8, 1, dtype=np.int64)}
        example = Example(f"input-{place}", inputs, label=1)
        self.alive += 1
        self.most = max(self.most, self.alive)
        weakref.finalize(example, self._forget)
        return example

    def _forget(self) -> None:
        self.alive -= 1


def test_inputs_are_taken_when_there_is_room_and_forgotten_when_done(tmp_path: Path) -> None:
    examples = Lazy(400)
    first = plan(stop="target", n=500, target={"image": 0.1})
    problem = dataclasses.replace(first.problem, examples=examples)
    many = dataclasses.replace(
        first, problem=problem, document={"task": "little", "model": {"batch_size": 256}}
    )
    examples.most = 0
    assert run(many, tmp_path) == 0
    assert len(rows(tmp_path)) == 400
    assert examples.most <= 4 + 256 // 20  # a batch of selection draws; three more on their way


def test_a_spent_budget_keeps_what_is_finished_and_can_be_continued(tmp_path: Path) -> None:
    class Slow:
        def __call__(self, batch: dict[str, np.ndarray]) -> np.ndarray:
            time.sleep(0.01)
            return classify(batch)

    heard: list[Event] = []
    few = dataclasses.replace(
        plan(base=Slow(), count=30), document={"task": "little", "model": {"batch_size": 64}}
    )
    run(few, tmp_path / "parts", heard.append, deadline=time.monotonic() + 0.5)
    assert heard[-1].kind == "budget"
    assert 0 < heard[-1].done < 30
    assert len(rows(tmp_path / "parts")) == heard[-1].done
    run(few, tmp_path / "parts", heard.append, deadline=time.monotonic() - 1.0)
    assert len(rows(tmp_path / "parts")) == heard[-1].done  # nothing is begun after the deadline
    run(plan(count=30), tmp_path / "parts", heard.append, deadline=time.monotonic() + 600.0)
    assert heard[-1].kind == "end"
    run(plan(count=30), tmp_path / "whole")
    assert certificates(tmp_path / "parts") == certificates(tmp_path / "whole")
    with Store.open(tmp_path / "parts" / RESULTS) as store:
        assert [session["outcome"] for session in store.sessions()] == ["budget", "budget", "finished"]


def test_the_time_of_inputs_adds_up_to_the_time_that_passed(tmp_path: Path) -> None:
    def slow(batch: dict[str, np.ndarray]) -> np.ndarray:
        time.sleep(0.02)
        return classify(batch)

    started = time.perf_counter()
    run(plan(base=slow, count=12), tmp_path)
    passed = time.perf_counter() - started
    total = sum(row.seconds for row in rows(tmp_path))
    assert 0.1 * passed < total <= passed


def test_a_model_that_answers_at_random_ends_the_run_with_the_reason(tmp_path: Path) -> None:
    coin = np.random.default_rng(0)

    def moody(batch: dict[str, np.ndarray]) -> np.ndarray:
        return coin.integers(0, 2, len(batch["image"]))

    with pytest.raises(InputError, match="base answers at random"):
        run(plan(base=moody), tmp_path / "refused")
    assert rows(tmp_path / "refused") == []
    accepted = dataclasses.replace(plan(base=moody), document={"model": {"unrepeatable": "warn"}})
    with pytest.warns(RuntimeWarning, match="base answers at random"):
        run(accepted, tmp_path / "accepted")
    assert len(rows(tmp_path / "accepted")) == 6


def test_calls_that_failed_in_other_processes_are_noted(tmp_path: Path) -> None:
    """What workers tell replaces what they told before; all of them and this process are added up."""

    class Elsewhere:
        def rows(self, plan: Any, positions: Any, tell: Any) -> Any:
            early = Failures(1, 10, 0, (("slow", 1),))
            tell(Asked((early,)))
            tell(Asked((early + early, Failures(3, 30, 2, (("rude", 3),)))))
            return LocalEngine().rows(plan, positions, tell)

    notes: list[str] = []

    def hear(event: Event) -> None:
        if event.kind == "note":
            notes.append(event.text)

    run(plan(), tmp_path / "out", hear, engine=Elsewhere())
    assert notes == ["endpoint: 5 of 50 draws failed, 2 repeats (slow: 2; rude: 3)"]
