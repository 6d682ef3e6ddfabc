"""A calibrated threshold holds under the noise of its calibration, and under no other."""

from __future__ import annotations

from collections.abc import Mapping

from ironbound.certificate import Calibration, ChannelRecord, channel_record, noise_alone
from ironbound.channels import Smoothing
from ironbound.channels.base import Array
from ironbound.errors import InputError
from ironbound.smoothing.voting import Reading
from ironbound.threats import Threat


def noise_of(smoothing: Smoothing, values: Mapping[str, Array], threat: Threat) -> tuple[ChannelRecord, ...]:
    """The channels of an input as they are noised against a threat, without what belongs to the input."""
    records = smoothing.records(values, threat)
    return tuple(noise_alone(channel_record(record)) for record in records)


def check_noise(
    calibration: Calibration | None, smoothing: Smoothing, reading: Reading, threat: Threat
) -> None:
    """Refuse other noise than the calibration's.

    Raises:
        InputError: naming the channel, what it was calibrated with, and what it has here.
    """
    if calibration is None:
        return
    smoothing.check_threat(threat, reading.values)
    there = {record.channel: record for record in calibration.noise}
    here = {record.channel: record for record in noise_of(smoothing, reading.values, threat)}
    if set(here) != set(there):
        raise InputError(f"the threshold was calibrated on the channels {sorted(there)}; got {sorted(here)}")
    for name, record in here.items():
        if record != there[name]:
            other = there[name]
            differs = {key: (other.get(key), record[key]) for key in record if other.get(key) != record[key]}
            listed = ", ".join(f"{key} {was!r} (here {now!r})" for key, (was, now) in differs.items())
            raise InputError(
                f"the threshold was calibrated under other noise on {name!r}: {listed}; calibrate again for "
                "this noise"
            )
