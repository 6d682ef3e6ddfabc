"""The whole examination, in an order in which each step needs only what the ones before found good."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ironbound.data.problem import Example
from ironbound.errors import InputError, IronboundError
from ironbound.runs.doctor import answers, attainable, forecast, inputs
from ironbound.runs.doctor.attainable import Attainable
from ironbound.runs.doctor.findings import Finding, error, fine, ordered, warning
from ironbound.runs.doctor.forecast import Forecast
from ironbound.runs.plan import Plan, plan

# Draws of a pilot at an endpoint: enough to see its pace, few enough for a bill.
_ENDPOINT_DRAWS = 200


@dataclass(frozen=True)
class Diagnosis:
    """What was found, the worst first.

    Attributes:
        findings: what was looked at.
        reach: the largest claims possible; empty for a problem with a certifier of its own.
        forecast: time and memory; None where the run would fail.
    """

    findings: tuple[Finding, ...]
    reach: tuple[Attainable, ...] = ()
    forecast: Forecast | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing would make the run fail."""
        return not any(finding.severity == "error" for finding in self.findings)

    def record(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "ok": self.ok,
            "findings": [
                {"severity": f.severity, "topic": f.topic, "text": f.text, "advice": f.advice}
                for f in self.findings
            ],
            "reach": [one.record() for one in self.reach],
            "forecast": None if self.forecast is None else self.forecast.record(),
        }


def diagnose(
    target: str,
    overrides: Mapping[str, Any],
    *,
    limit: int | None = None,
    seconds: float = forecast.SECONDS,
    progress: Callable[[str, float], None] | None = None,
) -> Diagnosis:
    """Examine a run before it is started; nothing is written.

    Args:
        target, overrides, limit, progress: as for `ironbound.runs.plan.plan`.
        seconds: how long the pilot may take.
    """
    hear = progress or (lambda stage, fraction: None)
    try:
        planned = plan(target, overrides, limit=limit, progress=progress)
    except IronboundError as reason:
        return Diagnosis((error("configuration", str(reason), "correct it as the message says"),))
    return examine(planned, seconds=seconds, progress=hear)


def examine(
    planned: Plan,
    *,
    seconds: float = forecast.SECONDS,
    progress: Callable[[str, float], None] = lambda stage, fraction: None,
) -> Diagnosis:
    """Examine a plan; see `diagnose`."""
    if planned.problem.certifier is not None:
        return _examine_certifier(planned, seconds, progress)
    problem = planned.problem
    progress("looking at inputs", 0.1)
    findings, usable = inputs.check_inputs(problem, planned.total)
    if not usable:
        return Diagnosis(ordered(findings))
    values = problem.smoothing.check(usable[0][1].inputs)
    reach = attainable.attainable(problem, planned.statistics, values)
    findings += attainable.check_attainable(problem, planned.statistics, reach)
    findings += attainable.check_targets(problem, planned.statistics, values)
    progress("asking the model", 0.3)
    found = answers.check_answers(planned, usable)
    findings += found
    if any(one.severity == "error" for one in found):
        return Diagnosis(ordered(findings), tuple(reach))
    progress("certifying a few inputs", 0.5)
    draws = _ENDPOINT_DRAWS if answers.is_endpoint(problem) else None
    predicted, more = _forecast(planned, usable, seconds, draws)
    return Diagnosis(ordered([*findings, *more]), tuple(reach), predicted)


def _examine_certifier(planned: Plan, seconds: float, progress: Callable[[str, float], None]) -> Diagnosis:
    problem = planned.problem
    assert problem.certifier is not None
    ((_, example),) = inputs.spread(problem, planned.total, 1)
    findings = [fine("method", "certificates come from a method of the problem's own")]
    try:
        once, again = (problem.certifier.certify(example.inputs, input_id=example.id) for _ in range(2))
        once.verify()
    except Exception as reason:  # a certifier may raise anything
        text = f"input {example.id}: {type(reason).__name__}: {' '.join(str(reason).split())[:300]}"
        return Diagnosis((error("certifier", text, "its input must be what the certifier was made for"),))
    if once.to_json() == again.to_json():
        findings.append(fine("determinism", "the same input got the same certificate twice"))
    else:
        advice = "seed what it draws by the input's id; a resumed run would differ from an undisturbed one"
        findings.append(warning("determinism", "the same input got two different certificates", advice))
    progress("certifying a few inputs", 0.5)
    chosen = inputs.spread(problem, planned.total, forecast.INPUTS)
    predicted, more = _forecast(planned, chosen, seconds, None)
    return Diagnosis(ordered([*findings, *more]), (), predicted)


def _forecast(
    planned: Plan, usable: Sequence[tuple[int, Example]], seconds: float, draws: int | None
) -> tuple[Forecast | None, list[Finding]]:
    try:
        found, failed = forecast.forecast(planned, usable, seconds=seconds, draws=draws)
    except InputError as reason:
        return None, [error("model", str(reason), "correct it as the message says")]
    findings: list[Finding] = []
    if failed:
        text = f"{len(failed)} of the inputs tried failed, such as {failed[0]}"
        findings.append(error("model", text, "the run would go on without them, and exit with 1"))
    several = f" ({clock(found.least)} to {clock(found.most)})" if found.most > 1.2 * found.least else ""
    rests = (
        f"{found.pilot_draws} draws in {found.pilot_seconds:.1f} s"
        if found.pilot_draws
        else (f"{found.pilot_inputs} inputs in {found.pilot_seconds:.1f} s")
    )
    each = f", {found.samples:,.0f} draws each" if found.samples else ""
    findings.append(
        fine("time", f"about {clock(found.seconds)}{several} for {found.inputs} inputs{each}; from {rests}")
    )
    if found.memory is not None:
        findings.append(_memory(found))
    return found, findings


def _memory(found: Forecast) -> Finding:
    assert found.memory is not None
    batch = "" if found.batch is None else f" with {found.halved or found.batch} draws in a batch"
    text = f"about {found.memory / 2**30:.2f} GiB at most{batch}, whatever n and the number of inputs"
    if found.halved is not None:
        text = f"the batch had to be halved to {found.halved} draws; {text}"
        return warning("memory", text, f"set batch_size = {found.halved}")
    return fine("memory", text)


def clock(seconds: float) -> str:
    """A length of time for people.

    Example:
        >>> clock(0.4), clock(75), clock(7320)
        ('1 s', '1 min 15 s', '2 h 2 min')
    """
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole // 60 % 60} min"
