"""Evidence of a randomised-smoothing certificate: noise, counts, error probabilities, decision form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ironbound.certificate.calibration import Calibration
from ironbound.certificate.channels import ChannelRecord, GaussianNoise, channel_record
from ironbound.certificate.codec import decode_fields, encode_fields, object_of
from ironbound.certificate.kinds import Evidence, register
from ironbound.certificate.sentence import smoothing_sentence

if TYPE_CHECKING:
    from ironbound.certificate.record import Certificate

Rule = Literal["clopper_pearson", "beta_mixture", "clopper_pearson_looks"]


@dataclass(frozen=True)
class Estimate:
    """One one-sided confidence bound on the probability of one label, and the counts it comes from.

    Attributes:
        label: class index.
        side: "lower" for the prediction, "upper" for a rival.
        successes, trials: how many of the estimation draws showed the label; for a rival also those that
            named no class at all, which might have been it.
        alpha: error probability spent on this bound (with planned looks: on the bounds of all of them).
        bound: the bound, rounded away from the claim to the nearest float64.
        rule: "clopper_pearson" (fixed number of draws), "beta_mixture" (valid at any stopping time), or
            "clopper_pearson_looks" (the look at `trials` draws, one of those planned; see
            `ironbound.confidence.looks`).
        prior: parameters (a, b) of the mixture's Beta prior; None for Clopper-Pearson.
        planned: draws at the last of the planned looks; None for the other rules, and then absent from the
            JSON text.
    """

    label: int
    side: Literal["lower", "upper"]
    successes: int
    trials: int
    alpha: float
    bound: float
    rule: Rule = "clopper_pearson"
    prior: tuple[float, float] | None = None
    planned: int | None = None

    def to_plain(self) -> dict[str, Any]:
        """The form in JSON; records without planned looks are what they were before there were any."""
        plain = encode_fields(self)
        if self.planned is None:
            del plain["planned"]
        return plain

    @classmethod
    def from_plain(cls, data: Any, where: str) -> Estimate:
        """Inverse of `to_plain`.

        Raises:
            InvalidCertificate: unknown or missing names, wrong types.
        """
        return cls(**decode_fields(cls, {"planned": None, **object_of(data, where)}, where))


@register
@dataclass(frozen=True, kw_only=True)
class SmoothingEvidence(Evidence):
    """Everything that a smoothing certificate rests on (HRS, arXiv 2605.12876, section 4; Cohen et al. 2019).

    Attributes:
        channels: one record for each channel, sorted by name; plain mappings are converted.
        form: "threshold": the prediction's smoothed probability stays above `threshold`;
            "rivals": it stays above every other class's.
        threshold: in (0, 1) for the threshold form, else None.
        positive, tau: the rule of a two-class filter: class `positive` is the answer where its smoothed
            probability exceeds `tau`, else the other class, whose threshold is then 1 - tau, rounded up. Both
            None for the majority rule.
        selection: votes for each class among the selection draws (disjoint from the estimation draws); draws
            whose answer was no class are counted in `Certificate.samples` only.
        estimates: the prediction's lower bound, then, in the rivals form, an upper bound for each rival.
        stop, stop_reason: the stopping rule and how it was reached.
        seed, noise_scheme: what the draws can be repeated from.
        calibration: where `tau` comes from, if it was calibrated on benign inputs; its error probability is
            part of `Certificate.alpha`. Absent from the JSON text where there is none.
    """

    method: ClassVar[str] = "smoothing"

    channels: tuple[ChannelRecord, ...]
    form: Literal["threshold", "rivals"]
    threshold: float | None
    positive: int | None = None
    tau: float | None = None
    selection: tuple[int, ...]
    estimates: tuple[Estimate, ...]
    stop: Literal["fixed", "target", "precision"]
    stop_reason: str
    seed: int
    noise_scheme: str
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(channel_record(record) for record in self.channels))

    def to_plain(self) -> dict[str, Any]:
        """The form in JSON; records without a calibration are what they were before there was any."""
        plain = encode_fields(self)
        if self.calibration is None:
            del plain["calibration"]
        return plain

    @classmethod
    def from_plain(cls, data: Any, where: str) -> SmoothingEvidence:
        """Inverse of `to_plain`.

        Raises:
            InvalidCertificate: unknown or missing names, wrong types.
        """
        return cls(**decode_fields(cls, {"calibration": None, **object_of(data, where)}, where))

    def channel_names(self) -> tuple[str, ...]:
        """Names of all channels, sorted."""
        return tuple(sorted(record.channel for record in self.channels))

    def scales(self) -> dict[str, float]:
        """Attacked Gaussian channels -> sigma."""
        return {
            record.channel: record.sigma
            for record in self.channels
            if isinstance(record, GaussianNoise) and record.attacked
        }

    def budgets(self) -> dict[str, int]:
        """Attacked discrete channels -> max_d."""
        attacked = [r for r in self.channels if r.attacked and not isinstance(r, GaussianNoise)]
        return {record.channel: int(record.get("max_d") or 0) for record in attacked}

    def ledger(self) -> dict[str, float]:
        """One entry for each confidence bound, and one for a calibrated threshold."""
        bounds = {f"{e.side} bound on class {e.label}": e.alpha for e in self.estimates}
        if self.calibration is None:
            return bounds
        return {**bounds, "calibrated threshold": self.calibration.alpha}

    def sentence(self, certificate: Certificate) -> str:
        """See `Certificate.statement`."""
        return smoothing_sentence(certificate, self)
