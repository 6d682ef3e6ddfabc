"""The certification of one input, as a job that asks for draws and is sent their votes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ironbound import confidence
from ironbound.channels import Smoothing
from ironbound.smoothing import estimate
from ironbound.smoothing.assemble import assemble
from ironbound.smoothing.draws import Draws
from ironbound.smoothing.goal import Attack, Target
from ironbound.smoothing.looking import Looking
from ironbound.smoothing.rules import Rules
from ironbound.smoothing.shared import SharedNoise
from ironbound.smoothing.statistics import Statistics, looks
from ironbound.smoothing.stopping import Decided, Precise
from ironbound.smoothing.underway import Job, Need
from ironbound.smoothing.voting import Reading
from ironbound.threats import Threat


@dataclass(frozen=True)
class Progress:
    """What a callback hears after each batch: `drawn` of at most `planned` draws of this stage are done."""

    input_id: str
    stage: Literal["selection", "estimation"]
    drawn: int
    planned: int


Callback = Callable[[Progress], None]


def job(
    smoothing: Smoothing,
    rules: Rules,
    reading: Reading,
    threat: Threat,
    statistics: Statistics,
    input_id: str,
    callback: Callback | None = None,
    shared: SharedNoise | None = None,
) -> Job:
    """Selection draws, estimation draws until the stopping rule is content, then a verified certificate.

    Args:
        smoothing, rules: the smoothed classifier, without its base.
        reading: the checked input.
        threat: the attack to certify against.
        statistics: settings.
        input_id: names the input, and with the seed determines every draw.
        callback: told of each batch.
        shared: where noise that inputs share is held, if `statistics` asks for it.
    Raises:
        InputError: at once, where the threat or a target does not fit the input.
    """
    attack = Attack.build(smoothing, reading.values, threat)
    share = rules.share(statistics.alpha)
    targets = tuple(
        Target.build(smoothing, reading.values, threat, amounts) for amounts in statistics.targets
    )

    def need(stage: Literal["selection", "estimation"], start: int, stop: int) -> Need:
        draws = choosing if stage == "selection" else drawing
        planned = statistics.n0 if stage == "selection" else statistics.n

        def told(drawn: int) -> None:
            if callback is not None:
                callback(Progress(input_id, stage, drawn, planned))

        return Need(draws, start, stop, told)

    noise = smoothing.placed(threat)
    common = (shared or SharedNoise()) if statistics.shared_noise else None
    choosing = Draws(noise, reading.values, statistics.seed, input_id, "selection", common)
    drawing = Draws(noise, reading.values, statistics.seed, input_id, "estimation", common)

    def work() -> Job:
        selection = yield need("selection", 0, statistics.n0)
        label = rules.select(selection)
        threshold = rules.threshold_of(label)
        drawn, reason = statistics.n, "n_max"
        if statistics.stop == "fixed":
            counts = yield need("estimation", 0, drawn)
            estimates = estimate.from_counts(label, counts, drawn, share, threshold)
        else:
            watch = _watch(attack, targets, statistics, rules, label)
            drawn = 0
            for look in watch.looks:
                counts = yield need("estimation", drawn, look)
                watch.bounds.update(counts, look - drawn)
                drawn = look
                decided = watch.decided()
                if decided == "hopeless" and look == statistics.n:
                    break  # all draws were made: no one gave up
                if decided is not None:
                    reason = decided
                    break
            estimates = watch.bounds.estimates()
        return assemble(
            rules=rules,
            channels=smoothing.records(reading.values, threat),
            attack=attack,
            statistics=statistics,
            input_id=input_id,
            selection=selection,
            estimates=estimates,
            samples=statistics.n0 + drawn,
            stop_reason=reason,
        )

    return work()


@dataclass(frozen=True)
class _Watch:
    """Bounds that grow with the sample, when they are looked at, and the rule that may end it."""

    bounds: Looking | estimate.Running
    looks: Sequence[int]
    decided: Callable[[], str | None]


def _watch(
    attack: Attack, targets: tuple[Target, ...], statistics: Statistics, rules: Rules, label: int
) -> _Watch:
    share, threshold, n = rules.share(statistics.alpha), rules.threshold_of(label), statistics.n
    if statistics.stop == "precision":
        running = estimate.Running(label, rules.num_classes, share, threshold)
        precise = Precise(attack, statistics.tolerance)
        return _Watch(running, looks(n), lambda: precise(running))
    looking = estimate.looking(label, rules.num_classes, share, threshold, n)
    best = estimate.unanimous(n, share, statistics.stop, rules.num_classes, threshold)
    rule = Decided(targets, best, n)
    return _Watch(looking, confidence.planned_looks(n), lambda: rule(looking))
