"""Where requests go and what they carry; secrets are looked up when needed, and never shown."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from urllib.parse import parse_qsl, urlsplit

from ironbound.errors import InputError, InputTypeError

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PORTS = {"http": 80, "https": 443}
_OURS = frozenset({"content-length", "transfer-encoding", "connection", "accept-encoding", "host", "expect"})
# Shorter pieces occur in any text; hiding them would only make messages unreadable.
_SECRET = 6


@dataclass(frozen=True)
class Url:
    """A checked address: `str` leaves out the query, which often holds a key."""

    scheme: str
    host: str
    port: int
    path: str
    query: str = field(repr=False)

    @staticmethod
    def parse(text: object) -> Url:
        """Raises InputError for anything but an http(s) address without credentials; it repeats no secret.

        Example:
            >>> str(Url.parse("https://filter.example:8443/v1/check?key=abc"))
            'https://filter.example:8443/v1/check'
        """
        if not isinstance(text, str):
            raise InputTypeError(f"url must be text; got {type(text).__name__}")
        if re.search(r"[^\x21-\x7e]", text):
            raise InputError("url must be printable ASCII without spaces; percent-encode the rest")
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise InputError(f"url is no address: {error}") from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise InputError("url must start with http:// or https:// and name a host")
        if parts.username is not None or parts.password is not None:
            raise InputError(
                "url must not hold a user name or password: use headers={'Authorization': 'Basic ${TOKEN}'}, "
                "where TOKEN is an environment variable"
            )
        standard = _PORTS[parts.scheme]
        return Url(parts.scheme, parts.hostname, port or standard, parts.path or "/", parts.query)

    @property
    def target(self) -> str:
        """Path and query, as the request line has them."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


class Headers:
    """Headers whose values may refer to environment variables as `${NAME}`; only names are ever shown.

    Variables are looked up for each request: they are neither stored, nor pickled, and may be renewed.

    Raises:
        InputError: a name or value that no header can have, or one that is set for each request anyway.

    Example:
        >>> Headers({"Authorization": "Bearer ${FILTER_TOKEN}"})
        Headers(['Authorization'])
    """

    def __init__(self, given: Mapping[str, str]) -> None:
        if not isinstance(given, Mapping):
            raise InputTypeError(f"headers must be a dict of names and values; got {type(given).__name__}")
        for name, value in given.items():
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise InputError(f"headers has the name {name!r}, which no header can have")
            if name.lower() in _OURS:
                raise InputError(f"headers must not set {name!r}: it belongs to the connection")
            if not isinstance(value, str):
                raise InputTypeError(f"headers[{name!r}] must be text; got {type(value).__name__}")
            _check(name, value)
        self._given = dict(given)

    def __repr__(self) -> str:
        return f"Headers({sorted(self._given)})"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._given))

    def values(self) -> dict[str, str]:
        """The headers to send now.

        Raises:
            InputError: an environment variable is not set; header and variable are named.
        """
        found: dict[str, str] = {}
        for name, value in self._given.items():
            found[name] = _VARIABLE.sub(lambda match, name=name: _environment(name, match[1]), value)
            _check(name, found[name])
        return found

    def secrets(self) -> set[str]:
        """The values and their words, as far as they are known."""
        values = {_VARIABLE.sub(lambda match: os.environ.get(match[1], ""), v) for v in self._given.values()}
        return {piece for value in values for piece in (value, *value.split())}


def redacted(text: str, url: Url, headers: Headers) -> str:
    """The text without anything secret that a rude endpoint may have echoed, whole or cut off.

    Example:
        >>> redacted("no such key: abcdefghi", Url.parse("http://h/?key=abcdefghijkl"), Headers({}))
        'no such key: ***'
    """
    secrets = headers.secrets() | {value for _, value in parse_qsl(url.query)}
    written = secrets | {secret.replace("\\", "\\\\") for secret in secrets}  # messages show texts escaped
    shown = ""
    at = 0
    while at < len(text):
        # The longest, since what one of them leaves over may be the rest of another.
        run = max((_common(text, at, secret) for secret in written), default=0)
        shown += "***" if run >= _SECRET else text[at]
        at += run if run >= _SECRET else 1
    return shown


def _common(text: str, at: int, secret: str) -> int:
    """How many characters of the text from `at` on are the beginning of the secret."""
    pairs = zip(text[at:], secret, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _environment(header: str, variable: str) -> str:
    value = os.environ.get(variable, "")
    if not value:
        raise InputError(f"headers[{header!r}] needs the environment variable {variable}, which is not set")
    return value


def _check(name: str, value: str) -> None:
    if re.search(r"[^\x20-\x7e\t]", value):  # the value itself may be secret
        raise InputError(f"headers[{name!r}] must be one line of printable ASCII")
