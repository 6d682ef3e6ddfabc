"""Evidence of a certificate with one smoothed classifier for each budget (per-budget sampling)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ironbound.certificate.channels import ChannelRecord
from ironbound.certificate.claim import Claim
from ironbound.certificate.kinds import Evidence, register
from ironbound.certificate.sentence import per_budget_sentence
from ironbound.certificate.smoothing import SmoothingEvidence

if TYPE_CHECKING:
    from ironbound.certificate.record import Certificate


@register
@dataclass(frozen=True, kw_only=True)
class PerBudgetEvidence(Evidence):
    """For each budget d = 1, 2, .. of one text channel, all that a certificate of this budget rests on.

    The noise of part d lies on the d places that an attacker of budget d can reach. So each part is about a
    smoothed classifier of its own, and the claim at budget d is about that one; the claim at d = 0 is about
    the first. A system that relies on the claim at d has to run the classifier of d.

    Attributes:
        channel: the text channel whose budget tells the parts apart.
        parts: ordinary smoothing evidence, part i for budget i + 1. All their bounds hold together.
    """

    method: ClassVar[str] = "smoothing_per_budget"

    channel: str
    parts: tuple[SmoothingEvidence, ...]

    @property
    def channels(self) -> tuple[ChannelRecord, ...]:
        """The channels as the part of the largest budget noises them."""
        return self.parts[-1].channels if self.parts else ()

    def part_of(self, claim: Claim) -> SmoothingEvidence:
        """The part that a claim is about."""
        return self.parts[max(claim.amount(self.channel), 1) - 1]

    def channel_names(self) -> tuple[str, ...]:
        """Names of all channels, sorted."""
        return tuple(sorted(record.channel for record in self.channels))

    def scales(self) -> dict[str, float]:
        """Attacked Gaussian channels -> sigma."""
        return self.parts[-1].scales() if self.parts else {}

    def budgets(self) -> dict[str, int]:
        """Attacked discrete channels -> max_d."""
        return self.parts[-1].budgets() if self.parts else {}

    def ledger(self) -> dict[str, float]:
        """One entry for each confidence bound of each part."""
        return {
            f"{statement} at d({self.channel}) = {d}": alpha
            for d, part in enumerate(self.parts, start=1)
            for statement, alpha in part.ledger().items()
        }

    def sentence(self, certificate: Certificate) -> str:
        """See `Certificate.statement`."""
        return per_budget_sentence(certificate, self)
