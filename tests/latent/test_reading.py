"""A latent certificate is read and checked in a process that never heard of latents."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from ironbound import latent


def test_it_verifies_from_its_text_alone() -> None:
    generator = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [4.0, 1.0], [0.0, 5.0]])
    labels = np.repeat(np.arange(3), 40)
    points = centres[labels] + generator.standard_normal((120, 2))
    certificate = next(iter(latent.GaussianClassifier().fit(points, labels).certify(points[:1])))
    code = (
        "import sys\n"
        "from ironbound.certificate import Certificate\n"
        "made = Certificate.from_json(sys.stdin.read())\n"
        "made.verify()\n"
        "print(made.frontier[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=certificate.to_json(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == certificate.frontier[0]
