"""A text filter behind a JSON endpoint on the loopback interface, and every misdeed it can be told to do."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

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

# Those that take time: they only end by a timeout.
LASTING = ("slow", "dripping", "dripping headers")


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield running
        finally:
            running.over.set()
            running.shutdown()
            thread.join()
