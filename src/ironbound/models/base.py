"""What a base classifier is: any callable from a dict of batched channels to answers."""

from __future__ import annotations

import sys
from typing import Any, Protocol, cast

from ironbound.errors import InputTypeError


class BaseClassifier(Protocol):
    """Called with a dict channel -> batch (first axis B); noise has been added, nothing else was done.

    A channel arrives as a torch tensor if the user's input was one, else as a NumPy array. The answer is one
    of: whole-number labels (B,), with anything outside 0..C-1 (or NaN, or None) meaning "no class"; class
    names (B,); scores (B, C), probabilities and logits alike, of which the largest counts. A row of scores
    with a NaN in it answers "no class". Answers must never be left out: an unparseable one is "no class".
    """

    def __call__(self, batch: dict[str, Any], /) -> Any: ...


def as_base(base: object) -> BaseClassifier:
    """The base classifier itself, or its adapter: a torch module is wrapped.

    Raises:
        InputTypeError: not callable; for scikit-learn estimators the message names their adapter.

    Example:
        >>> as_base(len) is len
        True
    """
    torch = sys.modules.get("torch")  # a module can only exist once torch has been imported
    if torch is not None and isinstance(base, torch.nn.Module):
        from ironbound.models.torch import TorchClassifier

        return TorchClassifier(cast(Any, base))
    if callable(base):
        return cast(BaseClassifier, base)
    hint = ""
    if hasattr(base, "predict"):
        hint = "; wrap a scikit-learn estimator in ironbound.models.TabularClassifier(pipeline, schema)"
    got = type(base).__name__
    raise InputTypeError(
        f"base must be a callable from a dict of batches to labels or scores; got {got}{hint}"
    )
