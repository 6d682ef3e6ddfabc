"""What the model says: does it repeat itself, and are its answers labels, scores, or always the same?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ironbound.channels.base import Array
from ironbound.data.problem import Example, Problem
from ironbound.runs.doctor.findings import Finding, error, fine, warning
from ironbound.runs.engines.local import classifier
from ironbound.runs.plan import Plan
from ironbound.smoothing.answers import labels

# Clean inputs that are asked about; of an endpoint fewer.
_ASKED, _ASKED_ENDPOINT = 64, 8


@dataclass(frozen=True)
class Asked:
    """Answers to clean inputs: scores (k, C) or None, and labels (k,), -1 for no class."""

    scores: np.ndarray | None
    labels: np.ndarray
    truth: np.ndarray


def is_endpoint(problem: Problem) -> bool:
    """Whether each draw is a call to somebody else's machine."""
    from ironbound.models.http import HttpClassifier

    return isinstance(problem.base, HttpClassifier)


def check_answers(plan: Plan, usable: Sequence[tuple[int, Example]]) -> list[Finding]:
    """Findings about the model on a few clean inputs, and on a few noised copies of one."""
    problem = plan.problem
    findings = [*_mode(problem.base), *_device(problem.base)]
    most = _ASKED_ENDPOINT if is_endpoint(problem) else _ASKED
    step = max(1, len(usable) // most)
    try:
        asked = _ask(problem, [example for _, example in usable[::step][:most]])
    except Exception as reason:  # the user's model may raise anything
        return [
            *findings,
            error(
                "model",
                f"it raised {type(reason).__name__} on a clean input: {_short(reason)}",
                "the model is called with a dict of arrays (B, ..), as docs/configuration.md says",
            ),
        ]
    findings += _outputs(problem, asked)
    findings += _repeatable(plan, usable[0][1])
    return findings


def _ask(problem: Problem, examples: Sequence[Example]) -> Asked:
    """One call for each input: they may differ in length."""
    rows: list[np.ndarray] = []
    found: list[int] = []
    for example in examples:
        values: dict[str, Array] = problem.smoothing.check(example.inputs)
        answer = problem.base({name: np.asarray(value)[None] for name, value in values.items()})
        found.append(int(labels(answer, 1, problem.num_classes, problem.class_names)[0]))
        plain: Any = answer.detach().cpu().numpy() if hasattr(answer, "detach") else np.asarray(answer)
        if plain.shape == (1, problem.num_classes) and plain.dtype.kind == "f":
            rows.append(plain[0].astype(np.float64))
    scores = np.stack(rows) if len(rows) == len(examples) else None
    truth = [-1 if example.label is None else example.label for example in examples]
    return Asked(scores, np.array(found), np.array(truth))


def _outputs(problem: Problem, asked: Asked) -> list[Finding]:
    count = len(asked.labels)
    findings = [_kind(asked)]
    named = Counter(asked.labels.tolist())
    if asked.scores is not None and count > 1 and bool((np.ptp(asked.scores, axis=0) == 0).all()):
        advice = "the model ignores its input, or its weights were never loaded"
        return [*findings, error("answers", f"the same scores for all of {count} inputs", advice)]
    if named[-1]:
        findings.append(
            warning(
                "answers",
                f"{named[-1]} of {count} clean inputs got no class (NaN, or an answer that is none)",
                "such draws count against every prediction; check the model's answers",
            )
        )
    truths = set(asked.truth.tolist()) - {-1}
    if count > 3 and len(named) == 1 and len(truths) != 1:
        only = problem.class_names[asked.labels[0]] if problem.class_names else asked.labels[0]
        findings.append(
            warning(
                "answers",
                f"class {only!s} for all of {count} clean inputs",
                "check the loading of weights and the scaling of inputs, which belongs into the model",
            )
        )
    known = asked.truth >= 0
    if known.sum() >= 8:
        right = float((asked.labels[known] == asked.truth[known]).mean())
        shown = f"{right:.0%} of {int(known.sum())} clean inputs are classified as labelled"
        if right < 0.5 / problem.num_classes:
            advice = "worse than guessing: the order of class_names may differ from the model's outputs"
            findings.append(warning("accuracy", shown, advice))
        else:
            findings.append(fine("accuracy", shown))
    return findings


def _kind(asked: Asked) -> Finding:
    if asked.scores is None:
        return fine("answers", "labels, one for each draw")
    with np.errstate(invalid="ignore"):
        sums = asked.scores.sum(axis=1)
        inside = bool(((asked.scores >= 0) & (asked.scores <= 1)).all())
        softmax = inside and bool((np.abs(sums - 1) < 1e-3).all())
    kind = "probabilities" if softmax else "scores that are no probabilities, such as logits"
    return fine("answers", f"{kind}; the largest of them is the vote, so either will do")


def _repeatable(plan: Plan, example: Example) -> list[Finding]:
    try:
        found = classifier(plan).examine(example.inputs)
    except Exception as reason:
        text = f"it raised {type(reason).__name__} on noised inputs: {_short(reason)}"
        advice = "noise leaves the range of clean inputs; the model must take any finite value"
        return [error("model", text, advice)]
    if found.good:
        return [fine("determinism", str(found))]
    text, _, advice = str(found).partition(". ")
    return [error("determinism", text, advice)]


def _mode(base: object) -> list[Finding]:
    module = getattr(base, "module", None)
    if module is None or not hasattr(module, "modules"):
        return []
    training = sum(bool(part.training) for part in module.modules())
    text = "eval mode"
    if training:
        text = f"{training} parts of the module are in training mode; each call is made in eval mode"
    return [fine("mode", text)]


def _device(base: object) -> list[Finding]:
    module = getattr(base, "module", None)
    if module is None or not hasattr(module, "parameters"):
        return []
    import torch

    own = next(iter(module.parameters()), None)
    device = getattr(base, "device", None) or ("cpu" if own is None else own.device)
    if str(device) == "cpu" and torch.cuda.is_available():
        advice = 'let the loader move the module: model.to("cuda")'
        return [warning("device", "the model is on the CPU, and this machine has a GPU", advice)]
    threads = f", {torch.get_num_threads()} threads" if str(device) == "cpu" else ""
    return [fine("device", f"{device}{threads}")]


def _short(reason: BaseException) -> str:
    return " ".join(str(reason).split())[:300]
