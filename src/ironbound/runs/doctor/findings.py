"""What the doctor has to say: one finding for each thing looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "fine"]
_ORDER: tuple[Severity, ...] = ("error", "warning", "fine")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        severity: "error" if the run would fail, or some input of it; "warning" if it would run, and probably
            not as meant; "fine".
        topic: what was looked at, in a word or two.
        text: what was found.
        advice: what to do about it; empty if fine.
    """

    severity: Severity
    topic: str
    text: str
    advice: str = ""


def fine(topic: str, text: str) -> Finding:
    """Nothing to do."""
    return Finding("fine", topic, text)


def warning(topic: str, text: str, advice: str) -> Finding:
    """It runs, but probably not as meant."""
    return Finding("warning", topic, text, advice)


def error(topic: str, text: str, advice: str) -> Finding:
    """The run, or some input of it, would fail."""
    return Finding("error", topic, text, advice)


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The worst first, else in the order in which things were looked at.

    Example:
        >>> [f.severity for f in ordered([fine("device", "cpu"), error("data", "NaN", "remove it")])]
        ['error', 'fine']
    """
    return tuple(sorted(findings, key=lambda finding: _ORDER.index(finding.severity)))
