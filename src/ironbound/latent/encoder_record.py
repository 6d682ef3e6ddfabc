"""What a certificate in input space says about its encoder, and the checks of these figures.

A shift of the input of length s moves the latent by at most L s, so that a latent radius divided by L is a
radius of the input (math: GML, section "From the latent to the input"). The constant L comes with the factors
that it is the product of; the checker multiplies them again in exact rationals.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ironbound.certificate import about, check_digest, refuse


@dataclass(frozen=True)
class EncoderStep:
    """One map of a chain: which, by which rule, and an upper bound on its Lipschitz constant."""

    module: str
    rule: str
    factor: float


@dataclass(frozen=True)
class EncoderRecord:
    """The encoder E in front of the latent, and the length in input units that one latent unit stands for.

    Attributes:
        name: of the encoder, for the reader.
        digest: SHA-256 of its parameters.
        input: SHA-256 of the input (shape and float64 values).
        steps: the maps it is made of, first to last.
        lipschitz: upper bound on its Lipschitz constant from 2-norm to 2-norm, at least the product of the
            steps.
        error: upper bound on the distance between the recorded latent, which float64 computed, and E(input).
        scale: at most 1 / lipschitz.
    """

    name: str
    digest: str
    input: str
    steps: tuple[EncoderStep, ...]
    lipschitz: float
    error: float
    scale: float


def check_encoder(record: EncoderRecord) -> None:
    """Everything that the figures alone can show.

    Raises:
        InvalidCertificate: with the first figure that is wrong.
    """
    place = "evidence.encoder"
    if not record.name:
        raise refuse(f"{place}.name", record.name, "a name")
    for name in ("digest", "input"):
        check_digest(getattr(record, name), f"{place}.{name}")
    if not record.steps:
        raise refuse(f"{place}.steps", record.steps, "one map or more")
    product = Fraction(1)
    for i, step in enumerate(record.steps):
        if not step.factor >= 0.0:
            raise refuse(f"{place}.steps[{i}].factor", step.factor, "0 or more")
        product *= Fraction(step.factor)
    if not (record.lipschitz > 0.0 and Fraction(record.lipschitz) >= product):
        raise refuse(
            f"{place}.lipschitz", record.lipschitz, f"{about(product)} or more, the product of its steps"
        )
    if not (record.scale > 0.0 and Fraction(record.scale) * Fraction(record.lipschitz) <= 1):
        raise refuse(f"{place}.scale", record.scale, f"positive and at most 1 / {record.lipschitz!r}")
    if not record.error >= 0.0:
        raise refuse(f"{place}.error", record.error, "0 or more")
