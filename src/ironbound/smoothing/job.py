"""The certification of one input, as a job that asks for draws and is sent their votes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ironbound.channels import Smoothing
from ironbound.smoothing import estimate
from ironbound.smoothing.assemble import assemble
from ironbound.smoothing.draws import Draws
from ironbound.smoothing.goal import Attack, Target
from ironbound.smoothing.rules import Rules
from ironbound.smoothing.scheduler import Job, Need
from ironbound.smoothing.shared import SharedNoise
from ironbound.smoothing.statistics import Statistics, looks
from ironbound.smoothing.stopping import Decided, Precise, Rule
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
            rule = _rule(attack, targets, statistics, rules, threshold)
            running = estimate.Running(label, rules.num_classes, share, threshold)
            drawn = 0
            for look in looks(statistics.n):
                counts = yield need("estimation", drawn, look)
                running.update(counts, look - drawn)
                drawn = look
                decided = rule(running)
                if decided is not None:
                    reason = decided
                    break
            estimates = running.estimates()
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


def _rule(
    attack: Attack,
    targets: tuple[Target, ...],
    statistics: Statistics,
    rules: Rules,
    threshold: float | None,
) -> Rule:
    if statistics.stop == "precision":
        return Precise(attack, statistics.tolerance)
    share = rules.share(statistics.alpha)
    best = estimate.unanimous(statistics.n, share, statistics.stop, rules.num_classes, threshold)
    return Decided(targets, best, statistics.n)
