"""Everything a report shows, read from a run folder once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ironbound.certificate import Certificate
from ironbound.report.attacks import Attacks, read_attacks
from ironbound.runs.folder import CONFIG, RESULTS
from ironbound.runs.metrics import Budget, Entry, Summary, read_entries, readable, summarise
from ironbound.runs.store import Row, Store

# Enough to see what certificates say; all of them are in results.sqlite.
SAMPLE = 12


@dataclass(frozen=True)
class Attacked:
    """What the attacker may do, in words and units, as the certificates record it.

    Attributes:
        continuous: names of the continuous channels under attack.
        discrete: (channel name, singular of what is changed) of each discrete channel under attack.
        unit: unit of the radius; empty if no continuous channel is attacked.
        norm: what the radius is, "2-norm" or "max-norm".
    """

    continuous: tuple[str, ...]
    discrete: tuple[tuple[str, str], ...]
    unit: str
    norm: str = "2-norm"

    @property
    def radius_label(self) -> str:
        """Label of the radius axis."""
        if not self.continuous:
            return "no continuous channel is attacked"
        channels = " and ".join(f"“{name}”" for name in self.continuous)
        if len(self.continuous) > 1:
            return f"certified joint radius on {channels} (noise standard deviations)"
        return f"certified {self.norm} radius on {channels} ({self.unit})"

    @property
    def budget_label(self) -> str:
        """What a discrete budget d counts."""
        if not self.discrete:
            return ""
        parts = [f"{noun}s changed in “{channel}”" for channel, noun in self.discrete]
        return parts[0] if len(parts) == 1 else "(" + ", ".join(parts) + ")"

    @property
    def legend_title(self) -> str:
        """The same, short enough for a legend."""
        return ", ".join(f"{noun}s changed" for _, noun in self.discrete)


@dataclass(frozen=True)
class Reading:
    """A run folder as a report needs it; of the certificates themselves a sample only."""

    out: Path
    about: Mapping[str, Any]
    identity: Mapping[str, Any]
    sessions: tuple[Mapping[str, Any], ...]
    entries: tuple[Entry, ...]
    sample: tuple[tuple[Row, Certificate], ...]
    summary: Summary
    attacked: Attacked
    config_text: str
    attacks: Attacks | None = None

    @property
    def name(self) -> str:
        """Name of the run's problem."""
        return str(self.about.get("name", self.out.name))

    @property
    def smoothed(self) -> bool:
        """Whether predictions are those of a smoothed classifier, and not of the model itself."""
        return bool(self.about.get("smoothed", True))

    @property
    def shown_budgets(self) -> tuple[Budget, ...]:
        """Budgets worth a line: at most eight, none beyond the first that certifies nothing."""
        return shown_budgets(self.summary)

    def class_name(self, index: int | None) -> str:
        """A class by its name if it has one."""
        if index is None:
            return "abstains"
        names = self.about.get("class_names")
        return str(names[index]) if names and 0 <= index < len(names) else str(index)


def read_run(out: Path) -> Reading:
    """Read a run folder.

    Raises:
        RunError: not a run folder, or damaged.
    """
    with Store.open(out / RESULTS) as store:
        entries = read_entries(store.rows())
        sample = _sample(store, entries)
        about, identity, sessions = store.about, store.identity, tuple(store.sessions())
    try:
        text = (out / CONFIG).read_text(encoding="utf-8")
        tomllib.loads(text)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        text = "config.toml is missing or unreadable; results.sqlite holds what identifies the run"
    summary = summarise(entries, int(about["requested"]), about.get("radii", ()))
    return Reading(
        out, about, identity, sessions, entries, sample, summary, _attacked(sample), text, read_attacks(out)
    )


def shown_budgets(summary: Summary) -> tuple[Budget, ...]:
    """Budgets worth a line: at most eight, none beyond the first that certifies nothing."""
    certifying = [d for d in summary.budgets if summary.largest[d] is not None]
    beyond = [d for d in summary.budgets if summary.largest[d] is None][:1]
    if len(certifying) > 7:
        step = (len(certifying) - 1) / 6
        certifying = [certifying[round(i * step)] for i in range(7)]
    return tuple(certifying + beyond)


def _sample(store: Store, entries: Sequence[Entry]) -> tuple[tuple[Row, Certificate], ...]:
    """Certificates spread evenly over the run, so that the sample favours nobody."""
    places = [entry.row.position for entry in entries if entry.readable]
    if len(places) > SAMPLE:
        places = [places[i * len(places) // SAMPLE] for i in range(SAMPLE)]
    found = (store.row(position) for position in places)
    pairs = ((row, readable(row)) for row in found if row is not None)
    return tuple((row, certificate) for row, certificate in pairs if certificate is not None)


def _attacked(sample: tuple[tuple[Row, Certificate], ...]) -> Attacked:
    """Read from the first certificate; those of one run differ in nothing here."""
    if not sample:
        return Attacked((), (), "")
    evidence = sample[0][1].evidence
    records = {record["channel"]: record for record in getattr(evidence, "channels", ())}
    nouns = {"token_l0": "token", "fields_l0": "field", "synonym_l0": "token", "edits": "edit"}
    nouns |= {"suffix_in_place": "token", "suffix_append": "token"}
    continuous = tuple(evidence.scales())
    discrete = tuple(
        (name, nouns.get(records.get(name, {}).get("threat"), "position")) for name in evidence.budgets()
    )
    own = getattr(evidence, "unit", "input units")  # kinds with one channel name its unit themselves
    unit = str(records.get(continuous[0], {}).get("unit", own)) if len(continuous) == 1 else ""
    kinds = {records.get(name, {}).get("threat") for name in continuous}
    return Attacked(continuous, discrete, unit, "max-norm" if kinds == {"linf"} else "2-norm")
