"""A filter behind a rude endpoint, through the real command line: certified, killed, resumed, verified."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rude_server import MISDEEDS, Misdeed, Server, rule, says, serving

from ironbound.errors import ConfigError, RunError
from ironbound.models.http import HttpClassifier
from ironbound.runs.folder import RESULTS
from ironbound.runs.plan import plan
from ironbound.runs.runner import run
from ironbound.runs.store import Store

COMMAND = (sys.executable, "-m", "ironbound.cli")
SECRET = "hunter2-hunter2"
INPUTS = 6

CONFIG = """
name = "filter"

[model]
kind = "http"
url = "{url}?key=${{RUDE_KEY}}"
template = {{ many = {{ "$each" = {{ "$channel" = "tokens" }} }} }}
answer = "out[*].label"
class_names = ["ham", "spam"]
headers = {{ Authorization = "Bearer ${{RUDE_TOKEN}}" }}
draws_per_call = 8
timeout = 5.0
backoff = 0.002
longest_pause = 0.01
batch_size = 64

[data]
kind = "npz"
path = "data.npz"
arrays = {{ tokens = "tokens" }}

[channels.tokens]
noise = "uniform_replacement"
beta = 0.3
alphabet = 20

[threat.tokens]
kind = "token_l0"
max_d = 1

[statistics]
n = 200
n0 = 20
alpha = 0.05
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("RUDE_KEY", SECRET)
    monkeypatch.setenv("RUDE_TOKEN", SECRET)
    with serving() as running:
        yield running


def write(folder: Path, server: Server) -> Path:
    tokens = np.random.default_rng(0).integers(0, 20, (INPUTS, 5))
    np.savez(folder / "data.npz", tokens=tokens)
    path = folder / "config.toml"
    path.write_text(CONFIG.format(url=server.url))
    return path


def unknown_word(tokens: list[int]) -> bool:
    return tokens[0] == 7


def rude(body: bytes, again: int) -> Misdeed | None:
    """Some calls fail once or twice, some are slow, and texts with an unknown word fail for good."""
    draws = json.loads(body)["many"]
    if any(map(unknown_word, draws)):
        return says(422, {"error": "unknown word"})
    fate = hashlib.sha256(body).digest()
    if fate[0] < 40:
        time.sleep(0.03)
    usual = ("500", "429", "close", "truncated to JSON", "garbage")
    return MISDEEDS[usual[fate[1] % 5]] if fate[0] < 60 and again <= 1 + fate[2] % 2 else None


def local(batch: dict[str, Any]) -> list[int]:
    """The same filter without a wire: an unknown word is no class."""
    return [-1 if unknown_word(row) else int(rule(row) == "spam") for row in batch["tokens"].tolist()]


def rows(out: Path) -> list[Any]:
    with Store.open(out / RESULTS) as store:
        return [(r.position, r.status, r.prediction, r.base_prediction, r.certificate) for r in store.rows()]


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX systems")
def test_certify_kill_resume_verify(tmp_path: Path, server: Server) -> None:
    import dataclasses

    config, out, whole = write(tmp_path, server), tmp_path / "out", tmp_path / "whole"
    planned = plan(str(config), {})
    problem = dataclasses.replace(planned.problem, base=local)
    run(dataclasses.replace(planned, problem=problem), whole)

    server.plan = rude
    command = [*COMMAND, "certify", str(config), "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (out.exists() and rows_so_far(out)):
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    kept = rows(out)
    assert 0 < len(kept) < INPUTS
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert rows(out) == rows(whole)  # failed draws have become votes for no class, and none was dropped
    checked = subprocess.run([*COMMAND, "verify", str(out)], capture_output=True, text=True)
    assert f"{INPUTS} valid, 0 invalid" in checked.stdout

    notes = json.loads((out / "summary.json").read_text())["notes"]
    assert any("draws failed" in note and "422" in note for note in notes)
    for file in (*out.iterdir(), config):
        assert SECRET.encode() not in file.read_bytes(), file
    assert SECRET not in done.stdout + done.stderr
    assert {headers["Authorization"] for headers in server.headers} == {f"Bearer {SECRET}"}


def rows_so_far(out: Path) -> int:
    try:
        return len(rows(out)) if (out / RESULTS).exists() else 0
    except RunError:
        return 0


def test_what_is_asked_makes_the_run_and_how_patiently_does_not(tmp_path: Path, server: Server) -> None:
    path = write(tmp_path, server)
    first = plan(str(path), {})
    assert isinstance(first.problem.base, HttpClassifier)

    def changed(old: str, new: str) -> Any:
        assert old in CONFIG.format(url=server.url)
        path.write_text(CONFIG.format(url=server.url).replace(old, new))
        return plan(str(path), {}).identity()

    assert changed("timeout = 5.0", "timeout = 9.0\nconcurrency = 2\nrate = 50.0") == first.identity()
    for old, new in (
        ("/v1/classify", "/v2/classify"),
        ('["ham", "spam"]', '["spam", "ham"]'),
        ('"$channel" = "tokens"', 'ids = { "$channel" = "tokens" }'),
        ("out[*].label", "out[*].other"),
        ("Bearer ${RUDE_TOKEN}", "${RUDE_TOKEN}"),
        ("timeout = 5.0", 'revision = "2"'),
    ):
        assert changed(old, new)["model_digest"] != first.identity()["model_digest"], old


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"Bearer ${RUDE_TOKEN}"', f'"Bearer {SECRET}"', "secret literally"),
        ('kind = "http"', 'kind = "htpp"', "not known"),
        ("timeout = 5.0", "timeuot = 5.0", 'did you mean "timeout"'),
        ("timeout = 5.0", 'encoders = { tokens = "text" }', "jsonl"),
        ("out[*].label", "out.label", "has no list of draws"),
        ("${RUDE_TOKEN}", "${RUDE_MISSING}", "RUDE_MISSING, which is not set"),
        ("${RUDE_KEY}", "${RUDE_MISSING}", "RUDE_MISSING, which is not set"),
        ('"$channel" = "tokens"', '"$channel" = "words"', "words"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, server: Server, old: str, new: str, message: str) -> None:
    path = write(tmp_path, server)
    text = CONFIG.format(url=server.url)
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ConfigError) as refusal:
        plan(str(path), {})
    assert message in str(refusal.value)
    assert SECRET not in str(refusal.value)
    assert server.requests == 0


def test_texts_are_sent_as_text(tmp_path: Path, server: Server) -> None:
    (tmp_path / "words.txt").write_text("cheap\npills\nhello\n")
    (tmp_path / "data.jsonl").write_text(json.dumps({"text": "hello pills hello cheap"}) + "\n")
    path = tmp_path / "config.toml"
    path.write_text(
        f'[model]\nkind = "http"\nurl = "{server.url}"\nanswer = "score"\nnum_classes = 2\ncut = 0.5\n'
        'template = { prompt = "Is it spam? {tokens}" }\n'
        '[data]\nkind = "jsonl"\npath = "data.jsonl"\nvocabulary = "words.txt"\n'
        '[channels.tokens]\nnoise = "uniform_replacement"\nbeta = 0.2\n'
        '[threat.tokens]\nkind = "token_l0"\nmax_d = 1\n'
    )
    seen: list[str] = []

    def answering(body: bytes, again: int) -> Misdeed:
        seen.append(json.loads(body)["prompt"])
        return says(200, {"score": 0.9})

    server.plan = answering
    base = plan(str(path), {}).problem.base
    example = plan(str(path), {}).problem.examples[0]
    assert list(base({"tokens": example.inputs["tokens"][None]})) == [1]
    assert seen == ["Is it spam? hello pills hello cheap"]
