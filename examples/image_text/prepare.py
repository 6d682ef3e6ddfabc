"""Write pairs.npz, pictures with captions, and train a network on both under the certifying noise.

The question is whether the caption fits the picture: neither of the two alone can answer it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from model import LENGTH, VOCABULARY, Net
from safetensors.torch import save_file
from sklearn.datasets import load_digits

HERE = Path(__file__).parent
SIGMA, BETA = 0.2, 0.6
TEST = 60


def captioned(
    pictures: np.ndarray, digits: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Captions of 16 words, 12 of which say "ring" (a zero) or "stroke" (a one) in one of ten ways each."""
    fits = generator.random(len(digits)) < 0.5
    said = np.where(fits, digits, 1 - digits)
    telling = 10 * said[:, None] + generator.integers(0, 10, (len(digits), 12))
    filler = generator.integers(20, VOCABULARY, (len(digits), LENGTH - 12))
    tokens = generator.permuted(np.concatenate([telling, filler], axis=1), axis=1)
    return pictures, tokens, fits.astype(np.int64)


def main() -> None:
    generator = np.random.default_rng(0)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    pixels, shown = map(np.asarray, load_digits(return_X_y=True))
    chosen = generator.permutation(np.flatnonzero(shown < 2))
    pictures, digits = (pixels[chosen].reshape(-1, 8, 8) / 16).astype(np.float32), shown[chosen]
    image, tokens, fits = captioned(pictures[:TEST], digits[:TEST], generator)
    np.savez_compressed(HERE / "pairs.npz", image=image, tokens=tokens, fits=fits)

    # Each training picture with eight captions.
    many = captioned(np.repeat(pictures[TEST:], 8, axis=0), np.repeat(digits[TEST:], 8), generator)
    x, t, y = map(torch.from_numpy, many)
    network = Net()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(300):
        batch = torch.randint(len(y), (256,))
        noisy = x[batch] + SIGMA * torch.randn(256, 8, 8)
        replaced = torch.rand(256, LENGTH) < BETA
        words = torch.where(replaced, torch.randint(VOCABULARY, (256, LENGTH)), t[batch])
        loss = torch.nn.functional.cross_entropy(network(noisy, words), y[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    save_file(network.state_dict(), HERE / "weights.safetensors")


if __name__ == "__main__":
    main()
