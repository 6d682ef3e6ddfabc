"""Which class wins, and what its probability has to exceed: the decision rule of a smoothed classifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ironbound import confidence
from ironbound.certificate import Calibration
from ironbound.errors import InputError, wrong_value
from ironbound.smoothing.goal import complement_up

Counts = NDArray[np.int64]
Rivals = Literal["bonferroni", "complement"]


@dataclass(frozen=True)
class Rules:
    """The rule in one of two forms.

    "threshold": the prediction's probability has to stay above a number (for two classes the one that the
    user gave, or its complement for the other class; else 1/2, which no rival can then reach).
    "rivals": it has to stay above every rival's, each bounded on its own.
    """

    num_classes: int
    threshold: float | None
    positive: int | None
    class_names: tuple[str, ...] | None
    calibration: Calibration | None = None

    @staticmethod
    def build(
        num_classes: int,
        threshold: float | None,
        positive: int,
        rivals: Rivals | None,
        class_names: Sequence[str] | None,
        calibration: Calibration | None = None,
    ) -> Rules:
        """Check and complete what the user gave; raises InputError naming the argument."""
        if not _whole(num_classes) or num_classes < 2:
            raise wrong_value("num_classes", num_classes, "a whole number >= 2")
        if not _whole(positive) or not 0 <= positive < num_classes:
            raise wrong_value("positive", positive, f"a class in 0..{num_classes - 1}")
        names = None if class_names is None else tuple(str(name) for name in class_names)
        if names is not None and (len(names) != num_classes or len(set(names)) != num_classes):
            raise wrong_value("class_names", names, f"{num_classes} different names")
        if rivals not in (None, "bonferroni", "complement"):
            raise wrong_value("rivals", rivals, '"bonferroni" or "complement"')
        if calibration is not None:
            if threshold not in (None, calibration.tau) or positive not in (1, calibration.positive):
                given = f"threshold={threshold!r}, positive={positive!r}"
                raise InputError(
                    f"a calibration brings its own threshold, {calibration.tau!r} for class "
                    f"{calibration.positive}; leave threshold and positive out (got {given})"
                )
            threshold, positive = calibration.tau, calibration.positive
        if threshold is not None:
            if num_classes != 2 or rivals == "bonferroni":
                raise InputError(
                    f"threshold is for 2 classes and takes the place of rivals; got threshold={threshold!r}, "
                    f"num_classes={num_classes}, rivals={rivals!r}"
                )
            if not (0.0 < threshold < 1.0 and complement_up(threshold) < 1.0):
                raise wrong_value("threshold", threshold, "a probability in (0, 1)")
            return Rules(int(num_classes), float(threshold), int(positive), names, calibration)
        complement = rivals == "complement" or (rivals is None and num_classes == 2)
        return Rules(int(num_classes), 0.5 if complement else None, None, names)

    @property
    def filter(self) -> tuple[int, float] | None:
        """(positive class, its threshold) where the user gave a threshold; None for the majority rule."""
        if self.positive is None or self.threshold is None:
            return None
        return self.positive, self.threshold

    def share(self, alpha: float) -> float:
        """What of a certificate's alpha is left for its own draws, after a calibrated threshold's part.

        Raises:
            InputError: nothing is left.
        """
        if self.calibration is None:
            return alpha
        spent = self.calibration.alpha
        if not spent < alpha:
            raise InputError(
                f"alpha is {alpha!r}, of which the calibrated threshold alone takes {spent!r}; certify with "
                "a larger alpha, or calibrate with a smaller one"
            )
        return confidence.AlphaLedger(alpha).spend("calibrated threshold", spent).remaining

    def select(self, counts: Counts) -> int:
        """The class to certify, from the votes (C,) of the selection draws.

        Majority: most votes, the lowest class on a tie. With a threshold: the positive class if its share of
        the votes exceeds the threshold, else the other.

        Example:
            >>> Rules.build(2, 0.01, 1, None, None).select(np.array([95, 5]))
            1
        """
        if self.filter is None:
            return int(np.argmax(counts))
        positive, threshold = self.filter
        above = int(counts[positive]) > Fraction(threshold) * int(counts.sum())
        return positive if above else 1 - positive

    def threshold_of(self, label: int) -> float | None:
        """What the label's probability has to exceed; None in the rivals form."""
        if self.threshold is None or self.positive is None or label == self.positive:
            return self.threshold
        return complement_up(self.threshold)

    def least_threshold(self) -> float | None:
        """The easier of the two thresholds; None in the rivals form."""
        if self.filter is None:
            return self.threshold
        return min(self.filter[1], complement_up(self.filter[1]))

    def name(self, label: int) -> str:
        """How a class is called in messages."""
        return f"class {label}" if self.class_names is None else repr(self.class_names[label])


def _whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
