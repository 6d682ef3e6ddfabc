"""Hugging Face tokenizers: text to ids and back, and the sets of tokens that noise may write.

Text goes ids -> noise -> ids -> decode -> model. All that follows the noise belongs to the base classifier
and needs no proof. Budgets count tokens of the clean text's ids: an attacker who edits characters may change
how a text is cut, and then more tokens than letters have changed.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ironbound.channels import Alphabet
from ironbound.errors import InputError, InputTypeError, wrong_value

Allowed = Literal["all", "plain", "round_trip"]

# Control characters that belong to ordinary text.
_LAYOUT = "\t\n\r"
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn")


class HuggingFaceTokenizer:
    """A tokenizer of the `tokenizers` library, or a fast one of `transformers`, as ids that noise can go on.

    No special tokens are added when a text is read (a classifier's template belongs behind the noise), and
    special tokens are left out when ids become text again.

    Args:
        tokenizer: a `tokenizers.Tokenizer`, or a `transformers` tokenizer that has one inside.
        name: what certificates call it; "tokenizer" and the first digits of its digest by default.
    Raises:
        InputTypeError: it is neither of the two.

    Example:
        >>> from tokenizers import Tokenizer, models, pre_tokenizers
        >>> words = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1, "b": 2}, unk_token="[UNK]"))
        >>> words.pre_tokenizer = pre_tokenizers.Whitespace()
        >>> tokenizer = HuggingFaceTokenizer(words)
        >>> tokenizer.encode("b a"), tokenizer.decode([2, 1]), tokenizer.allowed("plain").ids
        ([2, 1], 'b a', (1, 2))
    """

    def __init__(self, tokenizer: Any, name: str | None = None) -> None:
        inner = getattr(tokenizer, "backend_tokenizer", tokenizer)
        if not all(hasattr(inner, part) for part in ("to_str", "get_vocab", "get_added_tokens_decoder")):
            raise InputTypeError(
                "tokenizer must be a tokenizers.Tokenizer or a fast tokenizer of transformers; "
                f"got {type(tokenizer).__name__}"
            )
        self._inner = inner
        self._listed = {int(i) for i in getattr(tokenizer, "all_special_ids", ())}
        self.digest = hashlib.sha256(inner.to_str().encode()).hexdigest()
        self.name = f"tokenizer {self.digest[:8]}" if name is None else name

    @classmethod
    def from_file(cls, path: str | Path) -> HuggingFaceTokenizer:
        """Read a tokenizer.json.

        Raises:
            InputError: `tokenizers` is not installed, or the file cannot be read as one.
        """
        try:
            from tokenizers import Tokenizer
        except ImportError:
            raise InputError(
                "a tokenizer.json needs the tokenizers library: pip install 'ironbound[hf]'"
            ) from None
        path = Path(path)
        try:
            inner = Tokenizer.from_str(path.read_text(encoding="utf-8"))
        except Exception as error:  # the library raises a bare Exception for a file that is no tokenizer
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{path}: cannot be read as a tokenizer.json: {reason}") from None
        digest = hashlib.sha256(inner.to_str().encode()).hexdigest()
        return cls(inner, f"{path.name} {digest[:8]}")

    @property
    def vocabulary_size(self) -> int:
        """One more than the largest id, added tokens included."""
        return max(self._inner.get_vocab(with_added_tokens=True).values()) + 1

    @property
    def special_ids(self) -> frozenset[int]:
        """Ids of special tokens (beginning, end, pad, ...) and of the token for what is unknown."""
        added = self._inner.get_added_tokens_decoder()
        unknown = getattr(self._inner.model, "unk_token", None)
        found = {int(i) for i, token in added.items() if token.special} | self._listed
        if isinstance(unknown, str) and self._inner.token_to_id(unknown) is not None:
            found.add(int(self._inner.token_to_id(unknown)))
        return frozenset(found)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without any template around it."""
        return list(self._inner.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int], *, special: bool = False) -> str:
        """The text of some ids; special tokens show only with `special`."""
        return self._inner.decode([int(i) for i in ids], skip_special_tokens=not special)

    def allowed(self, which: Allowed = "plain") -> Alphabet:
        """A named set of tokens that noise may write.

        Args:
            which: "all" the whole vocabulary; "plain" without special tokens and without those whose text is
                empty or holds a control character (tab and line breaks are ordinary text); "round_trip" of
                these only tokens that decoding and encoding gives back, which leaves out pieces of
                characters and of words that cannot stand alone.
        Returns:
            The set; its name repeats the tokenizer's and `which`. An attacker who may write other tokens
            needs the threat's alphabet="open".
        Raises:
            InputError: fewer than two tokens are left, or `which` is none of the three.
        """
        if which not in ("all", "plain", "round_trip"):
            raise wrong_value("which", which, '"all", "plain" or "round_trip"')
        ids = sorted(int(i) for i in self._inner.get_vocab(with_added_tokens=True).values())
        if which != "all":
            special = self.special_ids
            ids = [i for i in ids if i not in special and self._is_text(i)]
        if which == "round_trip":
            ids = [i for i in ids if self.encode(self.decode([i], special=True)) == [i]]
        if len(ids) < 2:
            raise InputError(f"the {which} tokens of {self.name} are {ids}; noise needs two tokens or more")
        return Alphabet(ids, f"{self.name}, {_WORDS[which]}")

    def _is_text(self, token: int) -> bool:
        text = self.decode([token], special=True)
        hidden = any(unicodedata.category(c) in _HIDDEN and c not in _LAYOUT for c in text)
        return bool(text) and not hidden


_WORDS: dict[str, str] = {
    "all": "all tokens",
    "plain": "no special or control tokens",
    "round_trip": "no special or control tokens, only those that survive decoding and encoding",
}


@dataclass(frozen=True)
class DecodedText:
    """A classifier of texts as a base classifier: noised ids become texts, and nothing else is passed on.

    Args:
        tokenizer: anything with `decode(ids)`, such as a `HuggingFaceTokenizer`.
        classify: from a list of texts to labels, class names or scores, one a text.
        channel: the channel that holds the ids.
        others: if True, `classify` gets a dict of all channels, with the texts in place of the ids.

    Example:
        >>> class Letters:
        ...     def decode(self, ids):
        ...         return "".join(chr(97 + i) for i in ids)
        >>> base = DecodedText(Letters(), lambda texts: ["b" in text for text in texts])
        >>> base({"tokens": [[0, 1], [2, 2]]})
        [True, False]
    """

    tokenizer: Any
    classify: Callable[[Any], Any]
    channel: str = "tokens"
    others: bool = False

    def __call__(self, batch: Mapping[str, Any], /) -> Any:
        rows = batch[self.channel]
        ids = rows.tolist() if hasattr(rows, "tolist") else rows
        texts = [self.tokenizer.decode(row) for row in ids]
        return self.classify({**batch, self.channel: texts} if self.others else texts)
