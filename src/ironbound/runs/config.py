"""The configuration file: what a user may write, checked before any work starts.

A file either names a built-in task (`task = "digits-claims"`) or describes the user's own model and data
with the tables `[model]`, `[data]`, `[channels.NAME]`, `[threat.NAME]`; both may set `[statistics]`.
`docs/configuration.md` lists every key.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from ironbound.errors import ConfigError
from ironbound.models.http.literals import check_no_secrets
from ironbound.runs.denoising import DenoiseTable
from ironbound.runs.kernels import NoiseTable, ThreatTable
from ironbound.runs.problems import explain
from ironbound.runs.table import Positive, Table

Probability = Annotated[float, Field(gt=0, lt=1, strict=True)]
Seconds = Annotated[float, Field(ge=0.001, le=1e6, strict=True)]
Amounts = Annotated[dict[str, Annotated[float, Field(ge=0, strict=True)]], Field(min_length=1)]
TokenizerFile = Annotated[str, Field(pattern=r"\.json$")]
Reference = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]


class ClassesTable(Table):
    """What every model has: its classes, and how many draws it is asked about at once."""

    num_classes: Annotated[int, Field(ge=2, strict=True)] | None = None
    class_names: tuple[str, ...] | None = None
    batch_size: Positive | None = None
    unrepeatable: Literal["refuse", "warn", "ignore"] = "refuse"

    @model_validator(mode="after")
    def _classes(self) -> Self:
        names = self.class_names
        if names is not None and len(set(names)) != len(names):
            raise ValueError("class_names must differ from each other")
        if names is not None and self.num_classes not in (None, len(names)):
            raise ValueError(f"num_classes = {self.num_classes}, but class_names has {len(names)} entries")
        if names is not None and len(names) < 2:
            raise ValueError("class_names needs two classes or more")
        return self


class ModelTable(ClassesTable):
    """A base classifier that a function of the user's returns."""

    # Left out of what is written: run folders that are older than the key stay what they were.
    kind: Annotated[Literal["loader"], Field(exclude=True)] = "loader"
    loader: Reference
    arguments: dict[str, Any] = Field(default_factory=dict)
    files: tuple[str, ...] = ()
    receives: Literal["channels", "text"] = "channels"


class PngEncoder(Table):
    """An image as base64 text of a PNG file."""

    encode: Literal["png"]
    low: float = 0.0
    high: float = 1.0
    layout: Literal["HW", "CHW", "HWC"] | None = None


class HttpModel(ClassesTable):
    """A deployed filter behind a JSON endpoint; see `ironbound.models.http.HttpClassifier`."""

    kind: Literal["http"]
    url: str
    template: dict[str, Any] | list[Any] | str
    answer: str
    labels: dict[str, Annotated[int, Field(ge=-1, strict=True)]] | None = None
    cut: float | None = None
    encoders: dict[str, Literal["numbers", "text", "png"] | PngEncoder] = Field(default_factory=dict)
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    headers: dict[str, str] = Field(default_factory=dict)
    revision: str | None = None
    draws_per_call: Positive | None = None
    timeout: Seconds = 10.0
    retries: Annotated[int, Field(ge=0, strict=True)] = 4
    backoff: Seconds = 0.5
    longest_pause: Seconds = 30.0
    rate: Annotated[float, Field(ge=0.001, le=1e6, strict=True)] | None = None
    burst: Positive = 1
    concurrency: Annotated[int, Field(ge=1, le=256, strict=True)] = 4
    give_up_after: Positive = 50

    @model_validator(mode="after")
    def _no_secrets(self) -> HttpModel:
        check_no_secrets(self.url, self.headers, self.template)
        return self


def _kind_of_model(value: Any) -> str:
    """Which table `[model]` is: a loader's unless it says otherwise."""
    return str(value.get("kind", "loader") if isinstance(value, dict) else getattr(value, "kind", "loader"))


AnyModel = Annotated[
    Annotated[ModelTable, Tag("loader")] | Annotated[HttpModel, Tag("http")], Discriminator(_kind_of_model)
]


class TableData(Table):
    """Rows of a CSV or Parquet file; channels `numeric` (standardised) and `categorical`."""

    kind: Literal["table"]
    path: str
    reference: str | None = None
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    label: str | None = None
    id: str | None = None


class NpzData(Table):
    """Arrays of an NPZ file, one example per entry of the first axis; channel name -> array name."""

    kind: Literal["npz"]
    path: str
    arrays: dict[str, str] = Field(min_length=1)
    label: str | None = None
    id: str | None = None


class ImageData(Table):
    """Image files in a folder; with `labels = "folders"` the sub-folder is the class name."""

    kind: Literal["images"]
    path: str
    channel: str = "image"
    mode: Literal["RGB", "L"] = "RGB"
    layout: Literal["CHW", "HWC"] = "CHW"
    size: tuple[Positive, Positive] | None = None
    labels: Literal["folders"] | None = None


class TextData(Table):
    """One JSON object a line, with a text that the tokenizer turns into ids."""

    kind: Literal["jsonl"]
    path: str
    channel: str = "tokens"
    text: str = "text"
    label: str | None = None
    id: str | None = None
    tokenizer: Reference | TokenizerFile | None = None
    vocabulary: str | None = None

    @model_validator(mode="after")
    def _one_tokenizer(self) -> TextData:
        if (self.tokenizer is None) == (self.vocabulary is None):
            raise ValueError(
                "give either tokenizer (package.module:function, or a tokenizer.json) or vocabulary (a file, "
                "one word a line)"
            )
        return self


class Statistics(Table):
    """How many draws, at which error probability, and what decides; see docs/configuration.md."""

    alpha: Probability = 0.01
    n: Positive = 10_000
    n0: Positive = 100
    stop: Literal["fixed", "target", "precision"] = "fixed"
    target: Amounts | Annotated[tuple[Amounts, ...], Field(min_length=1)] | None = None
    precision: Probability | None = None
    shared_noise: bool = False
    seed: Annotated[int, Field(ge=0, strict=True)] = 0
    threshold: Probability | None = None
    positive: Annotated[int, Field(ge=0, strict=True)] = 1
    rivals: Literal["bonferroni", "complement"] | None = None

    @model_validator(mode="after")
    def _stop_has_what_it_needs(self) -> Statistics:
        if (self.stop == "target") != (self.target is not None):
            raise ValueError('stop = "target" and the table target belong together')
        if self.precision is not None and self.stop != "precision":
            raise ValueError('precision belongs to stop = "precision"')
        return self


class ReportTable(Table):
    """The grid of radii in tables; without it one is chosen from the results."""

    radii: tuple[Annotated[float, Field(ge=0, strict=True)], ...] | None = None


class Recorded(BaseModel):
    """What a run wrote beside its configuration; read back, never acted upon."""

    model_config = ConfigDict(extra="allow", frozen=True)


class RunConfig(Table):
    """One configuration file.

    Example:
        >>> parse({"task": "digits", "statistics": {"n": 2000}}).task
        'digits'
    """

    name: Annotated[str, Field(pattern=r"^[\w][\w .+-]*$")] | None = None
    description: str = ""
    task: str | None = None
    folder: str = "."
    limit: Positive | None = None
    model: AnyModel | None = None
    data: Annotated[TableData | NpzData | ImageData | TextData, Field(discriminator="kind")] | None = None
    channels: dict[
        str,
        Annotated[NoiseTable, Field(discriminator="noise")],
    ] = Field(default_factory=dict)
    threat: dict[str, Annotated[ThreatTable, Field(discriminator="kind")]] = Field(default_factory=dict)
    statistics: Statistics = Statistics()
    filter: dict[str, Any] = Field(default_factory=dict)
    denoise: DenoiseTable | None = None
    report: ReportTable = ReportTable()
    recorded: Recorded | None = None

    @model_validator(mode="after")
    def _task_or_own(self) -> RunConfig:
        own = {"model": self.model, "data": self.data, "channels": self.channels, "threat": self.threat}
        if self.task is not None:
            given = [key for key, value in {**own, "denoise": self.denoise}.items() if value]
            if given:
                raise ValueError(f"a task brings its own [{given[0]}]; remove task or [{given[0]}]")
            return self
        missing = [key for key, value in own.items() if not value]
        if missing:
            tables = ", ".join(f"[{key}]" for key in missing)
            raise ValueError(f'give task = "NAME", or describe your own problem: missing {tables}')
        for channel in self.threat:
            if channel not in self.channels:
                known = ", ".join(self.channels)
                raise ValueError(f"threat.{channel}: no such channel; [channels] has {known}")
        return self


def parse(document: Mapping[str, Any], source: str = "config") -> RunConfig:
    """Check a parsed TOML document.

    Raises:
        ConfigError: one line per problem, each with its TOML path and, for a name, the nearest valid one.
    """
    try:
        return RunConfig.model_validate(dict(document))
    except ValidationError as error:
        raise ConfigError(explain(error, RunConfig, source)) from None


def read(path: Path) -> RunConfig:
    """Read and check a configuration file.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or asks for something that cannot be done.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    return parse(document, str(path))
