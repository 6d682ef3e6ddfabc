"""`latent.report`: does an encoder suit, in plain words, with pictures.

findings   the numbers, and the sentences they give
plots      the pictures
page       one self-contained HTML file
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from numpy.typing import ArrayLike

from ironbound.latent.gaussian import GaussianClassifier
from ironbound.latent.reporting.findings import Findings, find
from ironbound.latent.reporting.page import page
from ironbound.latent.reporting.plots import draw

__all__ = ["Findings", "LatentReport", "report"]

EPS = (0.0, *(10.0 ** (k / 8) for k in range(-24, 9)))
"""Divergences in nats, 0 to 10, at which the transfer bounds are drawn."""


@dataclass(frozen=True)
class LatentReport:
    """What `report` found and where it wrote it. `str` gives the verdict in plain words."""

    findings: Findings
    html: Path
    pictures: tuple[Path, ...]

    def __str__(self) -> str:
        return "\n".join(self.findings.sentences)


def report(
    classifier: GaussianClassifier,
    Z: ArrayLike,
    y: ArrayLike,
    folder: str | Path,
    *,
    radii: Sequence[float] | None = None,
    eps: Sequence[float] = EPS,
    lipschitz: float = 1.0,
    unit: str = "latent units",
    title: str = "Latent",
    alpha: float = 0.05,
    seed: int = 0,
) -> LatentReport:
    """Tell whether a latent suits a Gaussian classifier with exact radii; writes report.html and PNG files.

    Args:
        classifier: fitted on *other* data; everything below is measured on Z, y.
        Z, y: held-out latents (N, D) and labels (N,).
        folder: where to write; made if missing.
        radii: radii to report, in `unit`; None for steps up to the 95 % quantile.
        eps: divergences in nats at which the transfer bounds are drawn.
        lipschitz: the encoder's constant: radii are divided by it (1: radii in the latent).
        unit: of the radii, for the reader. title: heading.
        alpha: error probability of each interval and bound. seed: of sampling and splits.
    Raises:
        InputError: too few held-out samples for the tests.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    found = find(
        classifier, Z, y, radii=radii, eps=eps, lipschitz=lipschitz, unit=unit, alpha=alpha, seed=seed
    )
    pictures = draw(classifier, found, place)
    html = place / "report.html"
    html.write_text(page(title, found, pictures), encoding="utf-8")
    return LatentReport(found, html, tuple(pictures.values()))
