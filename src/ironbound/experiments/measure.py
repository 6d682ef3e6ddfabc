"""What most experiments do: certify the first inputs of a problem, check every certificate, count."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from ironbound.baselines import one_channel
from ironbound.certificate import Certificate
from ironbound.data.problem import Example, Problem
from ironbound.smoothing import SmoothedClassifier
from ironbound.threats import Threat

Row = dict[str, Any]


def certified(
    problem: Problem,
    rows: int,
    *,
    progress: Callable[[str, float], None] = lambda stage, fraction: None,
    **settings: Any,
) -> list[Row]:
    """Certify the first inputs of a problem; every certificate is re-checked before it counts.

    Args:
        problem: what to certify.
        rows: how many of its inputs, from the first.
        progress: told of the fraction done.
        settings: of `SmoothedClassifier.certify_many` (alpha, n, seed, ...); they win over the problem's.
    Returns:
        One plain record an input: id, label, prediction (None: abstained), samples, and `frontier` as pairs
        [budget, radius]; the radius is None where nothing is certified at that budget, "inf" where no
        radius ends it.
    Raises:
        InvalidCertificate: a certificate does not verify.
    """
    model = SmoothedClassifier(problem.base, problem.smoothing, problem.num_classes, **rules(problem))
    chosen = problem.examples[:rows]
    inputs = ((example.id, example.inputs) for example in chosen)
    known = {**problem.statistics, **settings}
    stream = model.certify_many(inputs, threat=problem.threat, **known)
    found: list[Row] = []
    for example, certificate in zip(chosen, stream, strict=True):
        found.append(_row(example, certificate))
        progress(f"certifying {problem.name}", len(found) / len(chosen))
    return found


def alone(
    problem: Problem,
    channel: str,
    rows: int,
    *,
    progress: Callable[[str, float], None] = lambda stage, fraction: None,
    **settings: Any,
) -> list[Row]:
    """As `certified`, with one channel under noise and attack; the others stay as they are, in the model."""
    chosen = problem.examples[:rows]
    threat = Threat(**{channel: problem.threat[channel]})
    known = {**problem.statistics, **settings}
    found: list[Row] = []
    for example in chosen:
        model = one_channel(
            problem.base,
            problem.smoothing,
            {name: torch.from_numpy(value) for name, value in example.inputs.items()},
            channel,
            problem.num_classes,
            **rules(problem),
        )
        inputs = {channel: example.inputs[channel]}
        found.append(_row(example, model.certify(inputs, threat=threat, input_id=example.id, **known)))
        progress(f"certifying {channel} alone", len(found) / len(chosen))
    return found


def rules(problem: Problem) -> dict[str, Any]:
    """How a problem's smoothed classifier decides: arguments of `SmoothedClassifier`."""
    shared: dict[str, Any] = {"class_names": problem.class_names}
    if problem.calibration is not None:
        # It brings threshold and positive class.
        return shared | {"calibration": problem.calibration}
    return shared | {
        "threshold": problem.threshold,
        "positive": problem.positive,
        "rivals": problem.rivals,
    }


def _row(example: Example, certificate: Certificate) -> Row:
    certificate.verify()
    return {
        "id": example.id,
        "label": example.label,
        "prediction": certificate.prediction,
        "samples": certificate.samples,
        "frontier": [[budget, _plain(radius)] for budget, radius in certificate.frontier.items()],
    }


def largest(row: Mapping[str, Any]) -> int:
    """The largest number of changes certified for the right answer; -1 where not even none is.

    Example:
        >>> largest({"label": 1, "prediction": 1, "frontier": [[0, 2.0], [1, 0.5], [2, None]]})
        1
    """
    if row["prediction"] != row["label"]:
        return -1
    return max((d for d, found in row["frontier"] if found is not None), default=-1)


def radius(row: Mapping[str, Any], budget: Any = 0) -> float:
    """The certified radius at a budget; -inf where nothing is certified there.

    Example:
        >>> radius({"frontier": [[0, 1.5], [1, None]]}, 1)
        -inf
    """
    # The budget that covers this one: the smallest that is at least as large.
    covering = [found for known, found in row["frontier"] if not isinstance(known, int) or known >= budget]
    if not covering or covering[0] is None:
        return -math.inf
    return math.inf if covering[0] == "inf" else float(covering[0])


def accuracy(rows: Sequence[Mapping[str, Any]], budget: Any, radii: Sequence[float]) -> list[float]:
    """Certified accuracy in percent of all rows, one value a radius: right, and certified at least that far.

    Example:
        >>> accuracy([{"label": 1, "prediction": 1, "frontier": [[0, 1.5]]}], 0, [0.0, 2.0])
        [100.0, 0.0]
    """
    reach = [radius(row, budget) if row["prediction"] == row["label"] else -math.inf for row in rows]
    return [100.0 * sum(one >= r for one in reach) / len(reach) for r in radii]


def clean(problem: Problem, rows: int, batch: int = 256) -> float:
    """Accuracy of the base classifier without noise, in percent, on the first inputs of a problem."""
    import numpy as np

    from ironbound.smoothing.answers import labels

    right = total = 0
    chosen = iter(problem.examples[:rows])
    while part := list(itertools.islice(chosen, batch)):
        batched = {name: np.stack([e.inputs[name] for e in part]) for name in part[0].inputs}
        answers = labels(problem.base(batched), len(part), problem.num_classes, problem.class_names)
        right += sum(int(a) == e.label for a, e in zip(answers, part, strict=True))
        total += len(part)
    return 100.0 * right / total


def _plain(value: float | None) -> float | str | None:
    return "inf" if value == math.inf else value
