"""What is sent: templates filled by draws, and encoders of channels."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ironbound.errors import InputError, InputTypeError
from ironbound.models.http.encoders import Png, encoder, numbers
from ironbound.models.http.template import Template


def filled(structure: Any, *draws: dict[str, Any]) -> Any:
    return json.loads(Template.build(structure).fill(draws))


def test_places_are_filled_wherever_they_are() -> None:
    structure = {
        "model": "filter-2",
        "temperature": 0.0,
        "messages": [{"role": "user", "content": "Classify: {text}"}, {"image": {"$channel": "image"}}],
        "stream": False,
        "stop": None,
    }
    template = Template.build(structure)
    assert template.channels == {"text", "image"}
    assert not template.batched
    draw = {"text": 'say "hi"\n', "image": [[1, 2.5]]}
    assert json.loads(template.fill([draw])) == {
        "model": "filter-2",
        "temperature": 0.0,
        "messages": [{"role": "user", "content": 'Classify: say "hi"\n'}, {"image": [[1, 2.5]]}],
        "stream": False,
        "stop": None,
    }


@given(st.text())
def test_text_arrives_as_it_is_whatever_is_in_it(text: str) -> None:
    assert filled({"a": "{text}", "b": "<{text}{text}>"}, {"text": text}) == {
        "a": text,
        "b": f"<{text}{text}>",
    }


@given(st.text())
def test_braces_that_are_no_place_are_left_alone(text: str) -> None:
    other = text.replace("{", "").replace("}", "")
    prompt = f'{{"label": "{other}"}} {{}} {{ {other} }}'
    assert filled([prompt, "{x}"], {"x": "y"}) == [prompt, "y"]


def test_doubled_braces_write_single_ones() -> None:
    assert filled("{{user}} {x} {{x}}", {"x": "1"}) == "{user} 1 {x}"


def test_each_lists_all_draws_in_order() -> None:
    structure = {"rows": {"$each": {"t": {"$channel": "t"}}}, "also": {"$each": "{s}"}}
    draws = [{"t": [i], "s": f"s{i}"} for i in range(3)]
    assert filled(structure, *draws) == {"rows": [{"t": [i]} for i in range(3)], "also": ["s0", "s1", "s2"]}
    assert Template.build(structure).batched


def test_a_template_is_a_copy() -> None:
    structure: dict[str, Any] = {"x": {"$channel": "x"}, "options": [1]}
    template = Template.build(structure)
    structure["options"].append({1, 2})
    assert json.loads(template.fill([{"x": 0}])) == {"x": 0, "options": [1]}


@pytest.mark.parametrize(
    ("structure", "message"),
    [
        ({"text": "no place"}, "no place for a channel"),
        ({"a": {"$channel": "x", "b": 1}}, "without other keys"),
        ({"a": {"$channel": 3}}, r"template\.a\.\$channel must be the name"),
        ({"$each": {"$each": "{x}"}}, "inside"),
        ({"list": {"$each": "{x}"}, "other": ["{y}"]}, "'y' outside"),
        ({"a": "{x}", "b": [0, float("nan")]}, r"template\.b\[1\] must be finite"),
    ],
)
def test_templates_that_cannot_be_filled(structure: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Template.build(structure)


@pytest.mark.parametrize(
    ("structure", "message"), [({"a": {1, 2}}, r"template\.a"), ({1: "{x}"}, "strings as keys")]
)
def test_templates_that_are_no_json(structure: Any, message: str) -> None:
    with pytest.raises(InputTypeError, match=message):
        Template.build(structure)


@pytest.mark.parametrize(
    ("structure", "value", "message"),
    [
        ("{x}", [1, 2], "encoded as list"),
        ({"$channel": "x"}, float("inf"), "plain JSON"),
        ({"$channel": "x"}, np.int64(3), "plain JSON"),
    ],
)
def test_values_that_do_not_fit_their_place(structure: Any, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Template.build(structure).fill([{"x": value}])


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_come_back_exactly(values: list[float]) -> None:
    sent = json.loads(json.dumps(numbers(np.array(values, dtype=np.float32))))
    assert np.array_equal(np.array(sent, dtype=np.float32), np.array(values, dtype=np.float32))


def test_encoders_are_named_or_written() -> None:
    assert encoder("numbers", "x") is numbers
    assert encoder(len, "x") is len
    with pytest.raises(InputError, match=r"encoders\['x'\]"):
        encoder("jpeg", "x")
    with pytest.raises(InputTypeError, match=r"encoders\['x'\]"):
        encoder(3, "x")


needs_pillow = pytest.mark.skipif(importlib.util.find_spec("PIL") is None, reason="Pillow is not installed")


def decoded(text: str) -> Any:
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(text))) as image:
        assert image.format == "PNG"
        return np.asarray(image)


@needs_pillow
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (5, 7, 4)])
def test_png_holds_the_clipped_and_rounded_image(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).normal(0.5, 0.5, shape)
    expected = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    assert expected.min() == 0  # the noise does leave the range
    assert expected.max() == 255
    assert np.array_equal(decoded(Png()(image)), expected)
    if len(shape) == 3:
        assert np.array_equal(decoded(Png()(np.moveaxis(image, 2, 0))), expected)


@needs_pillow
def test_png_range_and_single_colour() -> None:
    image = np.array([[[-1.0], [0.0]], [[1.0], [5.0]]])
    assert decoded(Png(low=-1.0, high=1.0, layout="HWC")(image)).tolist() == [[0, 128], [255, 255]]


@needs_pillow
def test_png_refuses_what_is_no_image() -> None:
    with pytest.raises(InputError, match="CHW or HWC"):
        Png()(np.zeros((3, 5, 3)))
    with pytest.raises(InputError, match=r"got \(5,\)"):
        Png()(np.zeros(5))
    with pytest.raises(InputError, match="as CHW"):
        Png(layout="CHW")(np.zeros((2, 5, 3)))
    with pytest.raises(InputError, match="increasing"):
        Png(low=1.0, high=1.0)
    with pytest.raises(InputError, match="layout"):
        Png(layout="WH")  # type: ignore[arg-type]


def test_png_without_pillow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install pillow"):
        encoder("png", "image")
