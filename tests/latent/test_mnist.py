"""Real latents: MNIST through PCA. Needs the data; everything else is tested on synthetic classes."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from latent.distances import Array, exact_distance
from sklearn.decomposition import PCA

from ironbound.latent import GaussianClassifier, Quadratics


def mnist(name: str, count: int) -> tuple[Array, np.ndarray]:
    folder = Path(os.environ.get("IRONBOUND_DATA", "")) / "mnist"
    if not os.environ.get("IRONBOUND_DATA") or not folder.is_dir():
        pytest.skip("no MNIST: set IRONBOUND_DATA to a folder that holds mnist/ with the four IDX files")
    with gzip.open(folder / f"{name}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(16 + 784 * count), np.uint8, offset=16).reshape(-1, 784) / 255.0
    with gzip.open(folder / f"{name}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(8 + count), np.uint8, offset=8)
    return images, labels


def test_exact_radii_on_a_pca_latent() -> None:
    (x, y), (u, v) = mnist("train", 4_000), mnist("t10k", 500)
    pca = PCA(20, random_state=0).fit(x)
    clf = GaussianClassifier().fit(pca.transform(x), y)
    latent = np.asarray(pca.transform(u), dtype=np.float64)
    assert clf.score(latent, v) > 0.9
    exact, closed = clf.radius(latent), clf.closed_form_radius(latent)
    assert np.all(closed <= exact)
    assert np.median(exact / np.maximum(closed, 1e-300)) > 1.5
    found = clf.radii(latent[:1])
    assert isinstance(clf.scores_, Quadratics)
    truth = exact_distance(clf.scores_, int(found.component[0]), int(found.rival[0]), latent[0])
    assert truth * (1 - 1e-9) <= float(found.radius[0]) <= truth
