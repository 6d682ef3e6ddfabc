"""Imports point downward only, and the pure core stays pure."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "ironbound"

# A room may import rooms of a lower number, and itself.
LAYER = {
    "errors": 0,
    "_version": 0,
    "laws": 1,
    "confidence": 1,
    "threats": 1,
    "channels": 2,
    "certificate": 3,
    "verify": 4,
    "models": 5,
    "data": 6,
    "smoothing": 7,
    "lipschitz": 7,
    # Latent classifiers stand behind Lipschitz networks and under smoothing, so above both.
    "latent": 7.5,
    # Attacks need the methods (to attack smoothed and Lipschitz classifiers); runs may report attacks.
    "attacks": 8,
    # Baselines are methods of others, run on the classifiers of the rooms below, to be compared with ours.
    "baselines": 8,
    # Training needs the networks to be trained (lipschitz), and their data.
    "training": 8,
    "runs": 9,
    "report": 10,
    # Experiments repeat published tables with everything below; only the command line is above them.
    "experiments": 11,
    "cli": 12,
}
PURE = {"laws", "confidence", "threats", "channels", "certificate", "verify", "errors"}
IMPURE = {
    "torch",
    "sqlite3",
    "matplotlib",
    "rich",
    "typer",
    "requests",
    "pandas",
    "time",
    "os",
    "pathlib",
    "random",
}


def room(path: Path) -> str:
    first = path.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


def imported(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "ironbound":
                yield from ((f"ironbound.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield node.module, node.lineno


MODULES = sorted(p for p in SOURCE.rglob("*.py") if p.name != "__init__.py" or p.parent != SOURCE)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_downward(path: Path) -> None:
    own = room(path)
    assert own in LAYER, f"{own} is a new room: give it a layer in this test, with a reason in the commit"
    for module, line in imported(path):
        parts = module.split(".")
        if parts[0] == "ironbound" and len(parts) > 1:
            other = parts[1]
            assert other in LAYER, f"{path.name}:{line} imports unknown room {other}"
            assert other == own or LAYER[other] < LAYER[own], (
                f"{path.name}:{line}: {own} may not import {other}"
            )
        if own in PURE:
            assert parts[0] not in IMPURE, f"{path.name}:{line}: the pure core may not import {parts[0]}"


def test_the_verifier_shares_no_code_with_what_it_checks() -> None:
    for path in MODULES:
        if room(path) == "verify":
            others = {m.split(".")[1] for m, _ in imported(path) if m.startswith("ironbound.")}
            assert others <= {"verify", "certificate", "errors"}, (path.name, others)


def test_importing_the_package_loads_neither_torch_nor_scipy() -> None:
    code = "import sys, ironbound; print([m for m in ('torch', 'scipy', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_resolves() -> None:
    import ironbound

    for name in ironbound.__all__:
        assert getattr(ironbound, name) is not None
