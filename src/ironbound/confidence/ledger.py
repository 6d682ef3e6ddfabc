"""One error probability per certificate, and where it went."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

from ironbound.confidence._checks import check_alpha
from ironbound.errors import InputError, InputTypeError


@dataclass(frozen=True)
class AlphaLedger:
    """The error probability of one certificate, and the named shares that its statements have taken.

    All statements together fail with probability at most the sum of their shares (union bound), so the sum,
    taken exactly over the float64 values, never exceeds `alpha`. Immutable: each operation returns a new
    ledger.

    Args:
        alpha: total error probability, in (0, 1).
        spends: pairs (name, share), names distinct, shares in (0, 1).
    Raises:
        InputError: a name occurs twice, a share is not in (0, 1), or the shares exceed alpha.

    Example:
        >>> ledger = AlphaLedger(0.01).spend("selected class", 0.004).split(["rival 1", "rival 2"])
        >>> ledger["rival 1"], ledger.remaining
        (0.003, 0.0)
        >>> ledger.spend("one more", 1e-6)
        Traceback (most recent call last):
        ...
        ironbound.errors.InputError: 'one more' asks for 1e-06 of alpha = 0.01, but only 0.0 remains
    """

    alpha: float
    spends: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        spent = Fraction(0)
        names: set[str] = set()
        for name, share in self.spends:
            if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InputTypeError(f"the name of a share must be a string; got {name!r}")
            if name in names:
                raise InputError(f"every share needs its own name; {name!r} occurs twice")
            names.add(name)
            amount = Fraction(check_alpha(share, f"the share of {name!r}"))
            if spent + amount > Fraction(self.alpha):
                raise InputError(
                    f"{name!r} asks for {share!r} of alpha = {self.alpha!r}, "
                    f"but only {_down(Fraction(self.alpha) - spent)!r} remains"
                )
            spent += amount

    @property
    def spent(self) -> float:
        """The sum of all shares, rounded up."""
        return _up(self._exact())

    @property
    def remaining(self) -> float:
        """What no statement has taken yet, rounded down."""
        return _down(Fraction(self.alpha) - self._exact())

    def __getitem__(self, name: str) -> float:
        for other, share in self.spends:
            if other == name:
                return share
        known = ", ".join(repr(other) for other, _ in self.spends) or "none yet"
        raise InputError(f"the ledger has no share named {name!r}; it has: {known}")

    def items(self) -> tuple[tuple[str, float], ...]:
        """The pairs (name, share), in the order in which they were taken."""
        return self.spends

    def spend(self, name: str, share: float) -> AlphaLedger:
        """The ledger after one more statement; raises InputError when the share exceeds what remains."""
        return AlphaLedger(self.alpha, (*self.spends, (name, share)))

    def split(self, names: Iterable[str]) -> AlphaLedger:
        """Divide what remains equally over `names`: each gets the largest float64 whose exact multiple fits.

        Raises:
            InputError: no names, a name already taken, or nothing remains.

        Example:
            >>> AlphaLedger(0.01).split(["lower", "upper"]).items()
            (('lower', 0.005), ('upper', 0.005))
        """
        wanted = tuple(names)
        if not wanted:
            raise InputError("names must hold at least one name to divide alpha over; got none")
        share = _down((Fraction(self.alpha) - self._exact()) / len(wanted))
        if not share > 0.0:
            raise InputError(f"nothing of alpha = {self.alpha!r} remains to divide over {list(wanted)!r}")
        return AlphaLedger(self.alpha, (*self.spends, *((name, share) for name in wanted)))

    def to_dict(self) -> dict[str, object]:
        """Plain data: {"alpha": .., "spends": {name: share}}."""
        return {"alpha": self.alpha, "spends": dict(self.spends)}

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> AlphaLedger:
        """Inverse of `to_dict`; every check runs again.

        Example:
            >>> ledger = AlphaLedger(0.01).spend("lower", 0.01)
            >>> AlphaLedger.from_dict(ledger.to_dict()) == ledger
            True
        """
        if set(data) != {"alpha", "spends"}:
            raise InputError(f"a ledger has the keys 'alpha' and 'spends'; got {sorted(map(str, data))}")
        alpha, spends = data["alpha"], data["spends"]
        if not isinstance(alpha, float) or not isinstance(spends, Mapping):
            raise InputTypeError(f"a ledger has a float 'alpha' and a mapping 'spends'; got {dict(data)!r}")
        return cls(alpha, tuple(cast(Mapping[str, float], spends).items()))

    def _exact(self) -> Fraction:
        return sum((Fraction(share) for _, share in self.spends), Fraction(0))


def _down(value: Fraction) -> float:
    nearest = float(value)
    return nearest if Fraction(nearest) <= value else math.nextafter(nearest, -math.inf)


def _up(value: Fraction) -> float:
    nearest = float(value)
    return nearest if Fraction(nearest) >= value else math.nextafter(nearest, math.inf)
