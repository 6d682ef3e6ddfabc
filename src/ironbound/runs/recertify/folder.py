"""From one run folder to another, with new claims from the same counts."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ironbound.certificate import Certificate
from ironbound.errors import InputError, InvalidCertificate, RunError
from ironbound.runs.folder import CONFIG, RESULTS, claimed, versions
from ironbound.runs.recertify.change import Change
from ironbound.runs.recertify.reclaim import reclaim
from ironbound.runs.store import Row, Store


@dataclass(frozen=True)
class Recertified:
    """What came of it.

    Attributes:
        inputs: certificates written.
        same: of these, equal to the old ones to the last digit.
        failed: rows without a certificate, copied as they were.
        repeatable: whether `ironbound certify` with the new settings would draw the same noise and get the
            same certificates; not so where draws stopped early, or the threat was changed.
    """

    inputs: int
    same: int
    failed: int
    repeatable: bool


def recertify(
    source: Path, out: Path, change: Change, callback: Callable[[int, int], None] | None = None
) -> Recertified:
    """Write a run folder whose claims follow from the counts of another one's.

    Args:
        source: a run folder of smoothing certificates.
        out: the new folder; the same command again goes on where it stopped.
        change: the new settings.
        callback: told (done, total) after each row.
    Raises:
        RunError: no run folder, the folder `out` holds another run, or is the same.
        InputError: the counts do not allow the change; nothing is written for the inputs from there on.
    """
    if out.resolve() == source.resolve():
        raise RunError(f"{out} is the run itself; give another --out")
    with Store.open(source / RESULTS) as store:
        rows = list(store.rows())
        identity, about = store.identity, store.about
    if not any(row.certificate is not None for row in rows):
        raise RunError(f"{source} holds no certificate yet")
    if "statistics" not in identity:
        raise InputError(f"{source} was not certified by noisy draws, so there are no counts to claim from")
    first = next(row for row in rows if row.certificate is not None)
    _changed_row(first, change)  # refuses before anything is written
    target = _identity(identity, change)
    same = failed = 0
    with claimed(out, target, about, _document(source, out, target)) as store:
        finished = store.finished()
        number = store.begin_session(versions())
        store.note(number, f"claimed anew from the counts of {source.name}: {change.described()}")
        outcome = "failed"
        try:
            for done, row in enumerate(rows, start=1):
                new = row if row.certificate is None else _changed_row(row, change)
                same += new.certificate is not None and new.certificate == row.certificate
                failed += new.certificate is None
                if row.position not in finished:
                    store.add(new)
                if callback is not None:
                    callback(done, len(rows))
            outcome = "finished"
        finally:
            store.end_session(number, outcome)
    return Recertified(len(rows) - failed, same, failed, "recertified" not in target)


def _changed_row(row: Row, change: Change) -> Row:
    assert row.certificate is not None  # the caller asked
    try:
        found = reclaim(Certificate.from_json(row.certificate), change)
    except InvalidCertificate as error:
        raise RunError(f"input {row.input_id}: its certificate is invalid: {error}") from None
    return dataclasses.replace(
        row,
        status="abstained" if found.abstained else "predicted",
        prediction=found.prediction,
        reason=found.reason,
        certificate=found.to_json(),
    )


def _identity(identity: Mapping[str, Any], change: Change) -> dict[str, Any]:
    """That of a run with these settings, marked where such a run would draw other noise."""
    old = identity["statistics"]
    given = {name: value for name, value in change.settings().items() if name != "max_d"}
    if "threshold" in given:
        given = {"positive": old.get("positive", 1), **given, "rivals": None}
    statistics = {**old, **given}
    threat = {name: dict(budget) for name, budget in identity.get("threat", {}).items()}
    for channel, most in change.max_d.items():
        if channel not in threat:
            raise InputError(f"max_d: {channel!r} is not attacked in this run; attacked are {sorted(threat)}")
        threat[channel]["max_d"] = most
    new = {**identity, "statistics": statistics, "threat": threat}
    changed = statistics != old or threat != identity.get("threat")
    if changed and (old.get("stop") != "fixed" or change.max_d):
        new["recertified"] = change.settings()
    return new


def _document(source: Path, out: Path, identity: Mapping[str, Any]) -> dict[str, Any]:
    """The source's configuration with the new statistics, and paths that work from the new folder."""
    try:
        document = tomllib.loads((source / CONFIG).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"{source / CONFIG}: cannot be read: {error}") from None
    document.pop("recorded", None)
    statistics = identity["statistics"]
    document["statistics"] = {name: value for name, value in statistics.items() if value is not None}
    for channel, budget in identity.get("threat", {}).items():
        if channel in document.get("threat", {}) and "max_d" in budget:
            document["threat"][channel]["max_d"] = budget["max_d"]
    if "folder" in document:
        folder = (source / document["folder"]).resolve()
        document["folder"] = Path(os.path.relpath(folder, out.resolve())).as_posix()
    return document
