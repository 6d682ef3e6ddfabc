"""What an experiment is given: its settings, a folder, and pieces that survive an interruption."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def _silent(stage: str, fraction: float) -> None:
    pass


@dataclass(frozen=True)
class Context:
    """Settings and surroundings of one run of an experiment.

    Attributes:
        name: of the experiment.
        settings: of the size asked for.
        published: the published figures, from the TOML file.
        folder: where files may be written (exists).
        seed: of everything random.
        progress: told of a stage and the fraction of it that is done.
    """

    name: str
    settings: Mapping[str, Any]
    published: Mapping[str, Any]
    folder: Path
    seed: int = 0
    progress: Callable[[str, float], None] = field(default=_silent)

    def piece(self, key: str, make: Callable[[], Any]) -> Any:
        """A part of the work that is done once: `make()`, kept as JSON in the folder.

        The same experiment in the same folder goes on from the pieces it finds; a piece that other settings
        or another seed made is made again.

        Args:
            key: names the piece; distinct within an experiment.
            make: gives plain values that JSON can hold (finite numbers, strings, lists, dicts).

        Example:
            >>> import tempfile
            >>> context = Context("x", {"rows": 3}, {}, Path(tempfile.mkdtemp()))
            >>> context.piece("sum", lambda: {"total": 6})
            {'total': 6}
            >>> context.piece("sum", dict)
            {'total': 6}
        """
        path = self.folder / "pieces" / f"{key}.json"
        stamp = self._stamp()
        if path.is_file():
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["settings"] == stamp:
                return kept["value"]
        made = json.dumps({"settings": stamp, "value": make()}, allow_nan=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(made, encoding="utf-8")
        os.replace(partial, path)
        # Read back, so that a fresh value and a kept one look the same (tuples become lists).
        return json.loads(made)["value"]

    def _stamp(self) -> str:
        settled = json.dumps([self.name, dict(self.settings), self.seed], sort_keys=True)
        return hashlib.sha256(settled.encode()).hexdigest()
