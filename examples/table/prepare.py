"""Write train.csv and test.csv: invented readings of pumps, some of which are about to fail."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
NUMBERS = ("hours", "temperature", "vibration", "pressure")
FIELDS = {
    "seal": ("dry", "damp", "leaking"),
    "noise": ("quiet", "humming", "rattling", "grinding"),
    "oil": ("clear", "cloudy", "dark"),
    "filter": ("clean", "used", "clogged"),
    "bearing": ("smooth", "rough"),
    "alarm": ("none", "warning", "stop"),
}


def rows(count: int, generator: np.random.Generator) -> list[dict[str, object]]:
    """Pumps whose numbers and fields all hint at their state, none of them decisive."""
    made: list[dict[str, object]] = []
    for number in range(count):
        failing = bool(generator.random() < 0.5)
        side = 1 if failing else -1
        record: dict[str, object] = {"pump": f"pump-{number:04d}"}
        record["hours"] = int(5000 + 1500 * side + 1500 * generator.standard_normal())
        record["temperature"] = round(60 + 8 * side + 8 * generator.standard_normal(), 1)
        record["vibration"] = round(3 + 1.2 * side + 1.2 * generator.standard_normal(), 2)
        record["pressure"] = round(9 - 0.8 * side + 0.8 * generator.standard_normal(), 2)
        for name, values in FIELDS.items():
            # The later a value is listed, the more often failing pumps show it.
            weights = np.exp(1.6 * side * np.linspace(-1, 1, len(values)))
            record[name] = str(generator.choice(values, p=weights / weights.sum()))
        record["state"] = "failing" if failing else "sound"
        made.append(record)
    return made


def main() -> None:
    generator = np.random.default_rng(0)
    for name, count in (("train.csv", 600), ("test.csv", 100)):
        made = rows(count, generator)
        with (HERE / name).open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, fieldnames=list(made[0]))
            writer.writeheader()
            writer.writerows(made)


if __name__ == "__main__":
    main()
