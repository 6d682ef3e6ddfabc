"""JSON: the same bits back, one text for one record, and nothing but refusals for everything else."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from handmade import ALL, IMAGE
from hypothesis import given, settings
from hypothesis import strategies as st

from ironbound.certificate import Certificate, Claim, Estimate, SmoothingEvidence
from ironbound.certificate.codec import digest
from ironbound.errors import InvalidCertificate

finite = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(max_size=12)
counts = st.integers(0, 2**62)


@st.composite
def records(draw: st.DrawFn) -> Certificate:
    """Certificates of the right shape with arbitrary figures: most prove nothing."""
    channels: list[dict[str, Any]] = [
        {**IMAGE, "sigma": draw(finite), "unit": draw(words), "low": draw(finite)}
    ]
    if draw(st.booleans()):
        channels.append(
            {"channel": draw(words), "noise": "categorical", "max_d": draw(st.none() | counts)}
            | {"arities": draw(st.lists(counts, max_size=3)), "betas": draw(st.lists(finite, max_size=3))}
        )
    estimate = st.builds(
        Estimate, counts, st.sampled_from(["lower", "upper"]), counts, counts, finite, finite,
        st.sampled_from(["clopper_pearson", "beta_mixture", "clopper_pearson_looks"]),
        st.none() | st.tuples(finite, finite), st.none() | counts,
    )  # fmt: skip
    evidence = SmoothingEvidence(
        channels=tuple(channels),  # type: ignore[arg-type]
        form=draw(st.sampled_from(["threshold", "rivals"])),
        threshold=draw(st.none() | finite),
        selection=tuple(draw(st.lists(counts, max_size=4))),
        estimates=tuple(draw(st.lists(estimate, max_size=3))),
        stop=draw(st.sampled_from(["fixed", "target", "precision"])),
        stop_reason=draw(words),
        seed=draw(counts),
        noise_scheme=draw(words),
    )
    budgets = st.dictionaries(words, counts, max_size=2).map(lambda d: tuple(sorted(d.items())))
    rows = st.lists(finite, max_size=3).map(tuple)
    claim = st.builds(Claim, budgets, st.none() | finite, rows, rows, st.none() | finite)
    names = draw(st.none() | st.lists(words, max_size=3))
    return Certificate(
        input_id=draw(words),
        method="smoothing",
        num_classes=draw(counts),
        prediction=draw(st.none() | counts),
        alpha=draw(finite),
        samples=draw(counts),
        claims=tuple(draw(st.lists(claim, max_size=3))),
        evidence=evidence,
        class_names=None if names is None else tuple(names),
        reason=draw(words),
        fingerprint=draw(words),
    )


@settings(max_examples=150, deadline=None)
@given(records())
def test_reading_gives_back_every_bit(certificate: Certificate) -> None:
    text = certificate.to_json()
    again = Certificate.from_json(text)
    assert again == certificate
    assert again.to_json() == text
    assert Certificate.from_json(certificate.to_json(indent=2)).to_json() == text


@settings(max_examples=100, deadline=None)
@given(records())
def test_an_arbitrary_record_is_refused_with_words_never_an_accident(certificate: Certificate) -> None:
    with pytest.raises(InvalidCertificate, match="must be"):
        certificate.verify()
    sealed = {name: item for name, item in json.loads(certificate.to_json()).items() if name != "fingerprint"}
    with pytest.raises(InvalidCertificate, match="must be"):
        Certificate.from_json(json.dumps(sealed | {"fingerprint": digest(sealed)})).verify()


def test_negative_zero_subnormals_and_the_last_digit_survive() -> None:
    base = ALL["image_and_tokens"]()
    for value in (-0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, math.nextafter(0.5, 1.0)):
        data = json.loads(base.to_json())
        data["alpha"] = value
        again = Certificate.from_json(json.dumps(data))
        assert math.copysign(1.0, again.alpha) == math.copysign(1.0, value)
        assert again.alpha == value


leaf = st.none() | st.booleans() | st.integers() | st.floats() | words
plain = st.recursive(
    leaf, lambda x: st.lists(x, max_size=4) | st.dictionaries(words, x, max_size=4), max_leaves=12
)


@settings(max_examples=150, deadline=None)
@given(plain)
def test_any_json_is_read_or_refused(data: Any) -> None:
    with pytest.raises(InvalidCertificate, match="must be"):
        Certificate.from_json(json.dumps(data))


@settings(max_examples=150, deadline=None)
@given(st.text() | st.binary())
def test_any_text_or_bytes_is_refused(text: str | bytes) -> None:
    with pytest.raises(InvalidCertificate, match="must be"):
        Certificate.from_json(text)


def paths(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path] * bool(path) + [found for name, item in items for found in paths(item, (*path, name))]


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_anything_put_anywhere_into_a_record_is_read_or_refused(data: st.DataObject) -> None:
    record = json.loads(ALL[data.draw(st.sampled_from(sorted(ALL)))]().to_json())
    path = data.draw(st.sampled_from(paths(record)))
    place = record
    for step in path[:-1]:
        place = place[step]
    action = data.draw(st.sampled_from(["replace", "delete", "add"]))
    if action == "replace":
        place[path[-1]] = data.draw(plain)
    elif action == "delete":
        del place[path[-1]]
    elif isinstance(place, dict):
        place[data.draw(words)] = data.draw(plain)
    else:
        place.append(data.draw(plain))
    fields = {name: item for name, item in record.items() if name != "fingerprint"}
    try:
        text = json.dumps(record | {"fingerprint": digest(fields)})
    except InvalidCertificate:  # NaN was put in
        text = json.dumps(record)
    try:
        Certificate.from_json(text).verify()
    except InvalidCertificate as error:
        assert "must be" in str(error)  # noqa: PT017 - most, not all, are refused


def edited(old: str, new: str) -> str:
    text = ALL["image_and_tokens"]().to_json()
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "JSON text"),
        ("{", "JSON text"),
        ("[" * 100_000, "JSON text"),
        ("[]", "a JSON object"),
        ("null", "a JSON object"),
        ("{}", "complete, with alpha"),
        (edited('"version":1', '"version":2'), "version must be 1"),
        (edited('"version":1', '"version":true'), "version must be 1"),
        (edited('"version":1', '"version":1.0'), "version must be 1"),
        (edited('"method":"smoothing"', '"method":"magic"'), "method must be one of"),
        (edited('"method":"smoothing"', '"method":[1]'), "method must be one of"),
        (edited('"alpha":0.01', '"alpha":NaN'), "finite; got 'NaN'"),
        (edited('"alpha":0.01', '"alpha":-Infinity'), "finite; got '-Infinity'"),
        (edited('"alpha":0.01', '"alpha":1e999'), "alpha must be a finite number; got inf"),
        (edited('"alpha":0.01', '"alpha":"0.01"'), "alpha must be a finite number; got '0.01'"),
        (edited('"alpha":0.01', '"alpha":true'), "alpha must be a finite number; got True"),
        (edited('"alpha":0.01', '"alpha":0.01,"alpha":0.01'), "distinct"),
        (edited('"alpha":0.01', '"aplha":0.01'), "a name in the certificate must be one of"),
        (edited('"alpha":0.01,', ""), "complete, with alpha present"),
        (edited('"samples":10100', '"samples":10100.0'), "samples must be an integer"),
        (edited('"samples":10100', '"samples":' + "9" * 50), "samples must be an integer below"),
        (edited('"samples":10100', '"samples":' + "9" * 5000), "JSON text"),
        (edited('"noise":"gaussian"', '"noise":"laplace"'), "channels[0].noise must be one of"),
        (edited('"noise":"gaussian",', ""), "channels[0].noise must be one of"),
        (edited('"sigma":0.5', '"sigma":0.5,"tau":1'), "a name in evidence.channels[0] must be"),
        (edited('"side":"lower"', '"side":"middle"'), "side must be 'lower' or 'upper'"),
        (edited('"budget":{"tokens":0}', '"budget":{"tokens":0.0}'), "budget.tokens must be an integer"),
        (edited('"budget":{"tokens":0}', '"budget":["tokens",0]'), "budget must be a JSON object"),
        (edited('"radius":1.3', '"radius":1.4'), "claims[0].radius must be"),
        (edited('"radii":{"image":1.3', '"radii":{"image":1.4'), "claims[0].radii must be"),
        (edited('"claims":[', '"claims":[7,'), "claims[0] must be a JSON object"),
        (edited('"class_names":[', '"class_names":["a",3,'), "class_names[1] must be a text"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_text_is_named(text: str, says: str) -> None:
    with pytest.raises(InvalidCertificate) as caught:
        Certificate.from_json(text)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_whole_number_stands_for_the_float_it_equals() -> None:
    """Other programs write 1.0 as 1; the record, its canonical text and its fingerprint stay the same."""
    base = ALL["image_and_tokens"]()
    again = Certificate.from_json(base.to_json().replace('"high":1.0', '"high":1'))
    assert again == base
    again.verify()
