"""A label without a certificate: what the smoothed classifier answers, or that it is too close to call."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ironbound import confidence
from ironbound.smoothing.answers import NO_CLASS
from ironbound.smoothing.rules import Rules

Counts = NDArray[np.int64]


def decide(counts: Counts, n: int, alpha: float, rules: Rules) -> int:
    """The label at error probability alpha, or -1 when the votes do not settle it.

    Two classes with a threshold: the positive class when its probability is proved to exceed the threshold,
    the other when it is proved to stay below, alpha / 2 each. Else the two leading classes must differ by a
    two-sided sign test at level alpha (Cohen et al. 2019, PREDICT; Hung and Fithian 2019).

    Args:
        counts: votes (C,) among n draws.

    Example:
        >>> rules = Rules.build(3, None, 1, None, None)
        >>> decide(np.array([80, 10, 5]), 100, 0.01, rules), decide(np.array([40, 38, 5]), 100, 0.01, rules)
        (0, -1)
    """
    if rules.num_classes == 2 and rules.threshold is not None:
        positive = 1 if rules.positive is None else rules.positive
        k = int(counts[positive])
        if confidence.clopper_pearson_lower(k, n, alpha / 2) > rules.threshold:
            return positive
        if confidence.clopper_pearson_upper(k, n, alpha / 2) < rules.threshold:
            return 1 - positive
        return NO_CLASS
    order = np.argsort(-counts, kind="stable")
    first, second = int(counts[order[0]]), int(counts[order[1]])
    if first == 0:
        return NO_CLASS
    test = stats.binomtest(first, first + second, 0.5)
    return int(order[0]) if test.pvalue <= alpha else NO_CLASS
