"""Over real sockets: a server on the loopback interface that is slow, flaky and rude, within bounds."""

from __future__ import annotations

import gc
import hashlib
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from ironbound import L2, Gaussian, SmoothedClassifier, Smoothing, Threat, TokenL0, UniformReplacement
from ironbound.errors import InputError
from ironbound.models.http import HttpClassifier

Misdeed = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Classifies token texts by a rule; before that, misbehaves as the server's plan says."""

    protocol_version = "HTTP/1.1"
    server: Server  # type: ignore[assignment]
    timeout = 10.0
    disable_nagle_algorithm = True  # else head and body, written apart, come 40 ms apart

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        misdeed = self.server.judge(body, self)
        if misdeed is not None:
            misdeed(self)
            return
        document = json.loads(body)
        if "many" in document:
            self.reply(200, {"out": [{"label": rule(tokens)} for tokens in document["many"]]})
        else:
            self.reply(200, {"result": {"label": rule(document["tokens"])}})

    def reply(self, status: int, document: Any, retry_after: str | None = None) -> None:
        self.raw(status, json.dumps(document).encode(), retry_after=retry_after)

    def raw(
        self, status: int, body: bytes, length: int | None = None, retry_after: str | None = None
    ) -> None:
        self.send_response(status)
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.plan: Callable[[bytes, int], Misdeed | None] = lambda body, again: None
        self.asked: Counter[bytes] = Counter()
        self.connections: set[Any] = set()
        self.headers: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1/classify"

    @property
    def requests(self) -> int:
        return sum(self.asked.values())

    def judge(self, body: bytes, handler: Handler) -> Misdeed | None:
        with self.lock:
            self.asked[body] += 1
            self.connections.add(handler.client_address)
            self.headers.append(dict(handler.headers.items()))
            return self.plan(body, self.asked[body])

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients that hang up are part of the game


def rule(tokens: list[int]) -> str:
    return "spam" if sum(tokens) % 10 < 6 else "ham"


def local(batch: dict[str, Any]) -> list[int]:
    """The same filter without a wire."""
    return [int(rule(tokens) == "spam") for tokens in batch["tokens"].tolist()]


def close(handler: Handler) -> None:
    handler.close_connection = True


def reset(handler: Handler) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def truncated(handler: Handler) -> None:
    handler.raw(200, b'{"result": {"label": "sp', length=500)
    handler.close_connection = True


def truncated_to_json(handler: Handler) -> None:
    """The part that arrives is a complete answer by itself."""
    handler.raw(200, b'{"result": {"label": "spam"}}', length=500)
    handler.close_connection = True


def slow(handler: Handler) -> None:
    handler.server.over.wait(5.0)
    handler.close_connection = True


def dripping(handler: Handler) -> None:
    """Each byte arrives long before a timeout for single reads would strike."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(250):
        if handler.server.over.wait(0.02):
            break
        handler.wfile.write(b" ")
    handler.close_connection = True


def dripping_headers(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for i in range(250):
        if handler.server.over.wait(0.02):
            break
        handler.wfile.write(b"X-%d: y\r\n" % (i % 50))
    handler.close_connection = True


def huge(handler: Handler) -> None:
    handler.raw(200, b'{"result": {"label": "spam"}, "pad": "' + b"x" * 300_000 + b'"}')


def huge_in_chunks(handler: Handler) -> None:
    """Never says how much is coming; stops when the client hangs up."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(2000):
        handler.wfile.write(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
    handler.close_connection = True


def huge_error(handler: Handler) -> None:
    handler.raw(500, b"x" * 300_000)


def garbage(handler: Handler) -> None:
    handler.wfile.write(b"\x00\x01 hello, this is not HTTP\r\n\r\n")
    handler.close_connection = True


def many_headers(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 5000 + b"\r\n")
    handler.close_connection = True


def says(status: int, document: Any, retry_after: str | None = None) -> Misdeed:
    return lambda handler: handler.reply(status, document, retry_after)


MISDEEDS: dict[str, Misdeed] = {
    "500": says(500, {"error": "boom"}),
    "503": says(503, None),
    "429": says(429, {"error": "slow down"}, retry_after="0"),
    "close": close,
    "reset": reset,
    "truncated": truncated,
    "truncated to JSON": truncated_to_json,
    "slow": slow,
    "dripping": dripping,
    "dripping headers": dripping_headers,
    "huge": huge,
    "huge in chunks": huge_in_chunks,
    "huge error": huge_error,
    "garbage": garbage,
    "many headers": many_headers,
    "no JSON": lambda handler: handler.raw(200, b"<html>busy</html>"),
    "empty": lambda handler: handler.raw(200, b""),
    "another form": says(200, {"error": "busy"}),
}


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.over.set()
        running.shutdown()
        thread.join()


def classifier(server: Server, **settings: Any) -> HttpClassifier:
    usual: dict[str, Any] = {
        "template": {"tokens": {"$channel": "tokens"}},
        "answer": "result.label",
        "labels": ["ham", "spam"],
        "timeout": 0.2,
        "retries": 3,
        "backoff": 0.002,
        "longest_pause": 0.01,
        "answer_limit": 100_000,
    }
    return HttpClassifier(server.url, **{**usual, **settings})


MANY: dict[str, Any] = {"template": {"many": {"$each": {"$channel": "tokens"}}}, "answer": "out[*].label"}
BATCH = {"tokens": np.arange(40)[:, None]}
ANSWERS = local(BATCH)


def number(body: bytes) -> int:
    document = json.loads(body)
    return document["tokens"][0] if "tokens" in document else document["many"][0][0]


@pytest.mark.parametrize("name", MISDEEDS)
def test_every_misdeed_is_survived_when_it_passes(server: Server, name: str) -> None:
    server.plan = lambda body, again: MISDEEDS[name] if number(body) % 20 == 7 and again <= 2 else None
    with classifier(server) as base:
        assert base(BATCH).tolist() == ANSWERS
        assert base.failures.draws == 0
        # A closed kept connection is opened anew at once, which is not a repeat.
        assert 2 <= base.failures.repeats <= 4


@pytest.mark.parametrize("name", MISDEEDS)
def test_every_misdeed_that_stays_costs_its_own_draw_only(server: Server, name: str) -> None:
    server.plan = lambda body, again: MISDEEDS[name] if number(body) in (7, 8, 30) else None
    start = time.monotonic()
    with classifier(server, retries=1) as base:
        answers = base(BATCH).tolist()
    assert answers == [-1 if i in (7, 8, 30) else label for i, label in enumerate(ANSWERS)]
    assert base.failures.draws == 3
    assert time.monotonic() - start < 3 * 2 * 0.2 + 2.0  # nobody waits beyond the timeouts
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


SMOOTHING = Smoothing(tokens=UniformReplacement(beta=0.3, alphabet=20))
TEXT = np.array([3, 0, 9, 8, 1, 2])
SETTINGS: dict[str, Any] = {"threat": Threat(tokens=TokenL0(max_d=2)), "alpha": 0.05, "n": 160, "n0": 20}


def flaky(body: bytes, again: int) -> Misdeed | None:
    """A fifth of the draws fail once or twice, in ways that follow from the draw alone."""
    fate = hashlib.sha256(body).digest()
    usual = ("500", "429", "close", "truncated to JSON", "another form", "garbage")
    return MISDEEDS[usual[fate[1] % 6]] if fate[0] < 51 and again <= 1 + fate[2] % 2 else None


@pytest.mark.parametrize(
    ("settings", "batch_size"),
    [
        ({"concurrency": 1}, None),
        ({"concurrency": 8}, None),
        ({"concurrency": 8}, 7),
        ({**MANY, "draws_per_call": 16, "concurrency": 2}, None),
        ({**MANY, "draws_per_call": 5, "concurrency": 8}, 33),
    ],
)
def test_certificates_depend_on_neither_concurrency_nor_batches_nor_flakiness(
    server: Server, settings: dict[str, Any], batch_size: int | None
) -> None:
    expected = SmoothedClassifier(local, SMOOTHING, 2).certify({"tokens": TEXT}, **SETTINGS)
    server.plan = flaky
    with classifier(server, timeout=2.0, **settings) as base:
        model = SmoothedClassifier(base, SMOOTHING, 2, batch_size=batch_size)
        found = model.certify({"tokens": TEXT}, **SETTINGS)
    assert found.to_json() == expected.to_json()
    assert base.failures.draws == 0
    assert base.failures.repeats > 0 or "draws_per_call" in settings
    assert base.failures.asked == found.samples == 180


@pytest.mark.parametrize(
    "settings", [{"concurrency": 1}, {"concurrency": 8}, {**MANY, "draws_per_call": 16, "concurrency": 4}]
)
def test_draws_that_fail_for_good_are_votes_against(server: Server, settings: dict[str, Any]) -> None:
    def unknown_word(tokens: list[int]) -> bool:
        return tokens[0] in (7, 11, 13)

    def choosy(batch: dict[str, Any]) -> list[int]:
        rows = zip(batch["tokens"].tolist(), local(batch), strict=True)
        return [-1 if unknown_word(tokens) else label for tokens, label in rows]

    def plan(body: bytes, again: int) -> Misdeed | None:
        document = json.loads(body)
        draws = document["many"] if "many" in document else [document["tokens"]]
        return says(422, {"error": "unknown word"}) if any(unknown_word(tokens) for tokens in draws) else None

    expected = SmoothedClassifier(choosy, SMOOTHING, 2).certify({"tokens": TEXT}, **SETTINGS)
    server.plan = plan
    with classifier(server, timeout=2.0, **settings) as base:
        found = SmoothedClassifier(base, SMOOTHING, 2).certify({"tokens": TEXT}, **SETTINGS)
    assert found.to_json() == expected.to_json()
    assert base.failures.draws > 0
    assert base.failures.asked == 180  # every draw was counted


def test_scores_of_images_sent_as_numbers(server: Server) -> None:
    def plan(body: bytes, again: int) -> Misdeed:
        mean = float(np.mean(json.loads(body)["image"]))
        return says(200, {"scores": [0.5 - mean, mean]})

    server.plan = plan
    with classifier(server, template={"image": {"$channel": "image"}}, answer="scores", labels=None) as base:
        model = SmoothedClassifier(base, Smoothing(image=Gaussian(sigma=0.5)), 2)
        image = np.full((2, 2), 0.9, dtype=np.float32)
        settings: dict[str, Any] = {"threat": Threat(image=L2()), "alpha": 0.05, "n": 100, "n0": 10}
        found = model.certify({"image": image}, **settings)
    direct = SmoothedClassifier(
        lambda batch: [
            float(np.mean(image.tolist())) > 0.5 - float(np.mean(image.tolist())) for image in batch["image"]
        ],
        Smoothing(image=Gaussian(sigma=0.5)),
        2,
    )
    assert found.to_json() == direct.certify({"image": image}, **settings).to_json()
    assert found.prediction == 1
    radius = found.frontier[0]
    assert radius is not None
    assert radius > 0.2
