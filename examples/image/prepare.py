"""Write test images as PNG files, and train a small network under the noise that certifies it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from model import Net
from PIL import Image
from safetensors.torch import save_file
from sklearn.datasets import load_digits

HERE = Path(__file__).parent
SIGMA = 0.3


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    pixels, digits = map(np.asarray, load_digits(return_X_y=True))
    order = np.random.default_rng(0).permutation(len(digits))
    grey = np.rint(pixels[order].reshape(-1, 8, 8) / 16 * 255).astype(np.uint8)
    labels = torch.from_numpy(digits[order])

    shutil.rmtree(HERE / "images", ignore_errors=True)
    for i in range(60):
        folder = HERE / "images" / str(int(labels[i]))
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(grey[i]).save(folder / f"{i:03d}.png")

    images = torch.from_numpy(grey[60:]).float()[:, None] / 255
    network = Net()
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(300):
        chosen = torch.randint(len(images), (256,))
        noisy = images[chosen] + SIGMA * torch.randn(256, 1, 8, 8)
        loss = torch.nn.functional.cross_entropy(network(noisy), labels[60:][chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    save_file(network.state_dict(), HERE / "weights.safetensors")


if __name__ == "__main__":
    main()
