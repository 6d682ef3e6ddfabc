"""From a checked configuration to a `Problem`: the user's model, data, noise and threat, ready to certify."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ironbound.channels import Smoothing
from ironbound.data.problem import Example, Problem
from ironbound.errors import ConfigError, InputError
from ironbound.runs import endpoint, sources
from ironbound.runs.config import (
    HttpModel,
    ImageData,
    ModelTable,
    NpzData,
    RunConfig,
    TableData,
    TextData,
)
from ironbound.runs.denoising import denoised, with_denoiser
from ironbound.runs.loading import call, digest, source_file
from ironbound.runs.noise import budget, channel
from ironbound.runs.sources import Classes
from ironbound.runs.text import Tokenizer, WordTokenizer
from ironbound.threats import Threat

Data = TableData | NpzData | ImageData | TextData


@dataclass(frozen=True)
class _Read:
    """What reading the data gives: examples, the files they came from, and what only some kinds have."""

    examples: tuple[Example, ...]
    files: tuple[Path, ...]
    schema: Any = None
    tokenizer: Tokenizer | None = None


def build(config: RunConfig, base: Path) -> Problem:
    """Load the model and the data that a configuration names.

    Args:
        config: a configuration that describes the user's own problem (no `task`).
        base: folder of the configuration file; `folder` and all paths are relative to it.
    Raises:
        ConfigError: a file, column, module or function is missing, or user code raised while loading.
        InputError: the data holds something that cannot be certified.
    """
    if config.model is None or config.data is None:
        raise ConfigError("the configuration names a task, so there is nothing of the user's to build")
    folder = base / config.folder
    loaded = None
    if isinstance(config.model, ModelTable):
        loaded = call(config.model.loader, folder, config.model.arguments, "model.loader")
    classes = _classes(config.model, config.data, folder, loaded)
    read = _read(config.data, folder, classes)
    smoothing = Smoothing(
        **{n: channel(n, noise, read.schema, read.tokenizer) for n, noise in config.channels.items()}
    )
    for name in read.examples[0].inputs:
        if name not in smoothing:
            raise ConfigError(f"channels.{name}: the data has this channel; give it a noise")
    for name in smoothing:
        if name not in read.examples[0].inputs:
            given = ", ".join(read.examples[0].inputs)
            raise ConfigError(f"channels.{name}: the data has no such channel; it has {given}")
    statistics = config.statistics
    return Problem(
        name=config.name or folder.resolve().name,
        base=denoised(
            _base(loaded, config.model, read, tuple(config.channels)), config.denoise, smoothing, folder
        ),
        smoothing=smoothing,
        threat=Threat(**{name: budget(threat) for name, threat in config.threat.items()}),
        num_classes=classes.count,
        class_names=classes.names,
        examples=read.examples,
        statistics=statistics.model_dump(exclude={"threshold", "positive", "rivals"}),
        threshold=statistics.threshold,
        positive=statistics.positive,
        rivals=statistics.rivals,
        model_digest=with_denoiser(_model_digest(config.model, folder), config.denoise, folder),
        data_digest=digest(read.files),
        radii=config.report.radii or (),
        description=config.description,
    )


def _classes(model: ModelTable | HttpModel, data: Data, folder: Path, loaded: Any) -> Classes:
    """The classes: as configured, else those of an estimator, else the sub-folders of an image folder."""
    names, count = model.class_names, model.num_classes
    if names is None and isinstance(data, ImageData) and data.labels == "folders":
        root = folder / data.path
        names = tuple(sorted({f.relative_to(root).parts[0] for f in sources.image_files(root)}))
    own = getattr(loaded, "classes_", None)
    if own is not None:
        listed = tuple(str(label) for label in np.asarray(own).tolist())
        numbered = listed == tuple(str(i) for i in range(len(listed)))
        if names is not None and (len(names) != len(listed) or not (numbered or names == listed)):
            raise ConfigError(f"model.class_names: the model's classes are, in this order, {list(listed)}")
        names = names or listed
    if names is not None and count not in (None, len(names)):
        raise ConfigError(f"model.num_classes: is {count}, but there are {len(names)} classes: {list(names)}")
    if names is None and count is None:
        raise ConfigError("model: give num_classes or class_names")
    return Classes(len(names) if names is not None else int(count or 0), names)


def _read(data: Data, folder: Path, classes: Classes) -> _Read:
    path = folder / data.path
    match data:
        case TableData():
            return _read_table(data, folder, classes)
        case NpzData():
            return _Read(sources.npz_examples(data, path, classes), (path,))
        case ImageData():
            examples = sources.image_examples(data, path, classes)
            return _Read(examples, tuple(sources.image_files(path)))
        case TextData():
            tokenizer, files = _tokenizer(data, folder)
            examples = sources.text_examples(data, path, tokenizer, classes)
            return _Read(examples, (path, *files), tokenizer=tokenizer)


def _read_table(data: TableData, folder: Path, classes: Classes) -> _Read:
    from ironbound.models.tables import TableSchema

    if not data.numeric and not data.categorical:
        raise ConfigError("data: name the columns in numeric and categorical; none is given")
    columns = [*data.numeric, *data.categorical]
    repeated = next((c for i, c in enumerate(columns) if c in columns[:i]), None)
    if repeated is not None:
        raise ConfigError(f"data: column {repeated!r} is named twice")
    path = folder / data.path
    reference = path if data.reference is None else folder / data.reference
    frames = [sources.read_frame(p) for p in (path, reference)]
    for key, file, frame in zip(("data.path", "data.reference"), (path, reference), frames, strict=True):
        sources.check_columns(frame, columns, file, key)
    try:
        schema = TableSchema.fit(frames[1][columns], categorical=data.categorical)
    except InputError as error:
        raise InputError(f"{reference.name}: {error}") from None
    examples = sources.table_examples(frames[0], data, path, schema.encode, classes)
    return _Read(examples, (path, reference), schema=schema)


def _tokenizer(data: TextData, folder: Path) -> tuple[Tokenizer, tuple[Path, ...]]:
    if data.vocabulary is not None:
        path = folder / data.vocabulary
        return WordTokenizer.from_file(path), (path,)
    reference = str(data.tokenizer)
    if reference.endswith(".json"):
        from ironbound.models.tokens import HuggingFaceTokenizer

        return HuggingFaceTokenizer.from_file(folder / reference), (folder / reference,)
    tokenizer = call(reference, folder, {}, "data.tokenizer")
    for attribute in ("encode", "decode", "vocabulary_size"):
        if not hasattr(tokenizer, attribute):
            raise ConfigError(
                f"data.tokenizer: {reference} returned {type(tokenizer).__name__} without {attribute}; "
                "it needs encode(text), decode(ids) and vocabulary_size"
            )
    source = source_file(reference, folder)
    return tokenizer, () if source is None else (source,)


def _base(
    loaded: Any, model: ModelTable | HttpModel, read: _Read, channels: tuple[str, ...]
) -> Callable[..., Any]:
    """The endpoint, or the loaded object, as a callable from a dict of batches."""
    if isinstance(model, HttpModel):
        return endpoint.classifier(model, channels, read.tokenizer)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(loaded, torch.nn.Module):
        from ironbound.models.torch import TorchClassifier

        return TorchClassifier(loaded, arguments=_arguments(loaded.forward, channels))
    if hasattr(loaded, "predict"):
        if read.schema is None:
            raise ConfigError(
                f"model.loader: returned {type(loaded).__name__}, an estimator, which needs data.kind = "
                '"table"; return a function from a dict of arrays to labels or scores'
            )
        from ironbound.models.sklearn import TabularClassifier

        return TabularClassifier(loaded, read.schema)
    if not callable(loaded):
        raise ConfigError(
            "model.loader: must return a torch module, a scikit-learn estimator or a function; "
            f"got {type(loaded).__name__}"
        )
    if model.receives == "text":
        if read.tokenizer is None:
            raise ConfigError('model.receives: "text" needs data.kind = "jsonl"')
        return _OnText(loaded, read.tokenizer, channels[0])
    return loaded


def _arguments(forward: Callable[..., Any], channels: tuple[str, ...]) -> Sequence[str] | None:
    """Which channels a module's `forward` takes: those its parameters are named after.

    A module of one channel may call its parameter anything; else a single parameter receives the dict.
    """
    parameters = [
        p.name
        for p in inspect.signature(forward).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    named = [name for name in parameters if name in channels]
    if len(named) == len(channels):
        return named
    if len(channels) == 1:
        return channels
    if len(parameters) == 1:
        return None
    raise ConfigError(
        f"model.loader: forward takes {', '.join(parameters)}; name its parameters after the channels "
        f"({', '.join(channels)}), or let it take one dict"
    )


@dataclass(frozen=True)
class _OnText:
    """A classifier of texts, called on decoded tokens."""

    classify: Callable[[list[str]], Any]
    tokenizer: Tokenizer
    channel: str

    def __call__(self, batch: Mapping[str, np.ndarray]) -> Any:
        return self.classify([self.tokenizer.decode(ids.tolist()) for ids in batch[self.channel]])


def _model_digest(model: ModelTable | HttpModel, folder: Path) -> str:
    """Hash of the loader's source, its arguments, and the files the user lists (weights)."""
    if isinstance(model, HttpModel):
        return endpoint.model_digest(model)
    source = source_file(model.loader, folder)
    files = ([] if source is None else [source]) + [folder / file for file in model.files]
    return digest(files, json.dumps([model.loader, model.arguments], sort_keys=True, default=str))
