"""scikit-learn's bundled images of hand-written digits, in [0, 1], split once and for all.

Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998 (its 1,797 test images).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 8
UNIT = "pixel in [0, 1]"
TEST_PER_DIGIT = 27  # a multiple of nine: digits-claims then balances its false claims exactly


@dataclass(frozen=True)
class DigitImages:
    """Images (N, 8, 8) float32 in [0, 1] and digits (N,) int64; `test` holds 27 images of every digit."""

    train: NDArray[np.float32]
    train_digits: NDArray[np.int64]
    test: NDArray[np.float32]
    test_digits: NDArray[np.int64]


def load(seed: int = 0) -> DigitImages:
    """The data, split by a seeded draw within each digit.

    Example:
        >>> data = load()
        >>> data.train.shape, data.test.shape, float(data.test.max())
        ((1527, 8, 8), (270, 8, 8), 1.0)
    """
    from sklearn.datasets import load_digits

    bundled: Any = load_digits()
    images = (bundled.images / 16.0).astype(np.float32)  # sixteenths are exact in float32
    digits = bundled.target.astype(np.int64)
    generator = np.random.default_rng(seed)
    chosen = np.concatenate(
        [generator.permutation(np.flatnonzero(digits == digit))[:TEST_PER_DIGIT] for digit in range(10)]
    )
    test = np.zeros(digits.size, dtype=bool)
    test[chosen] = True
    return DigitImages(images[~test], digits[~test], images[test], digits[test])
