"""Noise draws that decisions cost: stop="target" against the fixed protocol, at the same alpha.

    python -m benchmarks.samples [--most 10000] [--inputs 60] [--alpha 0.01] [--folder FOLDER] [TASK ...]

For each input the votes of `--most` estimation draws are recorded once (into FOLDER, resumable); both
protocols then read the same votes, draw for draw. The fixed one uses all of them, with Clopper-Pearson; the
other may use as many, and stops when its rule says so. A decision is "certified" or "not certified" of the
selected class at one attack (d, eps) of a grid: every d of the task's threat, and radii evenly spaced as in
published tables; attacks that the fixed protocol could certify for no input at all are left out.

Two ways of asking: each attack of the grid on its own (the mean over attacks and inputs, hard ones included),
and all of the grid at once, where an input goes on until the last of its decisions is made. Samples are
estimation draws; the selection draws are the same for both and left out. "At most possible" is what Wald's
inequality allows any sequential test with the same decisions (threshold form; see `least`).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from ironbound.confidence import planned_looks
from ironbound.data.problem import Problem
from ironbound.data.tasks import load_task
from ironbound.models.base import as_base
from ironbound.smoothing import estimate
from ironbound.smoothing.draws import Draws
from ironbound.smoothing.goal import Target
from ironbound.smoothing.rules import Rules
from ironbound.smoothing.stopping import Decided
from ironbound.smoothing.voting import Voters
from ironbound.threats import Continuous

TASKS = ("digits", "digits-claims", "adult")
N0, SEED = 100, 0


@dataclass(frozen=True)
class Votes:
    """Selection counts (C,) and the class of each estimation draw (n,), -1 for none."""

    selection: np.ndarray
    labels: np.ndarray


def rules_of(problem: Problem) -> Rules:
    """The task's decision rule."""
    return Rules.build(
        problem.num_classes, problem.threshold, problem.positive, problem.rivals, problem.class_names  # type: ignore[arg-type]
    )  # fmt: skip


def chosen(problem: Problem, inputs: int) -> list[int]:
    """Positions of inputs, evenly over the data."""
    total = len(problem.examples)
    return np.unique(np.linspace(0, total - 1, min(inputs, total)).astype(int)).tolist()


def draw(problem: Problem, position: int, most: int, folder: Path) -> Votes:
    """The votes of one input, from the folder if they are there."""
    path = folder / f"{problem.name}-{most}-{position}.npz"
    if not path.exists():
        example = problem.examples[position]
        voters = Voters(as_base(problem.base), problem.smoothing, rules_of(problem), None)
        reading = voters.read(example.inputs)
        noise = problem.smoothing.placed(problem.threat)
        size = voters.batch_of(reading)

        def answers(purpose: str, count: int) -> np.ndarray:
            draws = Draws(noise, reading.values, SEED, example.id, purpose)  # type: ignore[arg-type]
            parts = [
                voters.ask(draws.take(at, min(at + size, count)), reading) for at in range(0, count, size)
            ]
            return np.concatenate(parts).astype(np.int8)

        first = answers("selection", N0)
        selection = np.bincount(first[first >= 0], minlength=problem.num_classes)
        np.savez_compressed(path, selection=selection, labels=answers("estimation", most))
    with np.load(path) as found:
        return Votes(found["selection"], found["labels"])


def grid_of(problem: Problem, values: Mapping[str, Any]) -> list[Target]:
    """The attacks to decide: (d, eps) for each budget of the threat and each radius."""
    discrete = {name: b.max_d for name, b in problem.threat.items() if not isinstance(b, Continuous)}
    (continuous,) = [name for name in problem.threat if name not in discrete]
    found: list[Target] = []
    for place in product(*(range(most + 1) for most in discrete.values())):
        for radius in RADII[problem.name]:
            amounts = {**dict(zip(discrete, place, strict=True)), continuous: radius}
            found.append(Target.build(problem.smoothing, values, problem.threat, amounts))
    return found


# Evenly spaced, from 0 on.
RADII = {
    "digits": (0.0, 0.15, 0.3, 0.45, 0.6),
    "digits-claims": (0.0, 0.1, 0.2, 0.3),
    "adult": (0.0, 0.25, 0.5, 0.75, 1.0),
}


def fixed(rules: Rules, votes: Votes, n: int, alpha: float, targets: Sequence[Target]) -> list[bool]:
    """Decisions of the fixed protocol: n draws, Clopper-Pearson."""
    label = rules.select(votes.selection)
    threshold = rules.threshold_of(label)
    labels = votes.labels[:n]
    counts = np.bincount(labels[labels >= 0], minlength=rules.num_classes)
    level = estimate.level(estimate.from_counts(label, counts, n, alpha, threshold), threshold)
    return [target.holds(level) for target in targets]


def early(
    rules: Rules, votes: Votes, n: int, alpha: float, targets: Sequence[Target]
) -> tuple[list[bool], int]:
    """Decisions of stop="target" with at most n draws, and how many it took."""
    label = rules.select(votes.selection)
    threshold = rules.threshold_of(label)
    rule = Decided(tuple(targets), estimate.unanimous(n, alpha, "target", rules.num_classes, threshold), n)
    running = estimate.looking(label, rules.num_classes, alpha, threshold, n)
    drawn = 0
    for look in planned_looks(n):
        labels = votes.labels[drawn:look]
        running.update(np.bincount(labels[labels >= 0], minlength=rules.num_classes), look - drawn)
        drawn = look
        if rule(running) is not None:
            break
    level = estimate.level(running.estimates(), threshold)
    return [target.holds(level) for target in targets], drawn


def least(rules: Rules, votes: Votes, n: int, alpha: float, targets: Sequence[Target]) -> list[float]:
    """Mean draws that no sequential test with the fixed protocol's decisions can do without (threshold form).

    Wald's inequality: with D the decision, KL(p, other) E_p[N] >= kl(P_p(D), P_other(D)). Once with
    "certified" against the probability q that is needed, where it may come out with probability alpha; once
    with "not certified" against the probability at which the fixed protocol certifies in 99 of 100 samples.
    Under the true p, estimated from all votes, decisions come out as often as the fixed protocol's.
    """
    label = rules.select(votes.selection)
    threshold = rules.threshold_of(label)
    if threshold is None:
        return [float("nan")] * len(targets)
    p = (np.count_nonzero(votes.labels == label) + 0.5) / (len(votes.labels) + 1)
    found: list[float] = []
    for target in targets:
        q = target.needed(threshold)
        edge = float(stats.binom.isf(alpha, n, q)) + 1  # the fixed protocol certifies from here on
        power = float(np.clip(stats.binom.sf(edge - 1, n, p), 1e-12, 1 - 1e-12))
        sure = float(stats.beta.ppf(0.99, edge, n - edge + 1)) if edge <= n else 1.0 - 1e-12
        certify = _kl(power, alpha) / _kl(p, q) if power > alpha else 0.0
        give_up = _kl(power, 0.99) / _kl(p, sure) if power < 0.99 else 0.0
        found.append(float(np.clip(max(certify, give_up), 1.0, n)))
    return found


def _kl(p: float, q: float) -> float:
    return max(1e-300, p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))


def compare(problem: Problem, most: int, inputs: int, alpha: float, folder: Path) -> str:
    """One row of the table."""
    rules = rules_of(problem)
    same: list[list[bool]] = []
    used: list[list[int]] = []
    needed: list[list[float]] = []
    together: list[tuple[bool, int]] = []
    for position in chosen(problem, inputs):
        votes = draw(problem, position, most, folder)
        threshold = rules.threshold_of(rules.select(votes.selection))
        best = estimate.unanimous(most, alpha, "fixed", rules.num_classes, threshold)
        grid = grid_of(problem, problem.smoothing.check(problem.examples[position].inputs))
        targets = [target for target in grid if target.holds(best)]
        decided = fixed(rules, votes, most, alpha, targets)
        each = [early(rules, votes, most, alpha, [target]) for target in targets]
        same.append([one[0] == was for (one, _), was in zip(each, decided, strict=True)])
        used.append([spent for _, spent in each])
        needed.append(least(rules, votes, most, alpha, targets))
        at_once, spent = early(rules, votes, most, alpha, targets)
        together.append((at_once == decided, spent))
    agreed, spent_each = np.array(same), np.array(used)
    mean_ratio = most / spent_each.mean()
    by_attack = most / spent_each.mean(axis=0)
    whole = np.array([spent for _, spent in together])
    return (
        f"| {problem.name} | {most:,} | {len(same)} | {agreed.shape[1]} | {100 * agreed.mean():.1f} % "
        f"| {mean_ratio:.1f} | {most / np.mean(needed):.1f} | {by_attack.min():.1f} to {by_attack.max():.0f} "
        f"| {100 * np.mean([equal for equal, _ in together]):.1f} % | {most / whole.mean():.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", default=TASKS)
    parser.add_argument("--most", type=int, default=10_000)
    parser.add_argument("--inputs", type=int, default=60)
    parser.add_argument("--alpha", type=float, default=0.01)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        print(
            "| task | n | inputs | attacks | decisions equal | fewer draws | at most possible | by attack "
            "| all at once: equal | fewer draws |\n|---|---|---|---|---|---|---|---|---|---|"
        )
        for task in options.tasks:
            problem = load_task(task)
            print(compare(problem, options.most, options.inputs, options.alpha, folder), flush=True)


if __name__ == "__main__":
    main()
