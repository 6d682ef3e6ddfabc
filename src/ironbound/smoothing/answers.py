"""From whatever a base classifier returned to one label per draw; what is no class becomes -1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ironbound.errors import InputError

NO_CLASS = -1


def labels(
    output: Any, count: int, num_classes: int, class_names: Sequence[str] | None = None
) -> NDArray[np.int64]:
    """One label in 0..C-1, or -1 for "no class", for each of `count` draws.

    Args:
        output: labels (B,), class names (B,) or scores (B, C), as a NumPy array, a torch tensor or a list.
        count: B, the number of draws that were asked about.
        num_classes: C.
        class_names: names that string labels are looked up in; other strings are "no class".
    Raises:
        InputError: the shape is neither (B,) nor (B, C), or one-dimensional answers are no labels.

    Example:
        >>> labels([[0.2, 0.8], [float("nan"), 1.0]], 2, 2)
        array([ 1, -1])
        >>> labels(["cat", "I cannot tell"], 2, 2, ["dog", "cat"])
        array([ 1, -1])
    """
    array = plain(output)
    if array.shape == (count,):
        return _checked(array, num_classes, class_names)
    if array.shape == (count, num_classes) and array.dtype.kind in "biuf":
        best = np.argmax(array, axis=1).astype(np.int64)
        if array.dtype.kind == "f":
            # The first NaN of a row counts as its largest score.
            best[np.isnan(array[np.arange(count), best])] = NO_CLASS
        return best
    raise InputError(
        f"base must return labels of shape ({count},) or scores of shape ({count}, {num_classes}) "
        f"for {count} draws; got shape {array.shape}, dtype {array.dtype}"
    )


def plain(output: Any) -> NDArray[Any]:
    """What a base returned, as a NumPy array; refused where it is ragged."""
    if hasattr(output, "detach"):  # a torch tensor; bfloat16 has no NumPy counterpart
        tensor = output.detach().cpu()
        return np.asarray(tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor)
    try:
        return np.asarray(output)
    except ValueError as error:
        raise InputError(f"base must return one label or one row of scores per draw; {error}") from error


def _checked(array: NDArray[Any], num_classes: int, class_names: Sequence[str] | None) -> NDArray[np.int64]:
    if array.dtype.kind in "OUT":
        places = {name: i for i, name in enumerate(class_names or ())}
        if class_names is None and any(isinstance(item, str) for item in array.tolist()):
            raise InputError(
                f"base returned the label {array[0]!r}: give SmoothedClassifier the class_names, or return "
                f"whole numbers 0..{num_classes - 1}"
            )
        return np.array([_place(item, places, num_classes) for item in array.tolist()], dtype=np.int64)
    if array.dtype.kind not in "biuf":
        raise InputError(f"base must return whole-number labels or scores; got dtype {array.dtype}")
    if array.dtype.kind == "f":
        finite = array[np.isfinite(array)]
        fraction = finite[finite != np.rint(finite)]
        if fraction.size:
            raise InputError(
                f"base returned {fraction[0]!s} where a label in 0..{num_classes - 1} was expected; "
                f"return scores of shape ({array.size}, {num_classes}), one column per class"
            )
    inside = (array >= 0) & (array < num_classes)  # False for NaN
    return np.where(inside, np.where(inside, array, 0).astype(np.int64), NO_CLASS)


def _place(item: object, places: dict[str, int], num_classes: int) -> int:
    if isinstance(item, str):
        return places.get(item, NO_CLASS)
    if isinstance(item, int | np.integer) and 0 <= item < num_classes:
        return int(item)
    return NO_CLASS
