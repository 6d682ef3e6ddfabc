"""The threshold of a filter, from noisy draws of benign inputs (HRS, arXiv 2605.12876, section 5).

A smoothed filter flags an input once its probability of the flag under noise exceeds tau. So that benign
inputs are not flagged, tau is the Clopper-Pearson upper bound of how often noisy draws of them are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import numpy as np

from ironbound import confidence
from ironbound.certificate import Calibration
from ironbound.errors import InputError, wrong_value
from ironbound.smoothing import per_budget
from ironbound.smoothing.batches import Batches, Rows
from ironbound.smoothing.calibrated import noise_of
from ironbound.smoothing.classifier import SmoothedClassifier
from ironbound.smoothing.draws import Draws
from ironbound.smoothing.randomness import SCHEME, check_seed
from ironbound.smoothing.voting import Reading
from ironbound.threats import Threat

Scope = Literal["inputs", "population"]

# Where Clopper-Pearson also holds for the mean of unequal probabilities; see `Calibration`.
_MOST_ALPHA, _MOST_BOUND = 0.25, 0.5


def calibrate(
    model: SmoothedClassifier,
    benign: Iterable[tuple[str, Mapping[str, Any]]],
    *,
    threat: Threat,
    positive: int = 1,
    draws: int = 100_000,
    alpha: float = 0.005,
    scope: Scope = "inputs",
    threshold: float | None = None,
    seed: int = 0,
    model_digest: str = "",
    data_digest: str = "",
    callback: Callable[[int, int], None] = lambda drawn, planned: None,
) -> Calibration:
    """Count flags among noisy draws of benign inputs, and bound their rate from above.

    Args:
        model: the smoothed filter, of two classes. Its own threshold, if any, plays no part.
        benign: pairs (id, inputs) of benign inputs.
        threat: what certificates will be about; noise lies where `certify` puts it for this threat.
        positive: the class that flags.
        draws: noisy draws in all. For scope "inputs" every input gets equally many: this number divided by
            the number of inputs, rounded up.
        alpha: error probability of the bound, at most 1/4; certificates spend it beside their own.
        scope: "inputs": the bound is on the mean flag probability over these inputs. "population": on the
            mean over the population they are an independent sample of; then each is drawn once.
        threshold: tau itself, refused where the sample does not support it; the bound if left out.
        seed: of the draws, which are shared with no certificate's.
        model_digest, data_digest: SHA-256 of what was asked and of the inputs, recorded as they are.
        callback: told after each batch how many draws of how many are done.
    Raises:
        InputError: the settings cannot be used, an input is unusable, or the threshold is not supported; the
            message then says how many draws without a flag would be needed.

    Example:
        >>> import ironbound as ib
        >>> noise = ib.Smoothing(x=ib.Gaussian(sigma=0.5))
        >>> model = SmoothedClassifier(lambda batch: batch["x"][:, 0] > 4, noise, num_classes=2)
        >>> benign = [(str(i), {"x": [float(i)]}) for i in range(2)]
        >>> found = calibrate(model, benign, threat=ib.Threat(x=ib.L2()), draws=2000)
        >>> found.flagged, found.draws, round(found.tau, 6)
        (0, 2000, 0.002646)
    """
    _check(model, positive, draws, alpha, scope, threshold, threat)
    check_seed(seed)
    voters = model._voters
    readings = {name: voters.read(inputs) for name, inputs in _distinct(benign).items()}
    if scope == "population" and len(readings) != draws:
        raise wrong_value(
            "draws",
            draws,
            f'{len(readings)}, one for each input: with scope="population" inputs are the sample, and more '
            "draws of the same inputs say nothing about others",
        )
    each = -(-draws // len(readings))
    total = each * len(readings)
    if threshold is not None:
        check_supported(threshold, 0, total, alpha)  # before any work
    for reading in readings.values():
        model.smoothing.check_threat(threat, reading.values)
    noise = {noise_of(model.smoothing, reading.values, threat) for reading in readings.values()}
    if len(noise) > 1:
        raise InputError("benign must be noised alike; these inputs' noise differs from one to the next")
    flagged = _flagged(model, readings, threat, positive, each, seed, callback)
    bound = float(confidence.clopper_pearson_upper(flagged, total, alpha))
    if threshold is not None:
        check_supported(threshold, flagged, total, alpha)
    if not bound <= _MOST_BOUND:
        raise InputError(
            f"{flagged} of {total} noisy draws of benign inputs were flagged, so their rate is bounded by "
            f"{bound:.6g} only; a filter's threshold is {_MOST_BOUND} or less"
        )
    return Calibration(
        tau=bound if threshold is None else float(threshold),
        positive=int(positive),
        scope=scope,
        inputs=len(readings),
        draws=total,
        flagged=flagged,
        alpha=float(alpha),
        bound=bound,
        noise=noise.pop(),
        model_digest=model_digest,
        data_digest=data_digest,
        seed=int(seed),
        noise_scheme=SCHEME,
    )


def draws_needed(threshold: float, alpha: float) -> int:
    """Fewest draws, none of them flagged, that support a threshold: their bound is 1 - alpha^(1/n).

    Example:
        >>> draws_needed(4.6051e-5, 0.01)
        100000
    """
    n = max(1, int(np.log(alpha) / np.log1p(-threshold)) - 2)
    while not confidence.clopper_pearson_upper(0, n, alpha) <= threshold:
        n += 1
    return n


def check_supported(threshold: float, flagged: int, draws: int, alpha: float) -> None:
    """Refuse a threshold below the upper bound that the counts give.

    Raises:
        InputError: with the bound, and the number of draws that would do.
    """
    bound = float(confidence.clopper_pearson_upper(flagged, draws, alpha))
    if bound <= threshold:
        return
    needed = draws_needed(threshold, alpha)
    raise InputError(
        f"threshold = {threshold!r} is more than the sample supports: {flagged} flagged of {draws:,} draws "
        f"give {bound:.6g} at alpha = {alpha!r}; it takes {needed:,} draws with none flagged"
    )


def _check(
    model: SmoothedClassifier,
    positive: int,
    draws: int,
    alpha: float,
    scope: str,
    threshold: float | None,
    threat: Threat,
) -> None:
    if model.num_classes != 2:
        raise wrong_value("num_classes", model.num_classes, "2, for a filter with a threshold")
    if positive not in (0, 1):
        raise wrong_value("positive", positive, "0 or 1, the class that flags")
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 1:
        raise wrong_value("draws", draws, "a whole number of draws >= 1")
    if not 0.0 < alpha <= _MOST_ALPHA:
        raise wrong_value("alpha", alpha, f"a probability in (0, {_MOST_ALPHA}]")
    if scope not in ("inputs", "population"):
        raise wrong_value("scope", scope, '"inputs" or "population"')
    if threshold is not None and not 0.0 < threshold <= _MOST_BOUND:
        raise wrong_value("threshold", threshold, f"a probability in (0, {_MOST_BOUND}]")
    if per_budget.channels(threat):
        raise wrong_value(
            "threat",
            threat,
            'one with sampling="shared": per-budget sampling has a classifier for each budget',
        )


def _distinct(benign: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for name, inputs in benign:
        if name in found:
            raise wrong_value("the ids of benign", name, "distinct, as they seed the draws")
        found[name] = inputs
    if not found:
        raise wrong_value("benign", [], "at least one benign input")
    return found


def _flagged(
    model: SmoothedClassifier,
    readings: Mapping[str, Reading],
    threat: Threat,
    positive: int,
    each: int,
    seed: int,
    callback: Callable[[int, int], None],
) -> int:
    """Draws that were flagged, or named no class, among `each` draws of every input."""
    noise = model.smoothing.placed(threat)
    batches = Batches(model._voters, 1)
    waiting: list[Rows] = []
    cleared = done = 0

    def ask() -> int:
        drawn = batches.draw(waiting)
        votes = batches.votes(waiting, drawn)
        waiting.clear()
        for one in votes:
            if isinstance(one, Exception):
                raise one
        return sum(int(one[1 - positive]) for one in votes if not isinstance(one, Exception))

    for name, reading in readings.items():
        size = model._voters.batch_of(reading)
        if waiting and (_shapes(waiting[0].reading) != _shapes(reading)):
            cleared += ask()
        batches.size = size
        draws, at = Draws(noise, reading.values, seed, name, "calibration"), 0
        while at < each:
            room = size - sum(map(len, waiting))
            stop = min(each, at + room)
            waiting.append(Rows(draws, reading, at, stop))
            done += stop - at
            at = stop
            if sum(map(len, waiting)) >= size:
                cleared += ask()
                size = batches.size
                callback(done, each * len(readings))
    if waiting:
        cleared += ask()
        callback(done, each * len(readings))
    return each * len(readings) - cleared


def _shapes(reading: Reading) -> dict[str, tuple[tuple[int, ...], bool]]:
    return {name: (value.shape, name in reading.tensors) for name, value in reading.values.items()}
