"""What a tokenizer must offer, and a small one that splits at white space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from ironbound.errors import ConfigError, InputError


@runtime_checkable
class Tokenizer(Protocol):
    """A tokenizer of the user: text to ids 0..vocabulary_size - 1 and back."""

    @property
    def vocabulary_size(self) -> int:
        """Number of ids."""
        ...

    def encode(self, text: str) -> Sequence[int]:
        """The ids of a text."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """A text that these ids stand for."""
        ...


class WordTokenizer:
    """Words of a fixed vocabulary, lower-cased and split at white space; id 0 is every other word.

    Because unknown words share one id of the alphabet, a claim about replaced tokens covers an attacker who
    writes any word at all in place of another; adding, removing or splitting words is another threat.

    Args:
        words: the vocabulary without the unknown word, in the order of the ids 1, 2, ...
    Raises:
        InputError: no words, a repeated one, or one with white space or upper case in it.

    Example:
        >>> tokenizer = WordTokenizer(["good", "bad"])
        >>> tokenizer.encode("Good  film")
        [1, 0]
        >>> tokenizer.decode([1, 0])
        'good <unk>'
    """

    UNKNOWN = "<unk>"

    def __init__(self, words: Sequence[str]) -> None:
        if not words:
            raise InputError("the vocabulary must hold one word or more; it is empty")
        for word in words:
            if word.split() != [word] or word.lower() != word:
                raise InputError(f"a vocabulary word must be lower-case, without white space; got {word!r}")
        self._words = (self.UNKNOWN, *words)
        self._ids = {word: i for i, word in enumerate(self._words)}
        if len(self._ids) != len(self._words):
            twice = next(word for i, word in enumerate(self._words) if self._ids[word] != i)
            raise InputError(f"vocabulary words must differ; {twice!r} comes twice")

    @property
    def vocabulary_size(self) -> int:
        """Number of ids: the words and the unknown word."""
        return len(self._words)

    def encode(self, text: str) -> list[int]:
        """One id for each word of the text."""
        return [self._ids.get(word, 0) for word in text.lower().split()]

    def decode(self, ids: Sequence[int]) -> str:
        """The words, one space between them."""
        return " ".join(self._words[int(i)] for i in ids)

    @classmethod
    def from_file(cls, path: Path) -> WordTokenizer:
        """Read a vocabulary file: UTF-8, one word a line; empty lines are skipped.

        Raises:
            ConfigError: the file cannot be read or is no vocabulary.
        """
        try:
            words = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
            return cls([word for word in words if word])
        except (OSError, UnicodeDecodeError, InputError) as error:
            raise ConfigError(f"vocabulary {path}: {error}") from None
