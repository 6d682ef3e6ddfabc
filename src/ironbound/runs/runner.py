"""Certify the inputs of a plan one after another, each committed as soon as it is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ironbound.certificate import Certificate
from ironbound.data.problem import Example, Problem
from ironbound.errors import InputError
from ironbound.runs.config import Statistics
from ironbound.runs.folder import claimed, versions
from ironbound.runs.plan import Plan
from ironbound.runs.store import Row, Status, Store
from ironbound.smoothing import SmoothedClassifier
from ironbound.smoothing.answers import labels
from ironbound.smoothing.job import Progress


@dataclass(frozen=True)
class Event:
    """Progress of a run, for whoever draws it.

    Attributes:
        kind: "start" once the folder is claimed, "draws" within an input, "row" after each input, "end".
        done: inputs that have a certificate or have failed in this session.
        total: inputs asked for.
        before: inputs that earlier sessions had finished.
        row: the input just finished, for "row".
        part: share of the current input's draws that is done, for "draws".
    """

    kind: Literal["start", "draws", "row", "end"]
    done: int
    total: int
    before: int
    row: Row | None = None
    part: float = 0.0


def run(plan: Plan, out: Path, callback: Callable[[Event], None] | None = None) -> int:
    """Certify what the folder does not hold yet; inputs that failed earlier are tried again.

    An input on which the model raises becomes a row of status "error" with the reason, and the run goes on.
    Whatever stops the process, every finished input stays, and the same call goes on from there with exactly
    the certificates that an undisturbed run gives.

    Args:
        plan: what to run.
        out: the run folder.
        callback: told of the start, of each input, and of the end.
    Returns:
        Number of inputs in the folder that failed.
    Raises:
        RunError: the folder holds another run, or is damaged or in use; nothing is changed.
    """
    tell = callback or (lambda _: None)
    examples = plan.problem.examples
    classifier = _classifier(plan)
    with claimed(out, plan.identity(), plan.about(), plan.written(out)) as store:
        finished = store.finished()
        missing = [i for i in range(plan.total) if i not in finished]
        before = plan.total - len(missing)
        session = store.begin_session(versions())
        outcome = "failed"
        try:
            tell(Event("start", before, plan.total, before))
            for count, position in enumerate(missing, start=1):

                def drawing(progress: Progress, done: int = before + count - 1) -> None:
                    part = progress.drawn / progress.planned if progress.stage == "estimation" else 0.0
                    tell(Event("draws", done, plan.total, before, part=part))

                row = _certified(classifier, plan, examples[position], position, drawing)
                store.add(row)
                tell(Event("row", before + count, plan.total, before, row))
            tell(Event("end", plan.total, plan.total, before))
            outcome = "finished"
        except KeyboardInterrupt:
            outcome = "stopped"
            raise
        finally:
            store.end_session(session, outcome)
        return _failed(store)


def _classifier(plan: Plan) -> SmoothedClassifier | None:
    """The smoothed classifier of a plan; `None` where a certifier takes its place."""
    if plan.problem.certifier is not None:
        return None
    problem, statistics = plan.problem, plan.statistics
    return SmoothedClassifier(
        problem.base,
        problem.smoothing,
        problem.num_classes,
        threshold=statistics.threshold,
        positive=statistics.positive,
        rivals=statistics.rivals,
        class_names=problem.class_names,
        batch_size=plan.batch_size,
    )


def _certified(
    classifier: SmoothedClassifier | None,
    plan: Plan,
    example: Example,
    position: int,
    drawing: Callable[[Progress], None],
) -> Row:
    started = time.perf_counter()
    try:
        if classifier is None:
            certificate, base = _by_certifier(plan.problem, example)
        else:
            certificate = classifier.certify(
                example.inputs,
                threat=plan.problem.threat,
                input_id=example.id,
                callback=drawing,
                **_settings(plan.statistics),
            )
            base = _clean_label(plan.problem, example)
    except Exception as error:  # the user's model may raise anything; the run goes on
        seconds = time.perf_counter() - started
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
    return _row(certificate, example, position, base, time.perf_counter() - started)


def _by_certifier(problem: Problem, example: Example) -> tuple[Certificate, int]:
    """The certificate and clean label of a problem's own method."""
    assert problem.certifier is not None  # the caller asked
    certificate = problem.certifier.certify(example.inputs, input_id=example.id)
    if (certificate.input_id, certificate.num_classes) != (example.id, problem.num_classes):
        raise InputError(
            f"the certifier answered for input {certificate.input_id!r} of {certificate.num_classes} "
            f"classes; asked for {example.id!r} of {problem.num_classes}"
        )
    return certificate, int(problem.certifier.predict(example.inputs))


def _settings(statistics: Statistics) -> dict[str, Any]:
    settings = statistics.model_dump(exclude={"threshold", "positive", "rivals"})
    if isinstance(settings["target"], tuple):
        settings["target"] = list(settings["target"])
    return settings


def _row(certificate: Certificate, example: Example, position: int, base: int | None, seconds: float) -> Row:
    status: Status = "abstained" if certificate.abstained else "predicted"
    return Row(
        position=position,
        input_id=example.id,
        status=status,
        label=example.label,
        prediction=certificate.prediction,
        base_prediction=base,
        samples=certificate.samples,
        seconds=seconds,
        reason=certificate.reason,
        certificate=certificate.to_json(),
        input_text=example.text,
    )


def _clean_label(problem: Problem, example: Example) -> int | None:
    """The base classifier's answer on the clean input: one more call, of a batch of one."""
    values = problem.smoothing.check(example.inputs)
    answer = problem.base({name: np.asarray(value)[None] for name, value in values.items()})
    label = int(labels(answer, 1, problem.num_classes, problem.class_names)[0])
    return label if label >= 0 else None


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())[:500]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _failed(store: Store) -> int:
    return sum(row.status == "error" for row in store.rows())
