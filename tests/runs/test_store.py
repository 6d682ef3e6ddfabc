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


VERSION_1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE results (
  position INTEGER PRIMARY KEY, input_id TEXT NOT NULL UNIQUE, status TEXT NOT NULL, label INTEGER,
  prediction INTEGER, base_prediction INTEGER, samples INTEGER NOT NULL, seconds REAL NOT NULL,
  reason TEXT NOT NULL, certificate TEXT, input_text TEXT NOT NULL, finished_at TEXT NOT NULL
);
CREATE TABLE sessions (
  number INTEGER PRIMARY KEY, started_at TEXT NOT NULL, finished_at TEXT, done_before INTEGER NOT NULL,
  done_after INTEGER, outcome TEXT, versions TEXT NOT NULL
);
INSERT INTO meta VALUES ('schema_version', '1'), ('identity', '{}'), ('about', '{}');
INSERT INTO results VALUES
  (0, 'a', 'predicted', 1, 1, 1, 320, 0.5, '', '{"evidence": {"stop_reason": "n_max"}}', '', 'then'),
  (1, 'b', 'predicted', 1, 1, 1, 0, 0.5, '', '{"evidence": {"kind": "no noise"}}', '', 'then'),
  (2, 'c', 'error', 1, NULL, NULL, 0, 0.5, 'broke', NULL, '', 'then');
INSERT INTO sessions VALUES (1, 'then', 'later', 0, 3, 'finished', '{}');
"""


def test_a_file_of_the_first_version_is_brought_up_to_date(path: Path) -> None:
    with sqlite3.connect(path) as old:
        old.executescript(VERSION_1)
    old.close()
    for _ in range(2):
        with Store.open(path) as store:
            assert [r.stop_reason for r in store.rows()] == ["n_max", "", ""]
            assert store.sessions()[0]["notes"] == []
    with Store.open(path, writer=True) as store:
        store.add(row(3))
        assert store.failed() == 1
        assert store.finished() == {0, 1, 3}


def test_a_closed_store_is_one_file_that_is_read_where_nothing_can_be_written(path: Path) -> None:
    with Store.create(path, {}, {}) as store:
        store.add(row(0))
        assert path.with_name(path.name + "-wal").exists()
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert path.read_bytes()[18:20] == b"\x01\x01"  # the header no longer asks for a write-ahead log
    uri = f"{path.as_uri()}?mode=ro&immutable=1"
    connection = sqlite3.connect(uri, uri=True)
    assert connection.execute("SELECT count(*) FROM results").fetchone() == (1,)
    connection.close()


def test_a_reader_may_look_on_while_rows_are_added(path: Path) -> None:
    with Store.create(path, {}, {}) as store:
        store.add(row(0))
        with Store.open(path) as reader:
            store.add(row(1))
            assert reader.finished() == {0, 1}
    with Store.open(path) as store:
        assert store.finished() == {0, 1}


def test_rows_reach_the_disk_every_few_seconds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("ironbound.runs.store.time.monotonic", lambda: clock[0])
    heard: list[str] = []
    with Store.create(path, {}, {}) as store:
        store._connection.set_trace_callback(heard.append)
        for second in (1.0, 4.9, 5.1, 6.0, 10.2):
            clock[0] = second
            store.add(row(int(10 * second)))
        store._connection.set_trace_callback(None)
    waits = [text.split("= ")[1] for text in heard if "synchronous" in text]
    assert waits == ["NORMAL", "FULL", "NORMAL", "FULL"]


def test_without_a_log_every_row_waits_for_the_disk(path: Path) -> None:
    with Store.create(path, {}, {}) as store:
        store._connection.execute("PRAGMA journal_mode = DELETE")
        store._logged = False
        heard: list[str] = []
        store._connection.set_trace_callback(heard.append)
        store.add(row(0))
        store.add(row(1))
        store._connection.set_trace_callback(None)
        assert not any("synchronous" in text for text in heard)
        assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_notes_belong_to_their_session(path: Path) -> None:
    with Store.create(path, {}, {}) as store:
        first, second = store.begin_session({}), store.begin_session({})
        store.note(second, 'it\'s "small"')
        store.note(second, "again")
        assert [s["notes"] for s in store.sessions()] == [[], ['it\'s "small"', "again"]]
        assert first != second
