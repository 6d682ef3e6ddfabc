"""Frontier d = 1..3 on Adult's eight categorical fields, against a search over every subset of fields.

    python -m benchmarks.field_subsets

Rows are certified first; what is timed is the way from their bounds to their frontiers. The peer does what is
published: for each d every subset of d fields (8 + 28 + 56 = 92 of them), for each subset two nested
bisections over its 3^d outcomes, and the smallest radius of all. Its radius search runs to 1e-9, so that
radii can be compared; a second peer has the faster root finder of SciPy. Ours orders the fields by dominance
and solves once for each d. One core.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import itertools
import time
from collections.abc import Sequence

import numpy as np

from benchmarks.certificates_per_second import nested_search
from benchmarks.published_procedure import Atoms, attacked, bisected, changed_fields
from ironbound import laws
from ironbound.certificate import SmoothingEvidence
from ironbound.channels import Categorical
from ironbound.data import adult
from ironbound.laws import Law
from ironbound.smoothing import SmoothedClassifier
from ironbound.smoothing.goal import Attack, Level, Options

BETA, SIGMA, THRESHOLD = 0.25, 0.5, 0.5
BUDGETS = (1, 2, 3)
PEER_ROWS = 5


def subsets(arities: Sequence[int], d: int) -> list[tuple[int, ...]]:
    return list(itertools.combinations(arities, d))


def peer(p: float, arities: Sequence[int]) -> list[float]:
    """The published procedure, at the precision of ours; nan where not certified."""
    found: list[float] = []
    for d in BUDGETS:
        each = [_bisected(changed_fields(subset, BETA), p) for subset in subsets(arities, d)]
        found.append(min(each) if min(each) > 0 else float("nan"))
    return found


def _bisected(atoms: Atoms, p: float) -> float:
    return bisected(lambda r: attacked(atoms, p, r / SIGMA) > THRESHOLD, 4.0, 1e-9)


def faster_peer(p: float, by_budget: dict[int, list[Law]]) -> list[float]:
    """Every subset by nested Brent searches, which SciPy has in C; laws are built beforehand."""
    return [
        float(min((nested_search(law, p) for law in listed), key=lambda r: (not np.isnan(r), r)))
        for listed in by_budget.values()
    ]


def bounds(rows: int, n: int) -> tuple[list[float], tuple[int, ...]]:
    """Lower confidence bounds of the first test rows, and the arities of the fields."""
    problem = adult.load(rows=rows)
    model = SmoothedClassifier(problem.base, problem.smoothing, problem.num_classes)
    inputs = ((example.id, example.inputs) for example in problem.examples)
    found: list[float] = []
    for certificate in model.certify_many(inputs, threat=problem.threat, alpha=0.01, n=n):
        assert isinstance(certificate.evidence, SmoothingEvidence)
        found.append(certificate.evidence.estimates[0].bound)
    channel = problem.smoothing["categorical"]
    assert isinstance(channel, Categorical)
    assert set(channel.betas) == {BETA}
    return found, channel.arities


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--n", type=int, default=100_000)
    given = parser.parse_args()
    p, arities = bounds(given.rows, given.n)

    start = time.process_time()
    options = [Options((("fields", d),), laws.field_laws(d, arities, BETA)) for d in BUDGETS]
    attack = Attack((Options((("fields", 0),), (laws.identity(),)), *options), True)
    ours: list[list[float]] = []
    for value in p:  # what `certify` asks for each row, d = 0 and the witnesses included
        claims = attack.claims(Level(value, THRESHOLD))[1:]
        ours.append([float("nan") if c.mu is None else c.mu * SIGMA for c in claims])
    one_by_one = (time.process_time() - start) / len(p)

    start = time.process_time()
    at = np.array(p)
    each = [laws.radii(laws.field_laws(d, arities, BETA)[0], at, SIGMA, threshold=THRESHOLD) for d in BUDGETS]
    at_once = (time.process_time() - start) / len(p)
    table = np.stack(each, 1)

    # Different bounds that certify something (else the peer's search would end at once), spread over all.
    first = {value: i for i, value in reversed(list(enumerate(p))) if np.isfinite(table[i, 0])}
    different = [first[value] for value in sorted(first)]
    some = [different[k] for k in np.linspace(0, len(different) - 1, PEER_ROWS).astype(int)]
    start = time.process_time()
    peers = [peer(p[i], arities) for i in some]
    published = (time.process_time() - start) / len(some)
    by_budget = {d: [laws.fields(subset, BETA) for subset in subsets(arities, d)] for d in BUDGETS}
    start = time.process_time()
    brents = [faster_peer(p[i], by_budget) for i in some]
    brent = (time.process_time() - start) / len(some)

    print(f"\nFrontier d = 1..3 over the subsets of {len(arities)} fields of arities {arities}, one core")
    print(f"{len(p)} rows of Adult ({len(set(p))} different bounds), n = {given.n:,}")
    print(f"{'':44s}{'ms a row':>12s}{'over ours, row by row':>24s}{'over ours, all at once':>24s}")
    for name, seconds in (
        ("ours, all rows at once", at_once),
        ("ours, row by row, as certify does", one_by_one),
        ("every subset, nested bisection", published),
        ("every subset, nested Brent searches", brent),
    ):
        print(f"{name:44s}{1e3 * seconds:12.3f}{seconds / one_by_one:24,.0f}{seconds / at_once:24,.0f}")
    for name, rows in (("nested bisection", peers), ("nested Brent searches", brents)):
        theirs, own = np.array(rows), table[some]
        agree = bool(np.array_equal(np.isnan(theirs), np.isnan(own)))
        print(
            f"{name}: {len(some)} rows, certified alike: {agree}; "
            f"largest difference of radii {_gap(theirs, own):.1e}"
        )
    print(f"row by row against all at once: largest difference {_gap(np.array(ours), table):.1e}")
    for column, d in enumerate(BUDGETS):
        shown = ", ".join("none" if np.isnan(r) else f"{r:.6f}" for r in table[some, column])
        print(f"d = {d}: {shown}")


def _gap(one: np.ndarray, other: np.ndarray) -> float:
    difference = np.abs(one - other)
    return float(np.nanmax(difference)) if np.isfinite(difference).any() else 0.0


if __name__ == "__main__":
    main()
