"""Read the user's data: CSV and Parquet tables, NPZ arrays, image folders, JSONL texts.

Every reader returns the same thing, a tuple of `Example`, and refuses what cannot be certified with the
file, the row and the column in the message.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ironbound.data.problem import Example
from ironbound.errors import ConfigError, InputError
from ironbound.runs.config import ImageData, NpzData, TableData, TextData
from ironbound.runs.problems import nearest
from ironbound.runs.text import Tokenizer

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Classes:
    """How many classes there are, and what they are called, if they have names."""

    count: int
    names: tuple[str, ...] | None = None


IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


def read_frame(path: Path) -> pd.DataFrame:
    """A CSV or Parquet file as a DataFrame.

    Raises:
        ConfigError: pandas is not installed, the suffix is unknown, or the file cannot be read.
    """
    try:
        import pandas as pd
    except ImportError:
        raise ConfigError("tables need pandas: pip install 'ironbound[tables]'") from None
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".csv": _read_csv,
        ".parquet": pd.read_parquet,
        ".pq": pd.read_parquet,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(f"{path}: a table ends in .csv or .parquet")
    try:
        frame = reader(path)
    except ImportError:
        raise ConfigError("Parquet files need pyarrow: pip install 'ironbound[tables]'") from None
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {_one_line(error)}") from None
    if frame.empty:
        raise ConfigError(f"{path}: the table has no rows")
    return frame


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    # "None" and "NA" are categories like any other; only an empty cell and nan are missing.
    return pd.read_csv(path, skipinitialspace=True, keep_default_na=False, na_values=["", "nan", "NaN"])


def check_columns(frame: pd.DataFrame, columns: Sequence[str], path: Path, key: str) -> None:
    """Refuse columns that the table lacks, naming the nearest one it has."""
    for column in columns:
        if column not in frame.columns:
            hint = nearest(column, [str(c) for c in frame.columns])
            raise ConfigError(f"{key}: {path.name} has no column {column!r}; {hint}")


def table_examples(
    frame: pd.DataFrame,
    table: TableData,
    path: Path,
    encode: Callable[[Any], Mapping[str, np.ndarray]],
    classes: Classes,
) -> tuple[Example, ...]:
    """Rows of a table, encoded by the schema into `numeric` and `categorical` arrays."""
    check_columns(frame, [c for c in (table.label, table.id) if c], path, "data")
    try:
        channels = encode(frame[[*table.numeric, *table.categorical]])
    except InputError as error:
        # Rows are counted from 0, below the header.
        raise InputError(f"{path.name}: {error}") from None
    labels = None if table.label is None else frame[table.label].tolist()
    ids = None if table.id is None else frame[table.id].tolist()
    inputs = [{name: array[i] for name, array in channels.items()} for i in range(len(frame))]
    return _examples(inputs, labels, ids, classes, path)


def npz_examples(table: NpzData, path: Path, classes: Classes) -> tuple[Example, ...]:
    """Arrays of an NPZ file, split along the first axis. Pickled objects are refused."""
    try:
        with path.open("rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ConfigError(f"{path}: is a single array; save it with numpy.savez")
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise ConfigError(f"{path}: cannot be read as NPZ: {_one_line(error)}") from None

    def array(name: str, key: str) -> np.ndarray:
        if name not in arrays:
            raise ConfigError(f"{key}: {path.name} has no array {name!r}; {nearest(name, arrays)}")
        if arrays[name].ndim == 0:
            raise ConfigError(f"{key}: array {name!r} of {path.name} must have one entry for each example")
        return arrays[name]

    channels = {channel: array(name, f"data.arrays.{channel}") for channel, name in table.arrays.items()}
    labels = None if table.label is None else array(table.label, "data.label").tolist()
    ids = None if table.id is None else array(table.id, "data.id").tolist()
    lengths = {name: len(values) for name, values in channels.items()}
    lengths |= {} if labels is None else {"label": len(labels)}
    lengths |= {} if ids is None else {"id": len(ids)}
    if len(set(lengths.values())) != 1:
        raise ConfigError(f"{path.name}: arrays must have one entry for each example; lengths are {lengths}")
    count = next(iter(lengths.values()))
    if count == 0:
        raise ConfigError(f"{path.name}: the arrays are empty")
    for name, values in channels.items():
        if values.dtype.kind not in "biuf":
            raise ConfigError(f"data.arrays.{name}: must be numeric; got dtype {values.dtype}")
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            row = int(np.argwhere(~np.isfinite(values))[0][0])
            raise InputError(f"{path.name}: {name} of example {row} holds NaN or infinity")
    inputs = [{name: values[i] for name, values in channels.items()} for i in range(count)]
    return _examples(inputs, labels, ids, classes, path)


def image_files(folder: Path) -> list[Path]:
    """The image files of a folder and its sub-folders, one of each sub-folder in turn.

    So the first inputs of a run are of all classes.

    Raises:
        ConfigError: no such folder, or no images in it.
    """
    if not folder.is_dir():
        raise ConfigError(f"data.path: {folder} is not a folder")
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
    if not found:
        raise ConfigError(f"data.path: {folder} holds no image ({', '.join(IMAGE_SUFFIXES)})")
    seen: Counter[Path] = Counter()
    turns: list[tuple[int, Path]] = []
    for file in found:
        turns.append((seen[file.parent], file))
        seen[file.parent] += 1
    return [file for _, file in sorted(turns)]


def image_examples(table: ImageData, path: Path, classes: Classes) -> tuple[Example, ...]:
    """Images as float32 arrays in [0, 1], (C, H, W) or (H, W, C); ids are the paths inside the folder."""
    from PIL import Image, UnidentifiedImageError

    files = image_files(path)
    inputs: list[dict[str, np.ndarray]] = []
    for file in files:
        try:
            with Image.open(file) as image:
                ready = image.convert(table.mode)
                if table.size is not None:
                    ready = ready.resize((table.size[1], table.size[0]))
                pixels = np.asarray(ready, dtype=np.float32) / np.float32(255)
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise InputError(f"{file}: cannot be read as an image: {_one_line(error)}") from None
        pixels = pixels[..., None] if pixels.ndim == 2 else pixels
        inputs.append({table.channel: pixels.transpose(2, 0, 1) if table.layout == "CHW" else pixels})
    shapes = {values[table.channel].shape for values in inputs}
    if len(shapes) > 1:
        raise InputError(f"data.size: images have different sizes ({sorted(shapes)[:3]}); give size = [H, W]")
    ids = [file.relative_to(path).as_posix() for file in files]
    labels: list[Any] | None = None
    if table.labels == "folders":
        labels = [file.relative_to(path).parts[0] for file in files]
    return _examples(inputs, labels, ids, classes, path)


def text_examples(
    table: TextData,
    path: Path,
    tokenizer: Tokenizer,
    classes: Classes,
) -> tuple[Example, ...]:
    """Texts of a JSONL file as int64 token ids, each of its own length."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {_one_line(error)}") from None
    inputs: list[dict[str, np.ndarray]] = []
    labels: list[Any] | None = None if table.label is None else []
    ids: list[Any] | None = None if table.id is None else []
    texts: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        at = f"{path.name}, line {number}"
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{at}: not JSON: {error}") from None
        if not isinstance(record, dict):
            raise InputError(f"{at}: must be a JSON object; got {type(record).__name__}")
        for key in filter(None, (table.text, table.label, table.id)):
            if key not in record:
                raise InputError(f"{at}: has no key {key!r}; {nearest(key, record)}")
        text = record[table.text]
        if not isinstance(text, str):
            raise InputError(f"{at}: {table.text} must be a text; got {type(text).__name__}")
        try:
            tokens = np.asarray(tokenizer.encode(text), dtype=np.int64)
        except Exception as error:  # the user's own code
            raise InputError(f"{at}: the tokenizer failed: {_one_line(error)}") from error
        if tokens.ndim != 1 or tokens.size == 0:
            raise InputError(f"{at}: the text is empty ({text[:40]!r} has no tokens)")
        inputs.append({table.channel: tokens})
        texts.append(text)
        if labels is not None:
            labels.append(record[table.label])
        if ids is not None:
            ids.append(record[table.id])
    if not inputs:
        raise ConfigError(f"{path}: holds no text")
    return _examples(inputs, labels, ids, classes, path, texts)


def _examples(
    inputs: Sequence[dict[str, np.ndarray]],
    labels: Sequence[Any] | None,
    ids: Sequence[Any] | None,
    classes: Classes,
    path: Path,
    texts: Sequence[str] | None = None,
) -> tuple[Example, ...]:
    names = [str(i) for i in range(len(inputs))] if ids is None else [str(value) for value in ids]
    if len(set(names)) != len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise InputError(f"{path.name}: input ids must differ; {twice!r} comes twice")
    truths = [
        None if labels is None else _label(labels[i], classes, f"{path.name}, {names[i]}")
        for i in range(len(inputs))
    ]
    return tuple(
        Example(id=name, inputs=values, label=label, text=text)
        for name, values, label, text in zip(names, inputs, truths, texts or [""] * len(names), strict=True)
    )


def _label(value: Any, classes: Classes, at: str) -> int | None:
    """A class index from an index or a class name; `None` for an empty cell."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    name = str(int(value)) if whole and not isinstance(value, bool) else str(value)
    if classes.names is not None and name in classes.names:
        return classes.names.index(name)
    if isinstance(value, str):
        raise InputError(f"{at}: label {value!r} is no class name; {nearest(value, classes.names or ())}")
    if whole and 0 <= value < classes.count:
        return int(value)
    raise InputError(
        f"{at}: label must be a class index in 0..{classes.count - 1} or a class name; got {value!r}"
    )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
