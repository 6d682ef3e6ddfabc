"""Operator norms of linear layers, from above: a certificate may rest on every number returned here.

Bounds are computed in float64 and leave with an outward margin, relative `ROUNDING_MARGIN`, which covers the
error of the decomposition itself. They bound the operator in exact arithmetic; what a forward pass in float32
adds by rounding is not part of them.
Sources: Delattre et al. 2023 (Gram iteration, arXiv 2305.16173), Prach & Lampert 2022 (AOL, arXiv
2208.03160), Sedghi et al. 2019 (symbols of circular convolutions, arXiv 1805.10408); math notes "Lipschitz",
section 3.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from ironbound.errors import wrong_value

Padding = Literal["same", "circular"]
Size = int | tuple[int, int]

# Singular values of an n x m matrix in float64 err by a small multiple of n * 2^-53 of the largest one; with
# n = 4,096 that is 5e-13. The symbol itself adds k * k roundings.
ROUNDING_MARGIN = 1e-11
# How far above the largest norm the search over frequencies may stop, in relative terms.
_HEADROOM = 6e-3
_POWER_STEPS = 12
_SMALL = 20_000


def dense_norm_bound(weight: Tensor) -> float:
    """Largest singular value of a dense layer, rounded up.

    Args:
        weight: shape (out, in), any floating dtype.
    Raises:
        InputError: not two-dimensional, empty, or not finite.

    Example:
        >>> dense_norm_bound(torch.eye(3)) >= 1.0
        True
    """
    matrix = _checked(weight, 2)
    largest = float(torch.linalg.matrix_norm(matrix, ord=2))
    return largest * (1.0 + ROUNDING_MARGIN)


def conv2d_norm_bound(
    weight: Tensor,
    input_size: Size,
    *,
    padding: Padding = "same",
    stride: Size = 1,
    dilation: Size = 1,
    groups: int = 1,
) -> float:
    """Upper bound of the 2-norm of a two-dimensional convolution as an operator on images of `input_size`.

    Circular padding at stride 1 is exact up to the margin: the norm is the largest over all frequencies of
    the norm of the symbol. Zero padding is a compression of the circular operator on a grid larger by the
    reach of the kernel, so that bound holds. Striding only drops outputs; groups act on separate channels.

    Args:
        weight: shape (C_out, C_in / groups, k_h, k_w).
        input_size: height and width of the input, or one number for both.
        padding: "same" (zeros, any amount up to the reach of the kernel) or "circular".
        stride, dilation, groups: as in `torch.nn.Conv2d`.
    Returns:
        A float, never below the operator norm.
    Raises:
        InputError: a shape or an option cannot be used; the message names it.

    Example:
        >>> kernel = torch.tensor([1.0, 0.0, -1.0]).reshape(1, 1, 1, 3)
        >>> round(conv2d_norm_bound(kernel, (1, 6), padding="circular"), 3)
        1.732
        >>> conv2d_norm_bound(kernel, (1, 6), padding="same") >= 1.802  # the true norm with zero padding
        True
    """
    kernel = _checked(weight, 4)
    if groups < 1 or kernel.shape[0] % groups:
        raise wrong_value("groups", groups, f"a divisor of the {kernel.shape[0]} output channels")
    height, width = _pair(input_size, "input_size")
    _pair(stride, "stride")
    steps = _pair(dilation, "dilation")
    if padding == "same":
        height += steps[0] * (kernel.shape[2] - 1)
        width += steps[1] * (kernel.shape[3] - 1)
    elif padding != "circular":
        raise wrong_value("padding", padding, '"same" or "circular"')
    parts = kernel.reshape(groups, kernel.shape[0] // groups, *kernel.shape[1:])
    largest = max(_largest_over_frequencies(symbols(part, (height, width), steps)) for part in parts)
    return largest * (1.0 + ROUNDING_MARGIN)


def symbols(kernel: Tensor, grid: tuple[int, int], dilation: tuple[int, int] = (1, 1)) -> Tensor:
    """Matrices C_out x C_in of a circular convolution, one for each frequency of a half plane.

    A real kernel has conjugate symbols at opposite frequencies, so half of them carry every norm.
    The transform is a plain product with phases: a kernel larger than the grid wraps around, as it does
    in the convolution itself.

    Returns:
        complex128, shape (frequencies, C_out, C_in).
    """
    rows, columns = grid
    height, width = kernel.shape[-2:]
    down = torch.arange(height, dtype=torch.float64) * dilation[0]
    across = torch.arange(width, dtype=torch.float64) * dilation[1]
    first = torch.arange(rows, dtype=torch.float64)
    second = torch.arange(columns // 2 + 1, dtype=torch.float64)
    # The product of integers is reduced modulo the grid before it becomes an angle: no digits are lost.
    turns_down = torch.remainder(first[:, None] * down, rows) / rows
    turns_across = torch.remainder(second[:, None] * across, columns) / columns
    angle = 2 * math.pi * (turns_down[:, None, :, None] + turns_across[None, :, None, :])
    phases = torch.polar(torch.ones_like(angle), -angle).reshape(-1, height * width)
    taps = kernel.to(torch.float64).reshape(-1, height * width)
    # Frequencies first: each symbol then lies in one piece of memory: its Gram matrix takes half the time.
    transformed = torch.complex(phases.real @ taps.T, phases.imag @ taps.T)
    return transformed.reshape(-1, kernel.shape[0], kernel.shape[1])


def gram_norm_bound(matrix: Tensor, steps: int = 6) -> Tensor:
    """|W|_2 <= |(W^* W)^(2^(t-1))|_F^(1/2^t): decreasing in t to the norm, differentiable, batched.

    Args:
        matrix: shape (..., rows, columns), real or complex.
        steps: t >= 1; the bound exceeds the norm by at most a factor rank^(1/2^(t+1)).
    Returns:
        Real tensor of shape (...), never below the norm beyond rounding.

    Example:
        >>> w = torch.diag(torch.tensor([3.0, 2.9, 1.0], dtype=torch.float64))
        >>> 3.0 <= float(gram_norm_bound(w, 6)) <= 3.03
        True
    """
    if steps < 1:
        raise wrong_value("steps", steps, "at least 1 Gram step")
    # Rescaling by the Frobenius norm keeps powers inside the range of floats; it is undone in log scale.
    current = matrix if matrix.shape[-2] >= matrix.shape[-1] else matrix.mH
    log_scale = torch.zeros(matrix.shape[:-2], dtype=current.real.dtype, device=matrix.device)
    smallest = torch.finfo(current.real.dtype).tiny
    for _ in range(steps):
        norm = torch.linalg.matrix_norm(current).clamp_min(smallest)
        current = current / norm[..., None, None]
        log_scale = 2 * (log_scale + norm.log())
        current = current.mH @ current
    final = torch.linalg.matrix_norm(current).clamp_min(smallest)
    return ((final.log() + log_scale) / 2**steps).exp()


def aol_scale(weight: Tensor) -> Tensor:
    """Per-input-channel factors that make a dense or convolutional layer non-expansive (AOL).

    Multiplying the input channels of `weight` by the result gives an operator of norm at most 1, for any
    input size and zero or circular padding at stride 1; differentiable, no iteration.

    Args:
        weight: shape (out, in) or (C_out, C_in, k_h, k_w).
    Returns:
        Shape (in,) or (C_in,).
    Raises:
        InputError: another number of dimensions.

    Example:
        >>> w = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> bool(dense_norm_bound(w * aol_scale(w)) <= 1.0 + 1e-6)
        True
    """
    total = interactions(weight).sum(dim=1)
    return torch.where(
        total > 0, total.clamp_min(torch.finfo(total.dtype).tiny).rsqrt(), torch.ones_like(total)
    )


def interactions(weight: Tensor) -> Tensor:
    """Sum over all offsets of |correlation| of the filters of two input channels, shape (in, in)."""
    if weight.ndim == 2:
        return (weight.T @ weight).abs()
    if weight.ndim == 4:
        reach = (weight.shape[2] - 1, weight.shape[3] - 1)
        rows = weight.transpose(0, 1)
        return torch.nn.functional.conv2d(rows, rows, padding=reach).abs().sum(dim=(2, 3))
    raise wrong_value("weight", tuple(weight.shape), "a dense (out, in) or a 4-d convolution weight")


def _largest_over_frequencies(matrices: Tensor) -> float:
    """Upper bound of the largest spectral norm, at most 1 % above it, without decomposing every matrix.

    Power iteration finds a lower bound L. A Cholesky factorisation of c I - W^* W that succeeds proves
    |W|^2 < c up to its rounding error; with c a little above L^2 it succeeds for all frequencies but the few
    whose norm power iteration under-estimated, and those are decomposed. Single precision does where its
    error, bounded below, is small against c.
    """
    tall = matrices if matrices.shape[-2] >= matrices.shape[-1] else matrices.mH
    size = tall.shape[-1]
    if size == 1:
        return float(torch.linalg.vector_norm(tall, dim=(-2, -1)).max())
    if tall.numel() <= _SMALL:
        return float(torch.linalg.svdvals(tall)[..., 0].max())
    # As pairs of real numbers: the norm of complex ones takes 25 times as long.
    parts = torch.view_as_real(matrices).reshape(len(matrices), -1)
    scale = float(torch.linalg.vector_norm(parts, dim=1).max())
    if scale == 0.0:
        return 0.0
    for dtype in (torch.complex64, torch.complex128):
        gram = (tall / scale).to(dtype)
        gram = gram.mH @ gram
        vector = gram.sum(dim=-1, keepdim=True)
        for _ in range(_POWER_STEPS):
            vector = gram @ _unit(vector)
        ceiling = float(torch.linalg.vector_norm(vector, dim=(-2, -1)).max()) * (1.0 + _HEADROOM) ** 2
        # Rounding the entries and a product over `rows` terms, for matrices of Frobenius norm at most 1, and
        # a factorisation of order `size`, whose error is at most (size + 1) units times the trace of what is
        # factorised (Higham, Accuracy and Stability, section 3.5 and theorem 10.3); four units of roundoff
        # a complex operation.
        trace = size * ceiling - float(gram.diagonal(dim1=-2, dim2=-1).real.sum(dim=-1).min())
        error = 2 * (tall.shape[-2] + 4 + (size + 1) * trace) * torch.finfo(dtype).eps
        if error <= 0.5 * _HEADROOM * ceiling:
            break
    room = ceiling * torch.eye(size, dtype=gram.dtype) - gram
    failed = torch.linalg.cholesky_ex(room).info != 0
    proven = scale * math.sqrt(ceiling + error)
    if not bool(failed.any()):
        return proven
    return max(proven, float(torch.linalg.svdvals(tall[failed])[..., 0].max()))


def _unit(vector: Tensor) -> Tensor:
    return vector / torch.linalg.vector_norm(vector, dim=-2, keepdim=True).clamp_min(1e-30)


def _checked(weight: Tensor, dimensions: int) -> Tensor:
    if weight.ndim != dimensions or weight.numel() == 0:
        raise wrong_value("weight", tuple(weight.shape), f"a non-empty tensor with {dimensions} dimensions")
    exact = weight.detach().to(device="cpu", dtype=torch.float64)
    if not bool(torch.isfinite(exact).all()):
        raise wrong_value("weight", "NaN or infinity", "finite")
    return exact


def _pair(value: Size, name: str) -> tuple[int, int]:
    first, second = (value, value) if isinstance(value, int) else value
    if first < 1 or second < 1:
        raise wrong_value(name, value, "at least 1 in both directions")
    return first, second
