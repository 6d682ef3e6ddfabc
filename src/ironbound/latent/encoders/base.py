"""What an encoder with a Lipschitz constant is, and the record that a certificate keeps of it."""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ironbound.errors import InputTypeError, wrong_value
from ironbound.latent._rounding import Array
from ironbound.latent.encoder_record import EncoderRecord, EncoderStep
from ironbound.latent.encoders.clever import LipschitzEstimate


@runtime_checkable
class LipschitzEncoder(Protocol):
    """A map E from inputs to latents: |E(x) - E(y)| <= lipschitz |x - y| for all x, y, in exact arithmetic.

    Attributes:
        name: for readers. lipschitz: the constant, from 2-norm to 2-norm, rounded up.
        steps: the maps it is made of, with factors whose product is at most `lipschitz`.
        digest: SHA-256 of the parameters.
    """

    @property
    def name(self) -> str: ...
    @property
    def lipschitz(self) -> float: ...
    @property
    def steps(self) -> tuple[EncoderStep, ...]: ...
    @property
    def digest(self) -> str: ...

    def encode(self, X: NDArray[Any]) -> tuple[Array, Array]:
        """Latents (N, D) of inputs (N, ...), and bounds (N,) on the length of their rounding errors."""
        ...


def check_encoder(encoder: object) -> LipschitzEncoder:
    """The encoder itself, if it has a constant that may be divided by.

    Raises:
        InputTypeError: it has none, or an estimate in its place.
        InputError: the constant is not positive and finite.
    """
    constant = getattr(encoder, "lipschitz", None)
    if isinstance(constant, LipschitzEstimate) or isinstance(encoder, LipschitzEstimate):
        raise InputTypeError(
            "encoder must have a proven Lipschitz constant; a sampled one is an estimate from below and "
            "certifies nothing. Smooth the encoder instead (latent.EncoderHead, latent.CenterSmoothing)"
        )
    if not isinstance(encoder, LipschitzEncoder):
        raise InputTypeError(
            f"encoder must be an encoder with a Lipschitz constant (LinearEncoder, NetworkEncoder); got "
            f"{type(encoder).__name__}. Without one, smooth it: latent.EncoderHead, latent.CenterSmoothing"
        )
    if not isinstance(constant, float) or not 0.0 < constant < math.inf:
        raise wrong_value("encoder.lipschitz", constant, "a positive finite float")
    return encoder


def record(encoder: LipschitzEncoder, x: NDArray[Any], error: float) -> EncoderRecord:
    """What a certificate about input x keeps of its encoder; `error` doubled, as room to compute it again."""
    return EncoderRecord(
        name=encoder.name,
        digest=encoder.digest,
        input=input_digest(x),
        steps=encoder.steps,
        lipschitz=encoder.lipschitz,
        error=2.0 * float(error),
        scale=reciprocal_down(encoder.lipschitz),
    )


def reciprocal_down(value: float) -> float:
    """1 / value, never above it.

    Example:
        >>> reciprocal_down(2.0), Fraction(reciprocal_down(3.0)) * 3 <= 1
        (0.5, True)
    """
    found = 1.0 / value
    return found if Fraction(found) * Fraction(value) <= 1 else math.nextafter(found, 0.0)


def input_digest(x: NDArray[Any]) -> str:
    """SHA-256 of one input: its shape and float64 values, little-endian."""
    values = np.ascontiguousarray(x, dtype="<f8")
    return hashlib.sha256(f"input{values.shape}".encode() + values.tobytes()).hexdigest()
