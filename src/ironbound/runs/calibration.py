"""Filter files: a calibrated threshold beside what it was calibrated with, as TOML.

`ironbound calibrate` writes one; `[filter] file = "filter.toml"` in a configuration uses it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ironbound.certificate import Calibration, channel_record
from ironbound.certificate.codec import decode, encode_fields
from ironbound.data.problem import Example, Problem
from ironbound.data.registry import arrays_digest
from ironbound.errors import ConfigError, InputError, InvalidCertificate
from ironbound.runs.toml import dumps
from ironbound.verify.calibration import check_sample

if TYPE_CHECKING:
    from ironbound.runs.plan import Plan

_HEAD = (
    "# Written by ironbound calibrate. Every figure is checked when it is used; none can be edited alone.\n"
)


def to_table(calibration: Calibration) -> dict[str, Any]:
    """The calibration as plain values; what is null is left out, as TOML has no null."""
    return _without_null(encode_fields(calibration))


def from_table(table: Mapping[str, Any], where: str) -> Calibration:
    """Inverse of `to_table`, checked: the threshold follows from the counts.

    Raises:
        ConfigError: naming the entry.
    """
    try:
        data = dict(table)
        noise = data.get("noise")
        if isinstance(noise, Sequence) and all(isinstance(one, Mapping) for one in noise):
            # What TOML left out has its default again.
            data["noise"] = [channel_record(one).to_plain() for one in noise]
        found: Calibration = decode(Calibration, data, where)
        check_sample(found)
    except InvalidCertificate as error:
        raise ConfigError(str(error)) from None
    return found


def write_filter(calibration: Calibration, path: Path) -> None:
    """Write a filter file; an existing file is refused.

    Raises:
        InputError: the file exists, or cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(_HEAD + dumps({"filter": to_table(calibration)}))
    except FileExistsError:
        raise InputError(f"{path} exists; remove it, or give another --out") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None


def read_filter(path: Path) -> Calibration:
    """Read a filter file.

    Raises:
        ConfigError: it cannot be read, or its threshold does not follow from its counts.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"filter.file: {path} cannot be read ({error.strerror or error})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"filter.file: {path} is not valid TOML: {error}") from None
    table = document.get("filter")
    if set(document) != {"filter"} or not isinstance(table, dict):
        raise ConfigError(f"filter.file: {path} is no filter file: it must hold one table, [filter]")
    return from_table(table, f"{path.name}: filter")


def with_filter(problem: Problem, table: Mapping[str, Any], folder: Path) -> Problem:
    """The problem with the threshold of a `[filter]` table: `file`, or the figures themselves.

    Raises:
        ConfigError: the file cannot be used, or was made with another model.
    """
    if "file" in table:
        if set(table) != {"file"} or not isinstance(table["file"], str):
            raise ConfigError("filter: give file, the path of a filter file, and nothing else")
        found = read_filter(folder / table["file"])
    else:
        found = from_table(table, "filter")
    if problem.num_classes != 2 or problem.certifier is not None:
        raise ConfigError(f"filter: {problem.name} is no filter of two classes under noise; remove [filter]")
    if found.model_digest != problem.model_digest:
        raise ConfigError(
            f"filter: calibrated with another model, {found.model_digest[:12] or 'of no digest'} (here "
            f"{problem.model_digest[:12] or 'of no digest'}); calibrate again"
        )
    # The noise is compared input by input: where it lies in a text depends on the threat.
    return replace(problem, calibration=found, threshold=found.tau, positive=found.positive)


def calibrated(
    plan: Plan,
    *,
    draws: int,
    alpha: float,
    scope: Any = "inputs",
    threshold: float | None = None,
    every: bool = False,
    callback: Callable[[int, int], None] = lambda drawn, planned: None,
) -> Calibration:
    """Calibrate the filter of a plan on its benign inputs; see `ironbound.smoothing.calibrate`.

    Args:
        plan: of a problem with two classes; made with `filtered=False`.
        every: every input is benign, whatever its label; else those of the other class than `positive`.
    Raises:
        InputError: no input is benign, or the settings cannot be used.
    """
    from ironbound.runs.engines.local import classifier
    from ironbound.smoothing import calibrate

    problem = plan.problem
    if problem.num_classes != 2 or problem.certifier is not None:
        raise InputError(f"{problem.name} is no filter of two classes under noise")
    positive = plan.statistics.positive
    known = problem.examples[: plan.total]
    benign = [e for e in known if every or e.label == 1 - positive]
    if not benign:
        raise InputError(
            f"none of the {len(known)} inputs of {problem.name} has the label {1 - positive}; give benign "
            "inputs, or --all if all of them are"
        )
    if not problem.model_digest:
        raise InputError(f"{problem.name} has no model digest, so nobody could tell what was calibrated")
    model = classifier(replace(plan, statistics=plan.statistics.model_copy(update={"threshold": None})))
    return calibrate(
        model,
        [(example.id, example.inputs) for example in benign],
        threat=problem.threat,
        positive=positive,
        draws=draws,
        alpha=alpha,
        scope=scope,
        threshold=threshold,
        seed=plan.statistics.seed,
        model_digest=problem.model_digest,
        data_digest=_digest(benign),
        callback=callback,
    )


def _digest(examples: Sequence[Example]) -> str:
    return arrays_digest({f"{e.id}/{name}": e.inputs[name] for e in examples for name in sorted(e.inputs)})


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_null(item) for key, item in value.items() if item is not None}
    return [_without_null(item) for item in value] if isinstance(value, list) else value
