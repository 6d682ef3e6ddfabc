"""Frozen records to JSON and back: every figure exact, every surprise refused.

Floats are written by `repr`, which names each float64 uniquely, so that reading gives back the same bits.
Reading checks shape only (names, types, finite numbers); what the figures prove is for `ironbound.verify`.
"""

from __future__ import annotations

import hashlib
import json
import math
import operator
import types
import typing
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal

from ironbound.certificate.refusal import refuse
from ironbound.errors import InvalidCertificate

_LARGEST_INTEGER = 2**128
_PLAIN = frozenset({str, bool, int, float, type(None)})


def encode(value: Any) -> Any:
    """Plain dicts, lists, strings and numbers of a record; NumPy scalars become Python's.

    A class may define `to_plain` to choose its own form.
    """
    if type(value) in _PLAIN:  # most of a record; nothing to look up
        return value
    if hasattr(value, "to_plain"):
        return value.to_plain()
    return encode_fields(value) if is_dataclass(value) else _encode_leaf(value)


def encode_fields(record: Any) -> dict[str, Any]:
    """One entry for each field of a dataclass."""
    kind: Any = record.__class__
    return {name: encode(getattr(record, name)) for name in _names(kind)}


def _encode_leaf(value: Any) -> Any:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, tuple | list):
        items = typing.cast("list[Any]", value)
        return [encode(item) for item in items]
    if isinstance(value, float):
        return float(value)
    if hasattr(value, "__index__"):
        return operator.index(value)
    return value  # `decode` refuses it, with its place


def decode(kind: Any, value: Any, where: str) -> Any:
    """Rebuild a value of type `kind` from plain data, or refuse it by its place in the record.

    `kind` is built of dataclasses, tuples, unions, literals, int, float, str and None. A class may define
    `from_plain(data, where)`. A whole number is accepted for a float only if float64 holds it exactly.

    Raises:
        InvalidCertificate: wrong type, unknown or missing name, NaN, infinity, integer beyond 2^128.
    """
    if kind is float:
        return _decode_float(value, where)
    origin, arguments = _parts(kind)
    if origin is typing.Union or origin is types.UnionType:
        options = [option for option in arguments if option is not type(None)]
        return None if value is None else decode(options[0], value, where)
    if origin is Literal:
        if not any(type(value) is type(option) and value == option for option in arguments):
            raise refuse(where, value, " or ".join(repr(option) for option in arguments))
        return value
    if origin is tuple:
        return _decode_tuple(arguments, value, where)
    if hasattr(kind, "from_plain"):
        return kind.from_plain(value, where)
    if is_dataclass(kind):
        return typing.cast(Any, kind)(**decode_fields(kind, value, where))
    if kind is int:
        if type(value) is not int or abs(value) >= _LARGEST_INTEGER:
            raise refuse(where, value, "an integer below 2^128")
        return value
    if type(value) is not kind:
        raise refuse(where, value, "a text" if kind is str else f"a {kind.__name__}")
    return value


def decode_fields(kind: Any, value: Any, where: str, *, defaults: bool = False) -> dict[str, Any]:
    """The decoded fields of a dataclass, exactly its names (fewer with `defaults`, where one is declared)."""
    hints = _hints(kind)
    optional = {f.name for f in fields(kind) if f.default is not MISSING} if defaults else set[str]()
    data = object_of(value, where)
    match_names(data, set(hints), optional, where)
    return {name: decode(hints[name], item, f"{where}.{name}".lstrip(".")) for name, item in data.items()}


def object_of(value: Any, where: str) -> dict[str, Any]:
    """The value if it is a JSON object, else a refusal."""
    if not isinstance(value, dict):
        raise refuse(where or "the certificate", value, "a JSON object")
    return typing.cast("dict[str, Any]", value)


def match_names(data: dict[str, Any], names: set[str], optional: set[str], where: str) -> None:
    """Refuse an unknown name, then a missing one."""
    inside = where or "the certificate"
    for name in data:
        if name not in names:
            raise refuse(f"a name in {inside}", name, f"one of {', '.join(sorted(names))}")
    missing = sorted(names - optional - set(data))
    if missing:
        raise refuse(inside, sorted(data), f"complete, with {', '.join(missing)} present")


def _decode_tuple(arguments: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise refuse(where, value, "a list")
    items = typing.cast("list[Any]", value)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(decode(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(items))
    if len(items) != len(arguments):
        raise refuse(where, items, f"a list of {len(arguments)}")
    pairs = zip(arguments, items, strict=True)
    return tuple(decode(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(pairs))


def _decode_float(value: Any, where: str) -> float:
    if type(value) is int and abs(value) <= 2**53:
        return float(value)
    if type(value) is not float or not math.isfinite(value):
        raise refuse(where, value, "a finite number")
    return value


@cache
def _parts(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """What a type is made of. Looking it up took a third of the time of reading a record."""
    return typing.get_origin(kind), typing.get_args(kind)


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind))


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {f.name: hints[f.name] for f in fields(kind)}


def dump(data: Any, *, indent: int | None = None) -> str:
    """JSON text with sorted names and ASCII only; NaN and infinity cannot be written.

    Example:
        >>> dump({"b": 0.1, "a": None})
        '{"a":null,"b":0.1}'
    """
    separators = (",", ":") if indent is None else (",", ": ")
    try:
        return json.dumps(data, sort_keys=True, separators=separators, allow_nan=False, indent=indent)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidCertificate(f"the certificate must be plain finite data; {error}") from None


def load(text: str | bytes) -> Any:
    """Parse JSON text; refuses repeated names, NaN, infinities and whatever is not JSON.

    Raises:
        InvalidCertificate: with the parser's own words.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except InvalidCertificate:
        raise
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidCertificate(f"the certificate must be JSON text; {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        names = [name for name, _ in pairs]
        raise refuse("the names in a JSON object", names, "distinct")
    return data


def _no_constant(name: str) -> Any:
    raise refuse("a number", name, "finite")


def digest(data: Any) -> str:
    """SHA-256 of the canonical JSON text, in hexadecimal.

    Example:
        >>> digest({})[:16]
        '44136fa355b3678a'
    """
    return hashlib.sha256(dump(data).encode("ascii")).hexdigest()
