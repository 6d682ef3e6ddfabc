"""The run folder: claimed by one run, locked by one process, refused to any other run."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ironbound.errors import RunError
from ironbound.runs import toml
from ironbound.runs.store import Store, now

CONFIG, RESULTS, SUMMARY, REPORT, ATTACK, LOCK = (
    "config.toml",
    "results.sqlite",
    "summary.json",
    "report.html",
    "attack.json",
    ".lock",
)
_OWN = {CONFIG, RESULTS, SUMMARY, REPORT, ATTACK, LOCK, "curves.png", "curves.svg"}
_OWN |= {RESULTS + end for end in (".new", "-wal", "-shm", "-journal")}
_PACKAGES = ("ironbound", "torch", "numpy", "scipy", "scikit-learn", "python-flint")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a certificate depends on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


@contextmanager
def claimed(
    out: Path, identity: Mapping[str, Any], about: Mapping[str, Any], document: Mapping[str, Any]
) -> Iterator[Store]:
    """The store of run `identity` in folder `out`: created if new, opened if it is that run's already.

    Args:
        out: the folder; created with its parents.
        identity: what makes the run this run (configuration, statistics, digests).
        about: what reports need besides.
        document: the complete configuration, written as `config.toml`.
    Raises:
        RunError: the folder holds another run (the message shows the difference) or other files, is damaged,
            or is in use by another process. Nothing is changed then.
    """
    results = out / RESULTS
    try:
        if out.exists() and not out.is_dir():
            raise RunError(f"{out} is a file; choose another --out")
        if out.is_dir() and not results.exists():
            foreign = sorted(p.name for p in out.iterdir() if p.name not in _OWN)
            if foreign:
                shown = ", ".join(foreign[:3])
                raise RunError(f"{out} is not empty and holds no run (it has {shown}); choose another --out")
        if results.exists():
            _refuse_other_run(out, results, identity)
        out.mkdir(parents=True, exist_ok=True)
        with _locked(out):
            if results.exists():
                store = Store.open(results, writer=True)
                store.set_about(about)
            else:
                store = Store.create(results, identity, about)
            with store:
                write_text(out / CONFIG, _config_text(document, identity))
                yield store
    except OSError as error:
        raise RunError(f"{error.filename or out}: {error.strerror or error}") from None


def write_text(path: Path, text: str) -> None:
    """Write a whole file or nothing: through a temporary name in the same folder."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file or nothing: through a temporary name in the same folder."""
    building = path.with_name(f".{path.name}.new")
    building.write_bytes(content)
    os.replace(building, path)


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Every value in which two identities differ, one a line, with its path.

    Example:
        >>> differences({"statistics": {"n": 100}}, {"statistics": {"n": 200}})
        ['statistics.n: 100 in the folder, 200 now']
    """
    old, new = _flat(there), _flat(here)
    return [
        f"{key}: {_shown(old.get(key, 'absent'))} in the folder, {_shown(new.get(key, 'absent'))} now"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]


def _shown(value: object) -> str:
    text = str(value)
    return f"{text[:12]}..." if re.fullmatch("[0-9a-f]{64}", text) else text


def _refuse_other_run(out: Path, results: Path, identity: Mapping[str, Any]) -> None:
    # Before anything is changed the file is opened once more, thoroughly.
    with Store.open(results, thorough=False) as store:
        found = differences(store.identity, identity)
    if found:
        lines = "\n  ".join(found)
        raise RunError(
            f"{out} holds another run; nothing was changed. The difference:\n  {lines}\n"
            "Choose another --out, or repeat the command with the folder's own settings."
        )


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {
            k: v
            for key, item in value.items()
            for k, v in _flat(item, f"{path}.{key}" if path else key).items()
        }
    return {} if value is None else {path: value}


def _config_text(document: Mapping[str, Any], identity: Mapping[str, Any]) -> str:
    recorded = {
        "written_at": now(),
        "model_digest": identity["model_digest"],
        "data_digest": identity["data_digest"],
        "versions": versions(),
    }
    return (
        "# Everything that this run depends on. To repeat it elsewhere:\n"
        "#   ironbound certify THIS_FILE --out ANOTHER_FOLDER\n"
        + toml.dumps({**document, "recorded": recorded})
    )


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Hold the folder for this process; the operating system lets go when the process ends, however."""
    try:
        import fcntl
    except ImportError:  # not a POSIX system: two processes in one folder are then not kept apart
        yield
        return
    with (out / LOCK).open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"{out} is in use by another ironbound process; wait for it or stop it") from None
        yield
