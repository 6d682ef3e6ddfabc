"""One self-contained page: no network, no scripts, all text escaped, images inside."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from ironbound.certificate import Certificate
from ironbound.report import tables
from ironbound.report.attacks import OUTCOMES, Attacks
from ironbound.report.plots import curves
from ironbound.report.reading import Reading
from ironbound.report.text import budget_text, grid_text, percent, radius_text, share_text
from ironbound.runs.store import Row

MOST_ERRORS = 20


def page(reading: Reading) -> str:
    """The report as HTML text."""
    environment = Environment(
        loader=PackageLoader("ironbound.report"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(**_content(reading))


def _content(reading: Reading) -> dict[str, Any]:
    summary = reading.summary
    failed = [entry for entry in reading.entries if not entry.readable]
    return {
        "name": reading.name,
        "description": str(reading.about.get("description", "")),
        "complete": summary.done + summary.errors >= summary.requested,
        "remaining": summary.requested - summary.done - summary.errors,
        "overview": tables.overview(reading),
        "frontier_title": tables.frontier_title(reading),
        "measure": tables.measure(summary),
        "has_radius": bool(reading.attacked.continuous),
        "has_budget": bool(reading.attacked.discrete),
        "radii": [grid_text(r) for r in summary.radii],
        "frontier": [
            {
                "budget": budget_text(d),
                "cells": [(percent(share), share_text(share)) for share in summary.certified[d]],
                "largest": radius_text(summary.largest[d]),
            }
            for d in reading.shown_budgets
        ],
        "hidden_budgets": len(summary.budgets) - len(reading.shown_budgets),
        "figure": {
            theme: _data_uri(curves(reading, "svg", theme), "image/svg+xml") for theme in ("light", "dark")
        },
        "figure_text": _figure_text(reading),
        "attacks": None if reading.attacks is None else _attacks(reading.attacks),
        "sample": [_certificate(reading, row, certificate) for row, certificate in reading.sample],
        "failed": [(e.row.input_id, e.row.reason or "unreadable certificate") for e in failed[:MOST_ERRORS]],
        "failed_more": max(0, len(failed) - MOST_ERRORS),
        "config": reading.config_text,
        "folder": reading.out.as_posix(),
        "versions": sorted(reading.sessions[-1]["versions"].items()) if reading.sessions else [],
    }


def _attacks(attacks: Attacks) -> dict[str, Any]:
    return {
        "verdict": attacks.verdict(),
        "usable": not attacks.problem,
        "alarm": bool(attacks.broken),
        "outdated": attacks.outdated,
        "lines": [
            {
                "kind": "certified" if line.covered else "beyond",
                "changes": line.changes,
                "inputs": line.inputs,
                "attacks": len(line.attempts),
                "counts": [line.count(name) for name in OUTCOMES],
                "share": percent(line.success),
                "interval": share_text(line.success),
                "allowed": "none" if line.covered else "any",
                "alarm": line.covered and line.count("changed") > 0,
            }
            for line in attacks.lines()
        ],
        "broken": [
            (one.input_id, _amounts(one.allowed), _amounts(one.used)) for one in attacks.broken[:MOST_ERRORS]
        ],
        "broken_more": max(0, len(attacks.broken) - MOST_ERRORS),
    }


def _amounts(amounts: Mapping[str, float]) -> str:
    """Radii and numbers of changes, as short as they can be told apart."""
    return ", ".join(f"{name}: {amount:.6g}" for name, amount in amounts.items())


def _certificate(reading: Reading, row: Row, certificate: Certificate) -> dict[str, Any]:
    return {
        "id": row.input_id,
        "text": row.input_text,
        "prediction": reading.class_name(certificate.prediction),
        "label": None if row.label is None else reading.class_name(row.label),
        "right": row.label is None or row.label == certificate.prediction,
        "abstains": certificate.prediction is None,
        "samples": f"{certificate.samples:,}" if certificate.samples else "",  # some methods need none
        "statement": certificate.statement,
        "fingerprint": certificate.fingerprint[:16],
    }


def _figure_text(reading: Reading) -> str:
    return f"{tables.frontier_title(reading)}: the figures are in the table above."


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
