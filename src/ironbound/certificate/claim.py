"""One line of the frontier: a discrete budget, and how far continuous channels may move beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ironbound.certificate.codec import decode, decode_fields, encode_fields, object_of
from ironbound.certificate.refusal import refuse


@dataclass(frozen=True)
class Claim:
    """What is promised at one discrete budget, with the numbers that prove it.

    Attributes:
        budget: (channel, largest number of changes) for each attacked discrete channel, sorted by name.
        mu: certified shift of the continuous channels in units of their noise, sqrt(sum (r_i/sigma_i)^2);
            0.0 where none is attacked; None where nothing is certified at this budget.
        witnesses: dual variables u (log of a likelihood ratio), at least one for each worst-case law.
        rival_witnesses: the same for the rivals' upper bound (multi-class form).
        margin: by how much the proven bound clears what it has to, in probability, rounded down; filled in
            by `Certificate.seal`.

    Example:
        >>> Claim((("tokens", 1),), 0.75, (0.3,)).amount("tokens")
        1
    """

    budget: tuple[tuple[str, int], ...]
    mu: float | None
    witnesses: tuple[float, ...] = ()
    rival_witnesses: tuple[float, ...] = ()
    margin: float | None = None

    @property
    def certified(self) -> bool:
        """Whether anything is claimed at this budget."""
        return self.mu is not None

    def amount(self, channel: str) -> int:
        """Number of changes allowed on a discrete channel; 0 for one that is not attacked."""
        return dict(self.budget).get(channel, 0)

    def to_plain(self) -> dict[str, Any]:
        """The form in JSON: the budget as an object, channel -> number of changes."""
        return encode_fields(self) | {"budget": {name: int(amount) for name, amount in self.budget}}

    @classmethod
    def from_plain(cls, data: Any, where: str) -> Claim:
        """Inverse of `to_plain`."""
        parts = object_of(data, where)
        place = f"{where}.budget"
        named = object_of(parts.get("budget"), place)
        pairs = [[name, decode(int, named[name], f"{place}.{name}")] for name in sorted(named)]
        return cls(**decode_fields(cls, parts | {"budget": pairs}, where))


def derived_radii(claim: Claim, scales: Mapping[str, float]) -> dict[str, Any]:
    """Radii in the users' units, as JSON shows them beside mu.

    "radii" maps each attacked continuous channel to the radius it has when it moves alone. "radius" is that
    number where there is one such channel, 0.0 where there is none, and mu where there are several.
    """
    if claim.mu is None:
        return {"radius": None, "radii": dict.fromkeys(scales)}
    radii = {name: radius_down(claim.mu, scale) for name, scale in scales.items()}
    single = next(iter(radii.values())) if len(radii) == 1 else claim.mu
    return {"radius": single if radii else 0.0, "radii": radii}


def radius_down(mu: float, sigma: float) -> float:
    """mu * sigma, never above the exact product.

    Example:
        >>> radius_down(0.0, 0.5), radius_down(1.0, 0.5) < 0.5
        (0.0, True)
    """
    return math.nextafter(mu * sigma, 0.0)


def split_radii(data: Any, where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part the derived radii of a claim in JSON from its fields."""
    parts = dict(object_of(data, where))
    for name in ("radius", "radii"):
        if name not in parts:
            raise refuse(where, sorted(parts), f"complete, with {name} present")
    return parts, {"radius": parts.pop("radius"), "radii": parts.pop("radii")}
