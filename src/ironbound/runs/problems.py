"""Turn pydantic's findings into sentences that name the TOML path and the nearest valid name."""

from __future__ import annotations

import types
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError


def explain(error: ValidationError, model: type[BaseModel], source: str, table: str = "") -> str:
    """All findings of `error`, one a line.

    Args:
        error: what pydantic found.
        model: what the document, or the table `table` of it, should have been.
        source: file name to begin each line with; "" for values that come from no file.
    """
    lines: list[str] = []
    for finding in error.errors(include_url=False):
        inner, annotation = _walk(finding["loc"], model)
        path = ".".join(part for part in (table, inner) if part)
        lines.append((f"{source}: " if source else "") + _sentence(finding, path, annotation))
    return "\n".join(dict.fromkeys(lines))


def nearest(name: str, valid: Iterable[str]) -> str:
    """A hint: the closest valid name if there is one, else all of them.

    Example:
        >>> nearest("sigmaa", ["sigma", "low"])
        'did you mean "sigma"?'
    """
    names = list(valid)
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    return "valid names: " + ", ".join(names) if names else "none is allowed here"


def _sentence(finding: Any, path: str, annotation: Any) -> str:
    kind, context, value = finding["type"], finding.get("ctx", {}), finding["input"]
    at = f"{path}: " if path else ""
    if kind == "extra_forbidden":
        parent, _, name = path.rpartition(".")
        fields = annotation.model_fields if _is_model(annotation) else {}
        where = f"in [{parent}]" if parent else "at the top level"
        return f'{path}: unknown key "{name}" {where}; {nearest(name, fields)}'
    if kind == "union_tag_invalid":
        key, tag = str(context["discriminator"]).strip("'"), str(context["tag"])
        tags = [part.strip().strip("'") for part in str(context["expected_tags"]).split(",")]
        return f'{at}{key} = "{tag}" is not known; {nearest(tag, tags)}'
    if kind == "union_tag_not_found":
        key = str(context["discriminator"]).strip("'")
        return f"{at}the key {key} is missing; valid: {', '.join(_tags(annotation))}"
    if kind == "missing":
        return f"{at}this key is required"
    if kind == "string_pattern_mismatch" and ":" in str(context["pattern"]):
        return f'{at}must read "package.module:function"; got {value!r}'
    if kind == "literal_error":
        return f"{at}must be {context['expected']}; got {value!r}" + _close(value, context["expected"])
    if kind == "value_error":
        return f"{at}{context['error']}"
    shown = repr(value) if len(repr(value)) <= 80 else repr(value)[:77] + "..."
    return f"{at}{finding['msg'][0].lower()}{finding['msg'][1:]}; got {shown}"


def _close(value: object, expected: object) -> str:
    options = [part.strip().strip("'") for part in str(expected).replace(" or ", ",").split(",")]
    close = get_close_matches(str(value), options, n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _members(annotation: Any) -> list[Any]:
    """The alternatives of an annotation: `Annotated` and unions opened, `None` dropped."""
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [m for part in get_args(annotation) for m in _members(part) if m is not type(None)]
    return [annotation]


def _tag_of(model: Any) -> str | None:
    """The one value of the field that tells alternatives apart (`kind` or `noise`)."""
    for field in ("kind", "noise"):
        if _is_model(model) and field in model.model_fields:
            values = get_args(model.model_fields[field].annotation)
            return values[0] if len(values) == 1 else None
    return None


def _tags(annotation: Any) -> list[str]:
    return [tag for member in _members(annotation) if (tag := _tag_of(member)) is not None]


def _walk(location: tuple[int | str, ...], model: type[BaseModel]) -> tuple[str, Any]:
    """The TOML path of a finding, and the annotation that governs its last table.

    pydantic puts the tag of a discriminated union into the location; TOML does not have it.
    """
    path, current, governing = "", [model], model
    for position, part in enumerate(location):
        tagged = [m for m in current if _tag_of(m) == part]
        if len(current) > 1 and tagged:
            current, governing = tagged, tagged[0]
            continue
        path += f"[{part}]" if isinstance(part, int) else (f".{part}" if path else str(part))
        governing = current[0] if len(current) == 1 else Union[tuple(current)]  # noqa: UP007
        inner: Any = None
        if _is_model(current[0]) and part in current[0].model_fields:
            field = current[0].model_fields[str(part)]
            inner = field.annotation
        elif get_origin(current[0]) is dict:
            inner = get_args(current[0])[1]
        if inner is None:
            break
        current = _members(inner)
        if position == len(location) - 1:
            governing = current[0] if len(current) == 1 else Union[tuple(current)]  # noqa: UP007
    return path, governing
