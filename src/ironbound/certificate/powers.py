"""What an attacker may do to each channel, in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from ironbound.certificate.channels import (
    AnisotropicNoise,
    CategoricalNoise,
    ChannelRecord,
    DeletionNoise,
    GaussianNoise,
    GridNoise,
    MaskNoise,
    NamedReplacementNoise,
    ReplacementNoise,
    SuffixNoise,
    SynonymNoise,
)


def powers(channels: Sequence[ChannelRecord], scales: dict[str, float], names: dict[str, str]) -> str:
    """All that the attacker may do at once.

    Args:
        channels: the records of all channels.
        scales: attacked continuous channels -> sigma.
        names: attacked discrete channels -> how their number of changes is written.
    """
    moved = [
        _shift(record, several=len(scales) > 1)
        if isinstance(record, GaussianNoise)
        else _WORDS[type(record)](record, names[record.channel])
        for record in channels
        if record.attacked
    ]
    if not moved:
        return "changes nothing"
    ball = " + ".join(f"(r({name})/{sigma!r})^2" for name, sigma in scales.items())
    return " and ".join(moved) + (f", with {ball} at most R^2" if len(scales) > 1 else "")


def _shift(record: GaussianNoise, *, several: bool) -> str:
    size = f"r({record.channel})" if several else "R"
    if record.measure == "linf":
        return f"shifts every entry of {record.channel!r} by at most {size} ({_unit(record)})"
    text = f"shifts {record.channel!r} by a 2-norm of at most {size} ({_unit(record)})"
    if isinstance(record, AnisotropicNoise):
        text += f", or by any delta with sum (delta_i/sigma_i)^2 at most ({size}/{record.sigma!r})^2"
    return text


def _unit(record: GaussianNoise) -> str:
    unit = record.unit
    if record.low is not None and record.high is not None:
        unit += f", range {record.low:g} to {record.high:g}"
    if isinstance(record, GridNoise):
        unit += ", in whole steps" if record.grid == 1 else f", in whole steps of 1/{record.grid}"
    return unit


def _fields(record: CategoricalNoise, d: str) -> str:
    return f"changes at most {d} of the {len(record.arities)} fields of {record.channel!r}"


def _tokens(record: ReplacementNoise | MaskNoise, d: str) -> str:
    text = f"replaces at most {d} of the {record.length} tokens of {record.channel!r}"
    if isinstance(record, ReplacementNoise):
        text += " by any token" if record.attacker == "open" else f" by tokens of {_set(record)}"
    return text


def _synonyms(record: SynonymNoise, d: str) -> str:
    return f"replaces at most {d} of the {record.length} tokens of {record.channel!r} by synonyms of theirs"


def _edits(record: DeletionNoise, d: str) -> str:
    nouns = {"insert": "insertions", "delete": "deletions", "substitute": "substitutions"}
    listed = ", ".join(nouns[one] for one in record.operations or ())
    return f"makes at most {d} edits ({listed}) to the {record.length} tokens of {record.channel!r}"


def _suffix(record: SuffixNoise, d: str) -> str:
    if record.threat == "suffix_append":
        places = f"writes at most the first {d} of the {record.slot} pads behind {record.channel!r}"
    else:
        places = f"rewrites at most the last {d} of the {record.length} tokens of {record.channel!r}"
    if not isinstance(record.kernel, ReplacementNoise):
        return places
    written = "any token" if record.attacker == "open" else f"tokens of {_set(record.kernel)}"
    return f"{places} with {written}"


def _set(noise: ReplacementNoise) -> str:
    """What is known of the symbols that noise (and a closed attacker) writes."""
    if not isinstance(noise, NamedReplacementNoise):
        return "the noise alphabet"
    return f"{noise.alphabet_name!r} ({noise.alphabet:,} ids, {str(noise.alphabet_id)[:12]})"


_WORDS = cast(
    dict[type[ChannelRecord], Callable[[Any, str], str]],
    {
        CategoricalNoise: _fields,
        DeletionNoise: _edits,
        MaskNoise: _tokens,
        NamedReplacementNoise: _tokens,
        ReplacementNoise: _tokens,
        SuffixNoise: _suffix,
        SynonymNoise: _synonyms,
    },
)
