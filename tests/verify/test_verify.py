"""The checker as a whole: accepts what is right, quickly, shares no code, and other kinds can join."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
from handmade import (
    ALL,
    IMAGE,
    beta_mixture,
    certificate,
    clopper_pearson,
    estimates,
    law,
    masked,
)

import ironbound.verify
from ironbound import verify
from ironbound.certificate import Certificate, Claim, Estimate, Evidence, SmoothingEvidence, kinds, register
from ironbound.errors import InvalidCertificate
from ironbound.verify import general

ROOM = Path(ironbound.verify.__file__).parent


@pytest.mark.parametrize("name", ALL)
def test_right_certificates_are_accepted(name: str) -> None:
    made = ALL[name]()
    made.verify()
    Certificate.from_json(made.to_json()).verify()


@pytest.mark.parametrize("path", sorted(ROOM.glob("*.py")), ids=lambda p: p.name)
def test_it_imports_records_errors_and_ball_arithmetic_only(path: Path) -> None:
    allowed = {"ironbound.certificate", "ironbound.errors", "ironbound.verify", "flint"}
    standard = {
        "__future__",
        "collections",
        "dataclasses",
        "fractions",
        "functools",
        "hashlib",
        "itertools",
        "math",
        "typing",
    }
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names = [node.module or ""]
        for name in names:
            fine = any(name == room or name.startswith(room + ".") for room in allowed)
            assert fine or name.split(".")[0] in standard, f"{path.name} imports {name}"
        assert not (isinstance(node, ast.Name) and node.id in {"__import__", "import_module", "eval", "exec"})


def test_claims_must_be_exactly_the_budgets_and_shrink() -> None:
    made = ALL["image_and_tokens"]()
    zero, one, two = made.claims
    for claims, says in (
        ((zero, one), "claims must be 3 distinct ones"),
        ((zero, one, one), "claims must be 3 distinct ones"),
        ((zero, one, two, replace(two, budget=(("tokens", 3),))), "claims must be 3 distinct ones"),
        ((zero, one, replace(two, budget=(("tokens", 3),))), "claims must be complete"),
        ((zero, replace(two, budget=one.budget), replace(one, budget=two.budget)), "mu at budget"),
        ((replace(one, budget=zero.budget), replace(zero, budget=one.budget), two), "no larger than with"),
    ):
        with pytest.raises(InvalidCertificate, match=says):
            _refingerprinted(replace(made, claims=claims)).verify()


def test_the_order_of_claims_is_free() -> None:
    made = ALL["image_and_tokens"]()
    _refingerprinted(replace(made, claims=made.claims[::-1])).verify()


def _refingerprinted(made: Certificate) -> Certificate:
    return replace(made, fingerprint=made.expected_fingerprint())


def _with_evidence(made: Certificate, **changes: object) -> Certificate:
    assert isinstance(made.evidence, SmoothingEvidence)
    return _refingerprinted(replace(made, evidence=replace(made.evidence, **changes)))  # type: ignore[arg-type]


def test_stopping_early_needs_a_bound_that_allows_it() -> None:
    made = _with_evidence(ALL["image_and_tokens"](), stop="target")
    with pytest.raises(InvalidCertificate, match="stop by 'target' need a bound valid at any time"):
        made.verify()


def test_rivals_need_a_bound_each() -> None:
    made = ALL["fields_of_ten"]()
    assert isinstance(made.evidence, SmoothingEvidence)
    first, second, third = made.evidence.estimates
    for wrong, says in (
        ((first, second), "2 estimates"),
        ((first, second, second), "one for each class"),
        ((first, second, first), r"estimates\[2\].side must be 'upper'"),
        ((first, second, replace(third, label=3)), r"estimates\[2\].label must be a class in 0..2"),
    ):
        with pytest.raises(InvalidCertificate, match=says):
            _with_evidence(made, estimates=wrong).verify()


def test_without_a_filters_rule_a_threshold_below_a_half_excludes_no_rival() -> None:
    made = ALL["fields_of_ten"]()
    assert isinstance(made.evidence, SmoothingEvidence)
    forged = _with_evidence(
        made, form="threshold", threshold=0.4, estimates=(replace(made.evidence.estimates[0]),)
    )
    with pytest.raises(InvalidCertificate, match="1/2 or more, as no filter's rule is given"):
        forged.verify()


def test_only_an_abstention_needs_no_estimate() -> None:
    empty = _with_evidence(ALL["abstained"](), estimates=())
    empty.verify()
    with pytest.raises(InvalidCertificate, match="alpha must be a probability strictly between"):
        _refingerprinted(replace(empty, alpha=0.0)).verify()
    with pytest.raises(InvalidCertificate, match="estimates must be 1, for the threshold form"):
        _with_evidence(ALL["image_and_tokens"](), estimates=()).verify()


def _looks(k: int, trials: int) -> tuple[Estimate, Estimate]:
    """Running bounds of two classes: the prediction's at 100 draws, the rival's at an earlier look."""
    flat = (1.0, 1.0)
    ahead, behind = beta_mixture(k, 100, 0.005), beta_mixture(trials // 2, trials, 0.005, "upper")
    return (
        Estimate(0, "lower", k, 100, 0.005, ahead, "beta_mixture", flat),
        Estimate(1, "upper", trials // 2, trials, 0.005, behind, "beta_mixture", flat),
    )


def test_running_bounds_reached_at_different_looks_count_the_longest() -> None:
    early = _with_evidence(
        ALL["abstained"](), estimates=_looks(52, 60), form="rivals", threshold=None, stop="precision"
    )
    assert early.samples == 110
    early.verify()
    with pytest.raises(InvalidCertificate, match="samples must be 110 or more"):
        _refingerprinted(replace(early, samples=109)).verify()


def test_a_rival_never_has_more_than_the_prediction_leaves() -> None:
    bounds = _looks(90, 20)
    assert bounds[1].bound > 1 - bounds[0].bound
    made = certificate(
        [IMAGE], lambda: [law()], form="rivals", bounds=bounds, selection=(9, 1), stop="precision"
    )
    made.verify()
    assert made.claims[0].mu is not None
    assert made.claims[0].mu > 0.5


def test_fixed_bounds_count_the_same_draws() -> None:
    made = ALL["fields_of_ten"]()
    assert isinstance(made.evidence, SmoothingEvidence)
    first, second, third = made.evidence.estimates
    bound = clopper_pearson(5, 1000, third.alpha, "upper")
    fewer = replace(third, successes=5, trials=1000, bound=bound)
    with pytest.raises(InvalidCertificate, match="trials must be 2000, as all fixed bounds count the same"):
        _with_evidence(made, estimates=(first, second, fewer)).verify()


def test_noise_at_the_ends_of_its_ranges_is_accepted() -> None:
    ends: list[dict[str, object]] = [
        {"channel": "f", "noise": "categorical", "arities": (2, 2**40), "betas": (1.0, 1e-300)},
        {"channel": "m", "noise": "mask", "beta": 1.0, "mask_id": 0, "length": 1},
        {
            "channel": "t",
            "noise": "uniform_replacement",
            "beta": 1.0,
            "alphabet": 2,
            "length": 3,
            "outside": 3,
        },
    ]
    made = _with_evidence(ALL["abstained"](), channels=(*ends[:1], IMAGE, *ends[1:]))
    made.verify()
    with pytest.raises(InvalidCertificate, match="low must be below high"):
        _with_evidence(made, channels=(IMAGE | {"low": 1.0},)).verify()


def test_digests_and_names_are_such() -> None:
    made = ALL["image_and_tokens"]()
    with pytest.raises(InvalidCertificate, match="class_names must be different"):
        _refingerprinted(replace(made, class_names=("safe", "safe"))).verify()
    for name, changes, says in (
        ("synonyms_and_uneven_noise", {"sets_id": "ab"}, "sets_id must be a SHA-256 digest"),
        ("synonyms_and_uneven_noise", {"sigmas": None, "sigmas_id": ""}, "sigmas_id must be a SHA-256"),
        ("end_of_text", {"alphabet_id": None}, "alphabet_id must be the digest of the named set"),
    ):
        made = ALL[name]()
        assert isinstance(made.evidence, SmoothingEvidence)
        records = []
        for record in made.evidence.channels:
            kernel = record.get("kernel")
            own = {key: item for key, item in changes.items() if key in record}
            own |= {} if kernel is None else {"kernel": replace(kernel, **changes)}
            records.append(replace(record, **own))  # type: ignore[type-var]
        with pytest.raises(InvalidCertificate, match=says):
            _with_evidence(made, channels=tuple(records)).verify()


def test_every_token_of_a_text_may_be_attacked() -> None:
    made = certificate(
        [_masked_text(2)],
        lambda d: [law(*[masked(0.9)] * d)],
        bounds=estimates((997, 3), 1000, 0.01, "threshold"),
        selection=(9, 1),
    )
    made.verify()
    assert made.frontier == {0: 0.0, 1: 0.0, 2: 0.0}


def _masked_text(length: int) -> dict[str, object]:
    noise = {"channel": "t", "noise": "mask", "beta": 0.9, "mask_id": 0, "length": length}
    return noise | {"threat": "token_l0", "max_d": length}


def test_more_votes_than_draws_are_refused() -> None:
    made = ALL["fields_of_ten"]()
    assert isinstance(made.evidence, SmoothingEvidence)
    first, second, third = made.evidence.estimates
    k = 100
    crowded = replace(third, successes=k, bound=clopper_pearson(k, 2000, third.alpha, "upper"))
    with pytest.raises(InvalidCertificate, match="at most 2000 for the prediction and a rival together"):
        _with_evidence(made, estimates=(first, second, crowded)).verify()


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        ((70, 0), "100 or more together"),  # nobody's 30 votes: the radius came out far too large
        ((70, 29), "100 or more together"),
        ((70, 30), None),
        ((70, 20, 10), None),
        ((70, 20, 11), None),  # a draw that named no class is counted for both rivals
        ((70, 10, 3), "100 or more together"),
        ((70, 23, 6, 7), None),  # 3 unnamed draws, two more counts for each
        ((70, 22, 6, 7), "those of 100 votes"),
        ((70, 30, 2, 0), "those of 100 votes"),  # one unnamed draw, but a rival without any
    ],
)
def test_counts_of_all_classes_are_those_of_votes(counts: tuple[int, ...], says: str | None) -> None:
    share, sides = 0.002, ["lower", *["upper"] * (len(counts) - 1)]
    found = tuple(
        Estimate(c, side, k, 100, share, clopper_pearson(k, 100, share, side))  # type: ignore[arg-type]
        for c, (k, side) in enumerate(zip(counts, sides, strict=True))
    )
    selection = (9, *[0] * (len(counts) - 1))
    made = certificate([IMAGE], lambda: [law()], form="rivals", bounds=found, selection=selection)
    if says is None:
        made.verify()
    else:
        with pytest.raises(InvalidCertificate, match=says):
            made.verify()


def test_counts_at_different_looks_are_those_of_votes() -> None:
    def of(k: int, n: int, other: int, at: int) -> Certificate:
        first = beta_mixture(k, n, 0.005)
        second = beta_mixture(other, at, 0.005, "upper")
        bounds = (
            Estimate(0, "lower", k, n, 0.005, first, "beta_mixture", (1.0, 1.0)),
            Estimate(1, "upper", other, at, 0.005, second, "beta_mixture", (1.0, 1.0)),
        )
        settings = {"form": "rivals", "bounds": bounds, "selection": (9, 1), "stop": "precision"}
        return certificate([IMAGE], lambda: [law()], **settings)  # type: ignore[arg-type]

    of(90, 100, 10, 20).verify()
    of(70, 100, 0, 20).verify()
    with pytest.raises(InvalidCertificate, match="at most 100 for the prediction and a rival together"):
        of(91, 100, 10, 20).verify()
    with pytest.raises(InvalidCertificate, match="100 or more together"):
        of(80, 100, 0, 120).verify()


@pytest.mark.parametrize(
    ("place", "change", "says"),
    [
        (0, {"sigma": 0.0}, "sigma must be a standard deviation"),
        (0, {"unit": "pixels) or changes any token (as"}, "unit must be printable words without brackets"),
        (0, {"unit": "pixels\u202e"}, "unit must be printable words"),
        (0, {"unit": "pixels\nand"}, "unit must be printable words"),
        (1, {"alphabet_id": "any token"}, "alphabet_id must be a SHA-256 digest"),
        (0, {"low": 2.0}, "low must be below high"),
        (0, {"channel": "tokens"}, "names of evidence.channels must be distinct"),
        (0, {"channel": "zebra"}, "names of evidence.channels must be distinct, sorted"),
        (1, {"beta": 0.0}, "beta must be a rate"),
        (1, {"beta": 1.5}, "beta must be a rate"),
        (1, {"alphabet": 1}, "alphabet must be between 2"),
        (1, {"length": 1}, "max_d must be between 0 and 1"),
        (1, {"outside": 17}, "outside must be between 0 and 16"),
        (1, {"max_d": None}, "max_d must be between|claims must be 1"),
        (1, {"max_d": -1}, "max_d of tokens must be 0 or more|must be"),
        (1, {"max_d": 10**12}, "claims must be"),
        (1, {"attacker": None}, "attacker must be 'closed' or 'open'"),
    ],
)
def test_noise_out_of_range_is_refused(place: int, change: dict[str, object], says: str) -> None:
    made = ALL["image_and_tokens"]()
    assert isinstance(made.evidence, SmoothingEvidence)
    channels = list(made.evidence.channels)
    channels[place] = replace(channels[place], **change)  # type: ignore[type-var]
    with pytest.raises(InvalidCertificate, match=says):
        _with_evidence(made, channels=tuple(channels)).verify()


@pytest.mark.parametrize(
    "change",
    [
        {"prediction": "1"},
        {"prediction": 1.5},
        {"alpha": float("nan")},
        {"alpha": None},
        {"samples": "many"},
        {"claims": ("first",)},
        {"claims": None},
        {"num_classes": None},
        {"class_names": (1, 2)},
        {"method": None},
        {"evidence": None},
        {"version": 2},
    ],
)
def test_a_record_of_the_wrong_shape_is_refused_even_if_never_written(change: dict[str, object]) -> None:
    wrong = replace(ALL["image_and_tokens"](), **change)  # type: ignore[arg-type]
    with pytest.raises(InvalidCertificate, match="must be"):
        wrong.verify()


@dataclass(frozen=True)
class Halves(Evidence):
    """A toy kind: the claim is that mu is half of a stored number."""

    number: float
    method: ClassVar[str] = "halves"

    def channel_names(self) -> tuple[str, ...]:
        return ("z",)

    def scales(self) -> dict[str, float]:
        return {"z": 1.0}

    def budgets(self) -> dict[str, int]:
        return {}

    def ledger(self) -> dict[str, float]:
        return {}

    def sentence(self, certificate: Certificate) -> str:
        return "Half of it."


@pytest.fixture
def halves() -> Iterator[None]:
    def check(made: Certificate) -> None:
        assert isinstance(made.evidence, Halves)
        if made.claims[0].mu != made.evidence.number / 2:
            raise InvalidCertificate("mu must be half")

    register(Halves)
    verify.register("halves", verify.Checker(check, lambda made, index: None))
    yield
    del kinds._KINDS["halves"]
    del general._CHECKERS["halves"]


@pytest.mark.usefixtures("halves")
def test_another_kind_joins_without_touching_this_one() -> None:
    figures = {
        "input_id": "1",
        "method": "halves",
        "num_classes": 2,
        "prediction": 0,
        "alpha": 0.0,
        "samples": 0,
    }
    made = Certificate.build(**figures, claims=(Claim((), 2.0),), evidence=Halves(4.0))
    again = Certificate.from_json(made.to_json())
    again.verify()
    assert again == made
    assert again.covers(z=1.99)
    assert again.frontier[0] == pytest.approx(2.0)
    with pytest.raises(InvalidCertificate, match="half"):
        Certificate.build(**figures, claims=(Claim((), 2.5),), evidence=Halves(4.0)).verify()
    with pytest.raises(InvalidCertificate, match="a name in evidence must be one of calibration, channels"):
        verify.verify(replace(made, method="smoothing"))
    with pytest.raises(ValueError, match="already has a checker"):
        verify.register("halves", verify.Checker(lambda made: None, lambda made, index: None))
