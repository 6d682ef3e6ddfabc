"""The body of a request: a JSON-like structure with places for the channels of a draw."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ironbound.errors import InputError, InputTypeError, wrong_value

CHANNEL, EACH = "$channel", "$each"

# {{name}} is a literal {name}; {name} is a channel; any other brace is text, so that prompts may hold JSON.
_IN_TEXT = re.compile(r"\{\{(\w+)\}\}|\{([A-Za-z_]\w*)\}")


@dataclass(frozen=True)
class Template:
    """A checked request template; see `Template.build`."""

    structure: Any
    channels: frozenset[str]
    batched: bool

    @staticmethod
    def build(structure: object) -> Template:
        """Check a template.

        `{"$channel": "tokens"}` is replaced by the channel's encoded value, and `{text}` inside a string by
        the channel's text. `{"$each": part}` is replaced by a list with `part` filled once for each draw of
        the call; with it, one call asks about many draws.

        Raises:
            InputTypeError: something in it is not JSON (the place is named).
            InputError: no placeholder, or one where it cannot be filled.

        Example:
            >>> one = Template.build({"input": "Is this spam? {text}", "user": "{{name}}"})
            >>> one.fill([{"text": "buy now"}])
            b'{"input":"Is this spam? buy now","user":"{name}"}'
            >>> many = Template.build({"instances": {"$each": {"ids": {"$channel": "tokens"}}}})
            >>> many.fill([{"tokens": [1, 2]}, {"tokens": [3, 4]}])
            b'{"instances":[{"ids":[1,2]},{"ids":[3,4]}]}'
        """
        plain = _plain(structure, "template")
        places = list(_places(plain, inside=False))
        if not places:
            raise InputError(
                "template has no place for a channel, so every draw would get the same answer; write "
                '{"$channel": "name"} for its value or "{name}" inside a string'
            )
        batched = _has_each(plain)
        if batched and not all(inside for _, inside in places):
            name = next(name for name, inside in places if not inside)
            raise InputError(
                f"template names the channel {name!r} outside {EACH}: with {EACH} a call holds many draws, "
                "so every channel belongs inside"
            )
        return Template(plain, frozenset(name for name, _ in places), batched)

    def fill(self, draws: Sequence[Mapping[str, Any]]) -> bytes:
        """The request body for some draws (one, without "$each"), each a dict channel -> encoded value.

        Raises:
            InputError: an encoded value is no JSON, or is no text where a string needs one.
        """
        filled = _filled(self.structure, draws[0], draws)
        try:
            text = json.dumps(filled, allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError) as error:
            raise InputError(
                f"the encoders must give plain JSON values (text, finite numbers, lists, dicts): {error}"
            ) from error
        return text.encode()


def _plain(value: Any, at: str) -> Any:
    """A deep copy of JSON types only."""
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise InputTypeError(f"{at} must have strings as keys; got {key!r}")
        for mark in (CHANNEL, EACH):
            if mark in value and len(value) > 1:
                raise wrong_value(f"{at} with {mark!r}", dict(value), "without other keys")
        if CHANNEL in value and not isinstance(value[CHANNEL], str):
            raise wrong_value(f"{at}.{CHANNEL}", value[CHANNEL], "the name of a channel")
        return {key: _plain(item, f"{at}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{at}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise wrong_value(at, value, "finite (JSON has no other numbers)")
    if value is None or isinstance(value, str | int | float):
        return value
    raise InputTypeError(f"{at} must be JSON (text, number, true, false, None, list, dict); got {value!r}")


def _places(value: Any, inside: bool) -> Iterator[tuple[str, bool]]:
    """Each channel that is named, and whether that is inside "$each"."""
    if isinstance(value, dict):
        if CHANNEL in value:
            yield value[CHANNEL], inside
        elif EACH in value:
            if inside:
                raise InputError(f"template has {EACH} inside {EACH}; draws can be listed once only")
            yield from _places(value[EACH], inside=True)
        else:
            for item in value.values():
                yield from _places(item, inside)
    elif isinstance(value, list):
        for item in value:
            yield from _places(item, inside)
    elif isinstance(value, str):
        yield from ((name, inside) for _, name in _IN_TEXT.findall(value) if name)


def _has_each(value: Any) -> bool:
    if isinstance(value, dict):
        return EACH in value or any(_has_each(item) for item in value.values())
    return isinstance(value, list) and any(_has_each(item) for item in value)


def _filled(value: Any, draw: Mapping[str, Any], draws: Sequence[Mapping[str, Any]]) -> Any:
    if isinstance(value, dict):
        if CHANNEL in value:
            return draw[value[CHANNEL]]
        if EACH in value:
            return [_filled(value[EACH], each, draws) for each in draws]
        return {key: _filled(item, draw, draws) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, draw, draws) for item in value]
    if isinstance(value, str):
        return _IN_TEXT.sub(lambda found: _text(found, draw), value)
    return value


def _text(found: re.Match[str], draw: Mapping[str, Any]) -> str:
    literal, name = found.groups()
    if literal is not None:
        return "{" + literal + "}"
    text = draw[name]
    if not isinstance(text, str):
        raise InputError(
            f"template has {{{name}}} inside a string, but the channel is encoded as {type(text).__name__}: "
            f'give encoders={{"{name}": decode}} with a function to text, or write {{"{CHANNEL}": "{name}"}}'
        )
    return text
