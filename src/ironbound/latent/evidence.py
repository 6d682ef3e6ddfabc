"""The record of a deterministic latent certificate, and its checker in ball arithmetic.

For each rival the record holds a quadric in its own axes: every shift d after which the rival may win
satisfies

    gap + 2 sum_i g_i y_i + sum_i a_i y_i^2 <= 0,    |y| = |d|,   g_i^2 <= squares_i,   a_i >= curvature_i.

By weak duality |d|^2 >= lam gap - lam^2 sum_i squares_i / (1 + lam curvature_i) for every lam >= 0 with all
1 + lam curvature_i > 0. One multiplier lam for each rival is the claim's witness; 0 says instead that the
quadric is empty (no curvature_i < 0, and gap > sum squares_i / curvature_i). A linear rival, and a Lipschitz
margin, is the case of a single curvature of 0.

What the gaps and quadrics are of, the classifier and the latent, is recorded by digest and value; `audit`
goes back to them. The checker below shares no code with the solver: it knows the theorem only.

With an encoder recorded the claim is about the input: mu is how far the exact latent may move, the quadrics
must prove mu plus the error of the recorded latent, and the radius is mu over the encoder's constant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

from flint import arb

from ironbound.certificate import Evidence, check_digest, check_words, refuse, register
from ironbound.certificate.claim import derived_radii
from ironbound.certificate.codec import decode_fields, encode_fields
from ironbound.certificate.sentence import round_down, round_up
from ironbound.latent.encoder_record import EncoderRecord, check_encoder
from ironbound.verify import Checker
from ironbound.verify import register as register_checker
from ironbound.verify.balls import exact, exceeds, floor_float

if TYPE_CHECKING:
    from ironbound.certificate import Certificate

UNBOUNDED = 1.7976931348623157e308
"""The radius claimed where no shift changes the class: the largest float, as records hold no infinity."""


@dataclass(frozen=True)
class RivalQuadric:
    """A superset of the shifts after which one component of class `label` may win.

    Attributes:
        gap: lower bound on the rival's disadvantage at the latent itself, in squared units of the scores.
        squares: upper bounds on the squared half-gradient along each axis.
        curvature: lower bounds on the curvature along each axis; as many as `squares`.
    """

    label: int
    gap: float
    squares: tuple[float, ...]
    curvature: tuple[float, ...]


@register
@dataclass(frozen=True)
class LatentEvidence(Evidence):
    """What a latent certificate rests on.

    Attributes:
        channel: name of the latent as a channel. unit: of the radius, for the reader.
        model: SHA-256 of the classifier's parameters (`model_digest`).
        latent: the input, as the classifier saw it.
        component: the own component that gives the radius; 0 unless a class has several.
        components: how many components each class has.
        rivals: one quadric for each component of every other class, in the order of classes and components.
        encoder: what maps the input to the latent, when the claim is about the input; `channel` then names
            the input. None where the latent itself is attacked (absent from JSON).
    """

    method: ClassVar[str] = "latent"

    channel: str
    unit: str
    model: str
    latent: tuple[float, ...]
    component: int
    components: tuple[int, ...]
    rivals: tuple[RivalQuadric, ...]
    encoder: EncoderRecord | None = None

    def to_plain(self) -> dict[str, Any]:
        """The form in JSON: an encoder only where there is one."""
        plain = encode_fields(self)
        return plain if self.encoder is not None else {k: v for k, v in plain.items() if k != "encoder"}

    @classmethod
    def from_plain(cls, data: Any, where: str) -> LatentEvidence:
        """Inverse of `to_plain`."""
        return cls(**decode_fields(cls, data, where, defaults=True))

    def channel_names(self) -> tuple[str, ...]:
        """The latent alone."""
        return (self.channel,)

    def scales(self) -> dict[str, float]:
        """mu is a length in latent units; an encoder says what that is in input units."""
        return {self.channel: 1.0 if self.encoder is None else self.encoder.scale}

    def budgets(self) -> dict[str, int]:
        """Nothing discrete."""
        return {}

    def ledger(self) -> dict[str, float]:
        """Nothing may fail: no noise is drawn."""
        return {}

    def sentence(self, certificate: Certificate) -> str:
        """See `Certificate.statement`."""
        label = certificate.prediction
        if label is None:
            return f"Nothing is claimed about input {certificate.input_id!r}: {certificate.reason}."
        name = f"class {label}"
        if certificate.class_names is not None:
            name = f"{certificate.class_names[label]!r} ({name})"
        claim = certificate.claims[0]
        radius = cast(float, derived_radii(claim, self.scales())["radius"])
        size = "of any 2-norm" if radius > UNBOUNDED / 1e9 else f"of a 2-norm of at most {round_down(radius)}"
        return (
            f"Without any error probability, no shift of {self.channel!r} {size} ({self.unit}) changes the "
            f"prediction of the classifier {self.model[:12]}{self._behind()} at input "
            f"{certificate.input_id!r}: {name}."
        )

    def _behind(self) -> str:
        if self.encoder is None:
            return ""
        return (
            f" behind the encoder {self.encoder.name!r} (Lipschitz constant at most "
            f"{round_up(self.encoder.lipschitz, 9)})"
        )


def check(certificate: Certificate) -> None:
    """Everything but the radius itself.

    Raises:
        InvalidCertificate: with the first figure that is wrong.
    """
    evidence = cast(LatentEvidence, certificate.evidence)
    if certificate.alpha != 0.0:
        raise refuse("alpha", certificate.alpha, "0, as nothing is drawn")
    if certificate.samples != 0:
        raise refuse("samples", certificate.samples, "0, as nothing is drawn")
    if not evidence.channel:
        raise refuse("evidence.channel", evidence.channel, "a name")
    check_digest(evidence.model, "evidence.model")
    check_words(evidence.unit, "evidence.unit")
    if not evidence.latent:
        raise refuse("evidence.latent", evidence.latent, "one number or more")
    if evidence.encoder is not None:
        check_encoder(evidence.encoder)
    if len(evidence.components) != certificate.num_classes or min(evidence.components) < 1:
        expected = f"{certificate.num_classes} counts of 1 or more, one for each class"
        raise refuse("evidence.components", evidence.components, expected)
    if certificate.prediction is None:
        if evidence.rivals:
            raise refuse("evidence.rivals", len(evidence.rivals), "empty where nothing is claimed")
        return
    _rivals(certificate.prediction, evidence)


def _rivals(prediction: int, evidence: LatentEvidence) -> None:
    if not 0 <= evidence.component < evidence.components[prediction]:
        expected = f"one of the {evidence.components[prediction]} components of class {prediction}"
        raise refuse("evidence.component", evidence.component, expected)
    others = [k for k in range(len(evidence.components)) if k != prediction]
    wanted = [k for k in others for _ in range(evidence.components[k])]
    labels = [rival.label for rival in evidence.rivals]
    if labels != wanted:
        raise refuse("the labels of evidence.rivals", labels, f"{wanted}, one for each rival component")
    for i, rival in enumerate(evidence.rivals):
        figure = f"evidence.rivals[{i}]"
        if not rival.gap > 0.0:
            raise refuse(f"{figure}.gap", rival.gap, "above 0, as the prediction must be ahead")
        if not rival.squares or len(rival.squares) != len(rival.curvature):
            raise refuse(f"{figure}.curvature", rival.curvature, "one for each square, one or more")
        axes, size = len(rival.squares), len(evidence.latent)
        if axes != size and (axes != 1 or rival.curvature != (0.0,)):
            expected = f"{size}, one for each coordinate of the latent, or a single flat one"
            raise refuse(f"{figure}.squares", f"{axes} axes", expected)
        if min(rival.squares) < 0.0:
            raise refuse(f"{figure}.squares", min(rival.squares), "0 or more")


def margin(certificate: Certificate, index: int) -> float | None:
    """min over rivals of (proven squared distance - (mu + error)^2), rounded down; None if no rival region is
    left.

    Raises:
        InvalidCertificate: a multiplier is not admissible, or the margin is not positive.
    """
    evidence = cast(LatentEvidence, certificate.evidence)
    claim = certificate.claims[index]
    figure = f"claims[{index}]"
    if claim.mu is None:
        raise refuse(f"{figure}.mu", None, "certified, to have a margin")
    if claim.rival_witnesses:
        raise refuse(f"{figure}.rival_witnesses", claim.rival_witnesses, "empty for this method")
    if len(claim.witnesses) != len(evidence.rivals):
        expected = f"{len(evidence.rivals)} multipliers, one for each rival component"
        raise refuse(f"{figure}.witnesses", claim.witnesses, expected)
    bounded: list[tuple[RivalQuadric, float]] = []
    for i, (rival, lam) in enumerate(zip(evidence.rivals, claim.witnesses, strict=True)):
        place = f"{figure}.witnesses[{i}]"
        if not rival.squares or len(rival.squares) != len(rival.curvature):
            raise refuse(
                f"evidence.rivals[{i}].curvature", rival.curvature, "one for each square, one or more"
            )
        if lam == 0.0:
            if not _empty(rival):
                raise refuse(place, lam, "positive, as this rival's region is not shown to be empty")
            continue
        # The sign of 1 + lam a is that of the sum of two rationals: no rounding at all.
        lowest = exact(min(rival.curvature))
        if not (lam > 0.0 and 1 + exact(lam) * lowest > 0):
            raise refuse(place, lam, "positive, with every 1 + lam * curvature above 0")
        bounded.append((rival, lam))
    if not bounded:
        return None
    mu = claim.mu
    error = 0.0 if evidence.encoder is None else evidence.encoder.error

    def least() -> arb:
        values = [_dual(rival, lam) for rival, lam in bounded]
        found = values[0]
        for value in values[1:]:
            found = found.min(value)
        return found

    proved, positive = floor_float(lambda: least() - (arb(mu) + arb(error)) ** 2, f"{figure}.margin")
    if not positive:
        reached, _ = floor_float(least, f"{figure}.margin")
        missed = round_down(max(math.sqrt(max(reached, 0.0)) - error, 0.0))
        raise refuse(f"{figure}.mu", mu, f"below {missed}, about what these multipliers prove")
    return proved


def _dual(rival: RivalQuadric, lam: float) -> arb:
    """lam gap - lam^2 sum squares / (1 + lam curvature), as a ball."""
    multiplier = arb(lam)
    cost = arb(0)
    for square, curvature in zip(rival.squares, rival.curvature, strict=True):
        cost += arb(square) / (1 + multiplier * arb(curvature))
    return multiplier * (arb(rival.gap) - multiplier * cost)


def _empty(rival: RivalQuadric) -> bool:
    """gap > sum squares / curvature, no curvature negative: a sum of squares and a rest that never reaches
    0.
    """
    pairs = list(zip(rival.squares, rival.curvature, strict=True))
    if any(curvature < 0.0 or (curvature == 0.0 and square > 0.0) for square, curvature in pairs):
        return False

    def depth() -> arb:
        total = arb(0)
        for square, curvature in pairs:
            if square > 0.0:
                total += arb(square) / arb(curvature)
        return total

    return exceeds(lambda: arb(rival.gap), depth) is True


register_checker("latent", Checker(check, margin))
