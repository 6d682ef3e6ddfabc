"""`results.sqlite`: one row per input, committed as soon as it is known.

The file is created under another name and renamed once its tables exist, so a file named
`results.sqlite` is either complete or damaged, never half created. `docs/run-folder.md` documents it.

Rows go to a write-ahead log (SQLite's WAL): a commit costs a tenth of a millisecond in place of waiting
for the disk. A process that is killed loses no row. A power cut may take the rows of the last `SYNC_EVERY`
seconds, which the next session computes again.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ironbound.errors import RunError
from ironbound.runs.damage import damage_reported
from ironbound.runs.schema import SCHEMA_VERSION, TABLES, UPGRADE

# Seconds between commits that wait until the disk holds them.
SYNC_EVERY = 5.0
Status = Literal["predicted", "abstained", "error"]

_COLUMNS = (
    "position, input_id, status, label, prediction, base_prediction, samples, seconds, reason, certificate, "
    "input_text, stop_reason"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One input's result. `certificate` is the certificate's JSON text, `None` exactly for an error.

    Attributes:
        position: index of the input in the data, from 0.
        label: true class, if known.
        prediction: smoothed prediction; `None` when it abstained or failed.
        base_prediction: the base classifier's label on the clean input, if it was asked.
        samples: noisy draws used.
        seconds: wall-clock time for this input: its share, by draws, of the time that batches took.
        reason: why it abstained, or what went wrong; empty otherwise.
        input_text: how a person would read the input, if there is anything to read.
        stop_reason: why no more noise was drawn, as the certificate says it; empty without noise.
    """

    position: int
    input_id: str
    status: Status
    label: int | None
    prediction: int | None
    base_prediction: int | None
    samples: int
    seconds: float
    reason: str
    certificate: str | None
    input_text: str = ""
    stop_reason: str = ""


def now() -> str:
    """Current time, UTC, as ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Store:
    """Rows of one run. Open with `Store.create` or `Store.open`; use as a context manager."""

    def __init__(self, connection: sqlite3.Connection, path: Path, logged: bool = False) -> None:
        self._connection = connection
        self._logged = logged
        self._waits = True  # at every commit, for the disk
        self._synced = time.monotonic()
        self.path = path

    @classmethod
    def create(cls, path: Path, identity: Mapping[str, Any], about: Mapping[str, Any]) -> Store:
        """Create the file with the identity of the run that it will hold, and what a report needs to know.

        Raises:
            RunError: the file exists.
        """
        if path.exists():
            raise RunError(f"{path} exists already; nothing was changed")
        building = path.with_name(path.name + ".new")
        building.unlink(missing_ok=True)
        connection = sqlite3.connect(building, isolation_level=None)
        try:
            connection.executescript(TABLES)
            meta = {
                "schema_version": str(SCHEMA_VERSION),
                "created_at": now(),
                "identity": _json(identity),
                "about": _json(about),
            }
            connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        finally:
            connection.close()
        os.replace(building, path)
        return cls.open(path, writer=True)

    @classmethod
    def open(cls, path: Path, *, writer: bool = False, thorough: bool = True) -> Store:
        """Open and check an existing file; a damaged one is reported, and left as it is.

        Args:
            path: the file.
            writer: rows will be added; the write-ahead log is there until this store is closed.
            thorough: read the whole file to find damage; else damage is met where it is read.
        Raises:
            RunError: no such file, damaged, or written by another version of the format.
        """
        if not path.is_file():
            raise RunError(f"{path.parent} is not a run folder: it has no {path.name}")
        with damage_reported(path):
            if path.stat().st_size == 0:
                raise sqlite3.DatabaseError("the file is empty")
            # A killed process may leave a journal that the next reader must roll back: always read-write.
            uri = path.resolve().as_uri() + "?mode=rw"
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30)
            try:
                if thorough:
                    found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
                    if found != "ok":
                        raise sqlite3.DatabaseError(str(found).splitlines()[-1])
                version = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
                if version is None:
                    raise sqlite3.DatabaseError("the table meta names no schema version")
                if version[0] not in ("1", str(SCHEMA_VERSION)):
                    raise RunError(
                        f"{path} has schema version {version[0]}; this ironbound reads {SCHEMA_VERSION}"
                    )
                connection.execute("PRAGMA synchronous = FULL")
                if version[0] == "1":
                    connection.executescript(UPGRADE)
                logged = False
                if writer:
                    # Where a log is impossible the old journal stays, with its waits at every row.
                    logged = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] == "wal"
            except BaseException:
                connection.close()
                raise
        return cls(connection, path, logged)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; a writer leaves a single file that can be read where nothing can be written."""
        if self._logged:
            # Refused while somebody else reads, or by a full disk: then the log stays beside the file.
            with suppress(sqlite3.Error):
                self._connection.execute("PRAGMA journal_mode = DELETE")
        self._connection.close()

    @property
    def identity(self) -> dict[str, Any]:
        """What makes this run this run: configuration, statistics, data and model digests."""
        return self._meta("identity")

    @property
    def about(self) -> dict[str, Any]:
        """What a report needs besides the rows: name, classes, units, grid, number of inputs asked for."""
        return self._meta("about")

    def set_about(self, about: Mapping[str, Any]) -> None:
        """Replace `about`: a later command may ask for more inputs."""
        with damage_reported(self.path):
            self._connection.execute("UPDATE meta SET value = ? WHERE key = 'about'", (_json(about),))

    def _meta(self, key: str) -> dict[str, Any]:
        with damage_reported(self.path):
            found = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
            if found is None:
                raise sqlite3.DatabaseError(f"the table meta has no entry {key}")
            return json.loads(found[0])

    def add(self, row: Row) -> None:
        """Commit one row; a row for the same input (an earlier error) is replaced.

        Raises:
            RunError: the disk is full, or the row contradicts itself; the rows before it stay.
        """
        values = (
            row.position,
            row.input_id,
            row.status,
            row.label,
            row.prediction,
            row.base_prediction,
            row.samples,
            row.seconds,
            row.reason,
            row.certificate,
            row.input_text,
            row.stop_reason,
            now(),
        )
        due = not self._logged or time.monotonic() - self._synced >= SYNC_EVERY
        with damage_reported(self.path):
            if due is not self._waits:
                self._connection.execute(f"PRAGMA synchronous = {'FULL' if due else 'NORMAL'}")
                self._waits = due
            self._connection.execute(
                f"INSERT OR REPLACE INTO results ({_COLUMNS}, finished_at) VALUES ({', '.join('?' * 13)})",
                values,
            )
        if due:
            self._synced = time.monotonic()

    def rows(self) -> Iterator[Row]:
        """All rows, in the order of the data."""
        with damage_reported(self.path):
            for values in self._connection.execute(f"SELECT {_COLUMNS} FROM results ORDER BY position"):
                yield Row(*values)

    def row(self, position: int) -> Row | None:
        """The row of one input, if there is one."""
        with damage_reported(self.path):
            query = f"SELECT {_COLUMNS} FROM results WHERE position = ?"
            values = self._connection.execute(query, (position,)).fetchone()
            return None if values is None else Row(*values)

    def finished(self) -> set[int]:
        """Positions that hold a certificate; inputs that failed are not among them."""
        with damage_reported(self.path):
            query = "SELECT position FROM results WHERE status <> 'error'"
            return {position for (position,) in self._connection.execute(query)}

    def failed(self) -> int:
        """Number of inputs whose row is an error."""
        with damage_reported(self.path):
            query = "SELECT count(*) FROM results WHERE status = 'error'"
            return int(self._connection.execute(query).fetchone()[0])

    def begin_session(self, versions: Mapping[str, str]) -> int:
        """Note that a process starts to work; returns the session's number."""
        with damage_reported(self.path):
            done = self._done()
            cursor = self._connection.execute(
                "INSERT INTO sessions (started_at, done_before, versions) VALUES (?, ?, ?)",
                (now(), done, _json(versions)),
            )
            return int(cursor.lastrowid or 0)

    def end_session(self, number: int, outcome: str) -> None:
        """Note how a session ended (`finished`, `stopped`, `budget`, `failed`); a killed one has no entry."""
        with damage_reported(self.path):
            self._connection.execute(
                "UPDATE sessions SET finished_at = ?, done_after = ?, outcome = ? WHERE number = ?",
                (now(), self._done(), outcome, number),
            )

    def note(self, number: int, text: str) -> None:
        """Add a remark to a session, which reports show."""
        with damage_reported(self.path):
            self._connection.execute(
                "UPDATE sessions SET notes = json_insert(notes, '$[#]', ?) WHERE number = ?", (text, number)
            )

    def _done(self) -> int:
        query = "SELECT count(*) FROM results WHERE status <> 'error'"
        return int(self._connection.execute(query).fetchone()[0])

    def sessions(self) -> list[dict[str, Any]]:
        """The working sessions so far, oldest first."""
        with damage_reported(self.path):
            names = (
                "number",
                "started_at",
                "finished_at",
                "done_before",
                "done_after",
                "outcome",
                "versions",
                "notes",
            )
            found = self._connection.execute(f"SELECT {', '.join(names)} FROM sessions ORDER BY number")
            sessions = [dict(zip(names, values, strict=True)) for values in found]
            return [
                {**s, "versions": json.loads(s["versions"]), "notes": json.loads(s["notes"])}
                for s in sessions
            ]


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False)
