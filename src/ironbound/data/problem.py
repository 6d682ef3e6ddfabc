"""What there is to certify: a base classifier, its noise, a threat, and examples. Built-in tasks and the
user's own configuration both end in a `Problem`, which is all that a run needs to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from ironbound.channels import Smoothing
from ironbound.errors import wrong_value
from ironbound.threats import Threat


@dataclass(frozen=True)
class Example:
    """One input.

    Args:
        id: names the input in results and seeds its noise; distinct within a problem.
        inputs: one array for each channel, without a batch axis.
        label: the true class, or None if it is not known.
        text: how a person would read the input ("" if there is nothing to read), for reports only.

    Example:
        >>> import numpy as np
        >>> Example("7", {"image": np.zeros((8, 8))}, label=3).label
        3
    """

    id: str
    inputs: Mapping[str, NDArray[Any]]
    label: int | None = None
    text: str = ""


@dataclass(frozen=True)
class Problem:
    """A classifier and what is to be certified about it.

    Args:
        name: short name, used for folders and titles.
        base: callable from a dict of batched channels to scores (B, C) or labels (B,).
        smoothing: the noise on each channel.
        threat: what the attacker may do.
        num_classes: C.
        class_names: C names, or None.
        examples: the inputs to certify, in order.
        statistics: defaults of `certify` (alpha, n, n0, stop, ...), which a user may override.
        threshold: decision threshold of a binary filter, or None for the majority.
        positive: class that `threshold` speaks about.
        rivals: "bonferroni" or "complement"; None for the default of the number of classes.
        model_digest, data_digest: SHA-256, hex, of what the results depend on.
        radii: radii at which tables state certified accuracy, in the unit of the continuous channel.
        description: one sentence for lists.
    Raises:
        InputError: there are no examples, two share an id, a label is out of range, or names are miscounted.
    """

    name: str
    base: Callable[..., Any]
    smoothing: Smoothing
    threat: Threat
    num_classes: int
    class_names: tuple[str, ...] | None
    examples: Sequence[Example]
    statistics: Mapping[str, Any] = field(default_factory=lambda: dict[str, Any]())
    threshold: float | None = None
    positive: int = 1
    rivals: str | None = None
    model_digest: str = ""
    data_digest: str = ""
    radii: tuple[float, ...] = ()
    description: str = ""

    def __post_init__(self) -> None:
        if len(self.examples) == 0:
            raise wrong_value("examples", list(self.examples), "at least one input to certify")
        if self.class_names is not None and len(self.class_names) != self.num_classes:
            raise wrong_value("class_names", self.class_names, f"{self.num_classes} names, one a class")
        seen: set[str] = set()
        for example in self.examples:
            if example.id in seen:
                raise wrong_value("the ids of the examples", example.id, "distinct; this one occurs twice")
            seen.add(example.id)
            if example.label is not None and not 0 <= example.label < self.num_classes:
                raise wrong_value(
                    f"the label of example {example.id!r}",
                    example.label,
                    f"a class in 0..{self.num_classes - 1}, or None",
                )
