"""Range checks on the recorded noise and threat of each channel."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from ironbound.certificate import (
    AdaptiveNoise,
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
    check_digest,
    check_words,
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
    check_words(record["unit"], f"{figure}.unit")
    low, high = record["low"], record["high"]
    if low is not None and high is not None and not low < high:
        raise refuse(f"{figure}.low", low, f"below high, which is {high!r}")
    if record.attacked and record["threat"] != getattr(record, "measure", None):
        expected = f"{getattr(record, 'measure', None)!r}, the norm that this noise proves"
        raise refuse(f"{figure}.threat", record["threat"], expected)


def _grid(record: ChannelRecord, figure: str) -> None:
    # Rounding to a grid on which the inputs lie is a map after the Gaussian kernel: the same law bounds it.
    _gaussian(record, figure)
    _between(record, "grid", 1, MOST_SYMBOLS, figure)
    _between(record, "refine", 1, MOST_SYMBOLS, figure)


def _anisotropic(record: ChannelRecord, figure: str) -> None:
    _gaussian(record, figure)
    _between(record, "coordinates", 1, MOST_SYMBOLS, figure)
    sigma, listed = record["sigma"], record["sigmas"]
    if not record["largest"] >= sigma:
        raise refuse(f"{figure}.largest", record["largest"], f"at least the smallest, {sigma!r}")
    check_digest(record["sigmas_id"], f"{figure}.sigmas_id")
    if listed is None:
        return
    if len(listed) != record["coordinates"]:
        expected = f"{record['coordinates']} standard deviations, one for each coordinate"
        raise refuse(f"{figure}.sigmas", f"{len(listed)} of them", expected)
    for name, end in (("sigma", min(listed)), ("largest", max(listed))):
        if record[name] != end:
            raise refuse(f"{figure}.{name}", record[name], f"{end!r}, by the list of all of them")
    digest = hashlib.sha256(",".join(map(repr, listed)).encode()).hexdigest()
    if record["sigmas_id"] != digest:
        raise refuse(f"{figure}.sigmas_id", record["sigmas_id"], f"{digest}, the digest of the list")


def _adaptive(record: ChannelRecord, figure: str) -> None:
    """mu <= r / sigma for a shift of size r, by the composition of both stages, in exact arithmetic."""
    _gaussian(record, figure)
    _between(record, "coordinates", 1, MOST_SYMBOLS, figure)
    for name in ("first", "second"):
        if not record[name] > 0.0:
            raise refuse(f"{figure}.{name}", record[name], "a standard deviation above 0")
    if not record["mask_id"]:
        raise refuse(f"{figure}.mask_id", "", "a name or digest of the mask")
    count = record["coordinates"] if record["norm"] == "linf" else 1
    each = sum(1 / Fraction(record[name]) ** 2 for name in ("first", "second"))
    sigma = record["sigma"]
    squares = [Fraction(float(end)) ** 2 * count * each for end in (sigma, math.nextafter(sigma, math.inf))]
    if not squares[0] <= 1 < squares[1]:
        expected = f"1 / sqrt({count} (1/first^2 + 1/second^2)), rounded down"
        raise refuse(f"{figure}.sigma", sigma, expected)


def _replacement(record: ChannelRecord, figure: str) -> None:
    _rate(record["beta"], f"{figure}.beta")
    _between(record, "alphabet", 2, MOST_SYMBOLS, figure)
    _between(record, "length", 1, MOST_SYMBOLS, figure)
    _between(record, "outside", 0, record["length"], figure)
    if record.attacked and record["attacker"] is None:
        raise refuse(f"{figure}.attacker", None, "'closed' or 'open'")
    if record["alphabet_id"] is not None:
        check_digest(record["alphabet_id"], f"{figure}.alphabet_id")
    if isinstance(record, NamedReplacementNoise):
        if not record.alphabet_name:
            raise refuse(f"{figure}.alphabet_name", "", "the name of the set of symbols")
        if record.alphabet_id is None:
            raise refuse(f"{figure}.alphabet_id", None, "the digest of the named set of symbols")


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


def _synonyms(record: ChannelRecord, figure: str) -> None:
    _rate(record["beta"], f"{figure}.beta")
    _between(record, "length", 1, MOST_SYMBOLS, figure)
    check_digest(record["sets_id"], f"{figure}.sets_id")
    sizes = [size for size, _ in record["sets"]]
    if sizes != sorted(set(sizes)) or not all(2 <= size <= MOST_SYMBOLS for size in sizes):
        raise refuse(f"{figure}.sets", record["sets"], "sizes from 2 on in increasing order, with counts")
    counts = [count for _, count in record["sets"]]
    if not all(count >= 1 for count in counts) or sum(counts) > record["length"]:
        raise refuse(f"{figure}.sets", record["sets"], f"counts that add up to {record['length']} at most")


def _deletion(record: ChannelRecord, figure: str) -> None:
    _rate(record["rate"], f"{figure}.rate")
    _between(record, "length", 1, MOST_SYMBOLS, figure)
    _between(record, "width", 1, MOST_SYMBOLS, figure)
    operations = record["operations"]
    if record.attacked and (not operations or len(set(operations)) != len(operations)):
        raise refuse(f"{figure}.operations", operations, "different edits, one at least")


def _suffix(record: ChannelRecord, figure: str) -> None:
    kernel, positions = record["kernel"], record["positions"]
    if not isinstance(kernel, ReplacementNoise | MaskNoise):
        raise refuse(f"{figure}.kernel.noise", kernel["noise"], "a noise on single tokens")
    for name in ("threat", "max_d", "attacker"):
        if kernel.get(name) is not None:
            raise refuse(f"{figure}.kernel.{name}", kernel[name], "null: it belongs to the whole channel")
    if kernel.channel != record["channel"]:
        raise refuse(f"{figure}.kernel.channel", kernel.channel, repr(record["channel"]))
    if kernel.length != positions:
        raise refuse(f"{figure}.kernel.length", kernel.length, f"{positions}, the noised positions")
    if positions > 0:
        _CHECKS[type(kernel)](kernel, f"{figure}.kernel")
    slot, appended = record["slot"], record["slot"] is not None
    _between(record, "length", max(1, slot if appended else 0), MOST_SYMBOLS, figure)
    _between(record, "positions", 0, slot if appended else record["length"], figure)
    if (record["pad"] is None) == appended:
        raise refuse(f"{figure}.pad", record["pad"], "given with a slot of pads, else null")
    if record.attacked and appended != (record["threat"] == "suffix_append"):
        raise refuse(f"{figure}.threat", record["threat"], "'suffix_append' exactly where there is a slot")
    if record.attacked and record["attacker"] is None:
        raise refuse(f"{figure}.attacker", None, "'closed' or 'open'")
    _outside(record, kernel, figure)


def _outside(record: ChannelRecord, kernel: ReplacementNoise | MaskNoise, figure: str) -> None:
    ranks = record["outside"]
    if list(ranks) != sorted(set(ranks)) or not all(1 <= rank <= record["positions"] for rank in ranks):
        expected = f"increasing, between 1 and {record['positions']}"
        raise refuse(f"{figure}.outside", ranks, expected)
    counted = kernel.outside if isinstance(kernel, ReplacementNoise) else 0
    if len(ranks) != counted:
        raise refuse(f"{figure}.outside", ranks, f"{counted} places, as the kernel counts")
    if record["slot"] is not None and len(ranks) not in (0, record["positions"]):
        raise refuse(f"{figure}.outside", ranks, "none or all of the noised pads, which are one token")


def _rate(beta: float, figure: str) -> None:
    if not 0.0 < beta <= 1.0:
        raise refuse(figure, beta, "a rate in (0, 1]")


def _between(record: ChannelRecord, name: str, low: int, high: int, figure: str) -> None:
    if not low <= record[name] <= high:
        raise refuse(f"{figure}.{name}", record[name], f"between {low} and {high}")


def _budget(record: ChannelRecord, figure: str) -> None:
    if isinstance(record, CategoricalNoise):
        places = len(record.arities)
    elif isinstance(record, DeletionNoise):
        places = MOST_CHANGES  # there is always room for one more insertion
    else:  # outside the noised positions no change is covered
        places = record["positions" if isinstance(record, SuffixNoise) else "length"]
    most = min(places, MOST_CHANGES)
    if record["max_d"] is None or not 0 <= record["max_d"] <= most:
        raise refuse(
            f"{figure}.max_d", record["max_d"], f"between 0 and {most}, the places there are to change"
        )


_CHECKS: dict[type[ChannelRecord], Callable[[ChannelRecord, str], None]] = {
    GaussianNoise: _gaussian,
    GridNoise: _grid,
    AnisotropicNoise: _anisotropic,
    AdaptiveNoise: _adaptive,
    ReplacementNoise: _replacement,
    NamedReplacementNoise: _replacement,
    MaskNoise: _mask,
    CategoricalNoise: _categorical,
    SuffixNoise: _suffix,
    SynonymNoise: _synonyms,
    DeletionNoise: _deletion,
}
