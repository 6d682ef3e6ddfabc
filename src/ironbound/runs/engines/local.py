"""The default engine: this process, with batches shared by all inputs under way."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field

from ironbound.data.problem import Example
from ironbound.runs.engines import rows
from ironbound.runs.engines.told import Drawn, Halved, Told
from ironbound.runs.plan import Plan
from ironbound.runs.store import Row
from ironbound.smoothing import SmoothedClassifier
from ironbound.smoothing.job import Progress

# Seconds between reports of progress: a batch may take less than a millisecond.
_TELL_EVERY = 0.1


@dataclass(frozen=True)
class LocalEngine:
    """Certify in this process.

    Example:
        >>> LocalEngine()
        LocalEngine()
    """

    def rows(
        self, plan: Plan, positions: Iterable[int], tell: Callable[[Told], None]
    ) -> Generator[Row, None, None]:
        """See `Engine.rows`."""
        if plan.problem.certifier is not None:
            return _certified(plan, positions, tell)
        return _smoothed(plan, positions, tell)


def _certified(
    plan: Plan, positions: Iterable[int], tell: Callable[[Told], None]
) -> Generator[Row, None, None]:
    """Rows of a problem with a certifier of its own, one after another."""
    for position in positions:
        yield rows.by_certifier(plan.problem, position)
        tell(Drawn(0.0))


def _smoothed(
    plan: Plan, positions: Iterable[int], tell: Callable[[Told], None]
) -> Generator[Row, None, None]:
    """Rows of a problem under noise, in the order in which its inputs are done."""
    under_way: dict[int, tuple[int, Example]] = {}
    meter = _Meter(tell)

    def inputs() -> Iterator[tuple[str, object]]:
        for place, position in enumerate(positions):
            example = plan.problem.examples[position]
            under_way[place] = position, example
            yield example.id, example.inputs

    outcomes = classifier(plan).outcomes(
        inputs(),  # type: ignore[arg-type]  # unusable inputs become rows that say so
        threat=plan.problem.threat,
        statistics=rows.settings(plan.statistics),
        callback=meter,
        halved=lambda size: tell(Halved(size)),
    )
    for place, outcome in outcomes:
        position, example = under_way.pop(place)
        yield rows.smoothed(plan.problem, example, position, outcome, meter.leave(example.id))


def classifier(plan: Plan) -> SmoothedClassifier:
    """The smoothed classifier of a plan."""
    problem, statistics = plan.problem, plan.statistics
    return SmoothedClassifier(
        problem.base,
        problem.smoothing,
        problem.num_classes,
        threshold=statistics.threshold,
        positive=statistics.positive,
        rivals=statistics.rivals,
        class_names=problem.class_names,
        calibration=problem.calibration,
        batch_size=plan.batch_size,
        unrepeatable=plan.document.get("model", {}).get("unrepeatable", "refuse"),
    )


@dataclass
class _Open:
    """One input under way: its stage, the draws of that stage, and of all stages so far."""

    stage: str = ""
    drawn: int = 0
    spent: int = 0
    part: float = 0.0


@dataclass
class _Meter:
    """Draws of all inputs: how much is done, and the time that an input's share of them took."""

    tell: Callable[[Told], None]
    started: float = field(default_factory=time.perf_counter)
    told: float = 0.0
    total: int = 0
    given: float = 0.0
    inputs: dict[str, _Open] = field(default_factory=dict[str, _Open])

    def __call__(self, progress: Progress) -> None:
        one = self.inputs.setdefault(progress.input_id, _Open())
        again = progress.stage == one.stage and progress.drawn > one.drawn
        new = progress.drawn - one.drawn if again else progress.drawn
        one.stage, one.drawn, one.spent = progress.stage, progress.drawn, one.spent + new
        one.part = progress.drawn / progress.planned if progress.stage == "estimation" else 0.0
        self.total += new
        now = time.perf_counter()
        if now - self.told >= _TELL_EVERY:
            self.told = now
            self.tell(Drawn(sum(other.part for other in self.inputs.values())))

    def leave(self, input_id: str) -> float:
        """Forget an input that is done; its share of the time so far, in seconds. No time is given twice."""
        one = self.inputs.pop(input_id, None)
        if one is None or not self.total:
            return 0.0
        passed = time.perf_counter() - self.started
        share = min(passed * one.spent / self.total, passed - self.given)
        self.given += share
        return share
