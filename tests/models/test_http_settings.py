"""Settings: what is refused, what is kept secret, and copies for other processes."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ironbound.errors import InputError, InputTypeError
from ironbound.models.http import HttpClassifier, Reply
from ironbound.models.http.headers import Headers, Url, redacted

URL = "http://filter.test/classify"
ONE: dict[str, Any] = {"template": {"x": {"$channel": "x"}}, "answer": "label"}
BATCH = {"x": np.zeros((5, 1))}


def says(label: str) -> Reply:
    return Reply(200, json.dumps({"label": label}).encode())


def lost(message: str) -> Reply:
    raise OSError(message)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": "ftp://h/"}, "http:// or https://"),
        ({"url": "http://h:99999/"}, "no address"),
        ({"url": "http://h/a b"}, "percent-encode"),
        ({"url": "http://[::1/"}, "no address"),
        ({"method": "GET"}, "method must be POST"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"timeout": None}, "timeout"),
        ({"backoff": -1.0}, "backoff"),
        ({"longest_pause": float("inf")}, "longest_pause"),
        ({"rate": 0}, "rate"),
        ({"rate": "fast"}, "rate"),
        ({"retries": -1}, "retries"),
        ({"retries": 1.5}, "retries"),
        ({"retries": True}, "retries"),
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": 1000}, "concurrency"),
        ({"burst": 0}, "burst"),
        ({"give_up_after": 0}, "give_up_after"),
        ({"answer_limit": 0}, "answer_limit"),
        ({"draws_per_call": 0}, "draws_per_call"),
        ({"draws_per_call": 2}, r"1 unless template lists the draws with \$each"),
        ({"answer": "labels[*]"}, r"answer has \[\*\], but template"),
        ({"template": {"$each": "{x}"}}, r"template has \$each, but answer"),
        ({"encoders": {"y": "numbers"}}, "channels of template"),
        ({"encoders": {"x": "jpeg"}}, r"encoders\['x'\]"),
        ({"headers": {"Content-Length": "3"}}, "belongs to the connection"),
        ({"headers": {"a b": "3"}}, "no header can have"),
        ({"headers": {"X-Key": "a\r\nX-Other: b"}}, r"headers\['X-Key'\] must be one line"),
    ],
)
def test_settings_that_cannot_be_used_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        HttpClassifier(**{"url": URL, **ONE, **settings})


def test_settings_of_a_wrong_type() -> None:
    for settings in ({"url": 3}, {"headers": [("a", "b")]}, {"headers": {"a": 3}}):
        with pytest.raises(InputTypeError, match=next(iter(settings))):
            HttpClassifier(**{"url": URL, **ONE, **settings})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"y": np.zeros((2, 1))}, r"channels \['x'\]; 'x' is not in the batch"),
        ({"x": np.zeros((2, 1)), "y": np.zeros((2, 1))}, "'y' has no place in it"),
    ],
)
def test_batches_and_templates_must_name_the_same_channels(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        HttpClassifier(URL, **ONE)(given)


def test_channels_must_have_one_length() -> None:
    base = HttpClassifier(URL, template=["{x}", {"$channel": "y"}], answer="label")
    with pytest.raises(InputError, match="same length"):
        base({"x": np.zeros((2, 1)), "y": np.zeros((3, 1))})


TOKEN = "tok-3f9a\\77ab'c0ffee"


def test_secrets_are_sent_but_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILTER_TOKEN", TOKEN)
    settings: dict[str, Any] = {
        **ONE,
        "retries": 0,
        "headers": {"Authorization": "Bearer ${FILTER_TOKEN}", "X-Key": "literal-secret"},
    }
    query = "query-secret"
    url = f"{URL}?key={query}"
    echo = f"{TOKEN} literal-secret {query} " * 2
    replies: list[Callable[[], Reply]] = [
        lambda: Reply(400, echo.encode()),
        lambda: Reply(401, echo.encode()),
        lambda: Reply(302, headers={"location": f"http://h/?{TOKEN}"}),
        lambda: says(echo),
        lambda: says("x" * 45 + TOKEN),  # cut in its middle
        lambda: Reply(200, json.dumps({TOKEN: 1, query: 2}).encode()),
        lambda: lost(echo),
    ]
    for reply in replies:
        base = HttpClassifier(url, **settings, transport=lambda body, timeout, reply=reply: reply())
        with pytest.raises(InputError) as caught:
            base(BATCH)
        texts = [str(caught.value), repr(base), str(base.failures), repr(base.failures)]
        assert str(caught.value).startswith(f"the endpoint {URL} cannot be used")
        for shown in texts:
            assert "3f9a" not in shown
            assert "c0ffee" not in shown  # behind a backslash, which messages double
            assert "literal" not in shown
            assert "query-" not in shown
    base = HttpClassifier(url, **settings)
    assert repr(base) == f"HttpClassifier({URL!r}, headers=['Authorization', 'X-Key'])"
    assert TOKEN.encode() not in pickle.dumps(base)


def test_secrets_that_begin_alike_are_hidden_to_their_ends() -> None:
    alike = ["shared-abc", "shared-xyz-1", "shared-xyz-2"]
    url, headers = Url.parse(f"http://h/?a={alike[0]}&b={alike[1]}"), Headers({"X-Key": alike[2]})
    for secret in alike:
        assert redacted(f"<{secret}>", url, headers) == "<***>"
        assert redacted(f"<{secret[:-2]}...", url, headers) == "<***..."  # cut off, as long messages are
    assert redacted("share, X-Key", url, headers) == "share, X-Key"


def test_a_password_in_the_url_is_refused_without_repeating_it() -> None:
    with pytest.raises(InputError, match="must not hold a user name or password") as caught:
        HttpClassifier("http://me:hunter22@filter.test/", **ONE)
    assert "hunter22" not in str(caught.value)


def test_a_header_value_that_cannot_be_sent_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILTER_TOKEN", "secret\nX-Other: 1")
    base = HttpClassifier("http://127.0.0.1:9/", **ONE, headers={"X-Key": "${FILTER_TOKEN}"})
    with pytest.raises(InputError, match="one line of printable ASCII") as caught:
        base(BATCH)
    assert "secret" not in str(caught.value)


def test_a_copy_for_another_process_starts_afresh() -> None:
    base = HttpClassifier(URL, **ONE, labels=["a", "b"], timeout=3.0, headers={"X-Key": "${FILTER_TOKEN}"})
    for twin in (pickle.loads(pickle.dumps(base)), copy.deepcopy(base)):
        assert repr(twin) == repr(base)
        assert twin.class_names == ("a", "b")
        assert twin.failures.asked == 0
