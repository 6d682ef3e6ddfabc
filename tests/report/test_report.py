"""The report of a run: self-contained, escaped, finite, and it says what the rows say."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from little_runs import plan
from PIL import Image
from rich.console import Console

from ironbound.channels import Gaussian, Smoothing, UniformReplacement
from ironbound.report.html import page
from ironbound.report.plots import curves
from ironbound.report.reading import Reading, read_run, shown_budgets
from ironbound.report.tables import terminal
from ironbound.report.write import write_report
from ironbound.runs.metrics import Summary
from ironbound.runs.plan import Plan
from ironbound.runs.runner import run
from ironbound.threats import L2, Threat, TokenL0


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    run(plan(), folder)
    write_report(folder)
    return folder


def attacked(**threat: L2 | TokenL0) -> Plan:
    first = plan()
    return dataclasses.replace(first, problem=dataclasses.replace(first.problem, threat=Threat(**threat)))


class Checker(HTMLParser):
    """Collects what a page would load, and whether its tags are balanced."""

    VOID = frozenset({"meta", "img", "source", "link", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "srcset", "href", "data")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def checked(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    return checker


def test_the_page_loads_nothing_and_runs_nothing(out: Path) -> None:
    html = (out / "report.html").read_text()
    found = checked(html)
    assert found.loads
    assert all(target.startswith(("data:image/", "#")) for target in found.loads)
    assert not found.tags & {"script", "link", "iframe", "object"}
    assert "url(" not in html
    assert "Content-Security-Policy" in html


def test_text_of_the_user_is_escaped(out: Path) -> None:
    html = (out / "report.html").read_text()
    assert "<b>words 0</b>" not in html
    assert "&lt;b&gt;words 0&lt;/b&gt;" in html


def test_the_page_says_what_the_certificates_say(out: Path) -> None:
    reading = read_run(out)
    html = (out / "report.html").read_text()
    row, first = reading.sample[0]
    assert row.input_id == first.input_id
    assert first.fingerprint[:16] in html
    assert f"ironbound verify {out.as_posix()}" in html
    assert "grey levels" in html


def test_pictures_inside_the_page_can_be_read(out: Path) -> None:
    html = (out / "report.html").read_text()
    pictures = re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", html)
    assert len(pictures) == 2
    for picture in pictures:
        assert ET.fromstring(base64.b64decode(picture)).tag.endswith("svg")
    with Image.open(out / "curves.png") as image:
        assert image.width >= 1000
        assert np.asarray(image.convert("L")).std() > 5
    ET.parse(out / "curves.svg")


def test_equal_runs_give_equal_pictures(out: Path) -> None:
    reading = read_run(out)
    assert curves(reading, "svg") == curves(reading, "svg") != curves(reading, "svg", "dark")
    assert b"<dc:date>" not in curves(reading, "svg")


def test_the_summary_file_is_finite_and_complete(out: Path) -> None:
    record = json.loads((out / "summary.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert record["measure"] == "certified accuracy"
    assert record["accuracy"]["value"] == 1.0
    assert record["base_accuracy"]["value"] == 1.0
    assert record["radius_unit"] == "grey levels"
    assert record["budget_of"] == ["tokens"]
    assert {entry["budget"] for entry in record["certified"]} == {0, 1, 2}
    assert record["samples"] == {"mean": 320.0, "max": 320}


def printed(reading: Reading) -> str:
    console = Console(width=110, file=None, record=True, quiet=False, force_terminal=False)
    with console.capture() as capture:
        console.print(terminal(reading))
    return capture.get()


def test_the_terminal_shows_the_frontier(out: Path) -> None:
    text = printed(read_run(out))
    assert "6 of 6" in text
    assert "clean accuracy, smoothed" in text
    assert re.search(r"│ 0 │ +100\.0 │", text)
    assert "largest r" in text


def test_without_a_continuous_channel_budgets_are_compared(tmp_path: Path) -> None:
    run(attacked(tokens=TokenL0(max_d=2)), tmp_path)
    reading = write_report(tmp_path)
    assert "largest r" not in printed(reading)
    checked((tmp_path / "report.html").read_text())
    assert Image.open(BytesIO(curves(reading, "png"))).width >= 1000


def test_without_a_discrete_channel_there_is_one_line(tmp_path: Path) -> None:
    run(attacked(image=L2()), tmp_path)
    reading = write_report(tmp_path)
    assert reading.shown_budgets == (0,)
    assert "│ d │" not in printed(reading)
    html = (tmp_path / "report.html").read_text()
    checked(html)
    assert "at most d of them" not in html


def test_several_channels_of_each_kind_are_named(tmp_path: Path) -> None:
    first = plan()
    examples = tuple(
        dataclasses.replace(
            e,
            inputs={
                "a": e.inputs["image"],
                "b": e.inputs["image"],
                "s": e.inputs["tokens"],
                "t": e.inputs["tokens"],
            },
        )
        for e in first.problem.examples
    )
    problem = dataclasses.replace(
        first.problem,
        base=lambda batch: batch["a"][:, 0] > 0,
        smoothing=Smoothing(
            a=Gaussian(0.5),
            b=Gaussian(0.25),
            s=UniformReplacement(0.5, 10),
            t=UniformReplacement(0.5, 10),
        ),
        threat=Threat(a=L2(), b=L2(), s=TokenL0(1), t=TokenL0(1)),
        examples=examples,
    )
    run(dataclasses.replace(first, problem=problem, limit=2), tmp_path)
    reading = write_report(tmp_path)
    assert reading.summary.budgets == ((0, 0), (0, 1), (1, 0), (1, 1))
    assert "joint radius" in reading.attacked.radius_label
    html = (tmp_path / "report.html").read_text()
    assert "(0, 1)" in html
    checked(html)


def test_an_unfinished_run_and_failures_are_announced(tmp_path: Path) -> None:
    def broken(batch: dict[str, np.ndarray]) -> np.ndarray:
        raise RuntimeError("<script>alert(1)</script>")

    failing = dataclasses.replace(plan(base=broken), limit=2)
    assert run(failing, tmp_path) == 2
    html = page(dataclasses.replace(write_report(tmp_path)))
    checked(html)
    assert "Some inputs failed" in html
    assert "<script>" not in html
    assert "No certificate yet" in html


def test_labels_are_not_needed(tmp_path: Path) -> None:
    run(plan(labelled=False), tmp_path)
    reading = write_report(tmp_path)
    assert "Certified share" in printed(reading)
    assert "accuracy" not in printed(reading)


def test_at_most_eight_budgets_are_shown() -> None:
    budgets = tuple(range(40))
    summary = Summary.__new__(Summary)
    object.__setattr__(summary, "budgets", budgets)
    object.__setattr__(summary, "largest", {d: 1.0 if d < 30 else None for d in budgets})
    shown = shown_budgets(summary)
    assert len(shown) == 8
    assert (shown[0], shown[-2], shown[-1]) == (0, 29, 30)


def test_remarks_and_reasons_for_stopping_are_shown(tmp_path: Path) -> None:
    def tight(batch: dict[str, np.ndarray]) -> np.ndarray:
        if len(batch["image"]) > 1000:
            raise MemoryError
        return (batch["image"][:, 0] > 0.5).astype(np.int64)

    run(plan(base=tight, stop="target", n=2000, target={"image": 0.2, "tokens": 1}, count=20), tmp_path)
    reading = write_report(tmp_path)
    assert "out of memory: batches now hold" in printed(reading)
    assert sum(reading.summary.stop_reasons.values()) == 20
    assert "decided" in reading.summary.stop_reasons
    assert f"decided: {reading.summary.stop_reasons['decided']}" in printed(reading)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["stop_reasons"] == reading.summary.stop_reasons
    assert summary["notes"]
    page_text = (tmp_path / "report.html").read_text()
    assert "out of memory" in page_text
