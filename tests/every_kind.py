"""A small certificate of every kind, whose votes and draws were typed by hand. No model, no noise."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import numpy as np

from ironbound.certificate import (
    Calibration,
    Certificate,
    Claim,
    SmoothingEvidence,
    channel_record,
    noise_alone,
)
from ironbound.confidence import clopper_pearson_upper
from ironbound.latent.center_evidence import CenterEvidence
from ironbound.latent.evidence import LatentEvidence, RivalQuadric
from ironbound.lipschitz.margin_evidence import MarginEvidence, RivalMargin
from ironbound.lipschitz.ramp_evidence import RampEvidence
from ironbound.lipschitz.records import LedgerLine, counted
from ironbound.runs.recertify.attack import attack_of
from ironbound.smoothing import estimate
from ironbound.smoothing.assemble import assemble
from ironbound.smoothing.per_budget import combine
from ironbound.smoothing.rules import Rules
from ironbound.smoothing.statistics import Statistics
from ironbound.threats import L2, SuffixAppend, Threat

IMAGE = {"channel": "image", "noise": "gaussian", "sigma": 0.5, "threat": "l2"}
TOKENS = {"channel": "tokens", "noise": "uniform_replacement", "beta": 0.6, "alphabet": 9, "length": 4}
TOKENS |= {"threat": "token_l0", "max_d": 2, "attacker": "open", "outside": 1}
SLOT: dict[str, Any] = {
    "channel": "tokens",
    "noise": "suffix",
    "length": 9,
    "positions": 2,
    "slot": 3,
    "pad": 0,
}
SLOT |= {"threat": "suffix_append", "max_d": 2, "attacker": "closed"}
SLOT |= {"kernel": {k: TOKENS[k] for k in ("channel", "noise", "beta", "alphabet")} | {"length": 2}}
EDITS = {"channel": "text", "noise": "deletion", "rate": 0.9, "width": 9, "pad": 0, "length": 3}
EDITS |= {"threat": "edits", "max_d": 2, "operations": ["insert", "delete"]}
FIELDS = {"channel": "row", "noise": "categorical", "arities": [2, 5, 3], "betas": [0.3, 0.6, 0.6]}
FIELDS |= {"threat": "fields_l0", "max_d": 2}
WORDS = {"channel": "words", "noise": "synonyms", "beta": 0.7, "sets": [[2, 1], [4, 2]], "length": 4}
WORDS |= {"sets_id": "ab" * 32, "threat": "synonym_l0", "max_d": 2}
SIGMAS = [0.5, 2.0]
UNEVEN = {"channel": "uneven", "noise": "gaussian_anisotropic", "sigma": 0.5, "largest": 2.0, "threat": "l2"}
UNEVEN |= {"coordinates": 2, "sigmas": SIGMAS, "sigmas_id": sha256(b"0.5,2.0").hexdigest()}
MASKED = {"channel": "masked", "noise": "gaussian_adaptive", "sigma": 1.0, "first": 5.0, "second": 3.75}
MASKED |= {"norm": "linf", "coordinates": 9, "mask_id": "m", "threat": "linf"}
MASK = {
    "channel": "mask",
    "noise": "mask",
    "beta": 0.8,
    "mask_id": 7,
    "length": 3,
    "threat": "token_l0",
    "max_d": 1,
}


def smoothed(
    channels: list[dict[str, Any]],
    votes: list[int],
    *,
    trials: int = 1000,
    stop: str = "fixed",
    planned: int | None = None,
    threshold: float | None = None,
    rivals: str | None = None,
    calibration: Calibration | None = None,
    alpha: float = 0.05,
) -> Certificate:
    """What the engine makes of these votes; the selection draws are split like them."""
    records = sorted((channel_record(one) for one in channels), key=lambda one: one.channel)
    rules = Rules.build(len(votes), threshold, 1, rivals, None, calibration)  # type: ignore[arg-type]
    counts = np.array(votes)
    label = rules.select(counts)
    of_label = rules.threshold_of(label)
    share = rules.share(alpha)
    if stop == "fixed":
        estimates = estimate.from_counts(label, counts, trials, share, of_label)
    elif stop == "target":
        looking = estimate.looking(label, len(votes), share, of_label, planned or trials)
        looking.update(counts, trials)
        estimates = looking.estimates()
    else:
        running = estimate.Running(label, len(votes), share, of_label)
        running.update(counts, trials)
        estimates = running.estimates()
    order = [r.channel for r in records if r.attacked and r.get("max_d") is not None]
    settings = {"target": {"-": 0.0}} if stop == "target" else {}
    return assemble(
        rules=rules,
        channels=records,  # type: ignore[arg-type]
        attack=attack_of(records, order),
        statistics=Statistics(alpha=alpha, stop=stop, **settings),  # type: ignore[arg-type]
        input_id="x",
        selection=counts // 10,
        estimates=estimates,
        samples=sum(votes) // 10 + trials,
        stop_reason="n_max",
    )


def each_budget() -> Certificate:
    """A classifier of its own for each budget; more votes at the larger one."""
    parts: list[Certificate] = []
    for d, votes in ((1, [100, 900]), (2, [1, 999])):
        kernel = SLOT["kernel"] | {"length": d}
        parts.append(
            smoothed([IMAGE, SLOT | {"positions": d, "max_d": d, "kernel": kernel}], votes, alpha=0.025)
        )
    return combine("tokens", Threat(image=L2(), tokens=SuffixAppend(max_d=2, slot=3)), parts, 0.05)


def calibrated() -> Certificate:
    flagged, draws = 3, 500
    found = Calibration(
        tau=0.05,
        positive=1,
        scope="inputs",
        inputs=5,
        draws=draws,
        flagged=flagged,
        alpha=0.02,
        bound=clopper_pearson_upper(flagged, draws, 0.02),
        noise=tuple(noise_alone(channel_record(one)) for one in (IMAGE, TOKENS)),
        model_digest="",
        data_digest="",
        seed=0,
        noise_scheme="",
    )
    return smoothed([IMAGE, TOKENS], [700, 300], calibration=found)


LEDGER = (
    LedgerLine(0, "net", "depth 2: product of its parts", 2.0),
    LedgerLine(1, "features", "product of its parts", 1.0),
    LedgerLine(2, "body", "convex gate per stream over its streams", 1.0),
    LedgerLine(3, "one", "largest singular value", 1.0),
    LedgerLine(3, "two", "largest singular value", 1.0),
    LedgerLine(1, "head", "largest singular value", 2.0),
)


def margin() -> Certificate:
    draws = np.repeat([0.2, 0.9, 1.4], [10, 60, 30])
    first, second = (counted(draws - shift, -2.0, 2.0, 0.025) for shift in (0.1, 0.2))
    rivals = (RivalMargin(1, first, 2.9, "network", 0.0), RivalMargin(2, second, 1.2, "pairwise", 1.1))
    figures: dict[str, Any] = {"channel": "image", "unit": "pixel", "model": "ab" * 32, "limit": 1.0}
    figures |= {"selection_draws": 10, "selection": (0.5, 0.1, 0.0), "rivals": rivals, "ledger_lines": LEDGER}
    made = Certificate(
        input_id="x",
        method="expected_margin",
        num_classes=3,
        prediction=0,
        alpha=0.05,
        samples=110,
        claims=(Claim((), 0.2),),
        evidence=MarginEvidence(**figures, seed=0, noise_scheme=""),
    )
    return made.seal()


def ramp() -> Certificate:
    scores = counted(np.repeat([0.6, 0.95, 1.0], [5, 15, 80]), 0.0, 1.0, 0.05)
    figures: dict[str, Any] = {"channel": "image", "unit": "pixel", "sigma": 0.25, "model": "ab" * 32}
    figures |= {"slope": 2.0, "lipschitz": 5.7, "form": "network", "readout": 0.0, "selection_draws": 10}
    figures |= {"selection": (0.9, 0.1), "scores": scores, "ledger_lines": LEDGER}
    made = Certificate(
        input_id="x",
        method="ramp",
        num_classes=2,
        prediction=0,
        alpha=0.05,
        samples=110,
        claims=(Claim((), 1.2),),
        evidence=RampEvidence(**figures, seed=0, noise_scheme=""),
    )
    return made.seal()


def _latent() -> LatentEvidence:
    rivals = (
        RivalQuadric(1, 3.0, (1.0, 2.0), (-0.5, 0.25)),
        RivalQuadric(2, 2.0, (1.5,), (0.0,)),
        RivalQuadric(2, 9.0, (1.0, 2.0), (0.5, 0.5)),
    )
    return LatentEvidence("latent", "units", "ab" * 32, (0.5, 1.0), 0, (1, 1, 2), rivals)


LATENT_WITNESSES = (0.6, 0.65, 0.0)


def latent() -> Certificate:
    made = Certificate(
        input_id="x",
        method="latent",
        num_classes=3,
        prediction=0,
        alpha=0.0,
        samples=0,
        claims=(Claim((), 0.7, LATENT_WITNESSES),),
        evidence=_latent(),
    )
    return made.seal()


def center() -> Certificate:
    inside = smoothed([IMAGE, MASK], [20, 980])
    assert isinstance(inside.evidence, SmoothingEvidence)
    made = Certificate(
        input_id="x",
        method="center_smoothing",
        num_classes=3,
        prediction=0,
        alpha=0.05,
        samples=inside.samples + 10,
        claims=inside.claims,
        evidence=CenterEvidence(
            membership=inside.evidence, center=_latent(), radius=0.2, reach=0.5, witnesses=LATENT_WITNESSES
        ),
    )
    return made.seal()


RECORDS: dict[str, Callable[[], Certificate]] = {
    "image and open tokens": lambda: smoothed([IMAGE, TOKENS], [10, 990]),
    "rivals": lambda: smoothed([FIELDS | {"max_d": 1}, IMAGE], [900, 60, 35], rivals="bonferroni"),
    "rivals, early": lambda: smoothed([IMAGE], [900, 60, 35], rivals="bonferroni", stop="precision"),
    "filter, early": lambda: smoothed([IMAGE, MASK], [800, 200], threshold=0.1, stop="target"),
    "an early look": lambda: smoothed(
        [IMAGE], [93, 4, 2], trials=100, rivals="bonferroni", stop="target", planned=2000
    ),
    "uneven and masked": lambda: smoothed([UNEVEN, MASKED, IMAGE | {"threat": None}], [20, 980]),
    "slot": lambda: smoothed([IMAGE, SLOT], [5, 995]),
    "edits": lambda: smoothed([EDITS, IMAGE], [5, 995]),
    "fields and synonyms": lambda: smoothed([FIELDS | {"max_d": 1}, WORDS], [2, 998]),
    "calibrated": calibrated,
    "each budget": each_budget,
    "margin": margin,
    "ramp": ramp,
    "latent": latent,
    "center": center,
}
