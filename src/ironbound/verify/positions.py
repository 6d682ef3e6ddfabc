"""One changed token or field as an experiment, exactly; and the sets of changes that can be worst.

A position that the attacker changed shows outcome z with probability p(z) under the clean symbol and q(z)
under the attacker's. What an attacker gains is governed by the hockey-stick divergence

    E(g) = sum_z max(0, g p(z) - q(z)),    g >= 0,

for lower(p) = max over g of g p - E(g). A position whose E is at least another's everywhere is at least as
bad beside any independent channels (Blackwell), so an attacker never prefers the other one. E is piecewise
linear: comparing it at its kinks decides it, in rationals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from ironbound.certificate import (
    CategoricalNoise,
    ChannelRecord,
    DeletionNoise,
    MaskNoise,
    ReplacementNoise,
    SuffixNoise,
    SynonymNoise,
    refuse,
)

Outcome = tuple[Fraction, Fraction]
Choice = tuple[tuple["Position", int], ...]

MOST_CHOICES = 4096
_MOST_STEPS = 500_000


@dataclass(frozen=True)
class Position:
    """Outcomes (p, q), those of equal q/p merged, in increasing order of q/p."""

    outcomes: tuple[Outcome, ...]

    def divergence(self, g: Fraction) -> Fraction:
        """The hockey-stick divergence E(g)."""
        return sum((max(Fraction(0), g * p - q) for p, q in self.outcomes), Fraction(0))

    def worse(self, other: Position) -> bool:
        """Whether an attacker never prefers `other` to this one."""
        kinks = [q / p for p, q in self.outcomes + other.outcomes if p > 0]
        # Both are 0 at g = 0, linear in between, and of slope 1 beyond the last kink.
        return all(self.divergence(g) >= other.divergence(g) for g in kinks)


def position(outcomes: Sequence[Outcome]) -> Position:
    """A position in normal form; the probabilities of each side must sum to 1."""
    merged: dict[Fraction | None, Outcome] = {}
    for p, q in outcomes:
        if p or q:
            ratio = q / p if p else None
            before = merged.get(ratio, (Fraction(0), Fraction(0)))
            merged[ratio] = (before[0] + p, before[1] + q)
    finite = sorted(ratio for ratio in merged if ratio is not None)
    ordered = [merged[ratio] for ratio in finite] + ([merged[None]] if None in merged else [])
    return Position(tuple(ordered))


@lru_cache(maxsize=4096)
def replaced(symbols: int, beta: float, clean_inside: bool, written_inside: bool) -> Position:
    """Uniform replacement: keep with 1 - beta, else another of the `symbols`, all equally likely.

    Written down outcome by outcome: the clean symbol, the attacker's, and the other ones of the alphabet.
    """
    b, keep, zero = Fraction(beta), 1 - Fraction(beta), Fraction(0)
    of_clean = b / (symbols - 1 if clean_inside else symbols)  # any one other symbol, noise on the clean one
    of_written = b / (symbols - 1 if written_inside else symbols)
    others = symbols - clean_inside - written_inside
    return position(
        [
            (keep, of_written if clean_inside else zero),
            (of_clean if written_inside else zero, keep),
            (others * of_clean, others * of_written),
        ]
    )


@lru_cache(maxsize=4096)
def masked(beta: float) -> Position:
    """The mask shows with probability beta, else the symbol itself."""
    b, zero = Fraction(beta), Fraction(0)
    return position([(1 - b, zero), (zero, 1 - b), (b, b)])


@lru_cache(maxsize=4096)
def edited(rate: float, clean_only: bool, written_only: bool) -> Position:
    """One edit under deletion noise, which drops a token with probability `rate`.

    Tokens that only one of the two texts holds are, with this probability each, dropped; if all of them are,
    what is left is the noise on the tokens that both texts share, whichever text it was. Telling the texts
    apart is never easier than being told that, or which text's own token has been seen.
    """
    r, zero = Fraction(rate), Fraction(0)
    clean = r if clean_only else Fraction(1)
    written = r if written_only else Fraction(1)
    return position([(clean, written), (1 - clean, zero), (zero, 1 - written)])


@dataclass(frozen=True)
class Group:
    """`capacity` places of the input, each of which the attacker may turn into one of the options."""

    capacity: int
    options: tuple[Position, ...]


def groups_of(record: ChannelRecord, d: int) -> tuple[Group, ...]:
    """What the attacker of budget d may do to each place of a discrete channel that it reaches."""
    if isinstance(record, ReplacementNoise):
        return _of_tokens(record, record.length, record.outside, record.attacker)
    if isinstance(record, MaskNoise):
        return (Group(record.length, (masked(record.beta),)),)
    if isinstance(record, CategoricalNoise):
        counted: dict[tuple[int, float], int] = {}
        for field in zip(record.arities, record.betas, strict=True):
            counted[field] = counted.get(field, 0) + 1
        return tuple(Group(n, (replaced(v, b, True, True),)) for (v, b), n in counted.items())
    if isinstance(record, SuffixNoise) and isinstance(record.kernel, MaskNoise):
        return (Group(d, (masked(record.kernel.beta),)),)
    if isinstance(record, SuffixNoise) and isinstance(record.kernel, ReplacementNoise):
        outside = sum(rank <= d for rank in record.outside)
        return _of_tokens(record.kernel, d, outside, record.attacker)
    if isinstance(record, SynonymNoise):
        return tuple(Group(n, (replaced(size, record.beta, True, True),)) for size, n in record.sets)
    if isinstance(record, DeletionNoise):
        return _of_edits(record, d)
    raise refuse(f"channel {record.channel}", record["noise"], "a discrete noise")


def _of_edits(record: DeletionNoise, d: int) -> tuple[Group, ...]:
    """Edits of a text whose tokens the noise drops: see `edited`. A place of the text is edited once."""
    allowed = record.operations or ()
    ends = {"delete": (True, False), "substitute": (True, True)}
    here = tuple(edited(record.rate, *ends[one]) for one in allowed if one != "insert")
    new = (edited(record.rate, False, True),) if "insert" in allowed else ()
    return tuple(Group(n, options) for n, options in ((record.length, here), (d, new)) if options)


def _of_tokens(
    noise: ReplacementNoise, reached: int, outside: int, attacker: str | None
) -> tuple[Group, ...]:
    """`reached` tokens, of which `outside` are no symbols of the noise."""
    written = (True, False) if attacker == "open" else (True,)
    among, beyond = (
        tuple(replaced(noise.alphabet, noise.beta, clean_inside, w) for w in written)
        for clean_inside in (True, False)
    )
    return (Group(reached - outside, among), Group(outside, beyond))


@lru_cache(maxsize=4096)
def choices(record: ChannelRecord, d: int) -> tuple[Choice, ...]:
    """Sets of exactly d changes, as (position, how many), such that any other set is no worse than one here.

    A change dropped from a set never helps the attacker, so fewer than d need no check.

    Raises:
        InvalidCertificate: too many sets to check.
    """
    groups = groups_of(record, d)
    # Where fewer places can be changed than d, changing all of them is the most there is.
    found = list(undominated(groups, min(d, sum(group.capacity for group in groups))))
    return tuple(dict.fromkeys(found))


def undominated(groups: Sequence[Group], d: int) -> Iterator[Choice]:
    """Sets of d changes in which no change could be swapped for a worse one at a place still free."""
    kinds: list[tuple[Position, int]] = []
    for g, group in enumerate(groups):
        if group.capacity > 0:
            kinds += [(option, g) for option in _maximal(group.options)]
    free = [group.capacity for group in groups]
    beats = [
        [i for i, (other, home) in enumerate(kinds) if home != own and _beats(other, i, kind, j)]
        for j, (kind, own) in enumerate(kinds)
    ]
    order = sorted(range(len(kinds)), key=lambda j: len(beats[j]))  # the worst first: a transitive order
    counts = [0] * len(kinds)
    steps = found = 0

    def swappable(j: int, settled: set[int]) -> bool:
        return any(free[kinds[i][1]] > 0 and kinds[i][1] in settled for i in beats[j])

    def place(at: int, left: int) -> Iterator[Choice]:
        nonlocal steps, found
        steps += 1
        if steps > _MOST_STEPS or found > MOST_CHOICES:
            raise refuse(
                "the attacker's choices", f"more than {found}", f"at most {MOST_CHOICES} to be checked"
            )
        if left == 0:
            everything = set(range(len(groups)))
            if not any(counts[j] and swappable(j, everything) for j in order):
                found += 1
                yield tuple((kinds[j][0], counts[j]) for j in order if counts[j])
            return
        if at == len(order):
            return
        j = order[at]
        group = kinds[j][1]
        later = {kinds[i][1] for i in order[at:]}
        settled = {g for g in range(len(groups)) if g not in later}
        most = 0 if swappable(j, settled) else min(left, free[group])
        for count in range(most, -1, -1):
            counts[j], free[group] = count, free[group] - count
            yield from place(at + 1, left - count)
            counts[j], free[group] = 0, free[group] + count

    yield from place(0, d)


def _maximal(options: Sequence[Position]) -> list[Position]:
    return [
        option
        for j, option in enumerate(options)
        if not any(i != j and _beats(other, i, option, j) for i, other in enumerate(options))
    ]


def _beats(one: Position, i: int, other: Position, j: int) -> bool:
    """Strictly worse for the defender; of two equals the earlier one counts as worse."""
    return one.worse(other) and (i < j or not other.worse(one))
