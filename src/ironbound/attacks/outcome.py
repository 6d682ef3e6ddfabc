"""What one attack on one input found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ironbound.attacks.target import Inputs

Outcome = Literal["changed", "kept", "unsettled"]


@dataclass(frozen=True)
class AttackResult:
    """What one attack found. Everything but the budget is an estimate.

    Attributes:
        prediction: the class that was attacked.
        outcome: what a fresh sample says of the attacked input: "changed" if another class is the answer, at
            error probability `alpha`; "kept" if the same one is; else "unsettled".
        allowed: the budget, a radius or a number of changes for each attacked channel.
        used: what of it the attack used; radii rounded to the nearest float.
        share: share of the votes for the prediction at the attacked input, in the fresh sample.
        queries: rows that the base was asked about, the judge's sample not counted.
        seconds: wall-clock time.
        how: "gradient" or "votes".
        attacked: the attacked channels; under `SuffixAppend` a text with its slot.
    """

    prediction: int
    outcome: Outcome
    allowed: dict[str, float]
    used: dict[str, float]
    share: float
    alpha: float
    queries: int
    seconds: float
    how: Literal["gradient", "votes"]
    attacked: Inputs = field(repr=False, compare=False)

    @property
    def success(self) -> bool:
        """Whether the answer is another one now, as far as a sample can tell."""
        return self.outcome == "changed"

    def record(self) -> dict[str, Any]:
        """Plain values for JSON, without the attacked input."""
        names = ("prediction", "outcome", "allowed", "used", "share", "alpha", "queries", "how")
        return {name: getattr(self, name) for name in names} | {"typed": "estimated"}
