"""How the noised value of one channel becomes JSON."""

from __future__ import annotations

import base64
import importlib.util
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ironbound.errors import InputError, InputTypeError, wrong_value

Encoder = Callable[[NDArray[Any]], Any]


def numbers(value: NDArray[Any]) -> Any:
    """Nested lists of the exact numbers: a float32 is written so that it reads back as the same float32."""
    return value.tolist()


@dataclass(frozen=True)
class Png:
    """An image as base64 text of an 8-bit PNG file.

    Noise leaves the range of the clean image and falls between grey levels, so values are clipped to
    low..high and rounded to the nearest of 256 levels. That is post-processing of the noised image, like any
    other thing the endpoint does with it, and needs no proof.

    Args:
        low, high: values of black and white.
        layout: "HW" (grey), "CHW" or "HWC" with 1, 3 or 4 colours; None to tell from the shape.
    Raises:
        InputError: low >= high; Pillow is not installed; at the first draw: a shape that is no image.

    Example:
        >>> Png()(np.array([[0.0, 1.7], [0.5, -1.0]]))[:8]
        'iVBORw0K'
    """

    low: float = 0.0
    high: float = 1.0
    layout: Literal["HW", "CHW", "HWC"] | None = None

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise wrong_value("low, high", (self.low, self.high), "finite and increasing")
        if self.layout not in (None, "HW", "CHW", "HWC"):
            raise wrong_value("layout", self.layout, "one of HW, CHW, HWC, or None")
        if importlib.util.find_spec("PIL") is None:
            raise InputError("sending images as PNG needs Pillow: pip install pillow, or encode as 'numbers'")

    def __call__(self, value: NDArray[Any]) -> str:
        from PIL import Image

        scaled = np.clip((value.astype(np.float64) - self.low) / (self.high - self.low), 0.0, 1.0)
        pixels = _rows_columns_colours(np.rint(scaled * 255.0).astype(np.uint8), self.layout)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, format="PNG")
        return base64.b64encode(file.getvalue()).decode("ascii")


def encoder(given: object, channel: str) -> Encoder:
    """The encoder that a user named or wrote.

    Raises:
        InputError: an unknown name. InputTypeError: neither a name nor callable.
    """
    if given == "numbers":
        return numbers
    if given == "png":
        return Png()
    if isinstance(given, str):
        raise wrong_value(f"encoders[{channel!r}]", given, "'numbers', 'png' or a function of one draw")
    if callable(given):
        return given
    raise InputTypeError(f"encoders[{channel!r}] must be 'numbers', 'png' or a function; got {given!r}")


def _rows_columns_colours(pixels: NDArray[np.uint8], layout: str | None) -> NDArray[np.uint8]:
    """(H, W) or (H, W, colours), as image files want it."""
    colours = (1, 3, 4)
    shape = pixels.shape
    if layout is None and len(shape) == 3:
        first, last = shape[0] in colours, shape[2] in colours
        if first and last:
            raise InputError(f"an image of shape {shape} may be CHW or HWC: say which with Png(layout=..)")
        layout = "CHW" if first else "HWC"
    if len(shape) == 2 and layout in (None, "HW"):
        return pixels
    if len(shape) == 3 and layout != "HW":
        turned = np.ascontiguousarray(np.moveaxis(pixels, 0, 2)) if layout == "CHW" else pixels
        if turned.shape[2] in colours:
            return turned[:, :, 0] if turned.shape[2] == 1 else turned
    raise InputError(
        "an image must have shape (H, W), (colours, H, W) or (H, W, colours) with 1, 3 or 4 colours; "
        f"got {shape}" + ("" if layout is None else f" as {layout}")
    )
