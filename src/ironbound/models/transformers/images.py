"""Noised images, in the user's units, as the 8-bit images that processors expect.

The noise is the user's and lies outermost; scaling, clipping and rounding come after it and are part of the
base classifier, like the processor's own resizing and normalisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ironbound.errors import InputError, wrong_value

Layout = Literal["CHW", "HWC", "HW"]


@dataclass(frozen=True)
class PixelRange:
    """The user's units and layout.

    Args:
        low, high: the values of black and white in the user's units, such as 0 and 1, 0 and 255, -1 and 1.
        layout: order of the axes of one image; one or three colours.
    Raises:
        InputError: low is not below high; the layout is unknown.

    Example:
        >>> PixelRange(-1.0, 1.0, "HW").images(np.array([[[-1.0, 0.0], [1.0, 7.0]]]))[0][..., 0].tolist()
        [[0, 128], [255, 255]]
    """

    low: float = 0.0
    high: float = 1.0
    layout: Layout = "CHW"

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise wrong_value(
                "low and high", (self.low, self.high), "the values of black and white, low < high"
            )
        if self.layout not in ("CHW", "HWC", "HW"):
            raise wrong_value("layout", self.layout, '"CHW", "HWC" or "HW"')

    def images(self, batch: Any) -> NDArray[np.uint8]:
        """A batch (B, *layout) as 8-bit images (B, H, W, 3), clipped to the range."""
        values = np.asarray(
            batch.detach().cpu().float() if hasattr(batch, "detach") else batch, dtype=np.float64
        )
        if values.ndim != len(self.layout) + 1:
            expected = f"(B, {', '.join(self.layout)})"
            raise InputError(f"images must have the shape {expected}; got {values.shape}")
        if self.layout == "HW":
            values = values[..., None]
        elif self.layout == "CHW":
            values = np.moveaxis(values, 1, -1)
        if values.shape[-1] not in (1, 3):
            raise InputError(
                f"images must have 1 or 3 colours; got {values.shape[-1]} in layout {self.layout}"
            )
        scaled = (values - self.low) / (self.high - self.low)
        eight = np.rint(np.clip(np.nan_to_num(scaled), 0.0, 1.0) * 255.0).astype(np.uint8)
        return np.repeat(eight, 3, axis=-1) if eight.shape[-1] == 1 else eight
