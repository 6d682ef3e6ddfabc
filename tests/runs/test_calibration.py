"""Filter files: written, read, used by runs, refused where they do not belong or were edited."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from little_runs import CONFIG, write_config
from typer.testing import CliRunner

from ironbound.certificate import Calibration
from ironbound.cli import app
from ironbound.errors import ConfigError, InputError
from ironbound.runs.calibration import calibrated, from_table, read_filter, to_table, write_filter
from ironbound.runs.plan import Recipe, plan

USING = '\n[filter]\nfile = "filter.toml"\n'


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_config(tmp_path, count=12)
    return tmp_path


@pytest.fixture
def made(folder: Path) -> Calibration:
    found = calibrated(plan(str(folder / "config.toml"), {}, filtered=False), draws=3000, alpha=0.005)
    write_filter(found, folder / "filter.toml")
    return found


def using(folder: Path, config: str = CONFIG) -> str:
    path = folder / "using.toml"
    path.write_text(config + USING, encoding="utf-8")
    return str(path)


def test_benign_inputs_are_those_of_the_other_class(folder: Path, made: Calibration) -> None:
    assert (made.inputs, made.draws, made.positive) == (6, 3000, 1)
    assert made.flagged < 150
    everything = plan(str(folder / "config.toml"), {}, filtered=False)
    with pytest.raises(InputError, match="bounded by"):
        calibrated(everything, draws=1200, alpha=0.005, every=True)


def test_a_filter_file_comes_back_exactly(folder: Path, made: Calibration) -> None:
    assert read_filter(folder / "filter.toml") == made
    assert from_table(to_table(made), "filter") == made
    with pytest.raises(InputError, match="exists"):
        write_filter(made, folder / "filter.toml")


def test_a_run_uses_it_and_its_folder_needs_no_file(folder: Path, made: Calibration) -> None:
    code, text = invoke("certify", using(folder), "--out", str(folder / "run"), "--alpha", "0.01", "--json")
    assert code == 0, text
    code, text = invoke("verify", str(folder / "run"))
    assert (code, "12 valid, 0 invalid" in text) == (0, True), text
    (folder / "filter.toml").unlink()
    again = plan(str(folder / "run" / "config.toml"), {})
    assert again.problem.calibration == made
    assert again.statistics.threshold == made.tau
    assert Recipe.of(again).repeat().identity() == again.identity()


def test_certificates_carry_its_counts(folder: Path, made: Calibration) -> None:
    invoke("certify", using(folder), "--out", str(folder / "run"), "--alpha", "0.01")
    code, _ = invoke("report", str(folder / "run"), "--export", "jsonl")
    assert code == 0
    lines = next((folder / "run").glob("*.jsonl")).read_text(encoding="utf-8").splitlines()
    record = json.loads(lines[0])["certificate"]
    record = json.loads(record) if isinstance(record, str) else record
    assert record["evidence"]["calibration"]["flagged"] == made.flagged
    assert record["evidence"]["calibration"]["bound"] == record["evidence"]["tau"] == made.tau


def test_an_alpha_that_it_has_spent_is_refused(folder: Path, made: Calibration) -> None:
    with pytest.raises(InputError, match="calibrated threshold alone takes"):
        plan(using(folder), {"alpha": 0.005})


def test_another_model_is_refused(folder: Path, made: Calibration) -> None:
    model = folder / "model.py"
    model.write_text(model.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="calibrated with another model"):
        plan(using(folder), {})


def test_other_noise_ends_in_rows_that_say_so(folder: Path, made: Calibration) -> None:
    config = using(folder, CONFIG.replace("sigma = 0.5", "sigma = 0.25"))
    code, text = invoke("certify", config, "--out", str(folder / "run"))
    assert code != 0
    assert "calibrated under other noise on 'image'" in " ".join(text.split())


def test_a_contradicting_threshold_is_refused(folder: Path, made: Calibration) -> None:
    with pytest.raises(ConfigError, match=r"statistics\.threshold"):
        plan(using(folder, CONFIG + "threshold = 0.4\n"), {})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("flagged = ", "flagged = 1", "bound"),
        ("draws = 3000", "draws = 6000", "bound"),
        ("alpha = 0.005", "alpha = 0.05", "bound"),
        ('scope = "inputs"', 'scope = "population"', "inputs"),
        ("tau = 0.0", "tau = 0.00", "tau"),
        ("positive = 1", "colour = 1", "colour"),
        ("[filter]", "[filters]", "no filter file"),
    ],
)
def test_an_edited_file_is_refused(folder: Path, made: Calibration, old: str, new: str, message: str) -> None:
    path = folder / "filter.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_filter(path)


def test_a_file_that_is_not_there(folder: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        plan(using(folder), {})


def test_the_command(folder: Path) -> None:
    out = folder / "filter.toml"
    config = str(folder / "config.toml")
    code, text = invoke("calibrate", config, "--out", str(out), "--draws", "1000", "--threshold", "4.6e-5")
    assert code == 2
    assert "it takes 115," in " ".join(text.split())
    assert not out.exists()
    code, text = invoke("calibrate", config, "--out", str(out), "--draws", "3000", "--json")
    assert code == 0, text
    assert json.loads(text[text.index("{") :])["draws"] == 3000
    assert tomllib.loads(out.read_text(encoding="utf-8"))["filter"]["inputs"] == 6
    code, text = invoke("calibrate", config, "--out", str(out))
    assert (code, "exists" in text) == (2, True)


def test_a_task_without_benign_inputs_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="no filter of two classes"):
        calibrated(plan("digits", {}, filtered=False), draws=100, alpha=0.01)
