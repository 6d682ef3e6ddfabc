"""Attacks in the report: judged by the certificates that are there, and loud when one is beaten."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from little_runs import plan
from rich.console import Console
from typer.testing import CliRunner

from ironbound.certificate import Certificate
from ironbound.cli import app
from ironbound.cli.friendly import PARTLY_FAILED
from ironbound.report import html, write
from ironbound.report.attacks import read_attacks
from ironbound.report.reading import read_run
from ironbound.report.tables import terminal
from ironbound.report.write import write_report
from ironbound.runs.metrics import readable
from ironbound.runs.runner import run
from ironbound.runs.store import Store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("attacked")
    run(plan(), out)
    return out


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The curves have tests of their own, and take longer than all the rest."""
    for module in (html, write):
        monkeypatch.setattr(module, "curves", lambda *given: b"")


@pytest.fixture
def certificate(folder: Path) -> Certificate:
    """One that certifies something beside one change at least."""
    with Store.open(folder / "results.sqlite") as store:
        several = [readable(row) for row in store.rows()]
    return next(c for c in several if c is not None and c.prediction is not None and (c.frontier[0] or 0) > 0)


def attempt(certificate: Certificate, factor: float, outcome: str, **more: Any) -> dict[str, Any]:
    """An attack at a multiple of the certified radius without any change."""
    (continuous,) = certificate.evidence.scales()
    (discrete,) = certificate.evidence.budgets()
    radius = certificate.frontier[0]
    assert radius is not None
    amounts = {continuous: factor * radius, discrete: 0.0}
    return {
        "input_id": certificate.input_id,
        "covered": True,
        "prediction": certificate.prediction,
        "outcome": outcome,
        "allowed": amounts,
        "used": amounts,
        **more,
    }


@pytest.fixture
def written(folder: Path) -> Callable[..., Path]:
    def put(*attempts: dict[str, Any]) -> Path:
        (folder / "attack.json").write_text(json.dumps({"attempts": list(attempts)}))
        return folder

    return put


def test_without_attacks_nothing_is_said_of_them(folder: Path) -> None:
    (folder / "attack.json").unlink(missing_ok=True)
    assert read_attacks(folder) is None
    write_report(folder)
    assert 'id="attacks"' not in (folder / "report.html").read_text()
    assert "attacks" not in json.loads((folder / "summary.json").read_text())


def test_attacks_that_break_nothing_stand_beside_the_certificates(
    certificate: Certificate, written: Callable[..., Path]
) -> None:
    # The file calls all of them covered; the certificate does not, and it is the one to ask.
    out = written(
        attempt(certificate, 0.9, "kept"),
        attempt(certificate, 0.99, "unsettled"),
        attempt(certificate, 3.0, "changed"),
    )
    reading = write_report(out)
    assert reading.attacks is not None
    assert [(line.covered, len(line.attempts)) for line in reading.attacks.lines()] == [(True, 2), (False, 1)]
    assert not reading.attacks.broken
    page = (out / "report.html").read_text()
    assert "2 attacks within certified budgets: no certificate broken" in page
    assert 'role="alert"' not in page
    summary = json.loads((out / "summary.json").read_text())["attacks"]
    assert (summary["ok"], summary["certified"], summary["beyond"]) == (True, 2, 1)
    done = CliRunner().invoke(app, ["report", str(out)])
    assert done.exit_code == 0, done.stderr


def test_a_beaten_certificate_is_loud_everywhere(
    certificate: Certificate, written: Callable[..., Path]
) -> None:
    out = written(attempt(certificate, 0.9, "changed"), attempt(certificate, 0.5, "kept"))
    reading = write_report(out)
    assert reading.attacks is not None
    assert len(reading.attacks.broken) == 1
    assert reading.attacks.expected == certificate.alpha
    page = (out / "report.html").read_text()
    alert = page.index('role="alert"')
    assert alert < page.index("<h2>Summary")
    assert "ATTACKS BROKE THE CERTIFICATES OF 1 INPUTS: 1 of 2" in page
    assert page.count('<tr class="alarmed">') == 2  # its line, and the input
    console = Console(record=True, width=140, file=io.StringIO())
    console.print(terminal(read_run(out)))
    shown = console.export_text()
    assert "ATTACKS BROKE" in shown
    assert "2, of which 1 BROKE A CERTIFICATE" in shown
    for extra in ([], ["--json"]):
        done = CliRunner().invoke(app, ["report", str(out), *extra])
        assert done.exit_code == PARTLY_FAILED
    assert json.loads(done.stdout)["attacks"]["broken"] == [certificate.input_id]


def test_attacks_on_other_answers_are_left_out(
    certificate: Certificate, written: Callable[..., Path]
) -> None:
    assert certificate.prediction is not None
    other = 1 - certificate.prediction
    out = written(
        attempt(certificate, 0.9, "changed", prediction=other),
        attempt(certificate, 0.9, "changed", input_id="nowhere"),
        attempt(certificate, 0.9, "kept"),
    )
    found = read_attacks(out)
    assert found is not None
    assert (found.outdated, len(found.attempts), len(found.broken)) == (2, 1, 0)
    write_report(out)
    assert (
        "2 attacks in attack.json are on answers that this run does not give"
        in (out / "report.html").read_text()
    )


@pytest.mark.parametrize(
    "text", ["", "[]", '{"attempts": 3}', '{"attempts": [{}]}', '{"attempts": [[]]}', "\x00"]
)
def test_a_file_that_is_no_record_of_attacks_is_told_and_stops_nothing(folder: Path, text: str) -> None:
    (folder / "attack.json").write_text(text)
    found = read_attacks(folder)
    assert found is not None
    assert found.problem
    write_report(folder)
    assert "attack.json cannot be used" in (folder / "report.html").read_text()
    done = CliRunner().invoke(app, ["report", str(folder)])
    assert done.exit_code == 0
    assert "Traceback" not in done.output


def test_names_of_inputs_and_channels_are_escaped(
    certificate: Certificate, written: Callable[..., Path]
) -> None:
    out = written(attempt(certificate, 0.9, "changed", used={"<b>x</b>": 1.0}))
    write_report(out)
    page = (out / "report.html").read_text()
    assert "<b>x</b>" not in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page
