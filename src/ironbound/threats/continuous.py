"""Attacks on continuous channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ironbound.threats.checks import Record


@dataclass(frozen=True)
class L2:
    """The attacker shifts a continuous channel; the certificate says by how much in the 2-norm.

    Example:
        >>> L2().record()
        {'kind': 'l2'}
    """

    kind: ClassVar[str] = "l2"

    def record(self) -> Record:
        return {"kind": self.kind}


@dataclass(frozen=True)
class LInf:
    """The attacker shifts every entry of a continuous channel; the certificate says by how much at most.

    Example:
        >>> LInf().record()
        {'kind': 'linf'}
    """

    kind: ClassVar[str] = "linf"

    def record(self) -> Record:
        return {"kind": self.kind}


Continuous = L2 | LInf
