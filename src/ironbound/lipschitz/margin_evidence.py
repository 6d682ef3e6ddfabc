"""The record of a margin certificate, and its checker: the classifier of the expected, squashed logits.

Z_c(x) = E B tanh(s_c(x) / B) over the internal draws, without noise on the input; the answer is the largest.
For each rival j the record proves Z_A - Z_j > m_j from counted draws, and Z_A - Z_j has the constant
L_j, so no shift shorter than m_j / L_j makes j win. The mathematics: section 2.5 to 2.8.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Literal, cast

from flint import arb

from ironbound.certificate import Evidence, about, check_digest, check_words, refuse, register
from ironbound.certificate.claim import derived_radii
from ironbound.certificate.sentence import round_down, round_up
from ironbound.lipschitz.checking import bound_of, check_histogram, check_ledger, part_factor
from ironbound.lipschitz.records import Histogram, LedgerLine
from ironbound.verify import Checker
from ironbound.verify import register as register_checker
from ironbound.verify.balls import exact, floor_float

if TYPE_CHECKING:
    from ironbound.certificate import Certificate


@dataclass(frozen=True)
class RivalMargin:
    """Proof that the prediction's expected squashed logit exceeds that of class `label`.

    Attributes:
        differences: squashed logit of the prediction minus the rival's, over the estimation draws.
        lipschitz: constant of the difference of the two expectations, rounded up.
        form: "network": sqrt(2) times the network's constant; "pairwise": the constant of the features times
            `readout`, the largest of |w_A|, |w_j|, |w_A - w_j| over rows of the last layer.
        readout: as above; 0 in the network form.
    """

    label: int
    differences: Histogram
    lipschitz: float
    form: Literal["network", "pairwise"]
    readout: float


@register
@dataclass(frozen=True)
class MarginEvidence(Evidence):
    """What a margin certificate rests on.

    Attributes:
        channel, unit: what is attacked. model: SHA-256 of the network's weights.
        limit: B, part of the classifier.
        selection_draws, selection: how many draws picked the class, and their mean squashed logits.
        rivals: one for each other class, by rising label; empty if none could be bounded.
        ledger_lines: the Lipschitz ledger of the network.
        seed, noise_scheme: what the draws can be repeated from.
    """

    method: ClassVar[str] = "expected_margin"

    channel: str
    unit: str
    model: str
    limit: float
    selection_draws: int
    selection: tuple[float, ...]
    rivals: tuple[RivalMargin, ...]
    ledger_lines: tuple[LedgerLine, ...]
    seed: int
    noise_scheme: str

    def channel_names(self) -> tuple[str, ...]:
        """The attacked input alone; internal draws are no input."""
        return (self.channel,)

    def scales(self) -> dict[str, float]:
        """mu is a length in input units."""
        return {self.channel: 1.0}

    def budgets(self) -> dict[str, int]:
        """Nothing discrete."""
        return {}

    def ledger(self) -> dict[str, float]:
        """One entry for each rival."""
        return {f"margin over class {rival.label}": rival.differences.alpha for rival in self.rivals}

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
            f"Except with probability at most {certificate.alpha!r} over the {certificate.samples:,} "
            f"internal draws, no shift of {self.channel!r} of a 2-norm of at most {round_down(radius)} "
            f"({self.unit}) changes the answer of the classifier of the expected, squashed logits of the "
            f"network {self.model[:12]} (Lipschitz constant at most "
            f"{round_up(self.ledger_lines[0].factor, 9)}) at input {certificate.input_id!r}: {name}."
        )


def check(certificate: Certificate) -> None:
    """Everything but the radius itself.

    Raises:
        InvalidCertificate: with the first figure that is wrong.
    """
    evidence = cast(MarginEvidence, certificate.evidence)
    check_digest(evidence.model, "evidence.model")
    check_words(evidence.unit, "evidence.unit")
    if not evidence.channel:
        raise refuse("evidence.channel", evidence.channel, "a name")
    if not evidence.limit > 0.0:
        raise refuse("evidence.limit", evidence.limit, "above 0")
    if not 0.0 < certificate.alpha < 1.0:
        raise refuse("alpha", certificate.alpha, "a probability strictly between 0 and 1")
    check_ledger(evidence.ledger_lines, "evidence.ledger_lines")
    if len(evidence.selection) != certificate.num_classes or evidence.selection_draws < 1:
        expected = f"{certificate.num_classes} means, one for each class, of 1 draw or more"
        raise refuse("evidence.selection", evidence.selection, expected)
    selected = evidence.selection.index(max(evidence.selection))
    if certificate.prediction is not None and certificate.prediction != selected:
        raise refuse("prediction", certificate.prediction, f"{selected}, the class that selection picks")
    wanted = [label for label in range(certificate.num_classes) if label != selected]
    labels = [rival.label for rival in evidence.rivals]
    if labels != wanted:
        raise refuse("the labels of evidence.rivals", labels, f"{wanted}, every class but the selected one")
    draws = {rival.differences.draws for rival in evidence.rivals}
    if len(draws) != 1 or certificate.samples != evidence.selection_draws + max(draws):
        expected = "selection and estimation draws together, the same ones for every rival"
        raise refuse("samples", certificate.samples, expected)
    spent = sum((Fraction(rival.differences.alpha) for rival in evidence.rivals), Fraction(0))
    if spent > Fraction(certificate.alpha):
        raise refuse("alpha", certificate.alpha, f"at least {about(spent)}, what the rivals spend together")
    for place, rival in enumerate(evidence.rivals):
        _rival(evidence, rival, f"evidence.rivals[{place}]")


def _rival(evidence: MarginEvidence, rival: RivalMargin, figure: str) -> None:
    check_histogram(rival.differences, f"{figure}.differences")
    reach = 2 * Fraction(evidence.limit)
    if Fraction(rival.differences.low) != -reach or Fraction(rival.differences.high) != reach:
        found = (rival.differences.low, rival.differences.high)
        raise refuse(f"{figure}.differences", found, f"on the interval +-{about(reach)}, twice the limit")
    stated = Fraction(rival.lipschitz)
    if rival.form == "network":
        network = Fraction(evidence.ledger_lines[0].factor)
        if stated < 0 or stated**2 < 2 * network**2:
            raise refuse(
                f"{figure}.lipschitz", rival.lipschitz, "sqrt(2) times the network's constant or more"
            )
        return
    features = part_factor(evidence.ledger_lines, "features")
    if features is None:
        raise refuse(f"{figure}.form", rival.form, "'network', as the ledger has no line for the features")
    if not rival.readout >= 0.0 or stated < features * Fraction(rival.readout):
        raise refuse(f"{figure}.lipschitz", rival.lipschitz, "the features' constant times readout, or more")


def margin(certificate: Certificate, index: int) -> float | None:
    """min over rivals of (proven margin - L_j mu), in logits, rounded down.

    Raises:
        InvalidCertificate: it is not positive.
    """
    evidence = cast(MarginEvidence, certificate.evidence)
    claim = certificate.claims[index]
    figure = f"claims[{index}]"
    if claim.mu is None:
        raise refuse(f"{figure}.mu", None, "certified, to have a margin")
    if claim.witnesses or claim.rival_witnesses:
        raise refuse(f"{figure}.witnesses", claim.witnesses, "empty for this method")
    if not evidence.rivals:
        raise refuse("evidence.rivals", evidence.rivals, "present where something is claimed")
    mu = Fraction(claim.mu)
    left = min(bound_of(r.differences) - Fraction(r.lipschitz) * mu for r in evidence.rivals)
    proved, positive = floor_float(lambda: arb(exact(left)), f"{figure}.margin")
    if not positive:
        raise refuse(
            f"{figure}.mu", claim.mu, f"small enough for every margin to stay positive ({proved!r} left)"
        )
    return proved


register_checker("expected_margin", Checker(check, margin))
