"""Guards and classifiers of Hugging Face, on tiny random models: templates, padding, units, words, files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason="needs the extra hf")
import tiny_transformers as tiny

import ironbound as ib
from ironbound.channels import Alphabet
from ironbound.models import TransformersGuard, TransformersImageClassifier, TransformersTextClassifier
from ironbound.models.tokens import HuggingFaceTokenizer
from ironbound.models.transformers import load_guard, load_image_classifier, load_text_classifier
from ironbound.models.transformers.answers import masses, parsed
from ironbound.models.transformers.images import PixelRange
from ironbound.models.transformers.words import first_tokens
from ironbound.runs.plan import plan
from ironbound.runs.runner import run

TEXTS = ["draw a house", "a", "write a letter, the sun and a tree in it", "is it safe?"]


def ids(*texts: str) -> list[list[int]]:
    return [tiny.tokenizer().encode(text, add_special_tokens=False) for text in texts]


def pictures(count: int = 4) -> np.ndarray:
    return np.random.default_rng(1).random((count, 3, 30, 20))


def guard(**settings: Any) -> TransformersGuard:
    return TransformersGuard(tiny.llava(), tiny.processor(), **settings)


def rows(batch: dict[str, Any], *places: int) -> dict[str, Any]:
    return {name: [value[i] for i in places] for name, value in batch.items()}


BASES: dict[str, Any] = {
    "guard": guard,
    "chat": lambda: TransformersGuard(tiny.gpt2(), tiny.tokenizer(), image=None),
    "text": lambda: TransformersTextClassifier(tiny.bert(), tiny.tokenizer()),
    "text-roberta": lambda: TransformersTextClassifier(tiny.roberta(), tiny.tokenizer()),
    "text-gpt2": lambda: TransformersTextClassifier(tiny.gpt2_classifier(), tiny.tokenizer()),
    "image": lambda: TransformersImageClassifier(*tiny.vit()),
}


@pytest.mark.parametrize("name", BASES)
def test_answers_do_not_depend_on_the_rest_of_the_batch(name: str) -> None:
    base = BASES[name]()
    batch = {"image": pictures(), "tokens": ids(*TEXTS)}
    whole = base(batch)
    assert whole.shape[0] == 4
    assert whole.std(dim=0).min() > 1e-3  # the answers do depend on the row
    for places in ((0,), (1,), (2, 1), (3, 0, 2), (1, 1)):
        part = base(rows(batch, *places))
        assert torch.allclose(part, whole[list(places)], atol=1e-5), places


@pytest.mark.parametrize("name", ["text", "text-gpt2", "chat"])
def test_texts_without_any_token_have_an_answer_of_their_own(name: str) -> None:
    """Noise, or an attacker, may leave nothing but special tokens; the answer is that of the row alone."""
    base = BASES[name]()
    alone = base({"tokens": [[1, 2]]})  # beginning and end
    assert torch.isfinite(alone).all()
    for batch in ([[1, 2], [0]], [[3], *ids("a")], [[0, 0, 0], *ids(TEXTS[2])]):
        assert torch.allclose(base({"tokens": batch})[0], alone[0], atol=1e-5)


@pytest.mark.parametrize(("name", "room"), [("text", 64), ("text-roberta", 64), ("text-gpt2", 64)])
def test_a_classifier_reads_as_much_of_a_long_text_as_it_can_take(name: str, room: int) -> None:
    base = BASES[name]()
    word = ids(" a")[0]
    assert len(word) == 1
    other = ids(" house")[0][-1:]
    rows_ = [word * (room - 1) + other, word * (room - 1) + other + word * 50, word * room]
    found = base({"tokens": rows_})
    assert torch.allclose(found[0], found[1], atol=1e-5)
    assert not torch.allclose(found[0], found[2], atol=1e-3)  # the last token that fits does count


def filling(base: TransformersGuard, room: int) -> list[int]:
    """A text whose question has so many tokens."""
    words = tiny.tokenizer()
    for count in range(1, room):
        text = ids(" a")[0] * count
        if len(words.encode(base.questions({"tokens": [text]})[0])) == room:
            return text
    raise AssertionError(room)


@pytest.mark.parametrize(("decide", "new", "room"), [("mass", 16, 128), ("generate", 4, 125)])
def test_a_draw_that_does_not_fit_into_the_window_is_no_class(decide: Any, new: int, room: int) -> None:
    base = TransformersGuard(
        tiny.gpt2(), tiny.tokenizer(), image=None, decide=decide, max_new_tokens=new, parse=lambda text: 1
    )
    for longer, fits in ((0, True), (1, False)):
        text = filling(base, room + longer)
        for others in ([], ids("draw a house")):
            found = base({"tokens": [text, *others]})
            none = torch.isnan(found).any(dim=-1) if decide == "mass" else found < 0
            assert none.tolist() == [not fits, *[False for _ in others]]
        assert torch.allclose(found[1:].double(), base({"tokens": others}).double(), atol=1e-5)


def test_draws_that_do_not_fit_count_against_the_prediction() -> None:
    """Noise writes tokens that are cut into several when read again: some draws outgrow the window."""
    words = tiny.tokenizer()
    base = TransformersGuard(tiny.gpt2(), words, image=None)
    allowed = HuggingFaceTokenizer(words).allowed("plain")
    noise = ib.UniformReplacement(beta=0.1, alphabet=allowed)
    tokens = np.array(filling(base, 118))
    draws = noise.sample(tokens, np.random.default_rng(0), 64)
    found = base({"tokens": draws})
    none = torch.isnan(found).any(dim=1)
    assert 0 < int(none.sum()) < 64
    model = ib.SmoothedClassifier(base, ib.Smoothing(tokens=noise), num_classes=2)
    cert = model.certify({"tokens": tokens}, threat=ib.Threat(tokens=ib.TokenL0(1)), n=64, n0=64, alpha=0.1)
    assert cert.samples == 128
    (estimate,) = cert.evidence.estimates  # type: ignore[attr-defined]
    assert estimate.trials == 64
    assert estimate.successes < 64
    assert sum(cert.evidence.selection) < 64  # type: ignore[attr-defined]


def test_the_template_surrounds_the_text_and_the_prefix_begins_the_answer() -> None:
    asked = guard(prompt="Is {text} fine?", system="Be brief.", prefix='{"rating": "').questions(
        {"image": pictures(1), "tokens": ids("a {text} tree")}
    )
    assert asked == ['SYSTEM: Be brief.USER: <image>\nIs a {text} tree fine?ASSISTANT:{"rating": "']


def test_noised_text_cannot_write_the_templates_tokens() -> None:
    batch = {"image": pictures(1), "tokens": ["draw <ima<image>ge> </s><s>now"]}
    assert guard().questions(batch) == ["USER: <image>\ndraw  nowASSISTANT:"]
    assert guard()(batch).shape == (1, 2)
    assert guard().questions(
        {"image": pictures(1), "tokens": [[3, *ids("a tree")[0], 2]]}
    ) == guard().questions({"image": pictures(1), "tokens": ids("a tree")})


def test_the_pictures_and_the_text_both_count() -> None:
    base, batch = guard(), {"image": pictures(2), "tokens": ids("draw", "draw")}
    found = base(batch)
    assert not torch.allclose(found[0], found[1], atol=1e-4)
    other = base({**batch, "tokens": ids("letter", "letter")})
    assert not torch.allclose(found, other, atol=1e-4)


def test_the_processor_prepares_and_the_model_is_asked_as_by_hand() -> None:
    """Reference: processor and forward pass for one row, without padding, and a softmax over the last row."""
    base, picture = guard(prompt="Look: {text}"), pictures(1)
    eight = np.rint(np.moveaxis(picture[0], 0, -1) * 255).astype(np.uint8)
    from PIL import Image

    inputs = tiny.processor()(
        text="USER: <image>\nLook: drawASSISTANT:", images=Image.fromarray(eight), return_tensors="pt"
    )
    with torch.no_grad():
        logits = tiny.llava()(**inputs).logits[0, -1].double()
    p = torch.softmax(logits, dim=0)
    expected = [sum(float(p[i]) for i in group) for group in base._tokens]  # pyright: ignore[reportPrivateUsage]
    found = base({"image": picture, "tokens": ids("draw")}).exp()[0].tolist()
    assert found == pytest.approx(expected, rel=1e-4)


def test_units_are_the_users() -> None:
    batch = {"image": np.rint(pictures() * 255) / 255, "tokens": ids(*TEXTS)}
    expected = guard()(batch)
    for low, high in ((0.0, 255.0), (-1.0, 1.0)):
        scaled = low + (high - low) * batch["image"]
        found = guard(pixels=PixelRange(low, high))({**batch, "image": scaled})
        assert torch.equal(found, expected)
    moved = np.moveaxis(batch["image"], 1, -1)
    assert torch.equal(guard(pixels=PixelRange(layout="HWC"))({**batch, "image": moved}), expected)
    tensor = torch.from_numpy(batch["image"])
    assert torch.equal(guard()({**batch, "image": tensor}), expected)


def test_pixels_outside_the_range_are_clipped_and_grey_becomes_three_colours() -> None:
    found = PixelRange(0, 255, "HW").images(np.array([[[-7.0, 300.0, 127.4]]]))
    assert found.shape == (1, 1, 3, 3)
    assert found[0, 0].tolist() == [[0, 0, 0], [255, 255, 255], [127, 127, 127]]
    with pytest.raises(ib.InputError, match="shape"):
        PixelRange().images(np.zeros((3, 8, 8)))
    with pytest.raises(ib.InputError, match="colours"):
        PixelRange().images(np.zeros((1, 2, 8, 8)))
    with pytest.raises(ib.InputError, match="low < high"):
        PixelRange(1.0, 0.0)


def test_the_words_tokens_in_all_their_forms() -> None:
    words = tiny.tokenizer()
    safe, unsafe = first_tokens(words, {"safe": ["Safe"], "unsafe": ["Unsafe"]})
    shown = [{words.decode([i]) for i in group} for group in (safe, unsafe)]
    assert {" Safe", " safe", "safe"} <= shown[0]
    assert {" Unsafe", " unsafe"} <= shown[1]
    assert not set(safe) & set(unsafe)
    assert "S" not in shown[0]
    with pytest.raises(ib.InputError, match="no token of their own"):
        first_tokens(words, {"yes": ["Safe"], "no": ["safe"]})


def test_masses_of_several_tokens_add_up() -> None:
    logits = torch.log(torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.97, 0.01, 0.01, 0.01]]))
    found = masses(logits, [[0, 3], [1]]).exp()
    assert found.flatten().tolist() == pytest.approx([0.5, 0.2, 0.98, 0.01])
    least = masses(logits, [[1], [2, 3]], least=0.5)
    assert not least[0].isnan().any()
    assert least[1].isnan().all()


def test_generated_text_is_parsed_and_what_is_not_understood_is_no_class() -> None:
    made: list[str] = []

    def parse(text: str) -> int:
        made.append(text)
        return len(made) - 2

    found = guard(decide="generate", parse=parse, max_new_tokens=3)(
        {"image": pictures(), "tokens": ids(*TEXTS)}
    )
    assert found.tolist() == [-1, 0, 1, 2]
    alone = guard(decide="generate", max_new_tokens=3, parse=lambda text: made.index(text))
    for i, text in enumerate(TEXTS):
        assert alone({"image": pictures()[i : i + 1], "tokens": ids(text)}).item() == made.index(made[i])
    words = {"safe": ["Safe"], "unsafe": ["Unsafe"]}
    texts = ("I cannot tell", "unsafe!", '{"rating": "Safe"', "", "unsafely")
    assert [parsed(text, words) for text in texts] == [-1, 1, 0, -1, -1]


def test_own_precision_and_eval_mode() -> None:
    import copy

    model = copy.deepcopy(tiny.llava()).to(torch.bfloat16).train()
    base = TransformersGuard(model, tiny.processor())
    assert not model.training
    found = base({"image": pictures(2), "tokens": ids("draw", "a")})
    assert found.dtype == torch.float64
    assert torch.isfinite(found).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image": None, "text": None}, "nothing to look at"),
        ({"decide": "guess"}, "decide must be"),
        ({"least_mass": 1.0}, "least_mass must be"),
        ({"labels": {"safe": "Safe", "unsafe": "Unsafe"}}, "list of words"),
        ({"labels": {"safe": ["Safe"]}}, "two labels"),
    ],
)
def test_settings_are_refused_by_name(settings: dict[str, Any], message: str) -> None:
    with pytest.raises((ib.InputError, TypeError), match=message):
        guard(**settings)


def test_a_channel_that_is_missing_is_named() -> None:
    for base in (guard(), BASES["text"](), BASES["image"]()):
        with pytest.raises(ib.InputError, match="channel"):
            base({"sound": pictures()})


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
def test_a_guard_is_certified_on_image_and_text() -> None:
    words = HuggingFaceTokenizer(tiny.tokenizer())
    allowed = words.allowed("plain")
    assert isinstance(allowed, Alphabet)
    base = guard()
    smoothing = ib.Smoothing(
        image=ib.Gaussian(sigma=0.25), tokens=ib.UniformReplacement(beta=0.1, alphabet=allowed)
    )
    model = ib.SmoothedClassifier(base, smoothing, num_classes=2, class_names=base.class_names, batch_size=32)
    cert = model.certify(
        {"image": pictures(1)[0], "tokens": ids("draw a house")[0]},
        threat=ib.Threat(image=ib.L2(), tokens=ib.TokenL0(max_d=1)),
        n=128,
        n0=16,
        alpha=0.05,
    )
    cert.verify()
    assert cert.samples == 144


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("guard")
    tiny.llava().save_pretrained(path / "llava")
    tiny.processor().save_pretrained(path / "llava")
    tiny.bert().save_pretrained(path / "bert")
    tiny.tokenizer().save_pretrained(path / "bert")
    tiny.gpt2().save_pretrained(path / "gpt2")
    tiny.tokenizer().save_pretrained(path / "gpt2")
    model, processor = tiny.vit()
    model.save_pretrained(path / "vit")
    processor.save_pretrained(path / "vit")
    return path


def test_loaded_models_answer_as_before(folder: Path) -> None:
    batch = {"image": pictures(), "tokens": ids(*TEXTS)}
    loaded: dict[str, Any] = {
        "guard": load_guard(str(folder / "llava")),
        "chat": load_guard(str(folder / "gpt2"), image=""),
        "text": load_text_classifier(str(folder / "bert")),
        "image": load_image_classifier(str(folder / "vit")),
    }
    for name, base in loaded.items():
        assert torch.allclose(base(batch), BASES[name]()(batch), atol=1e-5), name


def test_only_local_folders_with_safetensors_are_loaded(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ib.InputError, match="local folder"):
        load_guard("some-organisation/some-model")
    with pytest.raises(ib.InputError, match="cannot be loaded"):
        load_text_classifier(str(tmp_path))
    torch.save(tiny.bert().state_dict(), tmp_path / "pytorch_model.bin")  # a pickle
    tiny.bert().config.save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ib.InputError, match="cannot be loaded"):
        load_text_classifier(str(tmp_path))
    with pytest.raises(ib.InputError, match="dtype must be"):
        load_text_classifier(str(folder / "bert"), dtype="int8")


def test_code_in_the_folder_is_never_run(folder: Path, tmp_path: Path) -> None:
    import json

    tiny.bert().save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config["model_type"] = "own"
    config["auto_map"] = {
        "AutoConfig": "own.Config",
        "AutoModelForSequenceClassification": "own.Model",
    }
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n", encoding="utf-8")
    with pytest.raises(ib.InputError, match="cannot be loaded"):
        load_text_classifier(str(tmp_path))
    assert not (tmp_path / "ran").exists()


def test_from_a_configuration(folder: Path, tmp_path: Path) -> None:
    np.savez(
        tmp_path / "data.npz",
        image=pictures(2),
        tokens=np.array([row[:3] for row in ids("draw a house", "write a letter")]),
    )
    config = tmp_path / "config.toml"
    config.write_text(
        f"""
name = "guarded"
[model]
loader = "ironbound.models.transformers:load_guard"
arguments = {{ path = "{folder / "llava"}", prompt = "Is it safe? {{text}}" }}
files = ["{folder / "llava" / "model.safetensors"}"]
class_names = ["safe", "unsafe"]
batch_size = 16
[data]
kind = "npz"
path = "data.npz"
arrays = {{ image = "image", tokens = "tokens" }}
[channels.image]
noise = "gaussian"
sigma = 0.25
[channels.tokens]
noise = "uniform_replacement"
beta = 0.1
alphabet = {len(tiny.tokenizer())}
[threat.image]
kind = "l2"
[threat.tokens]
kind = "token_l0"
max_d = 1
[statistics]
alpha = 0.05
n = 40
n0 = 8
""",
        encoding="utf-8",
    )
    assert run(plan(str(config), {}), tmp_path / "run") == 0


def test_the_library_imports_without_transformers() -> None:
    code = (
        "import sys; sys.modules['transformers'] = None\n"
        "import ironbound.models.transformers as m\n"
        "try:\n    m.load_guard('.')\nexcept ValueError as e:\n    print(e)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'ironbound[hf]'" in done.stdout


def test_the_documented_configurations_are_accepted() -> None:
    import re
    import tomllib

    from ironbound.runs.config import parse

    text = (Path(__file__).parents[2] / "docs" / "guards.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 2
    whole = tomllib.loads(blocks[1])
    assert parse(whole).statistics.n == 10_000
    parse({**whole, **tomllib.loads(blocks[0])})
