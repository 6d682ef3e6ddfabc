"""The record of a center-smoothing certificate, and its checker.

The classifier: with f the encoder under noise and X an input, let the center of X be that of a smallest ball
that holds at least half of the law of f (ties broken by any fixed rule); the answer is the class that the
latent classifier gives to the center (Kumar and Goldstein 2021, arXiv 2102.09701). The proof, for any noise:

1. With confidence 1 - alpha, f(X) lies in the ball B(c, R) with probability p or more (counts in the record).
2. For every attacked X' within a claim's budget the probability stays above 1/2 (Neyman and Pearson, as for
   any smoothing certificate of the event "in the ball").
3. The smallest ball of X' holds half of the law as well and has a radius of at most R; two sets of
   probability > 1/2 and >= 1/2 meet, so its center lies within 2 R of c.
4. The latent classifier has one class within 2 R of c (the latent certificate at c).

The checker below shares no code with the solvers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, cast

from ironbound.certificate import Claim, Evidence, SmoothingEvidence, refuse, register
from ironbound.certificate.sentence import attack, round_up
from ironbound.latent import evidence as latent
from ironbound.latent.evidence import LatentEvidence
from ironbound.verify import Checker, smoothing
from ironbound.verify import register as register_checker

if TYPE_CHECKING:
    from ironbound.certificate import Certificate


@register
@dataclass(frozen=True, kw_only=True)
class CenterEvidence(Evidence):
    """What a center-smoothing certificate rests on.

    Attributes:
        membership: smoothing evidence of two classes: 1, the noised latent lies in the ball; 0, it does not.
        center: latent evidence at c, which `head` of it is about.
        radius: R, of the ball about c.
        reach: latent length that the center's evidence proves, at least 2 R.
        witnesses: its multipliers, one for each rival component.
    """

    method: ClassVar[str] = "center_smoothing"

    membership: SmoothingEvidence
    center: LatentEvidence
    radius: float
    reach: float
    witnesses: tuple[float, ...]

    def channel_names(self) -> tuple[str, ...]:
        """Names of the noised channels, sorted."""
        return self.membership.channel_names()

    def scales(self) -> dict[str, float]:
        """Attacked Gaussian channels -> sigma."""
        return self.membership.scales()

    def budgets(self) -> dict[str, int]:
        """Attacked discrete channels -> max_d."""
        return self.membership.budgets()

    def ledger(self) -> dict[str, float]:
        """The one bound, on the probability of the ball."""
        return {f"{e.side} bound on the probability of the ball": e.alpha for e in self.membership.estimates}

    def sentence(self, certificate: Certificate) -> str:
        """See `Certificate.statement`."""
        if certificate.prediction is None:
            return f"Nothing is claimed about input {certificate.input_id!r}: {certificate.reason}."
        name = f"class {certificate.prediction}"
        if certificate.class_names is not None:
            name = f"{certificate.class_names[certificate.prediction]!r} ({name})"
        return (
            f"Except with probability at most {certificate.alpha!r} over the {certificate.samples:,} noise "
            f"draws, the center of the noised latents of input {certificate.input_id!r} moves by at most "
            f"{round_up(2 * self.radius)} and stays in {name} against every attacker who "
            f"{attack(certificate, self.membership)}."
        )


def check(certificate: Certificate) -> None:
    """Everything but the margins of the claims.

    Raises:
        InvalidCertificate: with the first figure that is wrong.
    """
    evidence = cast(CenterEvidence, certificate.evidence)
    smoothing.check(_membership(certificate))
    if evidence.center.encoder is not None:
        raise refuse(
            "evidence.center.encoder", evidence.center.encoder.name, "absent: the latent itself moves"
        )
    head = _head(certificate)
    latent.check(head)
    if certificate.prediction is None:
        return
    latent.margin(head, 0)
    if not evidence.radius >= 0.0:
        raise refuse("evidence.radius", evidence.radius, "0 or more")
    if not 2 * Fraction(evidence.radius) <= Fraction(evidence.reach):
        raise refuse("evidence.reach", evidence.reach, f"{2 * evidence.radius!r} or more, twice the radius")


def margin(certificate: Certificate, index: int) -> float:
    """Margin of one claim: by how much the probability of the ball stays above one half."""
    return smoothing.margin(_membership(certificate), index)


def _membership(certificate: Certificate) -> Certificate:
    """The smoothing certificate of the event "in the ball"."""
    evidence = cast(CenterEvidence, certificate.evidence)
    member = evidence.membership
    if member.form != "threshold" or member.tau is not None or member.positive is not None:
        raise refuse("evidence.membership.form", member.form, "'threshold' without a filter's rule")
    inside = None if certificate.prediction is None else 1
    return replace(
        certificate,
        method="smoothing",
        num_classes=2,
        class_names=None,
        prediction=inside,
        evidence=evidence.membership,
    )


def _head(certificate: Certificate) -> Certificate:
    """The latent certificate at the center."""
    evidence = cast(CenterEvidence, certificate.evidence)
    claim = Claim((), None if certificate.prediction is None else evidence.reach, evidence.witnesses)
    return replace(
        certificate, method="latent", alpha=0.0, samples=0, claims=(claim,), evidence=evidence.center
    )


register_checker("center_smoothing", Checker(check, margin))
