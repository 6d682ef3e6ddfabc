"""Choosing the noise by a pilot on held-out data, at a cost that is shown.

A noise level that was chosen by looking at the inputs to be certified, or at their draws, makes the stated
error probability wrong. A pilot therefore has inputs of its own and draws of its own, and remembers both: see
`Pilot.fresh`. What it reports are estimates of what a certificate would say with n draws; none is one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from time import perf_counter
from typing import Any

import numpy as np

from ironbound import confidence
from ironbound.certificate import Certificate, Claim, SmoothingEvidence
from ironbound.errors import InputError, InputTypeError, wrong_value
from ironbound.smoothing import per_budget
from ironbound.smoothing.classifier import SmoothedClassifier
from ironbound.smoothing.goal import Attack, Level, Target
from ironbound.threats import Threat

Settings = dict[str, Any]
Labelled = tuple[str, Mapping[str, Any], int]


@dataclass(frozen=True)
class Trial:
    """One candidate and what the pilot found.

    Attributes:
        settings: the candidate, such as {"sigma": 0.25, "beta": 0.5}.
        estimated_share: share of the inputs that would be right and certified against the goal, averaged
            over several goals; what is maximised.
        estimated_shift: mean certified shift of these inputs at the goals' budgets, in units of the noise;
            decides between equal shares.
        draws: noise draws spent.
        seconds: time spent.
    """

    settings: Settings
    estimated_share: float
    estimated_shift: float
    draws: int
    seconds: float


@dataclass(frozen=True)
class Pilot:
    """The chosen settings, what each candidate reached, and what must not be certified with them.

    Attributes:
        chosen: settings of the best trial; the first of equals.
        trials: all candidates, in the order given.
        used: digests of the inputs that the choice was made on.
    """

    chosen: Settings
    trials: tuple[Trial, ...]
    used: frozenset[str]

    @property
    def draws(self) -> int:
        """Noise draws of all trials."""
        return sum(trial.draws for trial in self.trials)

    @property
    def seconds(self) -> float:
        """Time of all trials."""
        return sum(trial.seconds for trial in self.trials)

    def fresh(
        self, inputs: Iterable[tuple[str, Mapping[str, Any]]]
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The inputs as they come, for `certify_many`; stops at one that the choice was made on.

        Raises:
            InputError: an input of the pilot, by whatever name.
        """
        for name, one in inputs:
            if fingerprint(one) in self.used:
                raise InputError(
                    f"input {name!r} helped to choose the noise, so its certificate would be wrong more "
                    "often than it says; certify other inputs"
                )
            yield name, one

    def table(self) -> str:
        """Candidates and their estimates as text, the chosen one marked, the cost below."""
        lines = [f"{'':2}{'settings':32}{'share':>8}{'shift':>8}{'draws':>10}{'seconds':>9}"]
        for trial in self.trials:
            mark = "* " if trial.settings == self.chosen else "  "
            named = ", ".join(f"{key}={value}" for key, value in trial.settings.items())
            lines.append(
                f"{mark}{named:32}{trial.estimated_share:8.3f}{trial.estimated_shift:8.3f}"
                f"{trial.draws:10,}{trial.seconds:9.1f}"
            )
        lines.append(
            f"  pilot on {len(self.used)} held-out inputs: {self.draws:,} draws, {self.seconds:.1f} s"
        )
        return "\n".join(lines)


def grid(**values: Sequence[Any]) -> list[Settings]:
    """Every combination of the values.

    Example:
        >>> grid(sigma=[0.25, 0.5], beta=[0.5])
        [{'sigma': 0.25, 'beta': 0.5}, {'sigma': 0.5, 'beta': 0.5}]
    """
    return [dict(zip(values, choice, strict=True)) for choice in product(*values.values())]


def choose_noise(
    make: Callable[..., SmoothedClassifier],
    candidates: Iterable[Settings],
    inputs: Iterable[Labelled],
    *,
    threat: Threat,
    goals: Mapping[str, float] | Sequence[Mapping[str, float]],
    alpha: float,
    n: int,
    pilot_n: int = 200,
    n0: int = 50,
    seed: int = 0,
) -> Pilot:
    """Try each candidate with few draws on held-out inputs, and choose the one that would certify most.

    Args:
        make: from the settings of a candidate, as keywords, to its smoothed classifier.
        candidates: settings; see `grid`.
        inputs: held-out inputs with their labels: (id, inputs, label).
        threat: what will be certified against.
        goals: amounts to be certified, such as {"image": 0.3, "tokens": 1}, or several.
        alpha, n: of the certificates to come. The estimates are about n draws, not about the pilot's few.
        pilot_n, n0: estimation and selection draws for each input and candidate.
        seed: of the pilot's draws, which no certificate shares even at the same seed.
    Raises:
        InputError: no candidate, no input, a goal beyond the threat, or per-budget sampling.

    Example:
        >>> import ironbound as ib
        >>> def make(sigma):
        ...     noise = ib.Smoothing(x=ib.Gaussian(sigma))
        ...     return ib.SmoothedClassifier(lambda batch: abs(batch["x"][:, 0]) < 1, noise, num_classes=2)
        >>> found = choose_noise(
        ...     make, grid(sigma=[0.05, 0.4, 4.0]), [("0", {"x": [0.0]}, 1)], threat=ib.Threat(x=ib.L2()),
        ...     goals={"x": 0.5}, alpha=0.01, n=1000,
        ... )
        >>> found.chosen
        {'sigma': 0.4}
    """
    held_out = [(str(name), one, int(label)) for name, one, label in inputs]
    several = (goals,) if isinstance(goals, Mapping) else tuple(goals)
    listed = [dict(one) for one in candidates]
    for what, given in (("candidates", listed), ("inputs", held_out), ("goals", several)):
        if not given:
            raise wrong_value(what, list(given), "not empty")
    if per_budget.channels(threat):
        raise wrong_value("threat", threat, 'one with sampling="shared"; choose by that')
    trials: list[Trial] = []
    for settings in listed:
        model = make(**settings)
        if not isinstance(model, SmoothedClassifier):
            raise InputTypeError(f"make must return a SmoothedClassifier; got {type(model).__name__}")
        trials.append(_try(settings, model, held_out, threat, several, alpha, n, pilot_n, n0, seed))
    best = max(trials, key=lambda trial: (trial.estimated_share, trial.estimated_shift))
    return Pilot(best.settings, tuple(trials), frozenset(fingerprint(one) for _, one, _ in held_out))


def fingerprint(inputs: Mapping[str, Any]) -> str:
    """SHA-256 of an input's values, whatever it is called.

    Example:
        >>> fingerprint({"x": [1, 2]}) == fingerprint({"x": np.array([1.0, 2.0])})
        True
    """
    parts = hashlib.sha256()
    for name in sorted(inputs):
        value = inputs[name]
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value, dtype=np.float64)
        parts.update(f"{name} {array.shape}".encode())
        parts.update(array.tobytes())
    return parts.hexdigest()


def _try(
    settings: Settings,
    model: SmoothedClassifier,
    held_out: Sequence[Labelled],
    threat: Threat,
    goals: Sequence[Mapping[str, float]],
    alpha: float,
    n: int,
    pilot_n: int,
    n0: int,
    seed: int,
) -> Trial:
    began = perf_counter()
    labels = {f"pilot {name}": label for name, _, label in held_out}
    named = ((f"pilot {name}", one) for name, one, _ in held_out)
    shares: list[float] = []
    shifts: list[float] = []
    draws = 0
    level = max(alpha, _least_alpha(pilot_n))
    certificates = model.certify_many(named, threat=threat, alpha=level, n=pilot_n, n0=n0, seed=seed)
    for (_, one, _), certificate in zip(held_out, certificates, strict=True):
        draws += certificate.samples
        reached = _estimated(certificate, model, one, threat, goals, alpha, n, labels[certificate.input_id])
        shares += [float(shift is not None) for shift in reached]
        shifts += [shift for shift in reached if shift is not None]
    mean_shift = float(np.mean(np.minimum(shifts, 1e6))) if shifts else 0.0
    return Trial(settings, float(np.mean(shares)), mean_shift, draws, perf_counter() - began)


def _estimated(
    certificate: Certificate,
    model: SmoothedClassifier,
    one: Mapping[str, Any],
    threat: Threat,
    goals: Sequence[Mapping[str, float]],
    alpha: float,
    n: int,
    label: int,
) -> list[float | None]:
    """For each goal the shift that n draws would prove at its budget; None if wrong or not certified."""
    evidence = certificate.evidence
    assert isinstance(evidence, SmoothingEvidence)
    if not evidence.estimates or evidence.estimates[0].label != label:
        return [None] * len(goals)
    expected = _expected(evidence, alpha, n)
    values = model.smoothing.check({name: _plain(value) for name, value in one.items()})
    claims = Attack.build(model.smoothing, values, threat).claims(expected)
    found: list[float | None] = []
    for goal in goals:
        target = Target.build(model.smoothing, values, threat, goal)
        found.append(_shift(claims, goal, target.mu))
    return found


def _expected(evidence: SmoothingEvidence, alpha: float, n: int) -> Level:
    """The bounds that n draws would give if the shares stayed: the pilot's, pulled a little towards 1/2."""
    share = alpha / len(evidence.estimates)
    counts = [math.floor((e.successes + 0.5) / (e.trials + 1) * n) for e in evidence.estimates]
    p = confidence.clopper_pearson_lower(counts[0], n, share)
    rivals = [confidence.clopper_pearson_upper(k, n, share) for k in counts[1:]]
    return Level(p, evidence.threshold, max(rivals) if rivals else None)


def _shift(claims: Sequence[Claim], goal: Mapping[str, float], needed: float) -> float | None:
    for claim in claims:
        at_goal = all(amount == goal.get(name, 0) for name, amount in claim.budget)
        if at_goal and claim.mu is not None and claim.mu >= needed:
            return claim.mu
    return None


def _least_alpha(draws: int) -> float:
    """An alpha at which the pilot's few draws are accepted at all; its own claims are not used."""
    return min(0.5, 20.0 / draws)


def _plain(value: Any) -> Any:
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value
