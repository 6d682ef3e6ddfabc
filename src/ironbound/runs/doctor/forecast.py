"""Time and memory of a run, from a pilot: a few inputs are certified as the run would, for a few seconds.

The pilot uses the run's own code, model, batches and settings, so what it measures per input is what the run
will pay per input. Its certificates are thrown away.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ironbound.data.problem import Example
from ironbound.runs.engines import rows
from ironbound.runs.engines.local import classifier
from ironbound.runs.plan import Plan
from ironbound.smoothing import per_budget
from ironbound.smoothing.job import Progress
from ironbound.smoothing.rules import Rules
from ironbound.smoothing.voting import Voters
from ironbound.threats import Threat

# Inputs of the pilot at most, and its seconds, warming up included.
INPUTS, WARM, SECONDS = 256, 1.0, 5.0


@dataclass(frozen=True)
class Forecast:
    """What a run will probably cost.

    Attributes:
        inputs: how many there are.
        samples: noise draws for one input, on average.
        seconds: of the whole run, from the first input on; `least` and `most` bracket it where the pilot was
            too short to see inputs to their end.
        memory: peak of the process, bytes; of the accelerator where the model is on one. None if unknown.
        batch: draws in one call of the model.
        pilot_inputs, pilot_draws, pilot_seconds: what this rests on.
        halved: batch size after the pilot ran out of memory; None if it did not.
    """

    inputs: int
    samples: float
    seconds: float
    least: float
    most: float
    memory: int | None
    batch: int | None
    pilot_inputs: int
    pilot_draws: int
    pilot_seconds: float
    halved: int | None = None

    def record(self) -> dict[str, Any]:
        """JSON values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass
class _Sample:
    """What a pilot did: samples of finished inputs, draws of those that were not, and the time."""

    finished: list[int] = field(default_factory=list[int])
    errors: list[str] = field(default_factory=list[str])
    draws: int = 0
    seconds: float = 0.0
    halved: int | None = None
    cut: bool = False


class _Enough(Exception):
    """Ends a pilot from within a batch."""


def forecast(
    plan: Plan,
    usable: Sequence[tuple[int, Example]],
    *,
    seconds: float = SECONDS,
    draws: int | None = None,
) -> tuple[Forecast, list[str]]:
    """Predict the cost of a run.

    Args:
        plan: the run.
        usable: inputs that can be certified, with their positions; at least one.
        seconds: how long the pilot may take, after a warm-up of a second at most.
        draws: how many draws the pilot may make; for endpoints, where each is a call.
    Returns:
        The forecast, and what went wrong with inputs of the pilot.
    """
    if plan.problem.certifier is not None:
        return _certified(plan, usable, seconds)
    chosen = _spread(usable, INPUTS)
    if draws is None:
        _pilot(plan, chosen[:2], min(WARM, seconds), None)
    sample = _pilot(plan, chosen, seconds, draws)
    full = _full(plan)
    if plan.statistics.stop == "fixed":
        least = most = full
    else:
        # Inputs that were cut off need at least what they had, and at most everything.
        open_inputs = max(1, sample.draws // full) if sample.cut else 0
        count = len(sample.finished) + open_inputs
        least = max(1.0, sample.draws / max(count, 1))
        most = (sum(sample.finished) + open_inputs * full) / max(count, 1)
        if not sample.cut:
            least = most = max(1.0, sample.draws / max(len(sample.finished), 1))
    total = plan.total
    per_draw = sample.seconds / max(sample.draws, 1)
    if sample.cut or not sample.finished:
        bounds = per_draw * least * total, per_draw * most * total
    else:
        whole = sample.seconds / (len(sample.finished) + len(sample.errors)) * total
        bounds = whole, whole
    middle = (bounds[0] * bounds[1]) ** 0.5
    found = Forecast(
        inputs=total,
        samples=(least * most) ** 0.5,
        seconds=max(middle, _paced(plan, total * (least * most) ** 0.5)),
        least=bounds[0],
        most=max(bounds[1], _paced(plan, total * most)),
        memory=peak_memory(plan.problem.base),
        batch=_batch(plan, chosen[0][1]),
        pilot_inputs=len(sample.finished),
        pilot_draws=sample.draws,
        pilot_seconds=sample.seconds,
        halved=sample.halved,
    )
    return found, sample.errors


def _pilot(plan: Plan, chosen: Sequence[tuple[int, Example]], seconds: float, most: int | None) -> _Sample:
    """Certify inputs as the run would, until the time or the draws are spent."""
    sample = _Sample()
    stages: dict[str, tuple[str, int]] = {}
    started = time.perf_counter()

    def told(progress: Progress) -> None:
        stage, before = stages.get(progress.input_id, ("", 0))
        again = stage == progress.stage and progress.drawn > before
        sample.draws += progress.drawn - before if again else progress.drawn
        stages[progress.input_id] = progress.stage, progress.drawn
        spent = time.perf_counter() - started >= seconds
        if spent or (most is not None and sample.draws >= most):
            raise _Enough

    def inputs() -> Iterator[tuple[str, Any]]:
        for _, example in chosen:
            yield example.id, example.inputs

    def halved(size: int) -> None:
        sample.halved = size

    try:
        outcomes = classifier(plan).outcomes(
            inputs(),
            threat=plan.problem.threat,
            statistics=rows.settings(plan.statistics),
            callback=told,
            halved=halved,
        )
        for place, outcome in outcomes:
            position, example = chosen[place]
            row = rows.smoothed(plan.problem, example, position, outcome, 0.0)
            if row.status == "error":
                sample.errors.append(f"{row.input_id}: {row.reason}")
            else:
                sample.finished.append(row.samples)
    except _Enough:
        sample.cut = True
    sample.seconds = time.perf_counter() - started
    return sample


def _certified(
    plan: Plan, usable: Sequence[tuple[int, Example]], seconds: float
) -> tuple[Forecast, list[str]]:
    """The same for a problem with a certifier of its own: inputs one after another."""
    chosen = _spread(usable, INPUTS)
    started = time.perf_counter()
    first, spent, errors, samples = 0.0, 0.0, list[str](), list[int]()
    done = 0
    for done, (position, _) in enumerate(chosen, start=1):
        row = rows.by_certifier(plan.problem, position)
        spent = time.perf_counter() - started
        first = spent if done == 1 else first
        samples.append(row.samples)
        if row.status == "error":
            errors.append(f"{row.input_id}: {row.reason}")
        if spent >= seconds:
            break
    # The first input pays for what all share.
    each = (spent - first) / (done - 1) if done > 1 else spent
    whole = first + each * (plan.total - 1)
    memory = peak_memory(plan.problem.certifier)
    mean = sum(samples) / len(samples)
    return Forecast(plan.total, mean, whole, whole, whole, memory, None, done, sum(samples), spent), errors


def _full(plan: Plan) -> int:
    """Draws for one input when nothing stops early."""
    threat: Threat = plan.problem.threat
    asked: list[Any] = [threat[name] for name in per_budget.channels(threat)]
    parts = asked[0].max_d if asked else 1
    return parts * (plan.statistics.n0 + plan.statistics.n)


def _paced(plan: Plan, draws: float) -> float:
    """Seconds that an endpoint's rate alone makes of so many draws."""
    model = plan.document.get("model", {})
    if model.get("kind") != "http" or not model.get("rate"):
        return 0.0
    each = getattr(plan.problem.base, "draws_per_call", 1)
    return draws / each / float(model["rate"])


def _batch(plan: Plan, example: Example) -> int:
    """Draws in a call of the model."""
    problem, rules = plan.problem, Rules.build(plan.problem.num_classes, None, 1, None, None)
    voters = Voters(problem.base, problem.smoothing, rules, plan.batch_size)
    return voters.batch_of(voters.read(example.inputs))


def _spread(usable: Sequence[tuple[int, Example]], most: int) -> list[tuple[int, Example]]:
    """Evenly over the data: neighbours are often alike."""
    count = min(most, len(usable))
    return [usable[(i * len(usable)) // count] for i in range(count)]


def peak_memory(base: object) -> int | None:
    """Most memory that this process has held, in bytes: of the accelerator if the model is on one.

    The doctor loads the model and fills a batch as the run does, and what a run holds grows with neither the
    draws nor the inputs; so its own peak is the run's.
    """
    torch = sys.modules.get("torch")
    module: Any = getattr(base, "module", None)
    own = next(iter(module.parameters()), None) if hasattr(module, "parameters") else None
    if torch is not None and own is not None and own.device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(own.device))
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError, ValueError):
        pass
    try:
        import resource
    except ImportError:  # not a POSIX system
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
