"""Several changed positions at once: the joint law of the likelihood ratio, in whole numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from flint import fmpz, fmpz_poly

from ironbound.certificate import refuse
from ironbound.verify.positions import Choice, Position

MOST_ATOMS = 200_000


@dataclass(frozen=True)
class Joint:
    """Atoms (p, q) with p, q > 0 as integers over `scale`, and the mass of P where Q has none.

    The mass of Q where P has none plays no part in the bounds of `ironbound.verify.bounds`.
    """

    scale: fmpz
    atoms: tuple[tuple[fmpz, fmpz], ...]
    only_p: fmpz


@lru_cache(maxsize=1024)
def joint(choice: Choice) -> Joint:
    """The law of independent changes, `n` of each position in the choice.

    Raises:
        InvalidCertificate: more atoms than this checker evaluates.
    """
    atoms: tuple[tuple[fmpz, fmpz], ...] = ((fmpz(1), fmpz(1)),)
    scale = fmpz(1)
    for one, n in choice:
        part_scale, part = _power(one, n)
        if len(atoms) * len(part) > MOST_ATOMS:
            raise refuse("the attacker's choice", f"{len(atoms) * len(part)} atoms", f"at most {MOST_ATOMS}")
        atoms = tuple((p * r, q * s) for p, q in atoms for r, s in part)
        scale *= part_scale
    return Joint(scale, atoms, scale - sum((p for p, _ in atoms), fmpz(0)))


@lru_cache(maxsize=1024)
def _power(one: Position, n: int) -> tuple[fmpz, tuple[tuple[fmpz, fmpz], ...]]:
    """n copies of one position: coefficients of the n-th powers of two polynomials.

    A position has at most three outcomes with p, q > 0, and then their ratios q/p are in geometric
    progression. So ratio number j of the product belongs to the power j of the polynomials' variable.
    """
    finite = [(p, q) for p, q in one.outcomes if p and q]
    ratios = [q / p for p, q in finite]
    if len(ratios) > 3 or (len(ratios) == 3 and ratios[0] * ratios[2] != ratios[1] ** 2):
        raise refuse("a position", ratios, "one whose likelihood ratios are in geometric progression")
    denominator = math.lcm(*(x.denominator for outcome in finite for x in outcome))

    def raised(values: list[Fraction]) -> list[fmpz]:
        whole = fmpz_poly([int(value * denominator) for value in values]) ** n
        return [whole[j] for j in range(len(values) * n - n + 1)] if values else []

    pairs = zip(raised([p for p, _ in finite]), raised([q for _, q in finite]), strict=True)
    return fmpz(denominator) ** n, tuple((p, q) for p, q in pairs if p != 0)
