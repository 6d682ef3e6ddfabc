"""What an experiment gives: tables of plain cells, published figures beside ours, pictures, and remarks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: what it shows.
        columns: headings.
        rows: cells; floats are printed with four digits, None as a dash.
        note: how to read it, or why ours differ from the published ones.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.title}: a row has {len(row)} cells for {len(self.columns)} columns")

    def markdown(self) -> str:
        """The table in Markdown.

        Example:
            >>> print(Table("t", ("r", "ours"), ((0.5, 81.23456), (1.0, None))).markdown())
            **t**
            <BLANKLINE>
            | r | ours |
            |---|---|
            | 0.5 | 81.23 |
            | 1 | - |
            <BLANKLINE>
        """
        lines = [
            f"**{self.title}**",
            "",
            "| " + " | ".join(self.columns) + " |",
            "|---" * len(self.columns) + "|",
        ]
        lines += ["| " + " | ".join(_shown(cell) for cell in row) + " |" for row in self.rows]
        return "\n".join([*lines, *(["", self.note] if self.note else []), ""])


@dataclass(frozen=True)
class Result:
    """What an experiment found.

    Attributes:
        tables: in reading order.
        figures: names of picture files in the folder.
        notes: remarks: what ran where, what was reduced, why figures differ.
        ok: False if the experiment refutes something that must hold (an attack broke a certificate, say).
    """

    tables: tuple[Table, ...]
    figures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ok: bool = True

    def markdown(self) -> str:
        """All of it in Markdown."""
        pictures = [f"![{Path(name).stem}]({name})\n" for name in self.figures]
        remarks = [f"* {note}" for note in self.notes]
        return "\n".join([*(table.markdown() for table in self.tables), *pictures, *remarks, ""])

    def record(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        tables = [
            {"title": t.title, "columns": list(t.columns), "rows": [list(r) for r in t.rows], "note": t.note}
            for t in self.tables
        ]
        return {
            "ok": self.ok,
            "tables": tables,
            "figures": list(self.figures),
            "notes": list(self.notes),
        }

    def write(self, folder: Path, heading: str, closing: str = "") -> None:
        """Write `result.json` and `result.md` into a folder; `closing` says what ran where."""
        record = json.dumps(self.record(), indent=2, allow_nan=False)
        (folder / "result.json").write_text(record + "\n", encoding="utf-8")
        text = f"# {heading}\n\n{self.markdown()}" + (f"\n{closing}\n" if closing else "")
        (folder / "result.md").write_text(text, encoding="utf-8")


def _shown(cell: Cell) -> str:
    if cell is None:
        return "-"
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
