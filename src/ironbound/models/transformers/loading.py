"""Models from local folders: safetensors only, nothing from the network, no code from the folder.

For `config.toml`: `loader = "ironbound.models.transformers:load_guard"`, with the arguments of the function
below under `[model.arguments]`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ironbound.errors import InputError
from ironbound.models.transformers.classifiers import (
    TransformersImageClassifier,
    TransformersTextClassifier,
)
from ironbound.models.transformers.guard import LABELS, TransformersGuard
from ironbound.models.transformers.images import PixelRange


def load_guard(
    path: str,
    *,
    labels: Mapping[str, Sequence[str]] = LABELS,
    image: str | None = "image",
    low: float = 0.0,
    high: float = 1.0,
    layout: Any = "CHW",
    device: str | None = None,
    dtype: str = "auto",
    **settings: Any,
) -> TransformersGuard:
    """A guard from a folder with model, processor and chat template; see `TransformersGuard`.

    Args:
        path: folder, absolute or relative to where the command was started.
        labels, image: as for `TransformersGuard`; image="" (TOML has no null) is a chat model of text.
        low, high, layout: the user's units and layout, as for `PixelRange`.
        device: such as "cuda"; the CPU if left out.
        dtype: "auto" for that of the weights, or "bfloat16", "float16", "float32".
        settings: further arguments of `TransformersGuard`: decide, prompt, system, prefix, text, ...
    Raises:
        InputError: no such folder, not loadable, or `transformers` is not installed.
    """
    library = _library()
    kind = library.AutoModelForImageTextToText if image else library.AutoModelForCausalLM
    reader = library.AutoProcessor if image else library.AutoTokenizer
    return TransformersGuard(
        _model(kind, path, device, dtype),
        _part(reader, path),
        labels=labels,
        image=image or None,
        pixels=PixelRange(low, high, layout),
        **settings,
    )


def load_text_classifier(
    path: str, *, device: str | None = None, dtype: str = "auto", **settings: Any
) -> TransformersTextClassifier:
    """A text classifier from a folder; arguments as for `load_guard` and `TransformersTextClassifier`."""
    library = _library()
    model = _model(library.AutoModelForSequenceClassification, path, device, dtype)
    return TransformersTextClassifier(model, _part(library.AutoTokenizer, path), **settings)


def load_image_classifier(
    path: str,
    *,
    image: str = "image",
    low: float = 0.0,
    high: float = 1.0,
    layout: Any = "CHW",
    device: str | None = None,
    dtype: str = "auto",
) -> TransformersImageClassifier:
    """An image classifier from a folder; arguments as for `load_guard`."""
    library = _library()
    model = _model(library.AutoModelForImageClassification, path, device, dtype)
    processor = _part(library.AutoImageProcessor, path)
    return TransformersImageClassifier(model, processor, image=image, pixels=PixelRange(low, high, layout))


def _library() -> Any:
    try:
        import transformers
    except ImportError:
        raise InputError("models of Hugging Face need transformers: pip install 'ironbound[hf]'") from None
    return transformers


def _model(kind: Any, path: str, device: str | None, dtype: str) -> Any:
    if dtype not in ("auto", "bfloat16", "float16", "float32"):
        raise InputError(f'dtype must be "auto", "bfloat16", "float16" or "float32"; got {dtype!r}')
    model = _part(kind, path, use_safetensors=True, dtype=dtype)
    return model if device is None else model.to(device)


def _part(kind: Any, path: str, **settings: Any) -> Any:
    folder = Path(path)
    if not folder.is_dir():  # a name that is no folder would be looked up on the network
        raise InputError(f"path must be a local folder with the model's files; got {str(path)!r}")
    try:
        return kind.from_pretrained(
            str(folder.resolve()), local_files_only=True, trust_remote_code=False, **settings
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise InputError(f"{folder}: cannot be loaded: {' '.join(str(error).split())[:300]}") from None
