"""From what became of one input to its row."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ironbound.certificate import Certificate
from ironbound.data.problem import Example, Problem
from ironbound.errors import InputError
from ironbound.runs.config import Statistics
from ironbound.runs.store import Row
from ironbound.smoothing.answers import labels
from ironbound.smoothing.statistics import Statistics as Drawing
from ironbound.smoothing.underway import Outcome


def settings(statistics: Statistics) -> Drawing:
    """The part of a run's statistics that says how noise is drawn."""
    known = statistics.model_dump(exclude={"threshold", "positive", "rivals"})
    target = known["target"]
    return Drawing(**{**known, "target": list(target) if isinstance(target, tuple) else target})


def smoothed(problem: Problem, example: Example, position: int, outcome: Outcome, seconds: float) -> Row:
    """The row of an input under noise; an error of the model on the clean input is the row's as well."""
    if outcome.certificate is None:
        return failure(example, position, outcome.error, seconds)
    try:
        base = _clean_label(problem, example)
    except (Exception, SystemExit) as error:  # the user's model may raise anything; the run goes on
        return failure(example, position, error, seconds)
    return _row(outcome.certificate, example, position, base, seconds)


def by_certifier(problem: Problem, position: int) -> Row:
    """The row of an input whose certificate comes from the problem's own method."""
    assert problem.certifier is not None  # the caller asked
    example = problem.examples[position]
    started = time.perf_counter()
    try:
        certificate = problem.certifier.certify(example.inputs, input_id=example.id)
        if (certificate.input_id, certificate.num_classes) != (example.id, problem.num_classes):
            raise InputError(
                f"the certifier answered for input {certificate.input_id!r} of {certificate.num_classes} "
                f"classes; asked for {example.id!r} of {problem.num_classes}"
            )
        base = int(problem.certifier.predict(example.inputs))
    except (Exception, SystemExit) as error:  # a certifier may raise anything, too
        return failure(example, position, error, time.perf_counter() - started)
    return _row(certificate, example, position, base, time.perf_counter() - started)


def failure(example: Example, position: int, error: BaseException | None, seconds: float) -> Row:
    """The row of an input that failed."""
    return Row(
        position=position,
        input_id=example.id,
        status="error",
        label=example.label,
        prediction=None,
        base_prediction=None,
        samples=0,
        seconds=seconds,
        reason=_reason(error),
        certificate=None,
        input_text=example.text,
    )


def stop_reason(certificate: Certificate) -> str:
    """Why no more noise was drawn; of several estimates each reason once; empty without noise."""
    evidence: Any = certificate.evidence
    parts = getattr(evidence, "parts", (evidence,))
    return ", ".join(dict.fromkeys(part.stop_reason for part in parts if hasattr(part, "stop_reason")))


def _row(certificate: Certificate, example: Example, position: int, base: int | None, seconds: float) -> Row:
    return Row(
        position=position,
        input_id=example.id,
        status="abstained" if certificate.abstained else "predicted",
        label=example.label,
        prediction=certificate.prediction,
        base_prediction=base,
        samples=certificate.samples,
        seconds=seconds,
        reason=certificate.reason,
        certificate=certificate.to_json(),
        input_text=example.text,
        stop_reason=stop_reason(certificate),
    )


def _clean_label(problem: Problem, example: Example) -> int | None:
    """The base classifier's answer on the clean input: one more call, of a batch of one."""
    values = problem.smoothing.check(example.inputs)
    answer = problem.base({name: np.asarray(value)[None] for name, value in values.items()})
    label = int(labels(answer, 1, problem.num_classes, problem.class_names)[0])
    return label if label >= 0 else None


def _reason(error: BaseException | None) -> str:
    text = " ".join(str(error).split())[:500]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
