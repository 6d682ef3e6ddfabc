"""Checks of single settings, and of settings that must fit each other."""

from __future__ import annotations

from collections.abc import Mapping

from ironbound.errors import InputError, wrong_value
from ironbound.models.http.encoders import Encoder, encoder
from ironbound.models.http.path import AnswerPath
from ironbound.models.http.template import Template

_MANY = 32


def check_draws_per_call(template: Template, path: AnswerPath, given: int | None) -> int:
    """Draws in a call: what is given, or else 32 where the template lists draws, and 1 where it does not."""
    if template.batched != path.batched:
        has, lacks = ("template has $each", "answer") if template.batched else ("answer has [*]", "template")
        raise InputError(
            f"{has}, but {lacks} has no list of draws: write both {{'$each': ..}} in template and [*] in "
            "answer for calls with many draws, or neither for calls with one"
        )
    if given is None:
        return _MANY if template.batched else 1
    check_whole("draws_per_call", given, 1)
    if given > 1 and not template.batched:
        raise wrong_value("draws_per_call", given, "1 unless template lists the draws with $each")
    return given


def check_encoders(template: Template, given: Mapping[str, str | Encoder]) -> dict[str, Encoder]:
    """An encoder for each channel of the template."""
    for name in given:
        if name not in template.channels:
            raise wrong_value("encoders", name, f"for channels of template ({sorted(template.channels)})")
    return {name: encoder(given.get(name, "numbers"), name) for name in sorted(template.channels)}


def check_number(name: str, value: object, least: float, most: float) -> None:
    """Raises InputError unless the value is a number in least..most."""
    # NaN is in no range, and so is refused.
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise wrong_value(name, value, f"a number in [{least:g}, {most:g}]")


def check_whole(name: str, value: object, least: int, most: int = 2**30) -> None:
    """Raises InputError unless the value is a whole number in least..most."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise wrong_value(name, value, f"a whole number in [{least}, {most}]")
