"""Which positions an attacker with a budget would change: dominance first, enumeration where it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ironbound.errors import wrong_value
from ironbound.laws.constructors import field_positions, positions_law
from ironbound.laws.law import Law
from ironbound.laws.positions import Position, replaced

Attacker = Literal["closed", "open"]


@dataclass(frozen=True)
class Group:
    """`capacity` positions of the clean input, each of which the attacker may turn into one of `options`."""

    capacity: int
    options: tuple[Position, ...]


def field_laws(d: int, arities: Sequence[int], betas: float | Sequence[float]) -> tuple[Law, ...]:
    """Laws among which the worst choice of any d of the fields is found (math notes, section 3).

    With one rate the answer is one law, the d largest arities; the order of Blackwell decides in general,
    in exact arithmetic, and only choices that no other dominates are listed.

    Args:
        d: how many fields the attacker may change.
        arities: categories of each field, each >= 2.
        betas: one replacement rate for all, or one each.
    Raises:
        InputError: d is negative or above the number of fields.

    Example:
        >>> len(field_laws(3, [9, 16, 7, 15, 6, 5, 2, 42], 0.25))
        1
    """
    return _field_laws(d, tuple(arities), betas if isinstance(betas, int | float) else tuple(betas))


@lru_cache(maxsize=1024)
def _field_laws(d: int, arities: tuple[int, ...], betas: float | tuple[float, ...]) -> tuple[Law, ...]:
    counted: dict[Position, int] = {}
    for position in field_positions(arities, betas):
        counted[position] = counted.get(position, 0) + 1
    return _worst_laws(d, [Group(count, (position,)) for position, count in counted.items()], "fields")


def replacement_laws(
    d: int, alphabet: int, beta: float, *, length: int, outside: int = 0, attacker: Attacker = "closed"
) -> tuple[Law, ...]:
    """Laws among which the worst change of d tokens is found, for closed and open alphabets.

    Args:
        d: how many tokens the attacker may change.
        alphabet: size s of the set S that the noise draws from.
        beta: replacement rate.
        length: number of tokens of the clean text.
        outside: how many of them are not in S.
        attacker: "closed" if the attacker writes only tokens of S, "open" if any token.
    Raises:
        InputError: the budget is longer than the text, or `outside` is not within it.

    Example:
        >>> closed, = replacement_laws(2, 100, 0.5, length=9)
        >>> opened, = replacement_laws(2, 100, 0.5, length=9, attacker="open")
        >>> opened.lower(0.99) < closed.lower(0.99)
        True
    """
    if not (0 <= outside <= length):
        raise wrong_value("outside", outside, f"between 0 and the length of the text ({length})")
    if attacker not in ("closed", "open"):
        raise wrong_value("attacker", attacker, '"closed" or "open"')
    return _replacement_laws(d, alphabet, beta, length, outside, attacker)


@lru_cache(maxsize=1024)
def _replacement_laws(
    d: int, alphabet: int, beta: float, length: int, outside: int, attacker: Attacker
) -> tuple[Law, ...]:
    def options(clean_inside: bool) -> tuple[Position, ...]:
        written = (True,) if attacker == "closed" else (False, True)
        return tuple(replaced(alphabet, beta, clean_inside=clean_inside, attacked_inside=w) for w in written)

    groups = [Group(length - outside, options(True)), Group(outside, options(False))]
    return _worst_laws(d, groups, "tokens")


def _worst_laws(d: int, groups: Sequence[Group], unit: str) -> tuple[Law, ...]:
    total = sum(group.capacity for group in groups)
    if not (0 <= d <= total):
        raise wrong_value("the budget d", d, f"between 0 and the number of {unit} ({total})")
    return tuple(positions_law(list(choice.items())) for choice in worst_choices(d, groups))


def worst_choices(d: int, groups: Sequence[Group]) -> list[dict[Position, int]]:
    """Multisets of d changed positions that no other multiset dominates.

    A choice is left out when one of its positions could be exchanged for a dominating one that is still
    free. Every choice is dominated by one that stays (Blackwell's order is transitive and finite).
    """
    groups = [Group(g.capacity, _undominated(g.options)) for g in groups if g.capacity > 0]
    kinds = [(position, index) for index, group in enumerate(groups) for position in group.options]
    # Most dominating first, so that the search below can stop early. Equals are ordered by their place.
    above = [
        [j for j, (other, _) in enumerate(kinds) if j != i and _strictly(other, j, position, i)]
        for i, (position, _) in enumerate(kinds)
    ]
    order = sorted(range(len(kinds)), key=lambda i: len(above[i]))
    found: list[dict[Position, int]] = []
    counts = [0] * len(kinds)
    free = [group.capacity for group in groups]

    def place(step: int, left: int) -> None:
        if left == 0:
            choice: dict[Position, int] = {}
            for i, count in enumerate(counts):
                if count:
                    choice[kinds[i][0]] = choice.get(kinds[i][0], 0) + count
            if choice not in found:
                found.append(choice)
            return
        if step == len(order):
            return
        i = order[step]
        group = kinds[i][1]
        # A kind may be used only once every group that offers a dominating kind is exhausted.
        blocked = any(free[kinds[j][1]] > 0 for j in above[i] if kinds[j][1] != group)
        for count in range(0 if blocked else min(left, free[group]), -1, -1):
            counts[i], free[group] = count, free[group] - count
            place(step + 1, left - count)
            counts[i], free[group] = 0, free[group] + count

    place(0, d)
    return found


def _undominated(options: Sequence[Position]) -> tuple[Position, ...]:
    kept = [
        option
        for i, option in enumerate(options)
        if not any(j != i and _strictly(other, j, option, i) for j, other in enumerate(options))
    ]
    return tuple(kept)


def _strictly(one: Position, i: int, other: Position, j: int) -> bool:
    """Dominates, with ties broken by place so that of two equals exactly one remains."""
    return one.dominates(other) and (not other.dominates(one) or i < j)
