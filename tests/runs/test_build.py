"""From a configuration file to a problem, and what is refused before any work."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from little_runs import CONFIG, arrays, write_config

from ironbound.channels import Gaussian, UniformReplacement
from ironbound.errors import ConfigError, InputError, IronboundError
from ironbound.runs.plan import Plan, plan
from ironbound.runs.runner import run
from ironbound.threats import TokenL0


def planned(path: Path, **overrides: object) -> Plan:
    return plan(str(path), overrides)


def test_a_file_becomes_a_problem(tmp_path: Path) -> None:
    found = planned(write_config(tmp_path))
    problem = found.problem
    assert (problem.name, problem.num_classes, problem.class_names) == ("little", 2, ("no", "yes"))
    assert problem.smoothing["image"] == Gaussian(0.5, unit="grey levels")
    assert problem.smoothing["tokens"] == UniformReplacement(beta=0.25, alphabet=10)
    assert problem.threat["tokens"] == TokenL0(max_d=2)
    assert found.statistics.n == 300
    assert len(problem.examples) == found.total == 6


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    found = planned(write_config(tmp_path), n=77, alpha=0.05, seed=None)
    assert (found.statistics.n, found.statistics.n0, found.statistics.alpha) == (77, 20, 0.05)


def test_digests_follow_data_model_and_arguments(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    first = planned(path).problem
    assert planned(path).problem.model_digest == first.model_digest
    (tmp_path / "model.py").write_text((tmp_path / "model.py").read_text() + "\n# changed\n")
    second = planned(path).problem
    assert second.model_digest != first.model_digest
    assert second.data_digest == first.data_digest
    np.savez(tmp_path / "data.npz", **arrays(7))  # pyright: ignore[reportArgumentType]
    assert planned(path).problem.data_digest != first.data_digest


def test_the_run_folders_configuration_repeats_the_run(tmp_path: Path) -> None:
    path = write_config(tmp_path / "mine", count=2)
    run(planned(path, n=111), tmp_path / "out")
    again = planned(tmp_path / "out" / "config.toml")
    assert again.identity() == planned(path, n=111).identity()
    assert run(again, tmp_path / "elsewhere" / "deep") == 0
    third = planned(tmp_path / "elsewhere" / "deep" / "config.toml")
    assert third.identity() == again.identity()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"image", tokens', '"imgae", tokens', "data.arrays.image: data.npz has no array 'imgae'"),
        ('path = "data.npz"', 'path = "no.npz"', "no.npz: cannot be read"),
        ('loader = "model:load"', 'loader = "model:laod"', "model.loader: model has no function 'laod'"),
        ('class_names = ["no", "yes"]', "", "model: give num_classes or class_names"),
        ("[channels.image]", "[channels.picture]", "threat.image: no such channel"),
        ("alphabet = 10", "", "channels.tokens.alphabet: give the number of tokens"),
        ("alphabet = 10", "alphabet = 2", "no input can be certified; input '0': .*tokens"),
        ("max_d = 2", "max_d = 9", "no input can be certified; input '0': max_d .*at most 8"),
        ('kind = "token_l0"\nmax_d = 2', 'kind = "l2"', "threat on 'tokens'"),
        ("n = 300", "n = 3", "n is too small for alpha.* n = . would do"),
        ('unit = "grey levels"', "low = 1.0\nhigh = 0.0", "channels.image: low, high must be increasing"),
        ('unit = "grey levels"', "low = 0.0\nhigh = 1.0", "no input can be certified; input '0'.*image"),
        ("n = 300", "n = 300\npositive = 2", "positive must be a class"),
        ("n = 300", "n = 300\nthreshold = 0.4\nrivals = 'bonferroni'", "threshold is for 2 classes"),
    ],
)
def test_what_cannot_work_is_refused_before_any_work(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in CONFIG
    path = write_config(tmp_path, config=CONFIG.replace(old, new, 1))
    with pytest.raises(IronboundError, match=message):
        planned(path)


def test_a_channel_without_noise_is_refused(tmp_path: Path) -> None:
    config = CONFIG.replace('arrays = { image = "image", tokens', 'arrays = { i = "image", tokens')
    with pytest.raises(ConfigError, match=r"channels\.i: the data has this channel; give it a noise"):
        planned(write_config(tmp_path, config=config))


def test_an_unknown_task_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match='did you mean "digits-claims"'):
        plan("digit-claims", {})


TABLE = """
[model]
loader = "model:load"
[data]
kind = "table"
path = "t.csv"
numeric = ["age"]
categorical = ["job"]
label = "rich"
[channels.numeric]
noise = "gaussian"
sigma = 0.5
[channels.categorical]
noise = "categorical"
beta = 0.25
[threat.numeric]
kind = "l2"
[threat.categorical]
kind = "fields_l0"
max_d = 1
[statistics]
n = 100
"""
TABLE_MODEL = """
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
import pandas as pd

def load():
    t = pd.DataFrame({"age": [20, 60, 30, 70], "job": ["a", "b", "c", "b"]})
    columns = make_column_transformer((OneHotEncoder(), ["job"]), remainder="passthrough")
    return make_pipeline(columns, LogisticRegression()).fit(t, ["no", "yes", "no", "yes"])
"""


def write_table(folder: Path, config: str = TABLE) -> Path:
    (folder / "t.csv").write_text("age,job,rich\n20,a,no\n60,b,yes\n30,c,no\n70,b,yes\n")
    (folder / "model.py").write_text(TABLE_MODEL)
    (folder / "config.toml").write_text(config)
    return folder / "config.toml"


def test_a_pipeline_brings_its_classes(tmp_path: Path) -> None:
    found = planned(write_table(tmp_path))
    assert found.problem.class_names == ("no", "yes")
    assert [e.label for e in found.problem.examples] == [0, 1, 0, 1]
    assert found.problem.smoothing["numeric"] == Gaussian(0.5, unit="standard deviations")
    assert run(found, tmp_path / "out") == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('loader = "model:load"', 'loader = "model:load"\nclass_names = ["yes", "no"]', "in this order"),
        ('loader = "model:load"', 'loader = "model:load"\nnum_classes = 3', "there are 2 classes"),
        ('numeric = ["age"]', 'numeric = ["agee"]', "no column 'agee'; did you mean \"age\""),
        ('categorical = ["job"]', 'categorical = ["job", "age"]', "column 'age' is named twice"),
        ('numeric = ["age"]', 'numeric = ["job"]', "column 'job' is named twice"),
        ('path = "t.csv"', 'path = "t.csv"\nreference = "no.csv"', "no.csv: cannot be read"),
        ("max_d = 1", "max_d = 2", "at most 1"),
        ('label = "rich"', 'label = "poor"', "no column 'poor'"),
    ],
)
def test_mistakes_about_tables_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        planned(write_table(tmp_path, TABLE.replace(old, new, 1)))


TEXT = """
[model]
loader = "model:load"
class_names = ["no", "yes"]
receives = "text"
[data]
kind = "jsonl"
path = "t.jsonl"
tokenizer = "words:make"
[channels.tokens]
noise = "uniform_replacement"
beta = 0.25
[threat.tokens]
kind = "token_l0"
max_d = 1
[statistics]
n = 100
"""


def test_a_text_classifier_sees_decoded_words_of_the_users_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"text": "yes yes yes"}\n{"text": "no no no"}\n')
    (tmp_path / "model.py").write_text(
        "def load(): return lambda texts: ['yes' if t.count('yes') > 1 else 'no' for t in texts]"
    )
    tokenizer = (
        "from ironbound.runs.text import WordTokenizer\ndef make(): return WordTokenizer(['yes', 'no'])"
    )
    (tmp_path / "words.py").write_text(tokenizer)
    (tmp_path / "config.toml").write_text(TEXT)
    found = planned(tmp_path / "config.toml")
    assert found.problem.smoothing["tokens"] == UniformReplacement(beta=0.25, alphabet=3)
    assert found.problem.base({"tokens": np.array([[1, 1, 2], [2, 0, 1]])}) == ["yes", "no"]
    assert run(found, tmp_path / "out") == 0
    (tmp_path / "words.py").write_text("def make(): return object()")
    with pytest.raises(ConfigError, match="returned object without encode"):
        planned(tmp_path / "config.toml")


def test_a_torch_module_gets_the_channels_that_its_forward_names(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    net = """
import torch
class Net(torch.nn.Module):
    def forward(self, {parameters}):
        {body}
def load():
    return Net()
"""
    bodies = {
        "tokens, image": "return (image[:, 0] + (tokens >= 5).float().mean(1) > 0.5).long()",
        "batch": "return (batch['image'][:, 0] + (batch['tokens'] >= 5).float().mean(1) > 0.5).long()",
    }
    data = arrays()
    for parameters, body in bodies.items():
        (tmp_path / "model.py").write_text(net.format(parameters=parameters, body=body))
        base = planned(path).problem.base
        assert np.asarray(base({"image": data["image"], "tokens": data["tokens"]})).tolist() == [0, 1] * 3
    (tmp_path / "model.py").write_text(net.format(parameters="a, b", body="return a"))
    with pytest.raises(ConfigError, match="forward takes a, b; name its parameters after the channels"):
        planned(path)
    assert "torch" in sys.modules
