"""How well the doctor foresees time, memory and draws: each task is examined in one process, run in another.

    python -m benchmarks.forecast [--limit 300] [TASK ...]

Both are real processes of the command line, so that each has its own peak of memory. The time of the run is
counted from its first input on, as the doctor's is: a clock is put around the runner for that.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from ironbound.runs.folder import RESULTS
from ironbound.runs.store import Store

COMMAND = (sys.executable, "-m", "ironbound.cli")
TASKS = (
    "digits",
    "digits-claims",
    "adult",
    "mnist-claims",
    "mnist-filter",
    "prompt-filter",
    "fashion-products",
)
# The same process prints its own peak once the command has returned.
PEAK = """
import sys, time
from ironbound.cli import app
import ironbound.runs.runner as runner
begun = []
kept = runner._Session.work
def work(self, *rest):
    begun.append(time.perf_counter())
    try:
        return kept(self, *rest)
    finally:
        begun.append(time.perf_counter())
runner._Session.work = work
try:
    app(sys.argv[1:], standalone_mode=False)
except SystemExit:
    pass
status = open("/proc/self/status").read()
peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
print("PEAK", peak, begun[1] - begun[0], file=sys.stderr)
"""


def forecast(task: str, limit: int, extra: list[str]) -> dict[str, float]:
    """What the doctor says."""
    command = [*COMMAND, "doctor", task, "--limit", str(limit), "--json", *extra]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)["forecast"]
    return {"seconds": found["seconds"], "memory": found["memory"], "samples": found["samples"]}


def measured(task: str, limit: int, extra: list[str]) -> dict[str, float]:
    """What the run takes."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        arguments = ["certify", task, "--limit", str(limit), "--out", str(out), *extra]
        done = subprocess.run(
            [sys.executable, "-c", PEAK, *arguments], capture_output=True, text=True, check=True
        )
        _, peak, seconds = done.stderr.splitlines()[-1].split()
        with Store.open(out / RESULTS) as store:
            drawn = [row.samples for row in store.rows()]
    return {"seconds": float(seconds), "memory": float(peak), "samples": sum(drawn) / len(drawn)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", default=TASKS)
    parser.add_argument("--limit", type=int, default=300)
    options, extra = parser.parse_known_args()
    print("| task | inputs | seconds | forecast / run | GiB | forecast / run | draws, forecast / run |")
    print("|---|---|---|---|---|---|---|")
    for task in options.tasks:
        said = forecast(task, options.limit, extra)
        was = measured(task, options.limit, extra)
        ratio = {name: said[name] / was[name] for name in was}
        print(
            f"| {task} | {options.limit} | {was['seconds']:.1f} | {ratio['seconds']:.2f} "
            f"| {was['memory'] / 2**30:.2f} | {ratio['memory']:.2f} | {ratio['samples']:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
