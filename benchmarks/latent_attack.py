"""Ten thousand attempts to leave a class by less than the certified radius, with full knowledge.

    python -m benchmarks.latent_attack

100 inputs, 100 attempts each: half against the rival that the certificate names as the nearest, half spread
over all rivals; every attempt from another random direction. An attempt solves "the shortest shift after
which the rival's score is no worse": Newton steps on the rival surface (linearise it, go most of the way to
the point of the tangent plane that is nearest to the input), each followed by the exact root of the score's
difference along the ray, so that every attempt ends on the surface. The scores' matrices are the
classifier's; nothing of the solver is used.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.latent_radii import classes
from ironbound.data import sets
from ironbound.latent import GaussianClassifier, LinearEncoder

Array = NDArray[np.float64]

INPUTS, ATTEMPTS, STEPS = 100, 100, 200


def shortest(clf: GaussianClassifier, z: Array, rivals: NDArray[np.int64], seed: int) -> Array:
    """Lengths of the shortest class-changing shifts found, (N, T), from z (N, D) against rivals (N, T)."""
    q: Any = clf.scores_
    rng = np.random.default_rng(seed)
    precision = np.array([np.diag(f**2) if f.ndim == 1 else f @ f.T for f in q.factors])
    own = np.argmin(q.scores(z), axis=1)
    found = np.full(rivals.shape, np.inf)
    for k in np.unique(own):
        for j in np.unique(rivals[own == k]):
            row, column = np.nonzero((own[:, None] == k) & (rivals == j))
            a = precision[j] - precision[k]
            lead = (z[row] - q.means[j]) @ precision[j], (z[row] - q.means[k]) @ precision[k]
            b = lead[0] - lead[1]
            c = np.sum(lead[0] * (z[row] - q.means[j]), 1) - np.sum(lead[1] * (z[row] - q.means[k]), 1)
            c += q.offsets[j] - q.offsets[k]
            found[row, column] = _newton(a, b, c, rng.normal(size=b.shape))
    return found


def _newton(a: Array, b: Array, c: Array, d: Array) -> Array:
    """min |d| subject to c + 2 b.d + d.A d <= 0, one start for each row."""
    best = np.full(len(d), np.inf)
    for step in range(STEPS):
        ad, bd = d @ a, np.sum(b * d, axis=1)
        with np.errstate(all="ignore"):
            bend = np.sum(d * ad, axis=1)
            depth = bd * bd - c * bend
            root = c / (np.sqrt(np.maximum(depth, 0.0)) - bd)  # where the ray first meets the surface
            there = (depth >= 0.0) & (root > 0.0) & np.isfinite(root)
        scale = np.where(there, root, 1.0)[:, None]
        d, ad, bd, bend = d * scale, ad * scale, bd * scale[:, 0], bend * scale[:, 0] ** 2
        best = np.where(there, np.minimum(best, np.linalg.norm(d, axis=1)), best)
        slope = 2.0 * (b + ad)
        value = c + 2.0 * bd + bend
        tangent = slope * ((np.sum(slope * d, axis=1) - value) / np.sum(slope * slope, axis=1))[:, None]
        share = 0.5 if step % 2 else 0.9
        d = d + share * (tangent - d)
    return best


def cases() -> Iterator[tuple[str, GaussianClassifier, Array]]:
    z, y = classes(64, 10, 20_000, seed=64)
    yield "synthetic, D = 64, 10 classes", GaussianClassifier().fit(z[INPUTS:], y[INPUTS:]), z[:INPUTS]
    if os.environ.get("IRONBOUND_DATA"):
        train, test = sets.mnist("train"), sets.mnist("test")
        x = train.images[:10_000] / 255.0
        encoder = LinearEncoder.pca(x, 40)
        clf = GaussianClassifier().fit(encoder.encode(x)[0], train.labels[:10_000])
        yield "MNIST, PCA 40", clf, encoder.encode(test.images[:INPUTS] / 255.0)[0]


def main() -> None:
    print(
        f"{'latent':32s}{'attempts':>10s}{'within':>8s}{'closest':>12s}{'best, median':>14s}{'<= 1e-6':>9s}"
    )
    for name, clf, z in cases():
        start = time.process_time()
        found = clf.radii(z)
        rng = np.random.default_rng(0)
        own = np.argmax(clf.decision_function(z), axis=1)
        rivals = rng.integers(len(clf.classes_) - 1, size=(len(z), ATTEMPTS))
        rivals += rivals >= own[:, None]
        rivals[:, ::2] = found.rival[:, None]
        ratio = shortest(clf, z, rivals, seed=1) / found.radius[:, None] - 1.0
        best = ratio.min(axis=1)
        within = int(np.sum(ratio < -1e-12))
        print(
            f"{name:32s}{ratio.size:10,d}{within:8d}{ratio.min():10.1e}{np.median(best):14.1e}"
            f"{np.mean(best <= 1e-6):9.0%}{time.process_time() - start:7.1f}"
        )


if __name__ == "__main__":
    main()
