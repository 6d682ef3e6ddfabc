"""A forger with all the tools: figures changed alone and together, shifts pushed up, everything sealed anew.

What is accepted in spite of it has to be what an honest prover could have written: `derivable.underivable`
says why a record is not.
"""

from __future__ import annotations

import copy
import json
import math
import os
import random
from dataclasses import replace
from typing import Any

import pytest
from derivable import underivable
from every_kind import RECORDS

from ironbound import laws
from ironbound.certificate import Certificate, Claim, Estimate, PerBudgetEvidence, SmoothingEvidence
from ironbound.certificate.codec import digest
from ironbound.certificate.record import _certificate
from ironbound.confidence import (
    beta_mixture_lower,
    beta_mixture_upper,
    clopper_pearson_lower,
    clopper_pearson_upper,
    level_at,
    planned_looks,
)
from ironbound.errors import InvalidCertificate, IronboundError
from ironbound.latent.center_evidence import CenterEvidence
from ironbound.runs.recertify.attack import attack_of

Path = tuple[str | int, ...]
FULL = os.environ.get("IRONBOUND_SLOW") == "full"
TRIALS = int(os.environ.get("FORGE", 2000 if FULL else 40))


def leaves(data: Any, path: Path = ()) -> list[Path]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path] if not items else [leaf for name, item in items for leaf in leaves(item, (*path, name))]


EXTREMES: list[Any] = [0, 1, -1, 0.0, -0.0, 5e-324, 1e308, -1e308, 2**64, 0.5, True, "1", None, [], [0.5], {}]
NEAR = [lambda v: v * 2, lambda v: v / 2, lambda v: v * 10, lambda v: v + 1, lambda v: v - 1, lambda v: -v]
NEAR += [
    lambda v: v * 1.01,
    lambda v: 1 - v,
    lambda v: math.nextafter(v, 9e9),
    lambda v: math.nextafter(v, -9e9),
]


def put(data: Any, path: Path, rng: random.Random) -> None:
    place = data
    for step in path[:-1]:
        place = place[step]
    old = place[path[-1]]
    number = isinstance(old, int | float) and not isinstance(old, bool)
    if number and rng.random() < 0.9:
        new = rng.choice(NEAR)(old)
        new = int(new) if isinstance(old, int) and math.isfinite(new) else new
    else:
        new = rng.choice(EXTREMES)
    place[path[-1]] = new


def reshape(data: Any, rng: random.Random) -> None:
    """Drop, repeat or exchange entries of a list somewhere."""
    lists: list[list[Any]] = []

    def walk(item: Any) -> None:
        if isinstance(item, list) and item:
            lists.append(item)
        for part in item.values() if isinstance(item, dict) else item if isinstance(item, list) else ():
            walk(part)

    walk(data)
    chosen = rng.choice(lists)
    i, j = rng.randrange(len(chosen)), rng.randrange(len(chosen))
    match rng.randrange(3):
        case 0:
            del chosen[i]
        case 1:
            chosen.append(copy.deepcopy(chosen[i]))
        case _:
            chosen[i], chosen[j] = chosen[j], chosen[i]


def canonical(estimate: Estimate) -> Estimate:
    """The same counts with the bound that belongs to them."""
    e = estimate
    if e.rule != "beta_mixture":
        rule = clopper_pearson_lower if e.side == "lower" else clopper_pearson_upper
        looked = e.planned is not None and e.trials in planned_looks(e.planned)
        alpha = level_at(e.trials, e.planned, e.alpha) if looked and e.planned else e.alpha
        return replace(e, bound=rule(e.successes, e.trials, alpha))
    mixture = beta_mixture_lower if e.side == "lower" else beta_mixture_upper
    return replace(e, bound=mixture(e.successes, e.trials, e.alpha, e.prior or (0.5, 0.5)))


def helped(evidence: SmoothingEvidence, claim: Claim) -> Claim:
    """The claim with the best witnesses of every worst-case law."""
    if claim.mu is None:
        return claim
    attack = attack_of(evidence.channels, [name for name, _ in claim.budget])
    (options,) = (one for one in attack.options if one.budget == claim.budget)
    p, *others = (e.bound for e in evidence.estimates)
    joined = [laws.compose(law, laws.gaussian(claim.mu)) for law in options.candidates]
    rivals: tuple[float, ...] = ()
    if evidence.threshold is None:
        rivals = tuple(law.upper_witness(min(max(others), 1.0 - p)) for law in joined)
    return replace(claim, witnesses=tuple(law.witness(p) for law in joined), rival_witnesses=rivals)


def repaired(found: Certificate) -> Certificate:
    """Bounds and witnesses made to fit whatever was changed."""
    evidence = found.evidence
    if isinstance(evidence, CenterEvidence):
        member = replace(evidence.membership, estimates=tuple(map(canonical, evidence.membership.estimates)))
        claims = tuple(helped(member, claim) for claim in found.claims)
        return replace(found, evidence=replace(evidence, membership=member), claims=claims)
    if isinstance(evidence, PerBudgetEvidence):
        parts = tuple(replace(p, estimates=tuple(map(canonical, p.estimates))) for p in evidence.parts)
        evidence = replace(evidence, parts=parts)
        claims = tuple(helped(evidence.part_of(claim), claim) for claim in found.claims)
        return replace(found, evidence=evidence, claims=claims)
    if isinstance(evidence, SmoothingEvidence):
        evidence = replace(evidence, estimates=tuple(map(canonical, evidence.estimates)))
        return replace(found, evidence=evidence, claims=tuple(helped(evidence, c) for c in found.claims))
    return found


def sealed(data: Any, push: float, *, repair: bool) -> Certificate | None:
    """The record with its last shift pushed, and radii, margins and fingerprint as a forger computes them.

    None where it is refused, or where the forger's own tools give up on the figures.
    """
    fields = copy.deepcopy(data)
    try:
        for row in fields["claims"]:
            row.pop("radius", None)
            row.pop("radii", None)
            row["margin"] = None
        certified = [row for row in fields["claims"] if row["mu"] is not None]
        if certified:  # one of them: the largest budgets often leave most room to lie
            certified[-1]["mu"] *= push
        found = _certificate(fields, derived=False)
        text = (repaired(found) if repair else found).seal().to_json()
    except (
        IronboundError,
        ArithmeticError,
        TypeError,
        LookupError,
        AttributeError,
        ValueError,
        RuntimeWarning,
    ):
        return None
    return accepted(text)


def accepted(text: str) -> Certificate | None:
    """A record that is accepted; refusals are of one kind, whatever the figures are."""
    try:
        found = Certificate.from_json(text)
        found.verify()
    except InvalidCertificate:
        return None
    return found


@pytest.mark.parametrize("name", RECORDS)
def test_whatever_a_forger_changes_an_accepted_record_could_be_an_honest_one(name: str) -> None:
    made = RECORDS[name]()
    made.verify()
    assert underivable(made) is None
    data, rng = json.loads(made.to_json()), random.Random(name)
    assert sealed(data, 1.0, repair=True) is not None
    places = [path for path in leaves(data) if path[0] != "fingerprint"]
    # Figures that the claims rest on are tried more often than the others.
    telling = [path for path in places if path[0] in ("evidence", "alpha", "samples", "prediction")]
    passed = 0
    for trial in range(TRIALS):
        forged = copy.deepcopy(data)
        try:
            for _ in range(rng.choice((1, 1, 2, 2, 3))):
                put(forged, rng.choice(telling if rng.random() < 0.8 else places), rng)
            if trial % 8 == 0:
                reshape(forged, rng)
            fields = {name: item for name, item in forged.items() if name != "fingerprint"}
            text = json.dumps(fields | {"fingerprint": digest(fields)})
        except (InvalidCertificate, KeyError, IndexError, TypeError, OverflowError):
            continue
        found = [accepted(text)]
        for push, repair in ((1.0, False), (1.0, True), (1.001, True), (3.0, False)):
            found.append(sealed(forged, push, repair=repair))
        for one in found:
            if one is not None:
                passed += 1
                assert underivable(one) is None, (trial, one.to_json())
                assert one.statement
    assert passed > 0, "a forger who gets nothing through shows nothing"


def test_the_oracle_itself_is_no_pushover() -> None:
    """It finds by itself a shift too long, alpha spent twice, votes of nobody."""
    made = RECORDS["rivals"]()
    assert isinstance(made.evidence, SmoothingEvidence)
    first, *rest = made.claims
    longer = replace(made, claims=(replace(first, mu=(first.mu or 9.0) * 1.001), *rest))
    assert "provable" in str(underivable(longer))
    assert underivable(replace(made, alpha=0.04)) == "more error probability is spent than stated"
    fewer = [replace(e, successes=e.successes - 2) for e in made.evidence.estimates]
    nobody = replace(made.evidence, estimates=tuple(fewer))
    assert underivable(replace(made, evidence=nobody)) == "counts that are none of votes"
    for name in ("margin", "ramp", "latent"):
        one = RECORDS[name]()
        claim = replace(one.claims[0], mu=2.0)
        assert "provable" in str(underivable(replace(one, claims=(claim,))))


def test_json_that_says_a_thing_twice_or_in_other_types_is_refused() -> None:
    text = RECORDS["rivals"]().to_json()
    for old, new in (
        ('"alpha":0.05', '"alpha":0.05,"alpha":0.06'),
        ('"alpha":0.05', '"alpha":"0.05"'),
        ('"alpha":0.05', '"alph\\u0061":0.05,"alpha":0.05'),
        ('"alpha":0.05', '"alph\\u0430":0.05'),
        ('"num_classes":3', '"num_classes":3.0'),
        ('"num_classes":3', '"num_classes":true'),
        ('"version":1', '"version":true'),
        ('"version":1', '"version":1.0'),
        ('"samples":', '"samples":1e3,"samples":'),
        ('"seed":0', '"seed":NaN'),
        ('"sigma":0.5', '"sigma":1e999'),
        ('"sigma":0.5', '"sigma":-Infinity'),
    ):
        assert old in text, old
        with pytest.raises(InvalidCertificate):
            Certificate.from_json(text.replace(old, new, 1)).verify()


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        (
            "ramp",
            {
                ("evidence", "ledger_lines", 1, "factor"): 1e200,
                ("evidence", "ledger_lines", 5, "factor"): 1e200,
            },
        ),
        ("rivals", {("evidence", "estimates", i, "alpha"): 1.5e308 for i in (0, 1)}),
        ("margin", {("evidence", "rivals", i, "differences", "alpha"): 1.5e308 for i in (0, 1)}),
        ("margin", {("evidence", "limit"): 1.5e308}),
        ("latent", {("claims", 0, "mu"): 1e308, ("claims", 0, "radius"): 1e308, ("claims", 0, "radii"): {}}),
    ],
)
def test_figures_beyond_float64_are_refused_like_others(name: str, changes: dict[Path, Any]) -> None:
    data = json.loads(RECORDS[name]().to_json())
    for path, item in changes.items():
        place = data
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = item
    for row in data["claims"]:
        if name == "latent":
            row["radius"] = math.nextafter(row["mu"], 0.0)
            row["radii"] = {"latent": row["radius"]}
    fields = {key: item for key, item in data.items() if key != "fingerprint"}
    with pytest.raises(InvalidCertificate):
        Certificate.from_json(json.dumps(fields | {"fingerprint": digest(fields)})).verify()
