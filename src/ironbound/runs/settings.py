"""The statistics of a run: the problem's defaults, then the file's, then the command line's.

A setting that cannot be used is refused in the words in which it was given: `statistics.n` of a file, `--n`
of a command line; and what can be told without the model is told before one is loaded, or trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from ironbound.certificate import Calibration
from ironbound.data.problem import Problem
from ironbound.errors import ConfigError, InputError
from ironbound.runs.config import Statistics
from ironbound.runs.problems import explain
from ironbound.smoothing.estimate import check_attainable
from ironbound.smoothing.goal import Target
from ironbound.smoothing.rules import Rules


def check_options(given: Mapping[str, Any]) -> None:
    """Refuse options of the command line that no problem could be run with.

    Raises:
        ConfigError: one line for each, naming the option.

    Example:
        >>> check_options({"alpha": 2.0})
        Traceback (most recent call last):
        ironbound.errors.ConfigError: --alpha: input should be less than 1; got 2.0
    """
    # The stopping rule and what belongs to it may come from elsewhere; each alone is checked here.
    alone = {key: value for key, value in given.items() if key != "stop"}
    rule = "target" if "target" in alone else "precision" if "precision" in alone else "fixed"
    try:
        Statistics.model_validate({**alone, "stop": rule})
    except ValidationError as error:
        lines = explain(error, Statistics, "").splitlines()
        raise ConfigError("\n".join(_as_option(line) for line in lines)) from None


def refuse_any(name: str, in_file: Statistics, given: Mapping[str, Any]) -> None:
    """Refuse every statistic for a problem whose certificates come from a method of its own.

    Raises:
        ConfigError: naming the first one, as it was given.
    """
    named = [option(key) for key in given] + [f"statistics.{key}" for key in _set(in_file)]
    if named:
        raise ConfigError(
            f"{named[0]}: {name} is certified by a method of its own, which has no such setting; remove it"
        )


def chosen(problem: Problem, in_file: Statistics, given: Mapping[str, Any]) -> Statistics:
    """The statistics that a run of this problem has.

    Args:
        problem: brings defaults, a decision rule, and perhaps a calibrated threshold.
        in_file: the file's table `[statistics]`.
        given: on the command line.
    Raises:
        ConfigError: two of them contradict each other, or the problem has no statistics.
    """
    if problem.certifier is not None:
        refuse_any(problem.name, in_file, given)
        return Statistics()
    written = _set(in_file)
    own = {"threshold": problem.threshold, "positive": problem.positive, "rivals": problem.rivals}
    if problem.calibration is not None:
        own |= _of_filter(problem.calibration, {**written, **given})
        written = {key: value for key, value in written.items() if key not in ("threshold", "positive")}
    below = {**own, **problem.statistics, **written}
    if "stop" in given and given["stop"] != below.get("stop"):
        # What belongs to the other stopping rule goes with it.
        below = {key: value for key, value in below.items() if key not in ("target", "precision")}
    values = {**below, **given}
    if given.get("stop") == "target" and not values.get("target"):
        raise ConfigError("--stop target: say what is to be decided, such as --target image=0.5,tokens=1")
    try:
        return Statistics.model_validate(values)
    except ValidationError as error:
        raise ConfigError(explain(error, Statistics, "", "statistics")) from None


def recorded(statistics: Statistics) -> dict[str, Any]:
    """The statistics as plain values; later additions are left out where they are not made use of.

    So a run folder from before they were there is still the same run.
    """
    plain = statistics.model_dump(mode="json")
    return {key: value for key, value in plain.items() if key != "shared_noise" or value}


def refuse_hopeless(statistics: Statistics, problem: Problem, total: int) -> None:
    """Refuse, before any work, what would fail for every input: a decision rule, n, a threat, a target."""
    rules = Rules.build(
        problem.num_classes,
        statistics.threshold,
        statistics.positive,
        statistics.rivals,
        problem.class_names,
        problem.calibration,
    )
    check_attainable(
        statistics.n,
        rules.share(statistics.alpha),
        statistics.stop,
        problem.num_classes,
        rules.least_threshold(),
    )
    first: InputError | None = None
    for example in problem.examples[:total]:
        try:
            values = problem.smoothing.check(example.inputs)
            problem.smoothing.check_threat(problem.threat, values)
            for amounts in _targets(statistics):
                Target.build(problem.smoothing, values, problem.threat, amounts)
            return
        except InputError as error:
            first = first or InputError(f"no input can be certified; input {example.id!r}: {error}")
    if first is not None:
        raise first


def option(key: str) -> str:
    """The command-line option of a statistic.

    Example:
        >>> option("shared_noise")
        '--shared-noise'
    """
    return "--" + key.replace("_", "-")


def _as_option(line: str) -> str:
    key, rest = line.split(":", 1)
    return f"{option(key)}:{rest}"


def _set(statistics: Statistics) -> dict[str, Any]:
    """What a file says itself."""
    return {key: getattr(statistics, key) for key in statistics.model_fields_set}


def _of_filter(calibration: Calibration, given: Mapping[str, Any]) -> dict[str, Any]:
    """The decision rule of a filter, which no other setting may contradict."""
    own = {"threshold": calibration.tau, "positive": calibration.positive}
    for key, value in own.items():
        if given.get(key) not in (None, value):
            raise ConfigError(
                f"statistics.{key}: is {given[key]!r}, but the filter was calibrated to {value!r}; remove it"
            )
    return own


def _targets(statistics: Statistics) -> list[dict[str, float]]:
    target = statistics.target
    if target is None:
        return []
    return [dict(target)] if isinstance(target, Mapping) else [dict(one) for one in target]
