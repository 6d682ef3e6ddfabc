"""What there is to certify: a base classifier, its noise, a threat, and examples. Built-in tasks and the
user's own configuration both end in a `Problem`, which is all that a run needs to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from ironbound.certificate import Calibration, Certificate
from ironbound.channels import Smoothing
from ironbound.errors import InputError, wrong_value
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


@runtime_checkable
class Certifier(Protocol):
    """A method that brings its own certificates: one without noise, or with noise of its own.

    Its answers depend on the input and its id alone, so that a run can be interrupted and repeated.
    """

    @property
    def settings(self) -> Mapping[str, Any]:
        """JSON values that the certificates depend on besides model and data; part of a run's identity."""
        ...

    def certify(self, inputs: Mapping[str, NDArray[Any]], *, input_id: str) -> Certificate:
        """The sealed certificate of one input (channels without a batch axis)."""
        ...

    def predict(self, inputs: Mapping[str, NDArray[Any]]) -> int:
        """Class of the clean input."""
        ...


class NoSmoothing(Smoothing):
    """No noise on any channel: the smoothing of a problem whose certifier brings its own method.

    Example:
        >>> len(NoSmoothing())
        0
    """

    __slots__ = ()

    def __init__(self) -> None:
        self._channels = {}


class OwnThreat(Threat):
    """No channel is attacked through noise: the certificates of a problem's certifier say what is.

    Example:
        >>> OwnThreat().record()
        {}
    """

    __slots__ = ()

    def __init__(self) -> None:
        self._budgets = {}


def no_base(batch: Mapping[str, NDArray[Any]]) -> Any:
    """The base of a problem without one. Raises InputError."""
    raise InputError(
        "this problem has no base classifier to put noise on; its certificates come from its certifier"
    )


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A classifier and what is to be certified about it: under noise, or by a method of its own.

    Args:
        name: short name, used for folders and titles.
        num_classes: C.
        examples: the inputs to certify, in order.
        base: callable from a dict of batched channels to scores (B, C) or labels (B,).
        smoothing: the noise on each channel.
        threat: what the attacker may do.
        certifier: makes the certificates in place of noise; then `smoothing`, `threat`, `statistics`,
            `threshold` and `rivals` are left out, and `base` is optional.
        class_names: C names, or None.
        statistics: defaults of `certify` (alpha, n, n0, stop, ...), which a user may override.
        threshold: decision threshold of a binary filter, or None for the majority.
        positive: class that `threshold` speaks about.
        calibration: where the threshold comes from, if it was calibrated; it brings threshold and positive.
        rivals: "bonferroni" or "complement"; None for the default of the number of classes.
        model_digest, data_digest: SHA-256, hex, of what the results depend on.
        radii: radii at which tables state certified accuracy, in the unit of the continuous channel.
        description: one sentence for lists.
    Raises:
        InputError: there are no examples, two share an id, a label is out of range, names are miscounted; or
            there is neither a certifier nor a base with noise and a threat, or there are both.
    """

    name: str
    num_classes: int
    examples: Sequence[Example]
    base: Callable[..., Any] = no_base
    smoothing: Smoothing = field(default_factory=NoSmoothing)
    threat: Threat = field(default_factory=OwnThreat)
    certifier: Certifier | None = None
    class_names: tuple[str, ...] | None = None
    statistics: Mapping[str, Any] = field(default_factory=lambda: dict[str, Any]())
    threshold: float | None = None
    positive: int = 1
    calibration: Calibration | None = None
    rivals: str | None = None
    model_digest: str = ""
    data_digest: str = ""
    radii: tuple[float, ...] = ()
    description: str = ""

    def __post_init__(self) -> None:
        self._check_method()
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

    def _check_method(self) -> None:
        if self.certifier is None:
            given = {"base": self.base is not no_base, "smoothing": self.smoothing, "threat": self.threat}
            missing = [name for name, there in given.items() if not there]
            if missing:
                raise InputError(f"a problem needs a certifier, or noise; {', '.join(missing)} missing")
            return
        if not isinstance(self.certifier, Certifier):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise wrong_value(
                "certifier",
                self.certifier,
                "an object with certify(inputs, input_id=..), predict and settings",
            )
        settings = ("smoothing", "threat", "statistics", "threshold", "calibration", "rivals")
        given = [name for name in settings if getattr(self, name)]
        if given:
            raise InputError(f"a problem with a certifier has no noise to set up; remove {', '.join(given)}")
