"""Range checks on the recorded noise and threat of each channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ironbound.certificate import (
    CategoricalNoise,
    ChannelRecord,
    GaussianNoise,
    MaskNoise,
    ReplacementNoise,
    refuse,
)

MOST_CHANGES = 4096
MOST_SYMBOLS = 2**40


def check_channels(channels: Sequence[ChannelRecord]) -> None:
    """Refuse channels whose names, noise parameters or budgets are out of range.

    Raises:
        InvalidCertificate: with the first figure that is wrong.
    """
    names = [record.channel for record in channels]
    if not names or names != sorted(set(names)) or "" in names:
        raise refuse("the names of evidence.channels", names, "distinct, sorted and not empty")
    for i, record in enumerate(channels):
        _CHECKS[type(record)](record, f"evidence.channels[{i}]")
        if record.attacked and not isinstance(record, GaussianNoise):
            _budget(record, f"evidence.channels[{i}]")


def _gaussian(record: ChannelRecord, figure: str) -> None:
    sigma = record["sigma"]
    if not sigma > 0.0:
        raise refuse(f"{figure}.sigma", sigma, "a standard deviation above 0")
    low, high = record["low"], record["high"]
    if low is not None and high is not None and not low < high:
        raise refuse(f"{figure}.low", low, f"below high, which is {high!r}")


def _replacement(record: ChannelRecord, figure: str) -> None:
    _rate(record["beta"], f"{figure}.beta")
    _between(record, "alphabet", 2, MOST_SYMBOLS, figure)
    _between(record, "length", 1, MOST_SYMBOLS, figure)
    _between(record, "outside", 0, record["length"], figure)
    if record.attacked and record["attacker"] is None:
        raise refuse(f"{figure}.attacker", None, "'closed' or 'open'")


def _mask(record: ChannelRecord, figure: str) -> None:
    _rate(record["beta"], f"{figure}.beta")
    _between(record, "length", 1, MOST_SYMBOLS, figure)


def _categorical(record: ChannelRecord, figure: str) -> None:
    arities, betas = record["arities"], record["betas"]
    if not arities or len(arities) != len(betas):
        raise refuse(f"{figure}.betas", betas, f"one rate for each of the {len(arities)} fields")
    for arity, beta in zip(arities, betas, strict=True):
        if not 2 <= arity <= MOST_SYMBOLS:
            raise refuse(f"{figure}.arities", arity, f"between 2 and {MOST_SYMBOLS} categories")
        _rate(beta, f"{figure}.betas")


def _rate(beta: float, figure: str) -> None:
    if not 0.0 < beta <= 1.0:
        raise refuse(figure, beta, "a rate in (0, 1]")


def _between(record: ChannelRecord, name: str, low: int, high: int, figure: str) -> None:
    if not low <= record[name] <= high:
        raise refuse(f"{figure}.{name}", record[name], f"between {low} and {high}")


def _budget(record: ChannelRecord, figure: str) -> None:
    places = len(record["arities"]) if isinstance(record, CategoricalNoise) else record["length"]
    most = min(places, MOST_CHANGES)
    if record["max_d"] is None or not 0 <= record["max_d"] <= most:
        raise refuse(
            f"{figure}.max_d", record["max_d"], f"between 0 and {most}, the places there are to change"
        )


_CHECKS: dict[type[ChannelRecord], Callable[[ChannelRecord, str], None]] = {
    GaussianNoise: _gaussian,
    ReplacementNoise: _replacement,
    MaskNoise: _mask,
    CategoricalNoise: _categorical,
}
