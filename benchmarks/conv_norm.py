"""Norm bound of a convolution against the decomposition of its symbol at every frequency.

    python -m benchmarks.conv_norm

64 -> 64 channels, 3x3, 32x32, circular. The peer is exact: batched complex128 singular values, full grid.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import torch
from torch import Tensor

from ironbound.lipschitz import conv2d_norm_bound


def full_grid(weight: Tensor, size: int) -> float:
    symbol = torch.fft.fft2(weight.double(), s=(size, size)).permute(2, 3, 0, 1)
    return float(torch.linalg.svdvals(symbol)[..., 0].max())


def best(work: Callable[[], float], repeats: int = 5) -> tuple[float, float]:
    times: list[float] = []
    value = 0.0
    for _ in range(repeats):
        start = time.perf_counter()
        value = work()
        times.append(time.perf_counter() - start)
    return min(times), value


def main() -> None:
    torch.set_num_threads(os.cpu_count() or 1)  # other benchmarks of the same process hold it to one
    generator = torch.Generator().manual_seed(0)
    random = torch.randn(64, 64, 3, 3, generator=generator) / 24
    smooth = random * 0.1 + torch.randn(64, 64, 1, 1, generator=generator).abs() / 24
    orthogonal = torch.nn.init.orthogonal_(torch.empty(64, 576), generator=generator).reshape(64, 64, 3, 3)
    print(f"\nNorm bound of a 64 -> 64 3x3 convolution on 32x32, {torch.get_num_threads()} threads")
    print(f"{'weights':12s}{'exact ms':>10s}{'bound ms':>10s}{'share':>8s}{'above exact':>13s}")
    for name, weight in (("random", random), ("smooth", smooth), ("orthogonal", orthogonal)):
        slow, exact = best(lambda weight=weight: full_grid(weight, 32))
        fast, bound = best(lambda weight=weight: conv2d_norm_bound(weight, 32, padding="circular"))
        print(f"{name:12s}{slow * 1e3:10.1f}{fast * 1e3:10.1f}{fast / slow:8.2f}{bound / exact - 1:13.2e}")


if __name__ == "__main__":
    main()
