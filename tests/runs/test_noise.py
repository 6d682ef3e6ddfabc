"""Noise and threats of a configuration become channels and budgets, each kind of them."""

from __future__ import annotations

from typing import Any

import pytest

import ironbound as ib
from ironbound.errors import ConfigError
from ironbound.runs.config import parse
from ironbound.runs.noise import budget, channel

MODEL = {"loader": "m:load", "num_classes": 2}
DATA = {"kind": "npz", "path": "a.npz", "arrays": {"t": "t"}}


def problem(noise: dict[str, Any], threat: dict[str, Any]) -> tuple[Any, Any]:
    config = parse({"model": MODEL, "data": DATA, "channels": {"t": noise}, "threat": {"t": threat}})
    return channel("t", config.channels["t"], None, None), budget(config.threat["t"])


KINDS: dict[str, tuple[dict[str, Any], Any, dict[str, Any], Any]] = {
    "synonyms": (
        {"noise": "synonyms", "beta": 0.5, "sets": [[1, 2], [4, 5, 6]]},
        ib.SynonymReplacement(0.5, [[1, 2], [4, 5, 6]]),
        {"kind": "synonym_l0", "max_d": 2},
        ib.SynonymL0(2),
    ),
    "deletion": (
        {"noise": "deletion", "rate": 0.75, "width": 8, "pad": 3},
        ib.Deletion(0.75, 8, 3),
        {"kind": "edits", "max_d": 2, "operations": ["insert"]},
        ib.Edits(2, ["insert"]),
    ),
    "anisotropic": (
        {"noise": "gaussian_anisotropic", "sigmas": [0.5, 2.0], "low": 0.0, "unit": "cm"},
        ib.AnisotropicGaussian([0.5, 2.0], low=0.0, unit="cm"),
        {"kind": "l2"},
        ib.L2(),
    ),
    "suffix": (
        {"noise": "mask", "beta": 0.5, "mask_id": 9},
        ib.Mask(0.5, 9),
        {"kind": "suffix_in_place", "max_d": 2, "alphabet": "open", "sampling": "per_budget"},
        ib.SuffixInPlace(2, "open", "per_budget"),
    ),
    "slot": (
        {"noise": "mask", "beta": 0.5, "mask_id": 9},
        ib.Mask(0.5, 9),
        {"kind": "suffix_append", "max_d": 2, "slot": 4},
        ib.SuffixAppend(2, slot=4),
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_built_and_fits_its_threat(name: str) -> None:
    noise, expected, threat, allowed = KINDS[name]
    found, attack = problem(noise, threat)
    assert found == expected
    assert attack == allowed
    value = found.check([1.0, 2.0] if name == "anisotropic" else [1, 5, 6], "t")
    found.placed(attack).check_budget(attack, value, "t")


@pytest.mark.parametrize(
    ("noise", "says"),
    [
        ({"noise": "synonyms", "beta": 0.5, "sets": [[1, 2], [2, 3]]}, "disjoint"),
        ({"noise": "gaussian_anisotropic", "sigmas": [0.5, -1.0]}, "sigmas"),
        ({"noise": "deletion", "rate": 0.5, "width": 0}, "width"),
    ],
)
def test_what_cannot_be_built_is_named_by_its_table(noise: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        problem(noise, {"kind": "l2"})


def test_operations_are_known_ones() -> None:
    with pytest.raises(ConfigError, match="operations"):
        problem(KINDS["deletion"][0], {"kind": "edits", "max_d": 1, "operations": ["swap"]})
