"""What is made of failures: they are counted, and an endpoint that only fails is given up."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from ironbound.models.http.faults import Fault, Unusable

# An endpoint that never answered yet may dislike one draw; one that dislikes so many is set up wrongly.
_PROBES = 3
_REASONS = 8


@dataclass(frozen=True)
class Failures:
    """Draws that counted as "no class" because no usable answer came.

    Args:
        draws: how many, of `asked` draws in all.
        repeats: attempts beyond the first, of all calls.
        reasons: the latest different reasons and how often each occurred, the latest last.
    """

    draws: int
    asked: int
    repeats: int
    reasons: tuple[tuple[str, int], ...]

    def __add__(self, other: Failures) -> Failures:
        """Those of two clients of one endpoint together.

        Example:
            >>> print(Failures(1, 5, 0, (("slow", 1),)) + Failures(2, 5, 3, (("slow", 1), ("rude", 1))))
            3 of 10 draws failed, 3 repeats (slow: 2; rude: 1)
        """
        reasons = dict(self.reasons)
        for reason, count in other.reasons:
            reasons[reason] = reasons.get(reason, 0) + count
        return Failures(
            self.draws + other.draws,
            self.asked + other.asked,
            self.repeats + other.repeats,
            tuple(reasons.items()),
        )

    def __str__(self) -> str:
        listed = "; ".join(f"{reason}: {count}" for reason, count in self.reasons)
        return f"{self.draws} of {self.asked} draws failed, {self.repeats} repeats" + (
            listed and f" ({listed})"
        )


class GaveUp(Exception):
    """The endpoint only fails; the message says how often and why, `hint` what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Health:
    """Counts failures, and decides when going on would only produce failures.

    Args:
        patience: calls in a row that may fail for good once the endpoint has answered.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._lock = threading.Lock()
        self._proven = False
        self._streak = 0
        self._draws = self._asked = self._repeats = 0
        self._reasons: dict[str, int] = {}

    @property
    def proven(self) -> bool:
        """Whether the endpoint has ever named a class (or said what stands for none)."""
        return self._proven

    def failures(self) -> Failures:
        with self._lock:
            return Failures(self._draws, self._asked, self._repeats, tuple(self._reasons.items()))

    def repeated(self) -> None:
        with self._lock:
            self._repeats += 1

    def settle(self, outcomes: Sequence[object]) -> None:
        """Take in one outcome for each draw of a call; calls come in the order of their draws.

        Raises:
            GaveUp: nothing suggests that the next draws would fare better.
        """
        with self._lock:
            last: Fault | Unusable | None = None
            for outcome in outcomes:
                self._asked += 1
                if isinstance(outcome, Fault | Unusable):
                    self._count(outcome.reason)
                    # Draws that share a failed call share its fault, and it is one failure. An answer that
                    # is no class still shows that a proven endpoint is alive.
                    if outcome is not last:
                        self._streak = (
                            0 if self._proven and isinstance(outcome, Unusable) else self._streak + 1
                        )
                    last = outcome
                else:
                    self._proven, self._streak = True, 0
            if last is not None:
                self._judge(last)

    def _judge(self, last: Fault | Unusable) -> None:
        reason, hint = last.reason, last.hint if isinstance(last, Fault) else ""
        if self._proven and self._streak >= self._patience:
            self._proven, self._streak = False, 0
            raise GaveUp(f"{self._patience} calls in a row failed for good, the last with: {reason}", hint)
        if not self._proven and (last.hopeless or self._streak >= _PROBES):
            many = "the first call" if self._streak == 1 else f"the first {self._streak} calls"
            self._streak = 0
            raise GaveUp(f"{many} failed for good, the last with: {reason}", hint)

    def _count(self, reason: str) -> None:
        self._draws += 1
        self._reasons[reason] = self._reasons.pop(reason, 0) + 1
        if len(self._reasons) > _REASONS:
            del self._reasons[next(iter(self._reasons))]
