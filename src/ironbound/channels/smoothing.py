"""`Smoothing`: which noise is on which channel of the input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ironbound.channels.base import AbstractChannel, Array, unknown_name
from ironbound.errors import InputError, InputTypeError, wrong_value
from ironbound.threats import Threat


class Smoothing(Mapping[str, AbstractChannel]):
    """Independent noise on each channel of a dict-shaped input; a frozen mapping from name to channel.

    Channels are kept in the order of their names, which is also the order in which noise is drawn.

    Args:
        **channels: a channel for each name that inputs have.
    Raises:
        InputError: no channel. InputTypeError: a value is no channel.

    Example:
        >>> from ironbound.channels import Gaussian, Mask
        >>> smoothing = Smoothing(tokens=Mask(beta=0.25, mask_id=0), image=Gaussian(sigma=0.5))
        >>> list(smoothing)
        ['image', 'tokens']
    """

    __slots__ = ("_channels",)

    def __init__(self, **channels: AbstractChannel) -> None:
        if not channels:
            raise wrong_value("smoothing", "no channel", "at least one, such as image=Gaussian(sigma=0.5)")
        for name, channel in channels.items():
            if not isinstance(channel, AbstractChannel):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InputTypeError(
                    f"the noise on {name!r} must be a channel such as Gaussian(sigma=..); got {channel!r}"
                )
        self._channels = dict(sorted(channels.items()))

    def __getitem__(self, name: str) -> AbstractChannel:
        return self._channels[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._channels)

    def __len__(self) -> int:
        return len(self._channels)

    def __hash__(self) -> int:
        return hash(tuple(self._channels.items()))

    def __repr__(self) -> str:
        return f"Smoothing({', '.join(f'{name}={channel!r}' for name, channel in self._channels.items())})"

    def check(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """The input's canonical arrays in channel order.

        Raises:
            InputError: a channel is missing or unknown (with the nearest name), or a value is unusable.
        """
        if not isinstance(inputs, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputTypeError(
                f"inputs must be a dict of channels {list(self)}; got {type(inputs).__name__}"
            )
        for name in inputs:
            if name not in self._channels:
                raise unknown_name("inputs", str(name), list(self))
        for name in self._channels:
            if name not in inputs:
                raise InputError(f"inputs must have the channel {name!r}; it names {sorted(inputs)}")
        return {name: channel.check(inputs[name], name) for name, channel in self._channels.items()}

    def check_threat(self, threat: Threat, values: Mapping[str, Array]) -> None:
        """Refuse a threat that names other channels, another kind of noise, or more than the input has."""
        if not isinstance(threat, Threat):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputTypeError(f"threat must be a Threat, such as Threat(image=L2()); got {threat!r}")
        for name, budget in threat.items():
            if name not in self._channels:
                raise unknown_name("threat", name, list(self))
            self._channels[name].placed(budget).check_budget(budget, values[name], name)

    def placed(self, threat: Threat) -> Smoothing:
        """The smoothing whose noise lies where the threat says; draw noise for a certificate from it.

        Only threats on the end of a text (`SuffixInPlace`, `SuffixAppend`) move any noise. Moving it twice
        is moving it once.

        Example:
            >>> from ironbound.channels import Mask
            >>> from ironbound.threats import SuffixInPlace
            >>> Smoothing(t=Mask(0.5, 0)).placed(Threat(t=SuffixInPlace(max_d=2)))["t"].positions
            2
        """
        moved = {name: channel.placed(threat.get(name)) for name, channel in self._channels.items()}
        same = all(channel is self._channels[name] for name, channel in moved.items())
        return self if same else Smoothing(**moved)

    def records(self, values: Mapping[str, Array], threat: Threat) -> tuple[dict[str, Any], ...]:
        """What a certificate stores about each channel, in the order of their names."""
        return tuple(
            channel.placed(threat.get(name)).record(values[name], name, threat.get(name))
            for name, channel in self._channels.items()
        )
