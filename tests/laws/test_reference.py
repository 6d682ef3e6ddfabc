"""The high-precision reference values come back, from the safe side and within 1e-9."""

from __future__ import annotations

import json
from typing import Any

import mpmath as mp
import pytest
from oracles import DIGITS, reference_folder

from ironbound import laws
from ironbound.laws import Law


@pytest.fixture(autouse=True)
def _precision() -> Any:
    with mp.workdps(DIGITS):
        yield


def rows(name: str) -> list[dict[str, Any]]:
    return json.loads((reference_folder() / name).read_text())


def discrete(row: dict[str, Any]) -> Law:
    if row["kernel"] == "mask":
        return laws.mask(row["d"], float(row["beta"]))
    return laws.uniform_replacement(row["d"], row["alphabet"], float(row["beta"]))


def near(value: float, truth: Any) -> bool:
    scale = abs(truth) if abs(truth) > mp.mpf("1e-9") else mp.mpf(1)
    return bool(abs(mp.mpf(value) - truth) <= mp.mpf("1e-9") * scale)


def assert_bracketed(law: Law, row: dict[str, Any]) -> None:
    p = float(row["p"])
    lower, upper = law.lower(p), law.upper(p)
    assert mp.mpf(lower) <= mp.mpf(row["lower"]), row
    assert mp.mpf(upper) >= mp.mpf(row["upper"]), row
    assert near(lower, mp.mpf(row["lower"])), row
    assert near(upper, mp.mpf(row["upper"])), row


def test_bounds_of_uniform_and_mask_kernels() -> None:
    table = rows("neyman_pearson.json")
    assert len(table) >= 100
    for row in table:
        assert_bracketed(laws.compose(discrete(row), laws.gaussian(float(row["mu"]))), row)


def test_bounds_of_fields_of_mixed_arity_and_rate() -> None:
    table = rows("fields.json")
    assert len(table) >= 30
    for row in table:
        arities, betas = [f[0] for f in row["fields"]], [float(f[1]) for f in row["fields"]]
        assert_bracketed(laws.compose(laws.fields(arities, betas), laws.gaussian(float(row["mu"]))), row)


def test_radii() -> None:
    for row in rows("neyman_pearson.json"):
        law, p, sigma, tau = (
            discrete(row),
            float(row["p"]),
            float(row["sigma"]),
            float(row["threshold"]),
        )
        radius = laws.radius(law, p, sigma, threshold=tau)
        if row["radius"] is None:
            assert radius is None, row
        else:
            truth = mp.mpf(row["radius"])
            assert radius is not None, row
            assert mp.mpf(radius) <= truth, row
            assert near(radius, truth), row
