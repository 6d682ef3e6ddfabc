"""Noised tokens as text that cannot pretend to be part of the template.

Ids become text with the tokenizer, special tokens left out. Ordinary tokens can still spell the name of a
special one ("<image>"), which a processor would read as that token; such names are removed. All of this comes
after the noise and is part of the base classifier.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ironbound.errors import InputTypeError


def decoder(tokenizer: Any) -> Any:
    """An object with `decode(ids)`, from one or from a tokenizer of `transformers` or `tokenizers`.

    Raises:
        InputTypeError: it has no `decode`.
    """
    if hasattr(tokenizer, "backend_tokenizer") or hasattr(tokenizer, "get_added_tokens_decoder"):
        from ironbound.models.tokens import HuggingFaceTokenizer

        return HuggingFaceTokenizer(tokenizer)
    if not hasattr(tokenizer, "decode"):
        raise InputTypeError(f"tokenizer must have decode(ids); got {type(tokenizer).__name__}")
    return tokenizer


def decoded(rows: Any, tokenizer: Any) -> list[str]:
    """The texts of a batch of ids, (B, L) or ragged; texts stay as they are."""
    listed = rows.tolist() if hasattr(rows, "tolist") else rows
    return [row if isinstance(row, str) else tokenizer.decode(row) for row in listed]


def special_names(tokenizer: Any) -> tuple[str, ...]:
    """What the special tokens of a `transformers` tokenizer are called, longest first."""
    added = getattr(tokenizer, "added_tokens_decoder", {}).values()
    names = {str(token) for token in getattr(tokenizer, "all_special_tokens", ())}
    names |= {str(token) for token in added if getattr(token, "special", False)}
    return tuple(sorted((name for name in names if name), key=lambda name: (-len(name), name)))


def without(names: Sequence[str], texts: Iterable[str]) -> list[str]:
    """The texts without any of the names, also those that appear when another is taken out.

    Example:
        >>> without(["<image>"], ["a <ima<image>ge> b"])
        ['a  b']
    """
    if not names:
        return list(texts)
    pattern = re.compile("|".join(map(re.escape, names)))
    found: list[str] = []
    for text in texts:
        while (shorter := pattern.sub("", text)) != text:
            text = shorter
        found.append(text)
    return found
