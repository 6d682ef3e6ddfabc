"""Adapters to what users have: callables, torch modules, scikit-learn pipelines, JSON endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ironbound.models.base import BaseClassifier, as_base
from ironbound.models.sklearn import TabularClassifier
from ironbound.models.tables import TableSchema

if TYPE_CHECKING:
    from ironbound.models.http import HttpClassifier as HttpClassifier
    from ironbound.models.tokens import DecodedText as DecodedText
    from ironbound.models.tokens import HuggingFaceTokenizer as HuggingFaceTokenizer
    from ironbound.models.torch import TorchClassifier as TorchClassifier
    from ironbound.models.transformers import TransformersGuard as TransformersGuard
    from ironbound.models.transformers import TransformersImageClassifier as TransformersImageClassifier
    from ironbound.models.transformers import TransformersTextClassifier as TransformersTextClassifier

__all__ = [
    "BaseClassifier",
    "DecodedText",
    "HttpClassifier",
    "HuggingFaceTokenizer",
    "TableSchema",
    "TabularClassifier",
    "TorchClassifier",
    "TransformersGuard",
    "TransformersImageClassifier",
    "TransformersTextClassifier",
    "as_base",
]


def __getattr__(name: str) -> Any:
    if name == "TorchClassifier":  # torch is loaded only by those who use it
        from ironbound.models.torch import TorchClassifier

        return TorchClassifier
    if name == "HttpClassifier":
        from ironbound.models.http import HttpClassifier

        return HttpClassifier
    if name in ("DecodedText", "HuggingFaceTokenizer"):
        from ironbound.models import tokens

        return getattr(tokens, name)
    if name.startswith("Transformers") and name in __all__:
        from ironbound.models import transformers

        return getattr(transformers, name)
    raise AttributeError(f"module 'ironbound.models' has no attribute {name!r}")
