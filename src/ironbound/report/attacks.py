"""What `ironbound attack` found, beside what the certificates of the run rule out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ironbound.certificate import Certificate
from ironbound.runs.folder import ATTACK, RESULTS
from ironbound.runs.metrics import Share, readable
from ironbound.runs.store import Store

OUTCOMES = ("kept", "unsettled", "changed")


@dataclass(frozen=True)
class Attempt:
    """One attack on one input.

    Attributes:
        input_id: which input.
        covered: whether the certificate that the run holds now covers the budget.
        outcome: "changed", "kept" or "unsettled".
        changes: how many changes of discrete channels were allowed.
        allowed, used: channel -> radius or number of changes.
        alpha: error probability of the certificate.
    """

    input_id: str
    covered: bool
    outcome: str
    changes: int
    allowed: Mapping[str, float]
    used: Mapping[str, float]
    alpha: float

    @property
    def broken(self) -> bool:
        """Whether it contradicts a certificate."""
        return self.covered and self.outcome == "changed"


@dataclass(frozen=True)
class Line:
    """Attacks with budgets of one kind: inside the certificates or beyond, with one number of changes."""

    covered: bool
    changes: int
    attempts: tuple[Attempt, ...]

    @property
    def inputs(self) -> int:
        return len({one.input_id for one in self.attempts})

    def count(self, outcome: str) -> int:
        """How many attacks came to this."""
        return sum(one.outcome == outcome for one in self.attempts)

    @property
    def success(self) -> Share:
        """Share of the inputs whose answer some attack changed."""
        fallen = {one.input_id for one in self.attempts if one.outcome == "changed"}
        return Share.of(len(fallen), self.inputs)


@dataclass(frozen=True)
class Attacks:
    """All that `attack.json` says of the inputs of a run, judged by the certificates that are there now.

    Attributes:
        attempts: in the order of the file.
        outdated: attacks in the file on answers that the run does not give (any more); they are not counted.
        problem: why the file cannot be used; empty if it can.
    """

    attempts: tuple[Attempt, ...] = ()
    outdated: int = 0
    problem: str = ""

    @cached_property
    def broken(self) -> tuple[Attempt, ...]:
        """Attacks that contradict a certificate."""
        return tuple(one for one in self.attempts if one.broken)

    @property
    def inside(self) -> int:
        """Attacks within certified budgets."""
        return sum(one.covered for one in self.attempts)

    @property
    def expected(self) -> float:
        """At most so many of the attacked certificates are expected to be wrong: the sum of their alpha."""
        return sum({one.input_id: one.alpha for one in self.attempts if one.covered}.values())

    def lines(self) -> tuple[Line, ...]:
        """Attacks grouped by budget, those inside the certificates first."""
        groups: dict[tuple[bool, int], list[Attempt]] = {}
        for one in self.attempts:
            groups.setdefault((one.covered, one.changes), []).append(one)
        order = sorted(groups, key=lambda key: (not key[0], key[1]))
        return tuple(Line(*key, tuple(groups[key])) for key in order)

    def verdict(self) -> str:
        """One sentence about the certificates."""
        if self.problem:
            return f"{ATTACK} cannot be used: {self.problem}"
        if self.broken:
            inputs = len({one.input_id for one in self.broken})
            return (
                f"ATTACKS BROKE THE CERTIFICATES OF {inputs} INPUTS: {len(self.broken)} of {self.inside} "
                f"attacks within certified budgets changed the answer (at most {self.expected:.3g} wrong "
                "certificates were to be expected)"
            )
        return f"{self.inside} attacks within certified budgets: no certificate broken"

    def short(self) -> str:
        """The same in a few words."""
        if self.problem:
            return f"{ATTACK} cannot be used"
        return (
            f"{self.inside}, of which {len(self.broken)} BROKE A CERTIFICATE"
            if self.broken
            else f"{self.inside}, none broken"
        )

    def record(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "ok": not self.broken,
            "certified": self.inside,
            "beyond": len(self.attempts) - self.inside,
            "broken": sorted({one.input_id for one in self.broken}),
            "outdated": self.outdated,
            "problem": self.problem,
            "table": [
                {
                    "budget": "certified" if line.covered else "beyond",
                    "changes": line.changes,
                    "attacks": len(line.attempts),
                    "inputs": line.inputs,
                    **{name: line.count(name) for name in OUTCOMES},
                }
                for line in self.lines()
            ],
        }


def read_attacks(out: Path) -> Attacks | None:
    """The attacks on a run; None if there were none. A file that cannot be used is told, not raised.

    Whether a budget is covered is decided anew, by the certificates in the run's store: those in the file may
    be of an earlier state.
    """
    try:
        text = (out / ATTACK).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        return Attacks(problem=str(error))
    try:
        attempts = json.loads(text)["attempts"]
        wanted = {str(one["input_id"]) for one in attempts}
        certificates = _certificates(out, wanted)
        found = [_attempt(one, certificates.get(str(one["input_id"]))) for one in attempts]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return Attacks(problem=f"it is not what `ironbound attack` writes ({type(error).__name__}: {error})")
    usable = tuple(one for one in found if one is not None)
    return Attacks(usable, len(found) - len(usable))


def _certificates(out: Path, wanted: set[str]) -> dict[str, Certificate]:
    with Store.open(out / RESULTS) as store:
        pairs = ((row.input_id, readable(row)) for row in store.rows() if row.input_id in wanted)
        return {name: certificate for name, certificate in pairs if certificate is not None}


def _attempt(record: Mapping[str, Any], certificate: Certificate | None) -> Attempt | None:
    """None for an attack on an answer that the certificate does not give."""
    if certificate is None or certificate.prediction != record["prediction"]:
        return None
    allowed = {str(name): float(amount) for name, amount in record["allowed"].items()}
    if record["outcome"] not in OUTCOMES:
        raise ValueError(f"outcome {record['outcome']!r}")
    return Attempt(
        input_id=str(record["input_id"]),
        covered=certificate.covers(**allowed),
        outcome=record["outcome"],
        changes=sum(int(allowed.get(name, 0)) for name in certificate.evidence.budgets()),
        allowed=allowed,
        used={str(name): float(amount) for name, amount in record["used"].items()},
        alpha=certificate.alpha,
    )
