"""The threshold of a built-in filter as a calibration: counts from which a checker derives it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from numpy.typing import NDArray

from ironbound.certificate import Calibration, channel_record, noise_alone
from ironbound.channels import Smoothing
from ironbound.confidence import clopper_pearson_upper
from ironbound.errors import InputError, InvalidCertificate
from ironbound.threats import Threat
from ironbound.verify.calibration import check_sample


def calibration(
    smoothing: Smoothing,
    threat: Threat,
    inputs: Mapping[str, NDArray[Any]],
    *,
    flagged: int,
    draws: int,
    benign: int,
    scope: Literal["inputs", "population"],
    alpha: float,
    seed: int,
    scheme: str,
    model_digest: str,
    data_digest: str,
    threshold: float | None = None,
    positive: int = 1,
) -> Calibration:
    """What counts of flags among noisy benign draws prove about a filter's threshold (HRS, section 5).

    Args:
        smoothing: the noise on the channels that were noised, and on no other.
        threat: what certificates will be about, on the same channels.
        inputs: one benign input, which says where in a text the noise lies.
        flagged, draws, benign: flags, draws in all, and different inputs.
        scope: what is bounded, see `Calibration`.
        alpha: error probability of the bound.
        seed, scheme: what the draws can be repeated from.
        model_digest, data_digest: SHA-256 of the filter and of the benign inputs.
        threshold: tau itself; the bound if left out.
        positive: the class that flags.
    Raises:
        InputError: the counts do not support the threshold, or support none a filter can use.

    Example:
        >>> import numpy as np
        >>> from ironbound.channels import Gaussian
        >>> from ironbound.threats import L2
        >>> noise, threat = Smoothing(x=Gaussian(sigma=0.5)), Threat(x=L2())
        >>> known = dict(draws=1000, benign=10, scope="inputs", alpha=0.01, seed=0, scheme="s",
        ...              model_digest="", data_digest="")
        >>> round(calibration(noise, threat, {"x": np.zeros(2)}, flagged=0, **known).tau, 5)
        0.00459
    """
    values = smoothing.check(inputs)
    bound = float(clopper_pearson_upper(flagged, draws, alpha))
    found = Calibration(
        tau=bound if threshold is None else float(threshold),
        positive=positive,
        scope=scope,
        inputs=benign,
        draws=draws,
        flagged=flagged,
        alpha=float(alpha),
        bound=bound,
        noise=tuple(noise_alone(channel_record(one)) for one in smoothing.records(values, threat)),
        model_digest=model_digest,
        data_digest=data_digest,
        seed=seed,
        noise_scheme=scheme,
    )
    try:
        check_sample(found)
    except InvalidCertificate as error:
        raise InputError(
            f"{flagged} flags among {draws:,} benign draws support no such filter: {error}"
        ) from None
    return found
