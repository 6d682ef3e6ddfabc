"""Settings that are written down must not hold secrets: those stay in environment variables."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from ironbound.errors import InputError

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# Names whose values are secret by their nature.
_SENSITIVE = re.compile(
    r"auth(?!or(?!i))|cookie|password|passwd|secret|credential|signature|session|bearer"
    r"|(^|[-_. ])(api[-_. ]?)?(key|token|sig|pass|pwd)($|[-_. ])|apikey|token$",
    re.IGNORECASE,
)
_LIMITS = re.compile(r"max|num|count|limit", re.IGNORECASE)  # max_tokens is a number, not a secret
_SCHEMES = frozenset({"bearer", "basic", "token", "apikey", "api-key", "key", "digest", "negotiate"})
# How keys in wide use begin, and long runs of letters and digits such as nobody writes by hand.
_PREFIXES = ("sk-", "pk-", "rk_", "ghp_", "gho_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "AKIA", "AIza")
_LONG = 20


def check_no_secrets(url: str, headers: Mapping[str, str], template: object) -> None:
    """Refuse settings that seem to hold a secret literally; the message never repeats it.

    Raises:
        InputError: naming the place, and how to write it with an environment variable.

    Example:
        >>> check_no_secrets("https://h/v1?key=${KEY}", {"Authorization": "Bearer ${TOKEN}"}, {})
        >>> check_no_secrets("https://h/v1", {"X-Api-Key": "hunter2"}, {})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        ironbound.errors.InputError: headers['X-Api-Key'] holds a secret literally, ...
    """
    for name, value in headers.items():
        if _literal(name, value):
            raise _refused(f"headers[{name!r}]", "write ${NAME} and set the environment variable NAME")
    if _VARIABLE.search(url.partition("?")[0]):
        raise InputError("url may name environment variables behind the question mark only, as ?key=${NAME}")
    for name, value in parse_qsl(urlsplit(_spared(url)).query, keep_blank_values=True):
        if _literal(name, value):
            raise _refused(f"the parameter {name!r} of url", "write ${NAME} and set that variable")
    for name, value in _leaves(template, ""):
        if _VARIABLE.search(value) or _literal(name, value):
            raise _refused(f"template, at {name!r},", "send it in a header, as ${NAME}")


def expanded(url: str) -> str:
    """The address with the environment variables of its query filled in.

    Raises:
        InputError: a variable is not set; it is named.

    Example:
        >>> expanded("http://127.0.0.1:8000/v1")
        'http://127.0.0.1:8000/v1'
    """

    def value(found: re.Match[str]) -> str:
        set_to = os.environ.get(found[1], "")
        if not set_to:
            raise InputError(f"url needs the environment variable {found[1]}, which is not set")
        return quote(set_to, safe="")

    return _VARIABLE.sub(value, url)


def _literal(name: str, value: str) -> bool:
    rest = _VARIABLE.sub(" ", re.sub(r"[\w.-]+=(?=\$\{)", "", value))  # a cookie's name is no secret
    words = [word for word in re.split(r"[\s,;=:]+", rest) if word and word.lower() not in _SCHEMES]
    if any(map(_looks_secret, words)):
        return True
    return bool(words) and bool(_SENSITIVE.search(name)) and not _LIMITS.search(name)


def _looks_secret(word: str) -> bool:
    if word.startswith(_PREFIXES):
        return True
    runs = re.findall(rf"[A-Za-z0-9_+/-]{{{_LONG},}}", word)
    return any(re.search(r"\d", run) and re.search(r"[A-Za-z]", run) for run in runs)


def _leaves(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Each text in a template, with the key that it stands under."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, str(key))
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, name)
    elif isinstance(value, str):
        yield name, value


def _spared(url: str) -> str:
    """The address with its placeholders in a form that a query can have."""
    return _VARIABLE.sub(lambda found: quote(found[0]), url)


def _refused(place: str, instead: str) -> InputError:
    return InputError(f"{place} holds a secret literally, or something that looks like one; {instead}")
