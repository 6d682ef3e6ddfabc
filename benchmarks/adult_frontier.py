"""Certified accuracy on Adult against an attacker of numbers and categories at once, on the published axes.

    python -m benchmarks.adult_frontier --rows 1000 --n 10000
    python -m benchmarks.adult_frontier --rows 1000 --n 100000

Rows: the first of the published test part, in order. Certified at (eps, d): the prediction is right, proved
to stay so when up to d categorical fields change and the standardised numbers move by eps in the 2-norm.
Every certificate is checked by the independent verifier before it counts; that is in the time printed.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Sequence

import numpy as np
import scipy
import sklearn

from ironbound.certificate import Certificate
from ironbound.data import Problem, adult
from ironbound.smoothing import SmoothedClassifier

EPS = tuple(round(0.1 * step, 1) for step in range(20))
SHOWN = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.6, 1.75, 1.9)


def certify(problem: Problem, alpha: float, n: int, seed: int) -> list[Certificate]:
    model = SmoothedClassifier(
        problem.base, problem.smoothing, problem.num_classes, class_names=problem.class_names
    )
    inputs = [(example.id, example.inputs) for example in problem.examples]
    stream = model.certify_many(inputs, threat=problem.threat, alpha=alpha, n=n, n0=100, seed=seed)
    found: list[Certificate] = []
    begun = time.perf_counter()
    for certificate in stream:
        found.append(certificate)
        if len(found) % 50 == 0:
            rate = len(found) / (time.perf_counter() - begun)
            print(f"\r{len(found)} rows, {rate:.1f} a second", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found


def certified_accuracy(
    problem: Problem, certificates: Sequence[Certificate], eps: Sequence[float]
) -> dict[int, list[float]]:
    """Share of all rows, in percent, by number of changed fields; one value for each eps."""
    right = np.array([c.prediction == e.label for c, e in zip(certificates, problem.examples, strict=True)])
    table: dict[int, list[float]] = {}
    for d in range(adult.MAX_D + 1):
        radii = [c.frontier[d] for c in certificates]
        radius = np.array([-np.inf if r is None else r for r in radii])
        table[d] = [float(100.0 * np.mean(right & (radius >= e))) for e in eps]
    return table


def markdown(table: dict[int, list[float]], eps: Sequence[float]) -> str:
    lines = ["| d | " + " | ".join(f"{e:g}" for e in eps) + " |", "|---" * (len(eps) + 1) + "|"]
    lines += [f"| {d} | " + " | ".join(f"{value:.1f}" for value in row) + " |" for d, row in table.items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000, help="test rows (default 1000)")
    parser.add_argument("--n", type=int, default=10_000, help="draws for each row (default 10000)")
    parser.add_argument("--alpha", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--all", action="store_true", help="every eps 0, 0.1, ... 1.9")
    parser.add_argument("--penalty", type=float, help="C of the support vector machine (default: the task's)")
    given = parser.parse_args()

    begun = time.perf_counter()
    settings = adult.SETTINGS | ({} if given.penalty is None else {"penalty": given.penalty})
    problem = adult.load(rows=given.rows, settings=settings)
    loaded = time.perf_counter()
    certificates = certify(problem, given.alpha, given.n, given.seed)
    done = time.perf_counter()

    right = np.mean([c.prediction == e.label for c, e in zip(certificates, problem.examples, strict=True)])
    abstained = np.mean([c.abstained for c in certificates])
    rich = np.mean([c.prediction == 1 for c in certificates])
    eps = EPS if given.all else SHOWN
    print(f"python -m benchmarks.adult_frontier {' '.join(sys.argv[1:])}")
    print(
        f"{len(certificates)} rows, n = {given.n}, alpha = {given.alpha}, C = {settings['penalty']:g}: "
        f"loading and training {loaded - begun:.1f} s, certifying {done - loaded:.1f} s "
        f"({len(certificates) / (done - loaded):.1f} rows a second, one process)"
    )
    print(
        f"prediction right on {100 * right:.1f} %, abstained on {100 * abstained:.1f} %, "
        f"says {adult.CLASS_NAMES[1]} on {100 * rich:.1f} %"
    )
    print(
        f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}, "
        f"scikit-learn {sklearn.__version__}"
    )
    print("Certified accuracy in %, by eps (2-norm, standard deviations) and changed fields d\n")
    print(markdown(certified_accuracy(problem, certificates, eps), eps))


if __name__ == "__main__":
    main()
