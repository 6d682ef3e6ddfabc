"""From counts to a verified certificate. No model, no noise: counts typed by hand will do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ironbound.certificate import Certificate, Estimate, SmoothingEvidence, channel_record
from ironbound.smoothing.estimate import level
from ironbound.smoothing.goal import Attack, Level
from ironbound.smoothing.randomness import SCHEME, SHARED_SCHEME
from ironbound.smoothing.rules import Rules
from ironbound.smoothing.statistics import Statistics

Counts = NDArray[np.int64]


def assemble(
    *,
    rules: Rules,
    channels: Sequence[dict[str, Any]],
    attack: Attack,
    statistics: Statistics,
    input_id: str,
    selection: Counts,
    estimates: Sequence[Estimate],
    samples: int,
    stop_reason: str,
    scheme: str | None = None,
) -> Certificate:
    """The certificate that the estimates support, verified.

    Args:
        rules: the decision rule.
        channels: records of all channels, in the order of their names (`Smoothing.records`).
        attack: the threat against this input, with its laws.
        statistics: settings, of which alpha, stop and seed are recorded.
        input_id: which input.
        selection: votes (C,) of the selection draws.
        estimates: the selected label's bound first; see `estimate.from_counts`.
        samples: selection and estimation draws together.
        stop_reason: why sampling stopped.
        scheme: how the draws were addressed, by the statistics if None; another one for counts of an earlier
            version.
    Raises:
        InvalidCertificate: the result does not verify; this would be a fault of the library.
    """
    label = estimates[0].label
    threshold = rules.threshold_of(label)
    bounds = level(estimates, threshold)
    claims = attack.claims(bounds)
    certified = claims[0].mu is not None
    certificate = Certificate.build(
        input_id=input_id,
        method="smoothing",
        num_classes=rules.num_classes,
        class_names=rules.class_names,
        prediction=label if certified else None,
        reason="" if certified else _reason(rules, label, bounds, selection),
        alpha=statistics.alpha,
        samples=samples,
        claims=claims,
        evidence=SmoothingEvidence(
            channels=tuple(channel_record(record) for record in channels),
            form="rivals" if threshold is None else "threshold",
            threshold=threshold,
            positive=None if rules.filter is None else rules.filter[0],
            tau=None if rules.filter is None else rules.filter[1],
            selection=tuple(int(k) for k in selection),
            estimates=tuple(estimates),
            stop=statistics.stop,
            stop_reason=stop_reason,
            seed=statistics.seed,
            noise_scheme=scheme or (SHARED_SCHEME if statistics.shared_noise else SCHEME),
            calibration=rules.calibration,
        ),
    )
    certificate.verify()
    return certificate


def _reason(rules: Rules, label: int, bounds: Level, selection: Counts) -> str:
    if not selection.any():
        return "no selection draw named a class"
    against = f"the threshold {bounds.threshold}"
    if bounds.rival is not None:
        against = f"the rivals' upper bound {bounds.rival:.6g}"
    return (
        f"the lower bound {bounds.p:.6g} on the probability of {rules.name(label)} does not exceed {against}"
    )
