"""Write TOML that `tomllib` reads back to the same value; the standard library only reads."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ironbound.errors import InputError

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dumps(table: Mapping[str, Any]) -> str:
    """Text of a TOML document. `None` values are left out, because TOML has no null.

    Raises:
        InputError: a value is not finite, or of a type that TOML does not have.

    Example:
        >>> print(dumps({"n": 10, "model": {"loader": "a:b", "x": None}}), end="")
        n = 10
        <BLANKLINE>
        [model]
        loader = "a:b"
    """
    return "\n".join(_lines(table, ())).lstrip("\n") + "\n"


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    plain = {k: v for k, v in table.items() if v is not None and not isinstance(v, Mapping)}
    nested = {k: v for k, v in table.items() if isinstance(v, Mapping)}
    lines: list[str] = []
    if path and (plain or not nested):
        lines += ["", f"[{'.'.join(_key(part) for part in path)}]"]
    lines += [f"{_key(k)} = {_value(v)}" for k, v in plain.items()]
    for key, value in nested.items():
        lines += _lines(value, (*path, key))
    return lines


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _string(key)


def _string(text: str) -> str:
    # JSON escapes are TOML escapes, except that TOML wants U+007F escaped as well.
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"text {text!r} cannot be written as UTF-8") from error
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _string(value)
        case int():
            return str(value)
        case float():
            if not math.isfinite(value):
                raise InputError(f"a configuration holds finite numbers only; got {value}")
            return repr(value)
        case Mapping():
            pairs = (f"{_key(k)} = {_value(v)}" for k, v in value.items() if v is not None)
            return "{ " + ", ".join(pairs) + " }"
        case Sequence():
            return "[" + ", ".join(_value(item) for item in value) + "]"
        case _:
            raise InputError(f"TOML has no {type(value).__name__}; got {value!r}")
