"""What is to be claimed otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from ironbound.errors import wrong_value


@dataclass(frozen=True)
class Change:
    """Settings of the new claims; what is None stays as it was.

    Args:
        alpha: error probability of everything that one certificate states. It has to be chosen without
            looking at the counts: each bound holds at *an* alpha that was fixed beforehand.
        threshold: of a filter, for two classes; the class `positive` is the answer above it. Claims for
            several thresholds follow from one bound on the probability and hold together, so a threshold may
            be chosen after looking.
        positive: class that the threshold is about.
        rivals: "complement": the prediction keeps more than half of all votes. Its bound spends the alpha of
            the rivals too, so this choice has to be made without looking at the counts, like that of alpha.
        max_d: channel -> largest budget to be looked at. Like a threshold it may be chosen after looking.
    Raises:
        InputError: naming the argument.

    Example:
        >>> Change(alpha=0.001).described()
        'alpha = 0.001'
    """

    alpha: float | None = None
    threshold: float | None = None
    positive: int | None = None
    rivals: Literal["complement"] | None = None
    max_d: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        for name, value in (("alpha", self.alpha), ("threshold", self.threshold)):
            if value is not None and not 0.0 < value < 1.0:
                raise wrong_value(name, value, "a probability in (0, 1)")
        if self.threshold is not None and self.rivals is not None:
            raise wrong_value("rivals", self.rivals, "left out, as threshold takes its place")
        if self.positive is not None and self.threshold is None:
            raise wrong_value("positive", self.positive, "given together with threshold")
        for channel, most in self.max_d.items():
            if not 0 <= most <= 512:
                raise wrong_value(f"max_d of {channel!r}", most, "a whole number in 0..512")

    @property
    def empty(self) -> bool:
        """Whether everything stays as it was."""
        return not self.settings()

    def settings(self) -> dict[str, Any]:
        """What is given, as JSON values."""
        given = {
            "alpha": self.alpha,
            "threshold": self.threshold,
            "positive": self.positive,
            "rivals": self.rivals,
            "max_d": dict(self.max_d) or None,
        }
        return {name: value for name, value in given.items() if value is not None}

    def described(self) -> str:
        """For people."""
        return ", ".join(f"{name} = {value}" for name, value in self.settings().items()) or "no change"
