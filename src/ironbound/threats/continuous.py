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
