"""Attacks on certified inputs: does any certificate break, and does the attack succeed where none holds?

    IRONBOUND_DATA=... python -m benchmarks.attacks --task adult --start 0 --rows 500

Each input is certified with the task's own settings, then attacked at every certified budget (radius and
number of changes together) and once beyond. Pieces append to a file, and the table is of all in the file.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import time
from pathlib import Path

import ironbound as ib
from ironbound.data import adult
from ironbound.data.tasks import load_task
from ironbound.runs.attack import attack_of, attempts_on
from ironbound.runs.plan import plan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--task", default="digits", choices=("digits", "digits-claims", "adult"))
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--beyond", type=float, default=3.0)
    parser.add_argument("--draws", type=int, default=128)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=220.0, help="stop after this time")
    parser.add_argument("--out", type=Path, default=Path("attacks.jsonl"))
    given = parser.parse_args()
    problem = adult.load(rows=given.start + given.rows) if given.task == "adult" else load_task(given.task)
    made = plan(given.task, {}, limit=1)
    attack = attack_of(made, draws=given.draws, steps=given.steps, rounds=given.rounds)
    settings = made.statistics
    model = ib.SmoothedClassifier(
        problem.base, problem.smoothing, problem.num_classes,
        threshold=settings.threshold, rivals=settings.rivals,
    )  # fmt: skip
    began = time.perf_counter()
    with given.out.open("a") as file:
        for row in range(given.start, min(given.start + given.rows, len(problem.examples))):
            example = problem.examples[row]
            certificate = model.certify(
                example.inputs, threat=problem.threat, alpha=settings.alpha, n=settings.n, input_id=example.id
            )
            found = []
            if not certificate.abstained:
                found = list(attempts_on(attack, certificate, example.inputs, problem, given.beyond))
            record = {"task": given.task, "row": row, "abstained": certificate.abstained}
            print(json.dumps({**record, "attempts": [one.record() for one in found]}), file=file, flush=True)
            if time.perf_counter() - began > given.seconds:
                print(f"stopped after row {row}; go on with --start {row + 1}")
                break
    report(given.out)


def report(path: Path) -> None:
    """The table of everything in the file."""
    records = [json.loads(line) for line in path.read_text().splitlines()]
    print("task           budget     changes  inputs  attacks    kept  unsettled  changed")
    for task in sorted({record["task"] for record in records}):
        some = [(r["row"], a) for r in records if r["task"] == task for a in r["attempts"]]

        def changes(attempt: dict[str, dict[str, float]]) -> int:
            named = attempt["allowed"]
            return int(named.get("tokens", named.get("categorical", 0)))

        for covered in (True, False):
            for number in sorted({changes(a) for _, a in some if a["covered"] == covered}):
                mine = [(i, a) for i, a in some if a["covered"] == covered and changes(a) == number]
                outcomes = [a["outcome"] for _, a in mine]
                counts = [outcomes.count(name) for name in ("kept", "unsettled", "changed")]
                kind = "certified" if covered else "beyond"
                inputs = len({i for i, _ in mine})
                print(
                    f"{task:15s}{kind:11s}{number:7d}{inputs:8d}{len(mine):9d}"
                    f"{counts[0]:8d}{counts[1]:11d}{counts[2]:9d}"
                )
    inside = [(r["task"], r["row"]) for r in records for a in r["attempts"] if a["covered"]]
    broken = sum(a["covered"] and a["outcome"] == "changed" for r in records for a in r["attempts"])
    print(
        f"{len(set(inside))} inputs attacked within certified budgets, {len(inside)} attacks, {broken} broken"
    )


if __name__ == "__main__":
    main()
