"""The tokens that an answer's words may begin with: upper and lower case, with a space before or without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ironbound.errors import InputError, InputTypeError


def forms(word: str) -> tuple[str, ...]:
    """The ways in which a model may write a word.

    Example:
        >>> forms("Safe")
        ('Safe', 'safe', 'SAFE', ' Safe', ' safe', ' SAFE')
    """
    cases = dict.fromkeys((word, word.lower(), word.capitalize(), word.upper()))
    return tuple(f"{space}{case}" for space in ("", " ") for case in cases)


def first_tokens(tokenizer: Any, labels: Mapping[str, Sequence[str]]) -> tuple[tuple[int, ...], ...]:
    """For each label the ids of the tokens with which its words may begin, sorted.

    A form of several tokens counts with its first one, unless that is a single letter, which begins too many
    other words; such a form is used only where a label has nothing better. A token that could begin the words
    of two labels decides nothing and is left out of both.

    Args:
        tokenizer: of `transformers`.
        labels: label -> its words, in the order of the classes.
    Raises:
        InputError: fewer than two labels, a label without words, or without a token of its own.
    """
    check_labels(labels)
    special: set[int] = set(getattr(tokenizer, "all_special_ids", ()))
    found = {label: _of_label(tokenizer, words, special) for label, words in labels.items()}
    own: list[tuple[int, ...]] = []
    for label, tokens in found.items():
        others = {token for other, theirs in found.items() if other != label for token in theirs}
        if not tokens - others:
            shown = sorted(tokenizer.convert_ids_to_tokens(sorted(tokens)))
            raise InputError(
                f"the words of {label!r} begin with no token of their own (theirs: {shown}); name words that "
                'this tokenizer begins differently, or use decide="generate"'
            )
        own.append(tuple(sorted(tokens - others)))
    return tuple(own)


def check_labels(labels: Mapping[str, Sequence[str]]) -> None:
    """Raises InputError or InputTypeError, naming what is wrong with the words of the labels."""
    if not isinstance(labels, Mapping) or len(labels) < 2:
        raise InputTypeError(
            'labels must map two labels or more to their words, such as {"safe": ["Safe"], ..}; '
            f"got {labels!r}"
        )
    for label, words in labels.items():
        if isinstance(words, str) or not words or not all(isinstance(w, str) and w.strip() for w in words):
            raise InputError(f"labels[{label!r}] must be a list of words; got {words!r}")


def _of_label(tokenizer: Any, words: Sequence[str], special: set[int]) -> set[int]:
    good: set[int] = set()
    poor: set[int] = set()
    for word in words:
        for form in forms(word):
            token = _first(tokenizer, form, special)
            if token is not None:
                shown = tokenizer.decode([token]).strip()
                (good if len(shown) > 1 or shown == form.strip() else poor).add(token)
    return good or poor


def _first(tokenizer: Any, text: str, special: set[int]) -> int | None:
    """The first token of a text that shows anything, None if it is a special one (such as "unknown")."""
    for token in tokenizer.encode(text, add_special_tokens=False):
        if token in special:
            return None
        if tokenizer.decode([token]).strip():
            return int(token)
    return None
