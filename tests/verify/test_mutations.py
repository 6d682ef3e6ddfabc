"""Every figure of a certificate, changed one at a time: raw, and with the fingerprint computed anew.

What no checker can see from the record alone, because the changed record is the honest record of another
experiment (only the fingerprint, or a repetition of the draws, tells it apart):

* names and words: input_id, class_names, channel names, unit, declared range, stop_reason, noise_scheme,
  mask_id, alphabet_id, seed, and the stopping rule where the bound holds at any stopping time;
* the whole evidence forged consistently: other counts with their own bound, claims and margins, or another
  noise level sigma together with the radii that follow from it (a single one of these figures is caught);
* witnesses: whatever proves the same margin proves it;
* numbers that only weaken the claim or do not touch it: a larger alpha, more samples, selection votes that
  elect the same class, the length of a text that still holds the budget, a field that no worst attack changes
  before or after, alpha and prior of an estimate within their last digits, where its bound is the same float.
"""

from __future__ import annotations

import copy
import itertools
import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from handmade import ALL

from ironbound.certificate import Certificate
from ironbound.certificate.claim import derived_radii
from ironbound.certificate.codec import digest
from ironbound.errors import InvalidCertificate

Path = tuple[str | int, ...]

# Last parts of paths that a re-sealed record may carry changed, with the reasons of the docstring.
WORDS = {"input_id", "class_names", "channel", "unit", "low", "high", "stop_reason", "noise_scheme", "seed"}
WORDS |= {"mask_id", "alphabet_id", "alphabet_name", "pad", "width", "sets_id"}
# The worst token change is from outside to outside of the alphabet; the worst field has 5 categories.
UNUSED: dict[str, set[Path]] = {
    "open_tokens": {(1, "alphabet")},
    "fields_of_ten": {(0, name, i) for name in ("arities", "betas") for i in (0, 2, 3)},
}


def leaves(data: Any, path: Path = ()) -> Iterator[Path]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else None
    if items is None or not data:
        yield path
    else:
        for name, item in items:
            yield from leaves(item, (*path, name))


def variants(value: Any) -> list[Any]:
    """Changes of one figure: the nearest ones and large ones, in both directions, and of type."""
    if isinstance(value, bool) or value is None:
        return [0.25, 1, "closed"]
    if isinstance(value, int):
        return [value + 1, value - 1, value * 2 + 7, None]
    if isinstance(value, float):
        steps = [math.nextafter(value, math.inf), math.nextafter(value, -math.inf)]
        return [*steps, value * 1.01 + 1e-3, value * 0.99 - 1e-3, None]
    if isinstance(value, str):
        return [value + "x", "", None]
    return [[0.5], [1]]


def changed(data: Any, path: Path, value: Any) -> Any:
    copied = copy.deepcopy(data)
    place = copied
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return copied


def resealed(data: Any) -> str:
    """The record with the fingerprint that its figures have."""
    fields = {name: item for name, item in data.items() if name != "fingerprint"}
    return json.dumps(fields | {"fingerprint": digest(fields)})


def refused(text: str) -> str | None:
    """The reason for which a record is refused, None if it is accepted."""
    try:
        Certificate.from_json(text).verify()
    except InvalidCertificate as error:
        return str(error)
    return None


def named(name: str, data: Any, path: Path, item: Any) -> bool:
    """Changes that the docstring lists as invisible or harmless."""
    record = _at(data, path[: path.index("channels") + 2]) if "channels" in path else {}
    # Evidence with a part for each budget: the part that the change is in.
    place = path[:3] if path[:2] == ("evidence", "parts") else path[:1]
    last = next(part for part in reversed(path) if isinstance(part, str))
    old = data
    for step in path:
        old = old[step]
    if last in WORDS:
        return True
    if last == "reason":  # other words for why it abstains
        return data["prediction"] is None
    if last in ("alpha", "samples") and len(path) == 1:
        return item >= old
    if last == "outside":  # one is enough for the worst change of one token
        return item >= 1
    if last in ("alpha", "prior"):
        return item is not None and abs(item - old) < 1e-15
    if last == "selection":
        evidence = _at(changed(data, path, item), place)
        votes = evidence["selection"]
        if evidence["tau"] is not None:
            share = votes[evidence["positive"]] / sum(votes)
            return min(votes) >= 0 and share > evidence["tau"]
        return min(votes) >= 0 and votes.index(max(votes)) == evidence["estimates"][0]["label"]
    if last == "length":
        return item >= record["max_d"]
    if path[2:] in UNUSED.get(name, set()):  # no worst attack depends on it, before or after
        return True
    if last in ("witnesses", "rival_witnesses"):  # accepted only where they prove the same margin
        return True
    if record.get("threat", "") is None:  # noised, not attacked: nothing is claimed about it
        return last in ("sigma", "threat")
    if last == "sigma":  # no claim depends on it alone: the radii do, and they are checked on reading
        return data["prediction"] is None
    if last == "threshold" and item is not None:  # 1e-17 beside a margin of 0.9: proved, and not visible
        return data["prediction"] is None or abs(item - old) < 1e-16
    return False


@pytest.mark.parametrize("name", ALL)
def test_any_change_breaks_the_fingerprint(name: str) -> None:
    data = json.loads(ALL[name]().to_json())
    assert refused(json.dumps(data)) is None
    for path in leaves(data):
        for item in variants(_at(data, path)):
            if item == _at(data, path):
                continue
            assert refused(json.dumps(changed(data, path, item))), (path, item)


@pytest.mark.parametrize("name", ALL)
def test_a_resealed_change_of_any_single_figure_is_refused_unless_it_claims_no_more(name: str) -> None:
    data = json.loads(ALL[name]().to_json())
    tried = 0
    for path in leaves(data):
        if path == ("fingerprint",):
            continue
        for item in variants(_at(data, path)):
            if item != _at(data, path) and refused(resealed(changed(data, path, item))) is None:
                assert named(name, data, path, item), f"{path} may be changed to {item!r} unseen"
            tried += 1
    assert tried > 60


@pytest.mark.parametrize("name", ["image_and_tokens", "fields_of_ten", "everything_at_once"])
@pytest.mark.parametrize("factor", [1 + 1e-3, 1 + 1e-7, 1 + 2e-16, 1 - 1e-3])
def test_a_shift_changed_together_with_its_radii_is_refused(name: str, factor: float) -> None:
    certificate = ALL[name]()
    data = json.loads(certificate.to_json())
    scales = certificate.evidence.scales()
    for i, claim in enumerate(certificate.claims):
        if claim.mu is None:
            continue
        forged = copy.deepcopy(data)
        row = forged["claims"][i]
        row["mu"] = claim.mu * factor
        object.__setattr__(claim_ := copy.copy(claim), "mu", row["mu"])
        row.update(derived_radii(claim_, scales))
        assert refused(resealed(forged)), (i, factor)


def test_a_lost_budget_cannot_be_claimed_with_any_shift_or_witness() -> None:
    certificate = ALL["image_and_tokens"]()
    data = json.loads(certificate.to_json())
    assert data["claims"][2]["mu"] is None
    for mu, u in itertools.product((0.0, 1e-12, 1e-3, 0.5), (-20.0, -5.0, 0.0, 1.0, 5.0, 10.0)):
        for margin in (None, 1e-12, 0.1):
            row = {"mu": mu, "witnesses": [u], "margin": margin, "budget": {"tokens": 2}}
            row |= {"rival_witnesses": [], "radius": 0.5 * mu, "radii": {"image": 0.5 * mu}}
            if mu > 0:
                row |= dict.fromkeys(["radius"], math.nextafter(0.5 * mu, 0))
                row["radii"] = {"image": row["radius"]}
            reason = refused(resealed(changed(data, ("claims", 2), row)))
            assert reason is not None
            assert "claims[2]" in reason


@pytest.mark.parametrize(
    ("name", "path", "value", "says"),
    [
        ("image_and_tokens", ("evidence", "estimates", 0, "successes"), 9971, "estimates[0].bound"),
        ("image_and_tokens", ("evidence", "channels", 1, "beta"), 0.61, "claims[1].margin"),
        ("image_and_tokens", ("evidence", "channels", 1, "alphabet"), 239, "claims[1].margin"),
        ("image_and_tokens", ("evidence", "channels", 0, "sigma"), 0.6, "claims[0].radi"),
        ("image_and_tokens", ("alpha",), 0.009, "alpha must be at least"),
        ("image_and_tokens", ("samples",), 10_099, "samples must be 10100 or more"),
        ("image_and_tokens", ("prediction",), 0, "prediction must be 1"),
        ("open_tokens", ("evidence", "channels", 1, "attacker"), "closed", "claims[1].margin"),
        ("open_tokens", ("evidence", "channels", 1, "outside"), 0, "claims[1].margin"),
        ("fields_of_ten", ("evidence", "channels", 0, "arities", 1), 4, "claims[1].margin"),
        ("fields_of_ten", ("evidence", "estimates", 1, "bound"), 0.01, "estimates[1].bound"),
        ("everything_at_once", ("evidence", "estimates", 0, "rule"), "clopper_pearson", "'beta_mixture'"),
        ("everything_at_once", ("evidence", "channels", 2, "max_d"), 2, "claims must be 6"),
        ("abstained", ("prediction",), 0, "prediction must be null"),
    ],
)
def test_the_refusal_names_the_figure(name: str, path: Path, value: Any, says: str) -> None:
    reason = refused(resealed(changed(json.loads(ALL[name]().to_json()), path, value)))
    if path[-1] in ("rule", "prediction") and reason is not None and says not in reason:
        data = changed(json.loads(ALL[name]().to_json()), path, value)
        if path[-1] == "rule":
            data["evidence"]["estimates"][0]["prior"] = None
        else:
            data["reason"] = ""
        reason = refused(resealed(data))
    assert reason is not None
    assert says in reason


def _at(data: Any, path: Path) -> Any:
    for step in path:
        data = data[step]
    return data
