"""The word tokenizer."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ironbound.errors import ConfigError, InputError
from ironbound.runs.text import Tokenizer, WordTokenizer

WORDS = ["good", "bad", "film", "été"]


@given(st.lists(st.sampled_from(WORDS), min_size=1))
def test_known_words_survive_the_round_trip(words: list[str]) -> None:
    tokenizer = WordTokenizer(WORDS)
    assert tokenizer.decode(tokenizer.encode(" ".join(words))) == " ".join(words)


@given(st.text())
def test_every_text_has_ids_inside_the_vocabulary(text: str) -> None:
    tokenizer = WordTokenizer(WORDS)
    ids = tokenizer.encode(text)
    assert len(ids) == len(text.lower().split())
    assert all(0 <= i < tokenizer.vocabulary_size for i in ids)


def test_it_is_a_tokenizer() -> None:
    assert isinstance(WordTokenizer(WORDS), Tokenizer)
    assert not isinstance(object(), Tokenizer)


@pytest.mark.parametrize("words", [[], ["a", "a"], ["Upper"], ["two words"], [" "], ["<unk>"]])
def test_a_bad_vocabulary_is_refused(words: list[str]) -> None:
    with pytest.raises(InputError):
        WordTokenizer(words)


def test_a_vocabulary_file_is_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_text("good\n\nbad\n", encoding="utf-8")
    assert WordTokenizer.from_file(path).encode("bad good") == [2, 1]


def test_an_unreadable_vocabulary_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.txt"):
        WordTokenizer.from_file(tmp_path / "missing.txt")
    empty = tmp_path / "empty.txt"
    empty.write_text("")
    with pytest.raises(ConfigError, match=r"empty\.txt.*one word or more"):
        WordTokenizer.from_file(empty)
