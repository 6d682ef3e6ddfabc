"""What a person is told when a results file is damaged, or cannot be written."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ironbound.errors import RunError

# What SQLite says when the disk is full or not to be written to, which is no damage.
_REFUSALS = ("locked", "readonly", "is full", "disk I/O error", "unable to open")


@contextmanager
def damage_reported(path: Path) -> Iterator[None]:
    """Turn what SQLite raises about the file `path` into a `RunError` that says what to do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if any(cause in str(error) for cause in _REFUSALS):
            room = "" if "locked" in str(error) else "; with room on the disk the same command goes on"
            raise RunError(f"{path} cannot be written ({error}); what is in it stays valid{room}") from None
        raise RunError(_damaged(path, error)) from None
    except (sqlite3.DatabaseError, json.JSONDecodeError) as error:
        raise RunError(_damaged(path, error)) from None


def _damaged(path: Path, error: Exception) -> str:
    return (
        f"{path} is damaged ({error}). Nothing was deleted or changed. "
        f"To start again, move the folder {path.parent} away; to save rows, try "
        f'sqlite3 {path.name} ".recover" on a copy'
    )
