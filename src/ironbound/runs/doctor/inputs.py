"""Do the inputs lie where the noise, the threat and the model expect them?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ironbound.channels import Gaussian
from ironbound.data.problem import Example, Problem
from ironbound.errors import InputError
from ironbound.runs.doctor.findings import Finding, error, fine, warning

# Inputs that are read one by one; of larger data sets as many, spread evenly.
_LOOKED_AT = 1000
_COLOURS = (1, 3, 4)


def spread(problem: Problem, total: int, most: int) -> list[tuple[int, Example]]:
    """Up to `most` of the first `total` examples with their positions, evenly spread, the first included.

    Example:
        >>> from types import SimpleNamespace
        >>> [at for at, _ in spread(SimpleNamespace(examples="abcdefgh"), 8, 3)]
        [0, 3, 7]
    """
    places = np.unique(np.linspace(0, total - 1, min(most, total)).astype(int))
    return [(int(at), problem.examples[int(at)]) for at in places]


def check_inputs(problem: Problem, total: int) -> tuple[list[Finding], list[tuple[int, Example]]]:
    """Findings about the inputs, and those (with their positions) that can be certified."""
    looked_at = spread(problem, total, _LOOKED_AT)
    usable: list[tuple[int, Example]] = []
    refused: list[tuple[Example, InputError]] = []
    for place, example in looked_at:
        try:
            problem.smoothing.check_threat(problem.threat, problem.smoothing.check(example.inputs))
            usable.append((place, example))
        except InputError as problem_found:
            refused.append((example, problem_found))
    asked = f"{len(looked_at)} of {total}" if len(looked_at) < total else f"all {total}"
    findings = [fine("inputs", f"{asked} inputs looked at, {len(usable)} can be certified")]
    if refused:
        example, reason = refused[0]
        findings = [
            error(
                "inputs",
                f"{len(refused)} of {len(looked_at)} inputs looked at would end in an error row; "
                f"{example.id}: {reason}",
                "leave these inputs out, or change the noise, its range or max_d",
            )
        ]
    for name, channel in problem.smoothing.items():
        values = [np.asarray(e.inputs[name]) for _, e in usable[:_LOOKED_AT]]
        if isinstance(channel, Gaussian) and values:
            findings += _range(name, channel, values)
            findings += _layout(name, values)
    return findings, usable


def _range(name: str, channel: Gaussian, values: Sequence[np.ndarray]) -> list[Finding]:
    low, high = min(float(v.min()) for v in values), max(float(v.max()) for v in values)
    topic = f"range of {name}"
    seen = f"values lie in [{low:.4g}, {high:.4g}]"
    if high == low:
        return [warning(topic, f"every value is {low:.4g}", "check how the data is read")]
    if high > 10 and low >= 0 and channel.sigma <= 2:
        return [
            warning(
                topic,
                f"{seen}, and the noise has sigma = {channel.sigma:g}: it would change next to nothing",
                "scale the inputs to [0, 1], or give sigma in grey levels",
            )
        ]
    if channel.sigma > 4 * (high - low):
        return [
            warning(
                topic,
                f"{seen}, and the noise has sigma = {channel.sigma:g}: nothing would be left to see",
                "give sigma in the units of the data as it is read",
            )
        ]
    if channel.low is not None and channel.high is not None:
        declared = channel.high - channel.low
        if high - low < 0.1 * declared:
            return [
                warning(
                    topic,
                    f"{seen}, a small part of the declared [{channel.low:g}, {channel.high:g}]",
                    "check that low, high and sigma are in the units of the data",
                )
            ]
        return [fine(topic, f"{seen}, inside the declared [{channel.low:g}, {channel.high:g}]")]
    return [fine(topic, f"{seen}; no range is declared, so none is enforced")]


def _layout(name: str, values: Sequence[np.ndarray]) -> list[Finding]:
    shapes = {value.shape for value in values}
    topic = f"layout of {name}"
    if len(shapes) > 1:
        few = ", ".join(map(str, sorted(shapes)[:3]))
        return [
            warning(topic, f"inputs differ in shape: {few}", "inputs of one shape share batches; others wait")
        ]
    shape = next(iter(shapes))
    if len(shape) == 3 and shape[2] in _COLOURS and shape[0] not in _COLOURS:
        return [
            warning(
                topic,
                f"shape {shape} looks like height x width x colours",
                'torch modules expect colours first: data.layout = "CHW", or a model that turns the axes',
            )
        ]
    return [fine(topic, f"each input has shape {shape}")]
