"""Kinds of certificates: each brings its own evidence under a `method` name, and registers it here.

A new kind is one frozen dataclass that derives from `Evidence`, marked with `@register`, and a checker
registered under the same name in `ironbound.verify`. Nothing else in the record changes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, TypeVar

from ironbound.certificate.refusal import refuse

if TYPE_CHECKING:
    from ironbound.certificate.record import Certificate


class Evidence(ABC):
    """What a certificate rests on. Concrete kinds are frozen dataclasses of plain, finite figures."""

    method: ClassVar[str]

    @abstractmethod
    def channel_names(self) -> tuple[str, ...]:
        """Names of all channels of the input, attacked or not, sorted."""

    @abstractmethod
    def scales(self) -> dict[str, float]:
        """Attacked continuous channels -> the length, in the user's units, that one unit of mu stands for."""

    @abstractmethod
    def budgets(self) -> dict[str, int]:
        """Attacked discrete channels -> the largest number of changes that is claimed about, sorted."""

    @abstractmethod
    def ledger(self) -> dict[str, float]:
        """Statements that may fail -> the error probability spent on each."""

    @abstractmethod
    def sentence(self, certificate: Certificate) -> str:
        """One plain sentence: who guarantees what, against whom, at which probability, in which units."""


_KINDS: dict[str, type[Evidence]] = {}

# Kinds of the rooms above this one: reading a record of theirs loads the room that registers it.
_HOMES = {
    "latent": "ironbound.latent.evidence",
    "center_smoothing": "ironbound.latent.center_evidence",
    "expected_margin": "ironbound.lipschitz.margin_evidence",
    "ramp": "ironbound.lipschitz.ramp_evidence",
}

Kind = TypeVar("Kind", bound=type[Evidence])


def register(kind: Kind) -> Kind:
    """Class decorator that makes a kind of evidence readable from JSON under its `method` name."""
    known = _KINDS.setdefault(kind.method, kind)
    if known is not kind and known.__qualname__ != kind.__qualname__:
        raise ValueError(f"method {kind.method!r} is taken by {known.__qualname__}")
    return kind


def evidence_type(method: object) -> type[Evidence]:
    """The evidence registered under a method's name.

    Raises:
        InvalidCertificate: no kind of that name is known.
    """
    if isinstance(method, str) and method not in _KINDS and method in _HOMES:
        import_module(_HOMES[method])
    if not isinstance(method, str) or method not in _KINDS:
        raise refuse("method", method, f"one of {', '.join(sorted({*_KINDS, *_HOMES}))}")
    return _KINDS[method]
