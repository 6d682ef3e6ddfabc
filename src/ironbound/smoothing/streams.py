"""Many inputs through shared batches: certificates in the order of inputs, or outcomes as they are done."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ironbound.certificate import Certificate
from ironbound.errors import InputError, InputTypeError
from ironbound.smoothing.repeatable import UnrepeatableError
from ironbound.smoothing.scheduler import together
from ironbound.smoothing.underway import Job, Outcome
from ironbound.smoothing.voting import Reading, Voters

Inputs = Mapping[str, Any]
Opens = Callable[[Reading, str], Job]
Halved = Callable[[int], None]


def in_order(
    inputs: Iterable[Inputs | tuple[str, Inputs]], voters: Voters, opens: Opens, halved: Halved
) -> Iterator[Certificate]:
    """Certificates in the order of the inputs, whatever order they are done in.

    Args:
        inputs: inputs, or pairs (id, inputs); without ids they are numbered.
        voters: the base classifier, which reads inputs as well.
        opens: makes the job of an input that was read, from its name.
        halved: told of a smaller batch.
    Raises:
        InputError: for an unusable input when its turn comes, naming it; those before it are finished first.
            Whatever the base raises passes through.
    """
    refused: list[InputError] = []
    names: deque[tuple[int, str]] = deque()
    done: dict[int, Outcome] = {}

    def jobs() -> Iterator[tuple[int, Reading, Job]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for i, item in enumerate(inputs):
            name, one = _named(i, item)
            try:
                reading = voters.read(one)
                _same_shapes(reading, shapes)
                opened = opens(reading, name)
            except UnrepeatableError:
                raise
            except InputError as error:
                refused.append(_of_input(name, error))  # the inputs before this one are finished first
                return
            names.append((i, name))
            yield i, reading, opened

    for place, outcome in together(jobs(), voters, halved=halved):
        done[place] = outcome
        while names and names[0][0] in done:
            i, name = names.popleft()
            yield _certificate(name, done.pop(i))
    if refused:
        raise refused[0]


def as_done(
    inputs: Iterable[tuple[str, Inputs]], voters: Voters, opens: Opens, halved: Halved
) -> Iterator[tuple[int, Outcome]]:
    """What becomes of each input (its number, from 0; a certificate or an error) as soon as it is done.

    Arguments as for `in_order`.

    Raises:
        UnrepeatableError: the base cannot be used at all.
    """

    def jobs() -> Iterator[tuple[int, Reading, Job] | tuple[int, Outcome]]:
        for place, (name, one) in enumerate(inputs):
            try:
                reading = voters.read(one)
                yield place, reading, opens(reading, name)
            except UnrepeatableError:
                raise
            except Exception as error:  # whatever is wrong with one input, the others go on
                yield place, Outcome(None, error)

    return together(jobs(), voters, halved=halved)


def _named(place: int, item: Inputs | tuple[str, Inputs]) -> tuple[str, Inputs]:
    if isinstance(item, Mapping):
        return str(place), item
    if isinstance(item, tuple) and len(item) == 2:
        return str(item[0]), item[1]
    raise InputTypeError(f"inputs must yield dicts or pairs (id, dict); number {place} is {item!r:.80}")


def _same_shapes(reading: Reading, shapes: dict[str, tuple[int, ...]]) -> None:
    """Refuse a continuous channel of another shape than the first input's; texts may differ in length."""
    for channel, value in reading.values.items():
        first = shapes.setdefault(channel, value.shape)
        if value.dtype.kind == "f" and value.shape != first:
            raise InputError(
                f"{channel} has shape {value.shape}, but the first input's was {first}; certify "
                "inputs of other shapes on their own"
            )


def _certificate(name: str, outcome: Outcome) -> Certificate:
    if outcome.certificate is not None:
        return outcome.certificate
    error = outcome.error
    assert error is not None
    raise _of_input(name, error) if isinstance(error, InputError) else error


def _of_input(name: str, error: InputError) -> InputError:
    found = InputError(f"input {name!r}: {error}")
    found.__cause__ = error
    return found


def split(batch: Mapping[Any, Any]) -> list[dict[str, Any]]:
    """The single inputs of a batch.

    Example:
        >>> split({"x": [1, 2], "y": [3, 4]})
        [{'x': 1, 'y': 3}, {'x': 2, 'y': 4}]
    """
    sizes: dict[str, int] = {}
    for name, value in batch.items():
        try:
            sizes[name] = len(value)
        except TypeError as error:
            raise InputError(
                f"{name} must have a leading batch axis; for one input write [inputs]"
            ) from error
    if len(set(sizes.values())) > 1:
        raise InputError(f"all channels of a batch must have the same length; got {sizes}")
    return [{name: value[i] for name, value in batch.items()} for i in range(max(sizes.values(), default=0))]
