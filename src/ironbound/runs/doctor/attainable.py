"""What the best possible vote would prove: a bound on what this run can certify at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ironbound.channels import Gaussian, narrowed
from ironbound.data.problem import Problem
from ironbound.runs.config import Statistics
from ironbound.runs.doctor.findings import Finding, fine, warning
from ironbound.runs.engines.rows import settings
from ironbound.smoothing import estimate, per_budget
from ironbound.smoothing.goal import Attack, Target
from ironbound.smoothing.rules import Rules
from ironbound.threats import Continuous, Threat

Budget = tuple[int, ...]


@dataclass(frozen=True)
class Attainable:
    """The largest claims that any input like this one can get.

    Attributes:
        label: for which prediction; None where it makes no difference.
        p: lower bound that a unanimous vote of all n draws proves.
        budgets: for each discrete budget the largest radius, in units of the noise where several channels
            are attacked (0 where none is); None if the budget can never be certified.
        unit: of the radius; empty where no continuous channel is attacked.
    """

    label: int | None
    p: float
    budgets: Mapping[Budget, float | None]
    unit: str

    def record(self) -> dict[str, Any]:
        """JSON values."""
        radii = [{"d": list(d), "radius": radius} for d, radius in self.budgets.items()]
        return {"label": self.label, "p_lower": self.p, "unit": self.unit or None, "largest": radii}


def attainable(problem: Problem, statistics: Statistics, values: Mapping[str, Any]) -> list[Attainable]:
    """For each prediction (where it makes a difference) the claims of a unanimous vote.

    Args:
        problem: noise and threat.
        statistics: n, alpha, the stopping and the decision rule.
        values: a checked input; laws depend on its length.
    """
    rules = _rules(problem, statistics)
    scale, unit = _unit(problem)
    found: list[Attainable] = []
    for label in (0, 1) if rules.filter is not None else (None,):
        threshold = rules.threshold_of(0 if label is None else label)
        budgets: dict[Budget, float | None] = {}
        p = 0.0
        for threat, share in _parts(problem.threat, rules.share(statistics.alpha)):
            best = estimate.unanimous(statistics.n, share, statistics.stop, problem.num_classes, threshold)
            p = best.p
            for claim in Attack.build(problem.smoothing, values, threat).claims(best):
                place = tuple(d for _, d in claim.budget)
                if place not in budgets:
                    budgets[place] = None if claim.mu is None else claim.mu * scale
        found.append(Attainable(label, p, budgets, unit))
    return found


def check_attainable(problem: Problem, statistics: Statistics, best: list[Attainable]) -> list[Finding]:
    """Findings about budgets that can never be certified."""
    findings: list[Finding] = []
    for one in best:
        topic = "reach" if one.label is None else f"reach of class {_name(problem, one.label)}"
        told = (
            f"all n = {statistics.n} draws agreeing prove p >= {_down(one.p)} at alpha = {statistics.alpha:g}"
        )
        reached = {d: radius for d, radius in one.budgets.items() if radius is not None}
        lost = [d for d, radius in one.budgets.items() if radius is None]
        shown = "; ".join(_shown(d, radius, one.unit) for d, radius in _few(reached))
        findings.append(fine(topic, f"{told}: at most {shown or 'nothing'}"))
        if lost:
            advice = f"raise n (now {statistics.n}), lower max_d, or use more noise on the discrete channel"
            text = f"no input can be certified at d = {_place(lost[0])} or beyond"
            findings.append(warning(topic, text, advice))
    return findings


def check_targets(problem: Problem, statistics: Statistics, values: Mapping[str, Any]) -> list[Finding]:
    """Findings about targets that no vote reaches."""
    drawing = settings(statistics)
    if not drawing.targets or per_budget.channels(problem.threat):
        return []
    rules = _rules(problem, statistics)
    share = rules.share(statistics.alpha)
    lost: list[dict[str, float]] = []
    for amounts in drawing.targets:
        target = Target.build(problem.smoothing, values, problem.threat, amounts)
        levels = [
            estimate.unanimous(drawing.n, share, drawing.stop, problem.num_classes, threshold)
            for threshold in {rules.threshold_of(label) for label in range(problem.num_classes)}
        ]
        if not any(target.holds(level) for level in levels):
            lost.append(amounts)
    if not lost:
        return [fine("targets", f"each of {len(drawing.targets)} targets can be reached by n draws")]
    advice = "raise n, or leave them out: each input is given up for them as soon as that is known"
    text = (
        f"{len(lost)} of {len(drawing.targets)} targets are out of reach for every input, such as {lost[0]}"
    )
    return [warning("targets", text, advice)]


def _rules(problem: Problem, statistics: Statistics) -> Rules:
    return Rules.build(
        problem.num_classes,
        statistics.threshold,
        statistics.positive,
        statistics.rivals,
        problem.class_names,
        problem.calibration,
    )


def _parts(threat: Threat, alpha: float) -> list[tuple[Threat, float]]:
    """The threats that have draws of their own, the smallest first, and the alpha of each."""
    asked = per_budget.channels(threat)
    if not asked:
        return [(threat, alpha)]
    budget: Any = threat[asked[0]]
    share = estimate.share_of(alpha, budget.max_d)
    return [(Threat(**{**threat, asked[0]: narrowed(budget, d)}), share) for d in range(1, budget.max_d + 1)]


def _unit(problem: Problem) -> tuple[float, str]:
    attacked = [name for name, budget in problem.threat.items() if isinstance(budget, Continuous)]
    if not attacked:
        return 0.0, ""
    channel = problem.smoothing[attacked[0]]
    if len(attacked) == 1 and isinstance(channel, Gaussian):
        return channel.sigma, channel.unit
    return 1.0, "noise standard deviations"


def _few(reached: dict[Budget, float]) -> list[tuple[Budget, float]]:
    """The smallest budget, the largest, and some between."""
    listed = list(reached.items())
    if len(listed) <= 6:
        return listed
    return [listed[round(i * (len(listed) - 1) / 5)] for i in range(6)]


def _shown(d: Budget, radius: float, unit: str) -> str:
    radius_text = f"radius {_down(radius)} {unit}" if unit else "certified"
    return f"{radius_text} at d = {_place(d)}" if d else radius_text


def _place(d: Budget) -> str:
    return str(d[0]) if len(d) == 1 else str(d)


def _down(value: float) -> str:
    """Four decimals, rounded down."""
    from math import floor, isfinite

    return f"{floor(value * 10_000) / 10_000:.4f}" if isfinite(value) else "unbounded"


def _name(problem: Problem, label: int) -> str:
    return repr(problem.class_names[label]) if problem.class_names else str(label)
