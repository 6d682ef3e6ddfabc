"""What is about to run: a problem, its statistics, and the configuration that repeats it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ironbound.data.problem import Problem
from ironbound.errors import ConfigError
from ironbound.runs.calibration import to_table, with_filter
from ironbound.runs.config import RunConfig, Statistics, parse, read
from ironbound.runs.endpoint import BATCH, without_patience
from ironbound.runs.problems import nearest
from ironbound.runs.settings import check_options, chosen, recorded, refuse_any, refuse_hopeless


@dataclass(frozen=True)
class Plan:
    """A run before it starts.

    Attributes:
        problem: model, data, noise, threat.
        statistics: the problem's defaults, then the file's, then the command line's.
        limit: how many inputs to certify, counted from the first; `None` for all.
        document: configuration without paths made absolute, as `config.toml` will hold it.
        source: configuration file, `None` for a task named on the command line.
    """

    problem: Problem
    statistics: Statistics
    limit: int | None
    document: Mapping[str, Any]
    source: Path | None

    @property
    def batch_size(self) -> int | None:
        """Most draws per call of the base classifier, if the configuration says so."""
        model = self.document.get("model", {})
        return model.get("batch_size", BATCH if model.get("kind") == "http" else None)

    @property
    def total(self) -> int:
        """Number of inputs to certify."""
        available = len(self.problem.examples)
        return available if self.limit is None else min(self.limit, available)

    def identity(self) -> dict[str, Any]:
        """What makes this run this run. The number of inputs is not part of it: a run can be extended."""
        own = {
            key: self.document[key]
            for key in ("task", "model", "data", "channels", "filter", "denoise")
            if key in self.document
        }
        if "model" in own:
            # The size of batches never changes a count, nor does waiting longer for an endpoint.
            own["model"] = without_patience(own["model"])
        return {
            **own,
            **self._method(),
            "model_digest": self.problem.model_digest,
            "data_digest": self.problem.data_digest,
        }

    def _method(self) -> dict[str, Any]:
        """What the certificates rest on: noise and its statistics, or the certifier's own settings."""
        if self.problem.certifier is not None:
            return {
                "certifier": json.loads(json.dumps(dict(self.problem.certifier.settings), allow_nan=False))
            }
        return {
            "noise": {name: repr(channel) for name, channel in self.problem.smoothing.items()},
            "threat": self.problem.threat.record(),
            "statistics": recorded(self.statistics),
        }

    def about(self) -> dict[str, Any]:
        """What reports need besides the rows."""
        problem = self.problem
        return {
            "name": problem.name,
            "description": problem.description,
            "num_classes": problem.num_classes,
            "class_names": None if problem.class_names is None else list(problem.class_names),
            "radii": [float(r) for r in problem.radii],
            "smoothed": problem.certifier is None,
            "inputs": len(problem.examples),
            "requested": self.total,
        }

    def written(self, out: Path) -> dict[str, Any]:
        """The document for `out/config.toml`: complete, with paths that work from there."""
        document = dict(self.document)
        if self.problem.certifier is None:
            written = recorded(self.statistics).items()
            document["statistics"] = {key: value for key, value in written if value is not None}
        if self.limit is not None:
            document["limit"] = self.limit
        if self.source is not None and "task" not in document:
            folder = (self.source.parent / document.get("folder", ".")).resolve()
            document["folder"] = Path(os.path.relpath(folder, out.resolve())).as_posix()
        scalars = {k: v for k, v in document.items() if not isinstance(v, Mapping)}
        return {**scalars, **{k: v for k, v in document.items() if isinstance(v, Mapping)}}


@dataclass(frozen=True)
class Recipe:
    """What another process needs to make the same plan again: plain values, and no model.

    Attributes:
        document, limit: as in `Plan`.
        source: absolute path of the configuration file, or `None`.
        statistics: as plain values.
    """

    document: Mapping[str, Any]
    source: str | None
    statistics: Mapping[str, Any]
    limit: int | None

    @classmethod
    def of(cls, plan: Plan) -> Recipe:
        """The recipe of a plan of a task or of a configuration file."""
        source = None if plan.source is None else str(plan.source.resolve())
        return cls(dict(plan.document), source, plan.statistics.model_dump(), plan.limit)

    def repeat(self) -> Plan:
        """The plan, its model and data loaded anew.

        Raises:
            ConfigError, InputError: the task or a file is not there (any more).
        """
        source = None if self.source is None else Path(self.source)
        problem = _problem(parse(self.document), source, None)
        statistics = Statistics.model_validate(dict(self.statistics))
        return Plan(problem, statistics, self.limit, self.document, source)


def plan(
    target: str,
    overrides: Mapping[str, Any],
    *,
    limit: int | None = None,
    progress: Callable[[str, float], None] | None = None,
    filtered: bool = True,
) -> Plan:
    """Prepare a run of a task name or a configuration file.

    Args:
        target: a task's name, or the path of a `.toml` file.
        overrides: statistics given on the command line; `None` values are left out.
        limit: number of inputs; wins over the file's.
        progress: passed to tasks that train or download first.
        filtered: False leaves the file's `[filter]` out, as for a calibration of another one.
    Raises:
        ConfigError, InputError: nothing runs; the message says what would be right.
    """
    given = {key: value for key, value in overrides.items() if value is not None}
    if target.endswith(".toml") or "/" in target or "\\" in target:
        source = Path(target)
        config = read(source)
    else:
        source, config = None, RunConfig(task=_known_task(target))
    if not filtered:
        config = config.model_copy(update={"filter": {}})
    check_options(given)
    _refuse_before_training(config, given)
    problem = _problem(config, source, progress)
    limit = limit if limit is not None else config.limit
    statistics = chosen(problem, config.statistics, given)
    if problem.certifier is None:
        refuse_hopeless(statistics, problem, limit or len(problem.examples))
    written = config.model_dump(mode="json", exclude_none=True, exclude={"recorded", "limit", "statistics"})
    document = {key: value for key, value in written.items() if value not in ("", {})}
    if problem.calibration is not None:
        document["filter"] = to_table(problem.calibration)  # whole, so that the run folder can do without it
    return Plan(problem, statistics, limit, document, source)


def _known_task(name: str) -> str:
    from ironbound.data.tasks import task_names

    if name not in task_names():
        raise ConfigError(
            f"{name!r} is neither a task nor a .toml file; {nearest(name, task_names())} "
            "(ironbound tasks lists them)"
        )
    return name


def _refuse_before_training(config: RunConfig, given: Mapping[str, Any]) -> None:
    """Tasks whose method takes no statistics say so before their model is trained."""
    if config.task is not None:
        from ironbound.data.tasks import has_own_method

        if has_own_method(config.task):
            refuse_any(config.task, config.statistics, given)


def _problem(
    config: RunConfig, source: Path | None, progress: Callable[[str, float], None] | None
) -> Problem:
    if config.task is not None:
        from ironbound.data.tasks import load_task

        problem = load_task(_known_task(config.task), progress=progress)
    else:
        from ironbound.runs.build import build

        problem = build(config, Path() if source is None else source.parent)
    if not config.filter:
        return problem
    return with_filter(problem, config.filter, (Path() if source is None else source.parent) / config.folder)
