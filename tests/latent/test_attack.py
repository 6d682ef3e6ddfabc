"""Ten thousand attempts by an attacker with full knowledge, who also shows that the radii are tight."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from latent.distances import Array

from ironbound.latent import GaussianClassifier

INPUTS, ATTEMPTS, STEPS = 100, 100, 40


def attacked(clf: GaussianClassifier, z: Array, length: Array, seed: int) -> np.ndarray:
    """Projected gradient on the lead of one rival, from random starts; flips of shape (N, ATTEMPTS)."""
    q: Any = clf.scores_
    rng = np.random.default_rng(seed)
    precision = np.array([f @ f.T for f in q.factors])
    own = np.argmin(q.scores(z), axis=1)
    rival = rng.integers(len(q.means) - 1, size=(len(z), ATTEMPTS))
    rival += rival >= own[:, None]
    rival[:, ::2] = clf.radii(z).rival[:, None]  # half of them know the nearest class
    d = rng.normal(size=(len(z), ATTEMPTS, z.shape[1]))
    for step in range(STEPS):
        x = z[:, None] + d
        pull = np.einsum("nde,nae->nad", precision[own], x - q.means[own][:, None])
        push = np.einsum("nade,nae->nad", precision[rival], x - q.means[rival])
        d = d + (pull - push) * (0.5 * 0.9**step)
        # An attacker in need uses the whole length.
        d *= length[:, None, None] / np.maximum(np.linalg.norm(d, axis=2, keepdims=True), 1e-300)
    moved = (z[:, None] + d).reshape(-1, z.shape[1])
    return np.argmin(q.scores(moved), axis=1).reshape(len(z), ATTEMPTS) != own[:, None]


def test_no_attempt_succeeds_within_the_radius_and_many_do_just_beyond() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(5, size=2_000)
    shapes = rng.normal(size=(5, 8, 8)) / 3.0
    z = rng.normal(size=(5, 8))[y] * 2.0 + np.einsum("nde,ne->nd", shapes[y], rng.normal(size=(2_000, 8)))
    clf = GaussianClassifier().fit(z, y)
    held = z[:INPUTS]
    radius = cast(Array, clf.radius(held))
    assert np.all(radius > 0.0)
    within = attacked(clf, held, radius * (1.0 - 1e-9), seed=1)
    assert within.size == 10_000
    assert not within.any()
    beyond = attacked(clf, held, radius * 1.001, seed=2)
    assert np.mean(beyond.any(axis=1)) > 0.5
