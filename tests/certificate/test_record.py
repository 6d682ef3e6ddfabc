"""What users read off a certificate: frontier, radii, covers, ledger, one sentence."""

from __future__ import annotations

import ast
import math
from dataclasses import FrozenInstanceError, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from handmade import ALL, IMAGE
from hypothesis import given
from hypothesis import strategies as st

import ironbound.certificate
from ironbound.certificate import Certificate, Claim, SmoothingEvidence, channel_record
from ironbound.certificate.claim import radius_down
from ironbound.certificate.sentence import round_down, round_up
from ironbound.errors import InputError, InvalidCertificate


@given(st.floats(0, 1e300), st.floats(1e-300, 1e3))
def test_a_radius_is_never_above_the_exact_product(mu: float, sigma: float) -> None:
    radius = radius_down(mu, sigma)
    exact = Fraction(mu) * Fraction(sigma)
    assert radius >= 0
    assert Fraction(radius) <= exact
    assert exact < Fraction(math.nextafter(math.nextafter(radius, math.inf), math.inf)) or exact > 1e308


@given(st.floats(1e-9, 1e9))
def test_printed_figures_are_rounded_away_from_the_claim(value: float) -> None:
    assert Fraction(round_down(value)) <= Fraction(value) < Fraction(round_down(value)) * Fraction(1002, 1000)
    assert Fraction(round_up(value)) * Fraction(998, 1000) < Fraction(value) <= Fraction(round_up(value))


def test_frontier_has_one_entry_for_each_budget() -> None:
    one = ALL["image_and_tokens"]()
    assert list(one.frontier) == [0, 1, 2]
    assert one.frontier[0] == radius_down(one.claims[0].mu or 0.0, 0.5)
    assert one.frontier[2] is None
    assert ALL["open_tokens"]().frontier == {0: 0.0, 1: 0.0, 2: None}
    assert ALL["abstained"]().frontier == {0: None}
    several = ALL["everything_at_once"]()
    assert list(several.frontier) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert several.frontier[(1, 1)] == several.claims[3].mu


def test_amounts_that_no_float_holds_are_not_rounded_to_smaller_ones() -> None:
    one, tiny = ALL["image_and_tokens"](), Fraction(1, 10**40)
    exact = Fraction(one.claims[0].mu or 0.0) / 2  # sigma is 1/2
    assert one.covers(image=exact)  # type: ignore[arg-type]
    assert not one.covers(image=exact + tiny)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="whole number"):
        one.covers(tokens=1 + tiny)  # type: ignore[arg-type]


def test_covers_what_is_claimed_and_nothing_more() -> None:
    one = ALL["image_and_tokens"]()
    far, near = one.frontier[0], one.frontier[1]
    assert far is not None
    assert near is not None
    assert one.covers()
    assert one.covers(image=far)
    assert one.covers(image=near, tokens=1)
    assert one.covers(image=near, tokens=np.int64(1))  # type: ignore[arg-type]
    assert one.covers(tokens=1.0)
    assert not one.covers(image=math.nextafter(math.nextafter(far, 9), 9))
    assert not one.covers(image=math.nextafter(math.nextafter(near, 9), 9), tokens=1)
    assert not one.covers(tokens=2)
    assert not one.covers(tokens=3)
    assert not one.covers(image=math.inf)
    assert not ALL["abstained"]().covers()


def test_covers_joins_continuous_channels_by_their_shares() -> None:
    one = ALL["everything_at_once"]()
    mu = one.claims[0].mu
    assert mu is not None
    assert one.covers(a=0.59 * mu * 0.5, b=0.8 * mu * 2.0)
    assert not one.covers(a=0.61 * mu * 0.5, b=0.8 * mu * 2.0)
    assert one.covers(c=1, d=1)
    assert not one.covers(c=1, d=1, a=0.5 * mu)


def test_a_channel_that_is_not_attacked_must_stay_as_it_is() -> None:
    one = ALL["open_tokens"]()
    assert one.covers(image=0.0, tokens=1)
    assert not one.covers(image=1e-9)


@pytest.mark.parametrize(
    ("amounts", "says"),
    [
        ({"images": 0.1}, "'images' must be a channel of this certificate"),
        ({"image": -0.1}, "image must be a 2-norm"),
        ({"image": math.nan}, "image must be a 2-norm"),
        ({"image": None}, "image must be a 2-norm"),
        ({"image": "1"}, "image must be a 2-norm"),
        ({"tokens": 0.5}, "tokens must be a whole number"),
        ({"tokens": -1}, "tokens must be a whole number"),
        ({"tokens": math.nan}, "tokens must be a whole number"),
        ({"tokens": math.inf}, "tokens must be a whole number"),
        ({"tokens": "1"}, "tokens must be a whole number"),
        ({"tokens": True}, "tokens must be a whole number"),
    ],
)
def test_covers_refuses_amounts_that_mean_nothing(amounts: dict[str, float], says: str) -> None:
    with pytest.raises(InputError, match=says):
        ALL["image_and_tokens"]().covers(**amounts)


@pytest.mark.parametrize("name", ALL)
def test_one_sentence_says_who_guarantees_what(name: str) -> None:
    one = ALL[name]()
    text = one.statement
    assert text.endswith(".")
    assert ". " not in text.replace("d. ", "")
    assert repr(one.input_id) in text
    if one.abstained:
        assert text.startswith("Nothing is claimed")
        assert one.reason in text
    else:
        assert f"at most {one.alpha!r}" in text
        assert f"{one.samples:,} noise draws" in text
        assert f"class {one.prediction}" in text


def test_the_sentence_names_units_budgets_and_the_open_alphabet() -> None:
    text = ALL["image_and_tokens"]().statement
    assert "2-norm of at most R (pixels, range 0 to 1)" in text
    assert "'claim is true' (class 1)" in text
    assert "stays above 0.5" in text
    assert "not certified: d = 2" in text
    assert "by any token, for d = 0; d = 1; not certified" in ALL["open_tokens"]().statement
    assert "stays above every other class" in ALL["fields_of_ten"]().statement
    assert "(r(a)/0.5)^2 + (r(b)/2.0)^2 at most R^2" in ALL["everything_at_once"]().statement


def test_the_ledger_names_each_bound_and_stays_within_alpha() -> None:
    one = ALL["fields_of_ten"]()
    names = ["lower bound on class 0", "upper bound on class 1", "upper bound on class 2"]
    assert list(one.ledger) == names
    assert sum(Fraction(share) for share in one.ledger.values()) <= Fraction(one.alpha)


def test_building_takes_numpy_numbers_and_stores_plain_ones() -> None:
    one = ALL["image_and_tokens"]()
    evidence = one.evidence
    assert isinstance(evidence, SmoothingEvidence)
    estimate = evidence.estimates[0]
    dressed = replace(
        one,
        prediction=np.int64(1),  # type: ignore[arg-type]
        alpha=np.float64(0.01),
        evidence=replace(evidence, estimates=(replace(estimate, trials=np.int32(estimate.trials)),)),  # type: ignore[arg-type]
    ).seal()
    assert dressed == one
    assert type(dressed.prediction) is int
    assert dressed.to_json() == one.to_json()


def test_records_are_frozen_hashable_and_read_like_mappings() -> None:
    one = ALL["image_and_tokens"]()
    assert hash(one) == hash(Certificate.from_json(one.to_json()))
    with pytest.raises(FrozenInstanceError):
        one.alpha = 0.5  # type: ignore[misc]
    record = channel_record(IMAGE)
    assert record["sigma"] == record.sigma == 0.5  # type: ignore[attr-defined]
    assert dict(record)["threat"] == "l2"
    with pytest.raises(KeyError):
        record["beta"]


def test_what_cannot_be_sealed() -> None:
    one = ALL["image_and_tokens"]()
    for wrong, says in (
        ({"alpha": math.nan}, "alpha must be a finite number"),
        ({"prediction": 0.5}, "prediction must be an integer"),
        ({"method": "magic"}, "method must be one of"),
        ({"samples": "many"}, "samples must be an integer"),
        ({"claims": (Claim((("tokens", 0),), math.inf, (0.0,)),)}, "claims[0].mu must be a finite number"),
        ({"claims": (Claim((("tokens", 0),), 9.0, (0.0,)),)}, "claims[0].mu must be small enough"),
        ({"claims": (Claim((("tokens", 0),), 1.0),)}, "claims[0].witnesses must be given"),
    ):
        with pytest.raises(InvalidCertificate) as caught:
            replace(one, **wrong).seal()  # type: ignore[arg-type]
        assert says in str(caught.value)


def test_channels_from_plain_mappings_are_checked() -> None:
    with pytest.raises(InvalidCertificate, match=r"channel 'x'.sigma must be a finite number"):
        channel_record({"channel": "x", "noise": "gaussian", "sigma": math.inf})
    with pytest.raises(InvalidCertificate, match="complete, with sigma present"):
        channel_record({"channel": "x", "noise": "gaussian"})
    with pytest.raises(InvalidCertificate, match="a mapping of its parameters"):
        channel_record(3)  # type: ignore[arg-type]


def test_the_record_knows_none_of_the_mathematics_that_makes_it() -> None:
    room = Path(ironbound.certificate.__file__).parent
    for path in room.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("ironbound"):
                assert node.module.split(".")[1] in {"certificate", "errors"}, (path.name, node.module)
