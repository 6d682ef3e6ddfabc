"""Tokenizers trained here: ids and back, allowed sets, and certificates that name the set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ironbound as ib
from ironbound.channels import Alphabet
from ironbound.errors import ConfigError, InputError, InputTypeError
from ironbound.models.tokens import DecodedText, HuggingFaceTokenizer
from ironbound.runs.build import build
from ironbound.runs.config import parse

tokenizers = pytest.importorskip("tokenizers", reason="needs the extra hf")

CORPUS = ["the cat sat on the mat", "a dog ate the cat's hat", "naïve café, ümlaut; 12 %"] * 4
SPECIAL = ["<unk>", "<pad>", "<s>", "</s>"]


def bytes_bpe() -> Any:
    """A byte-level tokenizer: every text can be cut, and single bytes of characters are tokens."""
    from tokenizers import decoders, models, pre_tokenizers, processors, trainers

    found = tokenizers.Tokenizer(models.BPE())
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    found.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    found.train_from_iterator(CORPUS, trainer)
    found.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    return found


def pieces() -> Any:
    """A WordPiece tokenizer: pieces such as "##t" cannot stand alone."""
    from tokenizers import decoders, models, pre_tokenizers, trainers

    found = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    found.pre_tokenizer = pre_tokenizers.Whitespace()
    found.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=80, special_tokens=["[UNK]", "[CLS]"], show_progress=False)
    found.train_from_iterator(CORPUS, trainer)
    return found


def test_text_comes_back_and_no_template_is_added() -> None:
    tokenizer = HuggingFaceTokenizer(bytes_bpe())
    ids = tokenizer.encode("the naïve cat")
    assert tokenizer.decode(ids) == "the naïve cat"
    assert not set(ids) & {2, 3}
    assert tokenizer.decode([2, *ids, 3, 1]) == "the naïve cat"
    assert tokenizer.decode([2, *ids], special=True) == "<s>the naïve cat"
    assert tokenizer.vocabulary_size == bytes_bpe().get_vocab_size() == tokenizer.allowed("all").size
    assert tokenizer.special_ids == {0, 1, 2, 3}


def test_plain_tokens_hold_no_special_and_no_control_token() -> None:
    tokenizer = HuggingFaceTokenizer(bytes_bpe(), "bytes")
    plain = tokenizer.allowed("plain")
    shown = {tokenizer.decode([i], special=True) for i in plain.ids}
    assert not {0, 1, 2, 3} & set(plain.ids)
    assert not shown & {chr(i) for i in (*range(9), *range(14, 32), 127)}
    assert {"\n", "\t", "a", " the"} <= shown
    assert plain.name == "bytes, no special or control tokens"


@pytest.mark.parametrize("made", [bytes_bpe, pieces])
def test_round_trip_tokens_survive_decoding_and_encoding(made: Any) -> None:
    tokenizer = HuggingFaceTokenizer(made())
    plain, kept = (set(tokenizer.allowed(which).ids) for which in ("plain", "round_trip"))
    assert kept < plain
    for i in plain:
        assert (tokenizer.encode(tokenizer.decode([i])) == [i]) == (i in kept)
    lost = {tokenizer.decode([i]) for i in plain - kept}
    assert any("\ufffd" in text or text.startswith("##") for text in lost)


def test_the_unknown_token_is_special_even_where_nobody_marked_it() -> None:
    from tokenizers import models

    found = HuggingFaceTokenizer(tokenizers.Tokenizer(models.WordLevel({"?": 0, "a": 1, "b": 2}, "?")))
    assert found.special_ids == {0}
    assert found.allowed().ids == (1, 2)
    with pytest.raises(InputError, match="two tokens"):
        HuggingFaceTokenizer(tokenizers.Tokenizer(models.WordLevel({"?": 0, "a": 1}, "?"))).allowed()


def test_a_fast_tokenizer_of_transformers_is_the_same_tokenizer() -> None:
    transformers = pytest.importorskip("transformers", reason="needs the extra hf")
    inner = bytes_bpe()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", bos_token="<s>")
    one, other = HuggingFaceTokenizer(fast), HuggingFaceTokenizer(inner)
    assert one.encode("the cat") == other.encode("the cat")
    assert one.allowed().ids == other.allowed().ids


@pytest.mark.parametrize("bad", ["bert-base", 3, None])
def test_what_is_no_tokenizer_is_refused(bad: Any) -> None:
    with pytest.raises(InputTypeError, match="tokenizer must be"):
        HuggingFaceTokenizer(bad)


def test_files_are_read_and_bad_ones_named(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    inner = bytes_bpe()
    inner.save(str(path))
    read = HuggingFaceTokenizer.from_file(path)
    assert read.allowed() == Alphabet(
        HuggingFaceTokenizer(inner).allowed().ids,
        f"tokenizer.json {read.digest[:8]}, no special or control tokens",
    )
    path.write_text("{}")
    with pytest.raises(InputError, match=r"tokenizer\.json: cannot be read"):
        HuggingFaceTokenizer.from_file(path)
    with pytest.raises(InputError, match="cannot be read"):
        HuggingFaceTokenizer.from_file(tmp_path / "absent.json")
    with pytest.raises(InputError, match='"plain"'):
        read.allowed("some")  # type: ignore[arg-type]


def test_noise_decoding_and_the_certificate_speak_of_one_set() -> None:
    tokenizer = HuggingFaceTokenizer(bytes_bpe(), "bytes")
    allowed = tokenizer.allowed("plain")
    seen: set[str] = set()

    def classify(texts: list[str]) -> list[int]:
        seen.update(texts)
        return [int(len(text) > 3) for text in texts]

    model = ib.SmoothedClassifier(
        DecodedText(tokenizer, classify),
        ib.Smoothing(tokens=ib.UniformReplacement(0.9, allowed)),
        num_classes=2,
    )
    ids = [*tokenizer.encode("the cat sat on the mat"), 3]  # the last one is no plain token
    for alphabet, words in (("closed", f"{allowed.size} ids, {allowed.digest[:12]}"), ("open", "any token")):
        threat = ib.Threat(tokens=ib.TokenL0(1, alphabet))  # type: ignore[arg-type]
        cert = model.certify({"tokens": ids}, threat=threat, n=500)
        assert words in cert.statement
        record = cert.evidence.channels[0]  # type: ignore[attr-defined]
        assert record["alphabet_name"] == "bytes, no special or control tokens"
        assert (record["alphabet"], record["alphabet_id"]) == (allowed.size, allowed.digest)
        assert record["outside"] == 1
        assert ib.Certificate.from_json(cert.to_json()) == cert
    assert len(seen) > 100
    assert not any("<s>" in text or "</s>" in text for text in seen)


def test_other_channels_travel_beside_the_texts() -> None:
    base = DecodedText(
        HuggingFaceTokenizer(bytes_bpe()),
        lambda batch: [len(text) + x for text, x in zip(batch["t"], batch["x"], strict=True)],
        channel="t",
        others=True,
    )
    ids = HuggingFaceTokenizer(bytes_bpe()).encode("abc")
    assert base({"t": np.array([ids]), "x": np.array([2])}) == [5]


CONFIG: dict[str, Any] = {
    "model": {"loader": "guard:load", "class_names": ["other", "cat"], "receives": "text"},
    "data": {"kind": "jsonl", "path": "texts.jsonl", "tokenizer": "tokenizer.json"},
    "channels": {"tokens": {"noise": "uniform_replacement", "beta": 0.5}},
    "threat": {"tokens": {"kind": "suffix_in_place", "max_d": 2, "alphabet": "open"}},
}


@pytest.fixture(name="folder")
def project(tmp_path: Path) -> Path:
    bytes_bpe().save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "texts.jsonl").write_text(json.dumps({"text": "the cat sat on the mat"}))
    (tmp_path / "guard.py").write_text(
        "def load():\n    return lambda texts: [int('cat' in t) for t in texts]\n"
    )
    return tmp_path


@pytest.mark.parametrize("allowed", [None, "plain", "round_trip", "all"])
def test_a_configuration_names_a_tokenizer_file_and_a_set(folder: Path, allowed: Any) -> None:
    noise = CONFIG["channels"]["tokens"] | ({} if allowed is None else {"allowed": allowed})
    problem = build(parse(CONFIG | {"channels": {"tokens": noise}}), folder)
    channel = problem.smoothing["tokens"]
    assert isinstance(channel, ib.UniformReplacement)
    tokenizer = HuggingFaceTokenizer.from_file(folder / "tokenizer.json")
    assert channel.alphabet == tokenizer.allowed(allowed or "plain")
    assert problem.threat["tokens"] == ib.SuffixInPlace(2, "open")
    model = ib.SmoothedClassifier(problem.base, problem.smoothing, problem.num_classes)
    cert = model.certify(problem.examples[0].inputs, threat=problem.threat, n=200)
    assert cert.prediction == 1  # "cat" stands in front of the noised suffix
    assert cert.evidence.budgets() == {"tokens": 2}


def test_a_slot_and_per_budget_sampling_in_a_configuration(folder: Path) -> None:
    threat = {"kind": "suffix_append", "max_d": 2, "pad": 1, "slot": 3, "sampling": "per_budget"}
    problem = build(parse(CONFIG | {"threat": {"tokens": threat}}), folder)
    assert problem.threat["tokens"] == ib.SuffixAppend(2, 1, 3, "closed", "per_budget")


@pytest.mark.parametrize(
    ("noise", "says"),
    [
        ({"allowed": "some"}, "allowed"),
        ({"allowed": "plain", "alphabet": 9}, "either alphabet"),
    ],
)
def test_a_set_that_is_none_is_refused(noise: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse(CONFIG | {"channels": {"tokens": CONFIG["channels"]["tokens"] | noise}})


def test_sets_need_a_tokenizer_file(folder: Path) -> None:
    (folder / "words.txt").write_text("the\ncat\nsat\n")
    data = {"kind": "jsonl", "path": "texts.jsonl", "vocabulary": "words.txt"}
    noise = CONFIG["channels"]["tokens"] | {"allowed": "round_trip"}
    with pytest.raises(ConfigError, match=r"tokenizer\.json"):
        build(parse(CONFIG | {"data": data, "channels": {"tokens": noise}}), folder)
