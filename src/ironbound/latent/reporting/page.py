"""The HTML page of a latent report: one file, nothing loaded from anywhere, all text escaped."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from ironbound.latent.reporting.findings import Findings

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.55 system-ui, sans-serif; color: #1c2430; background: #f5f6f8; margin: 0; }
main { max-width: 860px; margin: 2rem auto; padding: 1.5rem 2.5rem 2.5rem; }
main { background: #fff; border-radius: 8px; }
h1 { font-size: 1.7rem; margin: .3rem 0 1rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p { margin: .5rem 0; } p.verdict { background: #eaf2fb; border-left: 4px solid #0072b2; padding: .6rem 1rem; }
img { width: 100%; height: auto; } small { color: #5b6675; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid #e1e5ea; }
th:first-child, td:first-child { text-align: left; }
th { font-weight: 600; border-bottom: 2px solid #b9c1cc; }
"""

Cells = Sequence[Sequence[str]]


def page(title: str, found: Findings, pictures: Mapping[str, Path]) -> str:
    """The page as text."""
    *body, verdict = found.sentences
    parts = [f"<h1>{escape(title)}</h1>", f'<p class="verdict">{escape(verdict)}</p>']
    parts += [f"<p>{escape(sentence)}</p>" for sentence in body]
    for heading, path in pictures.items():
        data = base64.b64encode(path.read_bytes()).decode("ascii")
        parts.append(
            f'<h2>{escape(heading)}</h2><img alt="{escape(heading)}" src="data:image/png;base64,{data}">'
        )
    parts += _accuracy(found) + _normality(found) + _divergence(found)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def _accuracy(f: Findings) -> list[str]:
    any_ = [None] * len(f.at) if f.reach is None else [line.any_classifier for line in f.reach.lines]
    rows = [
        (
            f"{one.radius:g}",
            _percent(one.measured),
            f"{_percent(one.lower)} to {_percent(one.upper)}",
            _percent(model),
            "" if best is None else _percent(math.ceil(best * 1e4) / 1e4),
        )
        for one, model, best in zip(f.measured, f.mixture, any_, strict=True)
    ]
    heads = (f"radius ({f.unit})", "measured", "interval", "if the fit were true", "any classifier, at most")
    note = (
        "<small>The last column bounds every classifier, if the fit were the truth, against an attacker who "
        "shifts the latent as far as a change of the input of this length can.</small>"
    )
    return ["<h2>Certified accuracy in numbers</h2>", _table(heads, rows), note]


def _normality(f: Findings) -> list[str]:
    rows = [
        (name, "too few samples", "", "")
        if one is None
        else (name, f"{one.samples:,}", _small(one.skewness_p), _small(one.kurtosis_p))
        for name, one in f.normality
    ]
    note = "<small>Small p-values speak against a Gaussian law; large ones do not prove it.</small>"
    heads = ("class", "held-out samples", "skewness p", "kurtosis p")
    return ["<h2>Mardia's tests, class by class</h2>", _table(heads, rows), note]


def _divergence(f: Findings) -> list[str]:
    rows = [
        ("total variation, at least", f"{f.distance.lower:.4f}", f"confidence {1 - f.distance.alpha:g}"),
        ("KL, at least (Pinsker)", f"{f.distance.kl_lower:.4f} nats", f"confidence {1 - f.distance.alpha:g}"),
    ]
    note = ""
    if f.divergence is not None:
        one = f.divergence
        rows.append(("KL, k-NN", f"{one.estimated:.3f} nats", f"estimate only, k = {one.neighbours}"))
        note = f"<small>{escape(one.caveat)}.</small>"
    return ["<h2>Data against the fitted mixture</h2>", _table(("what", "value", "how sure"), rows), note]


def _table(heads: Sequence[str], rows: Cells) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _percent(value: float) -> str:
    return f"{100 * value:.2f} %"


def _small(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "below 0.001"
