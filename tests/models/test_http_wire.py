"""Over real sockets: what travels, connections that are kept, and a server that is slow, flaky and rude."""

from __future__ import annotations

import gc
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from rude_server import LASTING, MISDEEDS, Handler, Misdeed, Server, rule, says, serving

from ironbound.errors import InputError
from ironbound.models.http import HttpClassifier


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def classifier(server: Server, **settings: Any) -> HttpClassifier:
    usual: dict[str, Any] = {
        "template": {"tokens": {"$channel": "tokens"}},
        "answer": "result.label",
        "labels": ["ham", "spam"],
        "timeout": 5.0,
        "retries": 3,
        "backoff": 0.002,
        "longest_pause": 0.01,
        "answer_limit": 100_000,
    }
    return HttpClassifier(server.url, **{**usual, **settings})


def timeout(name: str) -> float:
    """Long enough for any busy machine, but not where only a timeout ends the call."""
    return 0.3 if name in LASTING else 5.0


BATCH = {"tokens": np.arange(40)[:, None]}
ANSWERS = [int(rule([i]) == "spam") for i in range(40)]


def number(body: bytes) -> int:
    return json.loads(body)["tokens"][0]


@pytest.mark.parametrize("name", MISDEEDS)
def test_every_misdeed_is_survived_when_it_passes(server: Server, name: str) -> None:
    server.plan = lambda body, again: MISDEEDS[name] if number(body) % 20 == 7 and again <= 2 else None
    with classifier(server, timeout=timeout(name)) as base:
        assert base(BATCH).tolist() == ANSWERS
        assert base.failures.draws == 0
        # A closed kept connection is opened anew at once, which is not a repeat.
        assert 2 <= base.failures.repeats <= 4


REASONS = {
    "500": "HTTP 500 Internal Server Error",
    "503": "HTTP 503 Service Unavailable",
    "429": "HTTP 429 Too Many Requests",
    "close": "the endpoint closed the connection",
    "reset": "the endpoint closed the connection",
    "truncated": "the answer was cut off",
    "truncated to JSON": "the answer was cut off",
    "slow": "no answer within 0.3 s",
    "dripping": "no answer within 0.3 s",
    "dripping headers": "no answer within 0.3 s",
    "huge": "the answer is longer than 100000 bytes",
    "huge in chunks": "the answer is longer than 100000 bytes",
    "huge error": "HTTP 500 Internal Server Error",
    "garbage": "BadStatusLine",
    "many headers": "HTTPException: 'got more than 100 headers'",
    "no JSON": "the answer is no JSON",
    "empty": "the answer is empty",
    "another form": "no answer at 'result.label': the answer has no key 'result'; its keys are 'error'",
}


@pytest.mark.parametrize("name", MISDEEDS)
def test_every_misdeed_that_stays_costs_its_own_draw_only(server: Server, name: str) -> None:
    server.plan = lambda body, again: MISDEEDS[name] if number(body) in (7, 8, 30) else None
    start = time.monotonic()
    with classifier(server, retries=1, timeout=timeout(name)) as base:
        answers = base(BATCH).tolist()
    assert answers == [-1 if i in (7, 8, 30) else label for i, label in enumerate(ANSWERS)]
    assert base.failures.draws == 3
    assert all(REASONS[name] in reason for reason, _ in base.failures.reasons)
    assert time.monotonic() - start < 3 * 2 * 0.3 + 4.0  # nobody waits beyond the timeouts
    # At most one more request than attempts for each connection that was found closed.
    assert all(count <= 4 for count in server.asked.values())


@pytest.mark.parametrize("answer", [float("nan"), 7, None, {"label": "spam"}, ["spam"], "eggs", "", "ham "])
def test_answers_that_are_no_class_are_not_asked_again(server: Server, answer: Any) -> None:
    server.plan = lambda body, again: says(200, {"result": {"label": answer}}) if number(body) == 7 else None
    with classifier(server) as base:
        assert base(BATCH).tolist() == [-1 if i == 7 else label for i, label in enumerate(ANSWERS)]
    assert base.failures.draws == 1
    assert base.failures.repeats == 0
    assert set(server.asked.values()) == {1}


def test_connections_are_kept_and_closed_in_the_end(server: Server) -> None:
    base = classifier(server, concurrency=3)
    for _ in range(3):
        base(BATCH)
    assert server.requests == 120
    assert len(server.connections) <= 3
    base.close()
    assert base(BATCH).tolist() == ANSWERS  # opens new ones
    del base
    gc.collect()  # a socket left open would be a warning, and warnings are errors


def test_a_kept_connection_that_the_server_closed_is_opened_anew(server: Server) -> None:
    def forgetful(handler: Handler) -> None:
        handler.reply(200, {"result": {"label": "spam"}})
        handler.close_connection = True  # without having said so

    server.plan = lambda body, again: forgetful
    with classifier(server, retries=0, concurrency=1) as base:
        for _ in range(3):
            assert base(BATCH).tolist() == [1] * 40
    assert base.failures.draws == 0
    assert len(server.connections) == 120


def test_what_travels(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILTER_TOKEN", "c0ffee")
    headers = {"Authorization": "Bearer ${FILTER_TOKEN}", "content-type": "application/vnd.filter+json"}
    with classifier(server, headers=headers) as base:
        base({"tokens": np.array([[1, 2]])})
        monkeypatch.setenv("FILTER_TOKEN", "renewed")
        base({"tokens": np.array([[1, 2]])})
    first, second = ({name.lower(): value for name, value in sent.items()} for sent in server.headers)
    assert first["authorization"] == "Bearer c0ffee"
    assert second["authorization"] == "Bearer renewed"
    assert first["content-type"] == "application/vnd.filter+json"
    assert first["accept-encoding"] == "identity"
    assert list(server.asked) == [b'{"tokens":[1,2]}']
    monkeypatch.delenv("FILTER_TOKEN")
    with (
        classifier(server, headers=headers) as base,
        pytest.raises(InputError, match="FILTER_TOKEN, which is not"),
    ):
        base(BATCH)
    assert server.requests == 2


def test_retry_after_is_waited_for(server: Server) -> None:
    server.plan = lambda body, again: (
        says(429, None, retry_after="1") if number(body) == 7 and again == 1 else None
    )
    start = time.monotonic()
    with classifier(server, longest_pause=0.4) as base:
        assert base(BATCH).tolist() == ANSWERS
    assert time.monotonic() - start >= 0.4  # a second was asked for, and 0.4 is the longest pause


def test_nobody_listens() -> None:
    with socket.socket() as taken:  # bound, but not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        base = HttpClassifier(url, template="{x}", answer="", encoders={"x": str}, retries=1, backoff=0.01)
        with pytest.raises(InputError, match=r"cannot connect \(Connection refused\)"):
            base({"x": np.zeros((100, 2))})


def test_a_host_that_cannot_exist() -> None:
    base = HttpClassifier(
        f"http://{'a' * 70}.invalid/", template="{x}", answer="", encoders={"x": str}, retries=0
    )
    with pytest.raises(InputError, match="cannot connect"):
        base({"x": np.zeros((1, 2))})


def test_https_to_a_server_without_it_cannot_connect(server: Server) -> None:
    url = server.url.replace("http:", "https:")
    base = HttpClassifier(url, template="{x}", answer="", encoders={"x": str}, retries=0, timeout=1.0)
    with pytest.raises(InputError, match="cannot connect"):
        base({"x": np.zeros((1, 2))})


@pytest.mark.parametrize(("path", "plan"), [("/v1/classify", says(401, {})), ("/", says(404, {}))])
def test_refusals_are_told_at_once(server: Server, path: str, plan: Misdeed) -> None:
    server.plan = lambda body, again: plan
    with classifier(server) as base, pytest.raises(InputError, match="the first call failed"):
        base(BATCH)
    assert server.requests == 1
