"""Metrics of a training: one JSON object a line, and a picture of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Log:
    """Lines of metrics in a file. After a resume, lines beyond the checkpoint are dropped first.

    Args:
        path: of the file, or None to keep the lines in memory only.
        step: the step that the training goes on from.
    """

    def __init__(self, path: Path | None, step: int = 0) -> None:
        self._path = path
        self.lines: list[dict[str, Any]] = []
        if path is None:
            return
        if path.is_file() and step > 0:
            for text in path.read_text(encoding="utf-8").splitlines():
                try:
                    line = json.loads(text)
                except json.JSONDecodeError:
                    break  # torn by a crash; whatever it said comes again
                if line["step"] <= step:
                    self.lines.append(line)
        path.write_text("".join(json.dumps(line) + "\n" for line in self.lines), encoding="utf-8")

    def add(self, **figures: Any) -> None:
        """Append one line."""
        self.lines.append(figures)
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(figures) + "\n")

    def draw(self, path: Path, title: str) -> None:
        """Loss and accuracy against steps, as a PNG."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8.0, 3.6), layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2)
        steps = [line["step"] for line in self.lines]
        left.plot(steps, [line["loss"] for line in self.lines], color="#0072B2", linewidth=2)
        left.set_ylabel("loss")
        right.plot(steps, [line["accuracy"] for line in self.lines], color="#0072B2", label="training batch")
        checked = [line for line in self.lines if line.get("validation") is not None]
        at, seen = [line["step"] for line in checked], [line["validation"] for line in checked]
        right.plot(at, seen, "o-", color="#D55E00", label="held out")
        right.set_ylabel("accuracy (%), under the noise of training")
        right.legend(frameon=False)
        for axes in (left, right):
            axes.set_xlabel("step")
            axes.grid(True, color="#8a919c", alpha=0.3, linewidth=0.6)
            axes.spines[["top", "right"]].set_visible(False)
        figure.suptitle(title.replace("$", r"\$"), fontsize=12, fontweight="bold")
        figure.savefig(path, dpi=130, metadata={"Software": None})
