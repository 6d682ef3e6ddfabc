"""The record of a ramp certificate, and its checker: smoothing of a score that is known to be Lipschitz.

f_c(x) = clip(1/2 + slope (s_c - max over others), 0, 1), averaged over internal draws, is Lipschitz with a
known constant; the classifier answers c where g_c(x) = E f_c(x + sigma Z) > 1/2, which at most one class can
reach. From g_A(x) >= p it follows that g_A(x + d) > 1/2 while R(|d| / sigma) < p, R(z) being the smoothed
ramp E clip(L sigma (z + Z) + 1/2, 0, 1). Source: Delattre et al. 2024 (arXiv 2309.16883).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Literal, cast

from flint import arb

from ironbound.certificate import Evidence, check_digest, check_words, refuse, register
from ironbound.certificate.claim import derived_radii
from ironbound.certificate.sentence import round_down, round_up
from ironbound.lipschitz.checking import bound_of, check_histogram, check_ledger, part_factor
from ironbound.lipschitz.records import Histogram, LedgerLine
from ironbound.verify import Checker
from ironbound.verify import register as register_checker
from ironbound.verify.balls import exact, floor_float

if TYPE_CHECKING:
    from ironbound.certificate import Certificate


@register
@dataclass(frozen=True)
class RampEvidence(Evidence):
    """What a ramp certificate rests on.

    Attributes:
        channel, unit: what is attacked. sigma: noise on it. model: SHA-256 of the network's weights.
        slope: of the score, part of the classifier.
        lipschitz: constant of the score, rounded up.
        form: how the constant of a logit less the largest other one comes about: "network": sqrt(2) times the
            network's; "pairwise": the features' times `readout`, the largest |w_A - w_j| of the last layer.
        readout: as above; 0 in the network form.
        selection_draws, selection: how many draws picked the class, and their mean scores.
        scores: of the class that was picked, over the estimation draws.
        ledger_lines: the Lipschitz ledger of the network.
        seed, noise_scheme: what the draws can be repeated from.
    """

    method: ClassVar[str] = "ramp"

    channel: str
    unit: str
    sigma: float
    model: str
    slope: float
    lipschitz: float
    form: Literal["network", "pairwise"]
    readout: float
    selection_draws: int
    selection: tuple[float, ...]
    scores: Histogram
    ledger_lines: tuple[LedgerLine, ...]
    seed: int
    noise_scheme: str

    def channel_names(self) -> tuple[str, ...]:
        """The attacked input alone; internal draws are no input."""
        return (self.channel,)

    def scales(self) -> dict[str, float]:
        """mu is in units of the noise."""
        return {self.channel: self.sigma}

    def budgets(self) -> dict[str, int]:
        """Nothing discrete."""
        return {}

    def ledger(self) -> dict[str, float]:
        """The one bound."""
        return {"lower bound on the mean score": self.scores.alpha}

    def sentence(self, certificate: Certificate) -> str:
        """See `Certificate.statement`."""
        label = certificate.prediction
        if label is None:
            return f"Nothing is claimed about input {certificate.input_id!r}: {certificate.reason}."
        name = f"class {label}"
        if certificate.class_names is not None:
            name = f"{certificate.class_names[label]!r} ({name})"
        radius = cast(float, derived_radii(certificate.claims[0], self.scales())["radius"])
        return (
            f"Except with probability at most {certificate.alpha!r} over the {certificate.samples:,} draws, "
            f"the mean score of {name} under noise of {self.sigma!r} on {self.channel!r} and internal draws "
            f"of the network {self.model[:12]} stays above 1/2 at input {certificate.input_id!r} against "
            f"every shift of a 2-norm of at most {round_down(radius)} ({self.unit}); the score is "
            f"{round_up(self.lipschitz, 6)}-Lipschitz."
        )


def check(certificate: Certificate) -> None:
    """Everything but the radius itself.

    Raises:
        InvalidCertificate: with the first figure that is wrong.
    """
    evidence = cast(RampEvidence, certificate.evidence)
    check_digest(evidence.model, "evidence.model")
    check_words(evidence.unit, "evidence.unit")
    if not evidence.channel:
        raise refuse("evidence.channel", evidence.channel, "a name")
    for name in ("sigma", "slope", "lipschitz"):
        if not getattr(evidence, name) > 0.0:
            raise refuse(f"evidence.{name}", getattr(evidence, name), "above 0")
    if not 0.0 < certificate.alpha < 1.0:
        raise refuse("alpha", certificate.alpha, "a probability strictly between 0 and 1")
    check_ledger(evidence.ledger_lines, "evidence.ledger_lines")
    _constant(evidence)
    if len(evidence.selection) != certificate.num_classes or evidence.selection_draws < 1:
        expected = f"{certificate.num_classes} means, one for each class, of 1 draw or more"
        raise refuse("evidence.selection", evidence.selection, expected)
    selected = evidence.selection.index(max(evidence.selection))
    if certificate.prediction is not None and certificate.prediction != selected:
        raise refuse("prediction", certificate.prediction, f"{selected}, the class that selection picks")
    check_histogram(evidence.scores, "evidence.scores")
    if (evidence.scores.low, evidence.scores.high) != (0.0, 1.0):
        found = (evidence.scores.low, evidence.scores.high)
        raise refuse("evidence.scores", found, "on the interval [0, 1]")
    drawn = evidence.selection_draws + evidence.scores.draws
    if certificate.samples != drawn:
        raise refuse("samples", certificate.samples, f"{drawn}, selection and estimation draws together")
    if Fraction(evidence.scores.alpha) > Fraction(certificate.alpha):
        raise refuse("alpha", certificate.alpha, f"at least {evidence.scores.alpha!r}, what the bound spends")


def _constant(evidence: RampEvidence) -> None:
    stated = Fraction(evidence.lipschitz) / Fraction(evidence.slope)
    if evidence.form == "network":
        if stated**2 < 2 * Fraction(evidence.ledger_lines[0].factor) ** 2:
            expected = "sqrt(2) times the slope times the network's constant, or more"
            raise refuse("evidence.lipschitz", evidence.lipschitz, expected)
        return
    features = part_factor(evidence.ledger_lines, "features")
    if features is None:
        raise refuse("evidence.form", evidence.form, "'network', as the ledger has no line for the features")
    if not evidence.readout >= 0.0 or stated < features * Fraction(evidence.readout):
        expected = "the slope times the features' constant times readout, or more"
        raise refuse("evidence.lipschitz", evidence.lipschitz, expected)


def margin(certificate: Certificate, index: int) -> float | None:
    """The proven mean score less R(mu), rounded down.

    Raises:
        InvalidCertificate: it is not positive.
    """
    evidence = cast(RampEvidence, certificate.evidence)
    claim = certificate.claims[index]
    figure = f"claims[{index}]"
    if claim.mu is None:
        raise refuse(f"{figure}.mu", None, "certified, to have a margin")
    if claim.witnesses or claim.rival_witnesses:
        raise refuse(f"{figure}.witnesses", claim.witnesses, "empty for this method")
    mu = claim.mu

    def left() -> arb:
        width = 1 / (arb(evidence.lipschitz) * arb(evidence.sigma))
        upper, lower = arb(mu) + width / 2, arb(mu) - width / 2
        ramp = (_integral(upper) - _integral(lower)) / width
        return arb(exact(bound_of(evidence.scores))) - ramp

    proved, positive = floor_float(left, f"{figure}.margin")
    if not positive:
        raise refuse(f"{figure}.mu", mu, f"small enough for the mean to exceed the ramp ({proved!r} left)")
    return proved


def _integral(x: arb) -> arb:
    """The antiderivative x Phi(x) + phi(x) of the normal distribution function."""
    return x * (-x / arb(2).sqrt()).erfc() / 2 + (-x * x / 2).exp() / (2 * arb.pi()).sqrt()


register_checker("ramp", Checker(check, margin))
