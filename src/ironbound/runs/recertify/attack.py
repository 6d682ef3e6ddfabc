"""The attack that a certificate is about, from its record alone: no input and no model is needed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product

from ironbound import laws
from ironbound.certificate.channels import (
    CategoricalNoise,
    ChannelRecord,
    DeletionNoise,
    GaussianNoise,
    MaskNoise,
    ReplacementNoise,
    SuffixNoise,
    SynonymNoise,
)
from ironbound.errors import InputError
from ironbound.laws import Law
from ironbound.smoothing.goal import Attack, Options


def attack_of(records: Sequence[ChannelRecord], order: Sequence[str]) -> Attack:
    """All budgets of the attacked discrete channels, with the laws of the recorded noise.

    Args:
        records: of all channels.
        order: names of the attacked discrete channels, in the order of the budgets.
    Raises:
        InputError: a budget is larger than the text is long, or the noise is of an unknown kind.
    """
    named = {record.channel: record for record in records}
    most = [_max_d(named[name]) for name in order]
    options: list[Options] = []
    for amounts in product(*(range(largest + 1) for largest in most)):
        each = [laws_of(named[name], d) for name, d in zip(order, amounts, strict=True)]
        candidates = tuple(_composed(*choice) for choice in product(*each))
        options.append(Options(tuple(zip(order, amounts, strict=True)), candidates))
    continuous = any(isinstance(record, GaussianNoise) and record.attacked for record in records)
    return Attack(tuple(options), continuous)


def laws_of(record: ChannelRecord, d: int) -> tuple[Law, ...]:
    """Candidate laws of d changes on one channel, equal to those that its noise had.

    Example:
        >>> from ironbound.certificate.channels import MaskNoise
        >>> laws_of(MaskNoise("tokens", 0.5, 0, 8, "token_l0", 2), 1) == (laws.mask(1, 0.5),)
        True
    """
    match record:
        case ReplacementNoise():
            return _replacement(record, d, record.length, record.outside, record.attacker)
        case MaskNoise():
            _refuse_more(d, record.length, record.channel)
            return (laws.mask(d, record.beta),)
        case CategoricalNoise():
            _refuse_more(d, len(record.arities), record.channel)
            common = record.betas[0] if len(set(record.betas)) == 1 else record.betas
            return laws.field_laws(d, record.arities, common)
        case SynonymNoise():
            sizes = tuple(size for size, count in record.sets for _ in range(count))
            return laws.field_laws(min(d, len(sizes)), sizes, record.beta)
        case DeletionNoise():
            operations = record.operations or laws.OPERATIONS
            return laws.edit_laws(d, record.rate, length=record.length, operations=operations)
        case SuffixNoise():
            return _suffix(record, d)
        case _:
            raise InputError(
                f"{record.channel}: noise of the kind {record['noise']!r} has no laws to claim from"
            )


def _suffix(record: SuffixNoise, d: int) -> tuple[Law, ...]:
    """An attacker of budget d reaches exactly the first d noised places."""
    _refuse_more(d, record.positions, record.channel)
    kernel = record.kernel
    if isinstance(kernel, MaskNoise):
        return (laws.mask(d, kernel.beta),)
    if not isinstance(kernel, ReplacementNoise):
        raise InputError(
            f"{record.channel}: a kernel of the kind {kernel['noise']!r} has no laws to claim from"
        )
    outside = sum(place <= d for place in record.outside)
    return _replacement(kernel, d, d, outside, record.attacker)


def _replacement(
    record: ReplacementNoise, d: int, length: int, outside: int, attacker: str | None
) -> tuple[Law, ...]:
    _refuse_more(d, length, record.channel)
    kind = "open" if attacker == "open" else "closed"
    return laws.replacement_laws(
        d, record.alphabet, record.beta, length=length, outside=outside, attacker=kind
    )


def _max_d(record: ChannelRecord) -> int:
    return int(record.get("max_d") or 0)


def _refuse_more(d: int, most: int, channel: str) -> None:
    if d > most:
        raise InputError(f"max_d of {channel!r}: an input has {most} places to change, fewer than {d}")


@lru_cache(maxsize=4096)
def _composed(*parts: Law) -> Law:
    # Laws of the constructors are cached, so inputs of equal records share one law and its tables.
    return parts[0] if len(parts) == 1 else laws.compose(*parts)
