"""Inputs on a Ray cluster: the certificates of the local engine, whatever happens to the workers."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from little_runs import plan as in_memory
from little_runs import write_config

from ironbound.errors import ConfigError, InputError, RunError
from ironbound.runs.engines.on_ray import RayEngine
from ironbound.runs.engines.shards import TRIALS, Shards
from ironbound.runs.folder import RESULTS
from ironbound.runs.plan import Plan, plan
from ironbound.runs.runner import Event, run
from ironbound.runs.store import Row, Store

pytest.importorskip("ray", reason="Ray is not installed")


@pytest.fixture(scope="module")
def two_cores() -> Iterator[None]:
    """One cluster for all tests, since each takes seconds to start; runs use the cluster that is there."""
    from ironbound.runs.engines import cluster

    ray = cluster._ray()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "_cores", lambda: 2)
        cluster._connect(ray)
    yield
    ray.shutdown()


def little(folder: Path, count: int, before: str = "pass") -> Plan:
    return plan(str(write_config(folder, count=count, before=before)), {})


def rows(out: Path) -> list[Row]:
    with Store.open(out / RESULTS) as store:
        return list(store.rows())


def certificates(out: Path) -> list[str | None]:
    return [row.certificate for row in rows(out)]


# A little slow, and unwilling to run with more threads than its share of two cores.
SLOW = """time.sleep(0.02)
        import os, sys, torch
        threads = os.getenv("OMP_NUM_THREADS"), torch.get_num_threads()
        if "ironbound.runs.engines.on_ray" not in sys.modules and threads != ("1", 1):
            raise RuntimeError(f"too many threads: {threads}")"""


class Killer:
    """Kills one of the workers once `after` rows have come in."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.pids: tuple[int, ...] = ()
        self.seen: set[int] = set()
        self.notes: list[str] = []
        self.killed = 0

    def __call__(self, event: Event) -> None:
        if event.kind == "workers":
            self.pids = event.pids
            self.seen |= set(event.pids)
        if event.kind == "note":
            self.notes.append(event.text)
        if not self.killed and event.done >= self.after and len(self.pids) == 2:
            self.killed = self.pids[0]
            os.kill(self.killed, signal.SIGKILL)


@pytest.mark.usefixtures("two_cores")
def test_a_killed_workers_inputs_are_certified_again_and_equal_the_local_ones(tmp_path: Path) -> None:
    problem = little(tmp_path / "mine", 80, before=SLOW)
    killer = Killer(after=10)
    assert run(problem, tmp_path / "ray", killer, engine=RayEngine(2)) == 0
    assert killer.killed
    assert any(f"worker {killer.killed} died" in note for note in killer.notes)
    run(problem, tmp_path / "local")
    assert certificates(tmp_path / "ray") == certificates(tmp_path / "local")
    assert len(certificates(tmp_path / "ray")) == 80
    # The remark is kept for the report.
    with Store.open(tmp_path / "ray" / RESULTS) as store:
        assert store.sessions()[0]["notes"] == killer.notes


@pytest.mark.usefixtures("two_cores")
def test_workers_share_noise_as_one_process_does(tmp_path: Path) -> None:
    config = str(write_config(tmp_path / "mine", count=12))
    run(plan(config, {"shared_noise": True}), tmp_path / "ray", engine=RayEngine(2))
    run(plan(config, {"shared_noise": True}), tmp_path / "local")
    assert certificates(tmp_path / "ray") == certificates(tmp_path / "local")
    run(plan(config, {}), tmp_path / "own")
    assert certificates(tmp_path / "own") != certificates(tmp_path / "local")


@pytest.mark.usefixtures("two_cores")
def test_an_input_that_kills_its_workers_is_given_up_and_the_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ironbound.runs.engines.shards.TRIALS", 2)
    before = "import os, signal\n        if batch['image'].max() > 50: os.kill(os.getpid(), signal.SIGKILL)"
    config = write_config(tmp_path / "mine", count=3, before=before)
    data = dict(np.load(config.parent / "data.npz"))
    data["image"][0] = 100.0
    np.savez(config.parent / "data.npz", **data)
    assert run(plan(str(config), {}), tmp_path / "out", engine=RayEngine(1)) == 1
    found = rows(tmp_path / "out")
    assert [row.status == "error" for row in found] == [True, False, False]
    assert "worker processes died while they certified this input" in found[0].reason


@pytest.mark.usefixtures("two_cores")
def test_more_workers_than_cores_and_another_problem_are_refused(tmp_path: Path) -> None:
    problem = little(tmp_path / "mine", 6)
    with pytest.raises(InputError, match="workers must be at most the number of cores, 2; got 3"):
        run(problem, tmp_path / "other", engine=RayEngine(3))
    # The model's file has changed since this process read it.
    path = tmp_path / "mine" / "model.py"
    path.write_text(path.read_text() + "\n# another line\n")
    with pytest.raises(
        RunError, match=r"a worker finds another problem.*\n  model_digest: .* here, .* there"
    ):
        run(problem, tmp_path / "third", engine=RayEngine(1))
    path.unlink()
    with pytest.raises(ConfigError, match=r"in a worker: model\.loader"):
        run(problem, tmp_path / "fourth", engine=RayEngine(1))


def test_without_ray_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RunError, match=r"pip install 'ironbound\[ray\]'"):
        run(in_memory(), tmp_path, engine=RayEngine())


def test_every_position_is_dealt_once_and_shards_grow_to_the_time_they_may_take() -> None:
    shards = Shards(range(1000))
    dealt: list[int] = []
    sizes: list[int] = []
    while shard := shards.next():
        dealt += shard
        sizes.append(len(shard))
        shards.took(shard, 0.02 * len(shard))
    assert dealt == list(range(1000))
    assert sizes[:4] == [1, 4, 16, 64]
    assert max(sizes) == 100  # two seconds' worth


def test_a_deadly_input_is_found_by_halving() -> None:
    shards = Shards(range(40))
    shards.took([0], 1e-9)
    shards.took([0], 1e-9)
    shards.took([0], 1e-9)
    done: list[int] = []
    given_up: list[int] = []
    deaths = 0
    while shard := shards.next():
        if 17 in shard:
            deaths += 1
            lost = shards.lost(shard)
            given_up += [] if lost is None else [lost]
        else:
            done += shard
    assert given_up == [17]
    assert sorted(done) == [i for i in range(40) if i != 17]
    assert deaths <= 6 + TRIALS
