"""The results file: committed rows survive, damage is reported and nothing is deleted."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from ironbound.errors import RunError
from ironbound.runs.store import Row, Store


def row(position: int, *, status: str = "predicted", reason: str = "") -> Row:
    failed = status == "error"
    return Row(
        position=position,
        input_id=f"input-{position}",
        status=status,  # type: ignore[arg-type]
        label=1,
        prediction=1 if status == "predicted" else None,
        base_prediction=1,
        samples=0 if failed else 100,
        seconds=0.5,
        reason=reason,
        certificate=None if failed else "{}",
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.sqlite"


def test_rows_come_back_in_the_order_of_the_data(path: Path) -> None:
    with Store.create(path, {"seed": 0}, {"name": "x"}) as store:
        store.add(row(2))
        store.add(row(0))
    with Store.open(path) as store:
        assert list(store.rows()) == [row(0), row(2)]
        assert store.identity == {"seed": 0}
        assert store.about == {"name": "x"}
        assert store.finished() == {0, 2}


def test_a_row_is_committed_before_add_returns(path: Path) -> None:
    with Store.create(path, {}, {}) as store:
        store.add(row(0))
        with sqlite3.connect(path) as other:
            assert other.execute("SELECT count(*) FROM results").fetchone() == (1,)
        other.close()


def test_a_failed_input_is_not_finished_and_may_be_replaced(path: Path) -> None:
    with Store.create(path, {}, {}) as store:
        store.add(row(0, status="error", reason="it broke"))
        assert store.finished() == set()
        store.add(row(0))
        assert list(store.rows()) == [row(0)]


def test_a_row_that_contradicts_itself_is_refused(path: Path) -> None:
    with Store.create(path, {}, {}) as store, pytest.raises(RunError):
        store.add(Row(0, "a", "error", None, 1, None, 0, 0.0, "", None))


def test_sessions_are_recorded(path: Path) -> None:
    with Store.create(path, {}, {}) as store:
        number = store.begin_session({"python": "3"})
        store.add(row(0))
        store.end_session(number, "finished")
        (session,) = store.sessions()
    assert (session["done_before"], session["done_after"], session["outcome"]) == (0, 1, "finished")
    assert session["versions"] == {"python": "3"}


def test_creating_over_an_existing_file_is_refused(path: Path) -> None:
    Store.create(path, {}, {}).__exit__()
    with pytest.raises(RunError, match="exists already"):
        Store.create(path, {}, {})


def filled(path: Path) -> bytes:
    with Store.create(path, {"seed": 0}, {}) as store:
        for i in range(20):
            store.add(row(i, reason="long " * 500))
    return path.read_bytes()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.5, 0.9])
def test_a_truncated_file_is_reported_and_left_alone(path: Path, share: float) -> None:
    content = filled(path)
    cut = content[: int(share * len(content))]
    path.write_bytes(cut)
    with pytest.raises(RunError, match=r"is damaged .* Nothing was deleted"), Store.open(path) as store:
        list(store.rows())
    assert path.read_bytes() == cut


def test_a_file_that_is_no_database_is_reported_and_left_alone(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(RunError, match="is damaged"):
        Store.open(path)
    assert path.read_bytes() == b"not a database" * 1000


def test_garbled_pages_are_reported(path: Path) -> None:
    content = bytearray(filled(path))
    content[8192 : len(content) - 4096] = b"\x55" * (len(content) - 12288)
    path.write_bytes(content)
    with pytest.raises(RunError, match="is damaged"), Store.open(path) as store:
        list(store.rows())
    assert path.read_bytes() == bytes(content)


def test_a_database_of_another_kind_is_reported(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE t (x)")
    other.close()
    with pytest.raises(RunError, match="is damaged"):
        Store.open(path)


def test_another_schema_version_is_named(path: Path) -> None:
    Store.create(path, {}, {}).__exit__()
    with sqlite3.connect(path) as other:
        other.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    other.close()
    with pytest.raises(RunError, match="schema version 99"):
        Store.open(path)


def test_a_folder_without_results_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run folder"):
        Store.open(tmp_path / "results.sqlite")
