"""One request and its reply over kept connections, within a deadline and a size."""

from __future__ import annotations

import http.client
import io
import os
import socket
import ssl
import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol

from ironbound.models.http.headers import Headers, Url

# A server may close a kept connection at any time; then the request was not read, and is sent again once.
_STALE = (http.client.RemoteDisconnected, ConnectionResetError, ConnectionAbortedError, BrokenPipeError)


class Unreachable(OSError):
    """No connection could be made at all."""


class AnswerTooLong(Exception):
    """The reply has more bytes than are read."""


@dataclass(frozen=True)
class Reply:
    """Status, body and headers (names in lower case) of a reply."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: dict[str, str]())


class Transport(Protocol):
    """Sends a request body and returns the reply, from any thread.

    Raises:
        Unreachable: no connection. AnswerTooLong. TimeoutError, other OSError, http.client.HTTPException.
    """

    def __call__(self, body: bytes, timeout: float, /) -> Reply: ...


class HttpTransport:
    """HTTP/1.1 with keep-alive by the standard library.

    `timeout` is the time for the whole exchange, so an endpoint that sends a byte now and then is cut off as
    well. Redirects are not followed, proxies are not used, and compression is not offered, so that nobody
    else gets the headers, and a small reply stays small.

    Args:
        limit: largest body in bytes that is read.
    """

    def __init__(self, url: Url, method: str, headers: Headers, limit: int) -> None:
        self._url = url
        self._method = method
        self._headers = headers
        self._limit = limit
        self._context = ssl.create_default_context() if url.scheme == "https" else None
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []
        self._process = os.getpid()
        self._finalizer = weakref.finalize(self, _close_all, self._idle)

    def __call__(self, body: bytes, timeout: float) -> Reply:
        headers = self._headers_now()
        deadline = monotonic() + timeout
        kept = self._take()
        if kept is not None:
            with suppress(*_STALE):
                return self._exchange(kept, body, headers, deadline)
        return self._exchange(self._connect(deadline), body, headers, deadline)

    def close(self) -> None:
        """Close the kept connections; the next request opens new ones."""
        with self._lock:
            _close_all(self._idle)

    def _headers_now(self) -> dict[str, str]:
        given = self._headers.values()
        named = {name.lower() for name in given}
        ours = {"Content-Type": "application/json", "Accept": "application/json"}
        return {**{name: value for name, value in ours.items() if name.lower() not in named}, **given}

    def _take(self) -> http.client.HTTPConnection | None:
        with self._lock:
            if self._process != os.getpid():  # after a fork both sides would talk on the same wire
                self._process = os.getpid()
                _close_all(self._idle)
            return self._idle.pop() if self._idle else None

    def _connect(self, deadline: float) -> http.client.HTTPConnection:
        url, timeout = self._url, max(deadline - monotonic(), 1e-3)
        if self._context is None:
            connection = http.client.HTTPConnection(url.host, url.port, timeout=timeout)
        else:
            connection = http.client.HTTPSConnection(
                url.host, url.port, timeout=timeout, context=self._context
            )
        try:
            connection.connect()
        except (OSError, UnicodeError) as error:  # the latter for a host that no name server could know
            connection.close()
            said = getattr(error, "strerror", None) or str(error)
            raise Unreachable("timed out" if isinstance(error, TimeoutError) else said) from error
        timed: Any = _TimedSocket(connection.sock)
        connection.sock = timed
        return connection

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        body: bytes,
        headers: dict[str, str],
        deadline: float,
    ) -> Reply:
        whole = False
        try:
            timed: Any = connection.sock
            timed.deadline = deadline
            connection.request(self._method, self._url.target, body=body, headers=headers)
            response = connection.getresponse()
            with response:
                reply, whole = self._read(response)
                whole = whole and not response.will_close
            return reply
        finally:
            if whole:
                with self._lock:
                    self._idle.append(connection)
            else:
                connection.close()

    def _read(self, response: http.client.HTTPResponse) -> tuple[Reply, bool]:
        """The reply, and whether it was read to its end."""
        declared = response.length
        body = b""
        if declared is None or declared <= self._limit:
            body = response.read(self._limit + 1)
        long = len(body) > self._limit or (declared is not None and declared > self._limit)
        success = 200 <= response.status < 300
        if long and success:
            raise AnswerTooLong(f"the answer is longer than {self._limit} bytes")
        if response.length and not long and success:
            # http.client is silent about this, and the part that came may well be JSON by itself.
            raise http.client.IncompleteRead(b"", response.length)
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, b"" if long else body, headers), response.isclosed()


class _TimedSocket:
    """What http.client needs of a socket, with one deadline for all that is sent and received."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire
        self.deadline = 0.0

    def sendall(self, data: bytes) -> None:
        self.limit()
        self._wire.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self, self._wire.makefile("rb", buffering=0)))

    def close(self) -> None:
        self._wire.close()

    def limit(self) -> None:
        """Let the next operation take no longer than is left."""
        left = self.deadline - monotonic()
        if left <= 0.0:
            raise TimeoutError("timed out")
        self._wire.settimeout(left)


class _TimedReader(io.RawIOBase):
    """Reads from the wire before the deadline; keeps the wire open until it is closed itself."""

    def __init__(self, timed: _TimedSocket, raw: Any) -> None:
        self._timed = timed
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        self._timed.limit()
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _close_all(connections: list[http.client.HTTPConnection]) -> None:
    while connections:
        connections.pop().close()
