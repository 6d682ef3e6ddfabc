"""The certificate: one frozen record of a claim about one input and of everything the claim rests on."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib import import_module
from typing import Any, cast

from ironbound.certificate.claim import Claim, derived_radii, split_radii
from ironbound.certificate.codec import (
    decode,
    digest,
    dump,
    encode,
    encode_fields,
    load,
    match_names,
    object_of,
)
from ironbound.certificate.kinds import Evidence, evidence_type
from ironbound.certificate.refusal import refuse
from ironbound.errors import InputError, wrong_value

Budget = int | tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What is guaranteed about one input, against which attackers, and the evidence to re-check it.

    Build one with `Certificate.build`, which fills in margins and fingerprint. Reading and building check the
    shape of the record; only `verify` says whether it proves what it claims.

    Attributes:
        input_id: which input; unique within a run.
        method: kind of proof, which names the type of `evidence` and the checker ("smoothing").
        num_classes, class_names: the classes; names are None or one for each.
        prediction: class index, None if the classifier abstains; `reason` then says why.
        alpha: total error probability of everything this record claims, for this input.
        samples: noise draws in all, for selection and estimation.
        claims: the frontier, one claim for each discrete budget.
        evidence: what the claims rest on; its type belongs to the method.
        fingerprint: SHA-256 of the canonical JSON text without this entry. It guards against accidents and
            unskilled changes. It is no signature.
        version: of the record's layout (docs/certificate.md).
    """

    input_id: str
    method: str
    num_classes: int
    prediction: int | None
    alpha: float
    samples: int
    claims: tuple[Claim, ...]
    evidence: Evidence
    class_names: tuple[str, ...] | None = None
    reason: str = ""
    version: int = 1
    fingerprint: str = ""

    @classmethod
    def build(cls, **figures: Any) -> Certificate:
        """A sealed certificate from its attributes; see `seal`.

        Raises:
            InvalidCertificate: a figure has the wrong type or is not finite, or a claim is not proved.
        """
        return cls(**figures).seal()

    def seal(self) -> Certificate:
        """The same record with plain Python numbers, margins where they are missing, and its fingerprint.

        Raises:
            InvalidCertificate: a figure has the wrong type or is not finite, or a claim is not proved.
        """
        plain = self.normalised()
        complete = replace(plain, claims=_checker().complete(plain).claims)
        return replace(complete, fingerprint=complete.expected_fingerprint())

    def normalised(self) -> Certificate:
        """The same record in plain Python numbers, its shape checked as if it had been read from JSON.

        Raises:
            InvalidCertificate: a figure has the wrong type or is not finite.
        """
        return _certificate(encode_fields(self), derived=False)

    def expected_fingerprint(self) -> str:
        """SHA-256 of this record as it stands."""
        return digest({name: item for name, item in self._plain().items() if name != "fingerprint"})

    def verify(self) -> None:
        """Re-derive every claim from the evidence in ball arithmetic, without the model.

        Raises:
            InvalidCertificate: with the figure that is wrong, its value, and what it should be.
        """
        _checker().verify(self)

    @property
    def abstained(self) -> bool:
        """Whether no prediction is made."""
        return self.prediction is None

    @property
    def frontier(self) -> dict[Budget, float | None]:
        """Discrete budget -> radius in the user's units, rounded down; None where nothing is certified.

        Keys are ints for at most one attacked discrete channel (only 0 if none), else tuples in the order
        of the channels' names. Where several continuous channels are attacked the value is mu.
        """
        return {self._key(claim): self.radius(claim) for claim in self.claims}

    @property
    def ledger(self) -> dict[str, float]:
        """Statements that may fail -> the error probability spent on each; the sum is at most alpha."""
        return self.evidence.ledger()

    @property
    def statement(self) -> str:
        """One plain sentence: who guarantees what, against whom, at which probability, in which units."""
        return self.evidence.sentence(self)

    def radius(self, claim: Claim) -> float | None:
        """Radius of one claim as in `frontier`."""
        return cast("float | None", derived_radii(claim, self.evidence.scales())["radius"])

    def covers(self, **amounts: float) -> bool:
        """Whether the claims cover an attack that changes each named channel by at most the given amount.

        Continuous amounts are 2-norms in the user's units, discrete ones are numbers of changes; a channel
        that is not named stays as it is. Decided in exact arithmetic. False where a channel that is not
        attacked in the claims would change.

        Raises:
            InputError: no channel of that name; an amount that is negative, NaN, or not whole for a
                discrete channel.
        """
        scales, budgets = self.evidence.scales(), self.evidence.budgets()
        shift = Fraction(0)
        changes = dict.fromkeys(budgets, 0)
        possible = self.prediction is not None
        for name, amount in amounts.items():
            if name not in self.evidence.channel_names():
                known = ", ".join(self.evidence.channel_names())
                raise InputError(f"{name!r} must be a channel of this certificate ({known}); got {amount!r}")
            if name in budgets:
                changes[name] = _whole(name, amount)
                continue
            size = _length(name, amount)
            if name in scales and size < math.inf:
                shift += (Fraction(size) / Fraction(scales[name])) ** 2
            else:
                possible = possible and size == 0
        return possible and any(
            claim.mu is not None
            and Fraction(claim.mu) ** 2 >= shift
            and all(claim.amount(name) >= needed for name, needed in changes.items())
            for claim in self.claims
        )

    def to_json(self, *, indent: int | None = None) -> str:
        """JSON text, documented in docs/certificate.md; canonical (one line, sorted names) by default."""
        return dump(self._plain(), indent=indent)

    @classmethod
    def from_json(cls, text: str | bytes) -> Certificate:
        """Inverse of `to_json`: every float comes back with the same bits.

        Raises:
            InvalidCertificate: not JSON, unknown or missing or repeated names, wrong types, NaN, a version or
                method that is not known, derived radii that contradict the claims.
        """
        return _certificate(load(text), derived=True)

    def _plain(self) -> dict[str, Any]:
        data = encode_fields(self)
        scales = self.evidence.scales()
        data["claims"] = [encode(claim) | derived_radii(claim, scales) for claim in self.claims]
        return data

    def _key(self, claim: Claim) -> Budget:
        amounts = tuple(amount for _, amount in claim.budget)
        if len(amounts) > 1:
            return amounts
        return amounts[0] if amounts else 0


_FIELDS: dict[str, Any] = {
    "input_id": str,
    "method": str,
    "num_classes": int,
    "prediction": int | None,
    "alpha": float,
    "samples": int,
    "claims": tuple[Claim, ...],
    "class_names": tuple[str, ...] | None,
    "reason": str,
    "version": int,
    "fingerprint": str,
}


def _certificate(data: Any, *, derived: bool) -> Certificate:
    """The record in plain data; with `derived`, its claims show radii too, and these must agree."""
    parts = object_of(data, "")
    match_names(parts, {*_FIELDS, "evidence"}, set(), "")
    if parts["version"] != 1 or type(parts["version"]) is not int:
        raise refuse("version", parts["version"], "1, the only layout this release reads")
    evidence = decode(evidence_type(parts["method"]), parts["evidence"], "evidence")
    shown: list[dict[str, Any]] = []
    if derived and isinstance(parts["claims"], list):
        rows = enumerate(cast("list[Any]", parts["claims"]))
        split = [split_radii(row, f"claims[{i}]") for i, row in rows]
        parts = parts | {"claims": [row for row, _ in split]}
        shown = [radii for _, radii in split]
    figures = {name: decode(kind, parts[name], name) for name, kind in _FIELDS.items()}
    certificate = Certificate(**figures, evidence=evidence)
    for i, radii in enumerate(shown):
        for name, value in derived_radii(certificate.claims[i], evidence.scales()).items():
            if not _same(radii[name], value):
                raise refuse(f"claims[{i}].{name}", radii[name], f"{value!r}, from mu and the noise")
    return certificate


def _same(shown: Any, value: Any) -> bool:
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value)
        if not isinstance(shown, dict):
            return False
        named = cast("dict[str, Any]", shown)
        return set(named) == set(items) and all(_same(named[name], item) for name, item in items.items())
    return shown == value and not isinstance(shown, bool)


def _checker() -> Any:
    # Bound late: the checker reads certificates, so its room lies above this one.
    return import_module("ironbound.verify")


def _whole(name: str, amount: Any) -> int:
    try:
        number = int(amount) if float(amount).is_integer() else operator.index(amount)
    except (TypeError, ValueError, OverflowError):
        raise wrong_value(name, amount, "a whole number of changes") from None
    if number < 0 or number != amount or isinstance(amount, bool | str):
        raise wrong_value(name, amount, "a whole number of changes, 0 or more")
    return number


def _length(name: str, amount: Any) -> float:
    try:
        number = math.nan if isinstance(amount, bool | str) else float(amount)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not number >= 0:
        raise wrong_value(name, amount, "a 2-norm, 0 or more")
    # A fraction or a decimal may lie above the nearest float.
    return math.nextafter(number, math.inf) if cast(Any, amount) > number else number
