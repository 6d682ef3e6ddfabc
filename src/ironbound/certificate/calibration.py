"""Where a filter's threshold comes from: how often noisy draws of benign inputs were flagged."""

from __future__ import annotations

import typing
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from ironbound.certificate.channels import ChannelRecord, SuffixNoise, channel_record

# What a channel's record says about one input or one threat, and not about the noise.
_OF_ONE_INPUT: dict[str, Any] = {
    "length": 0,
    "outside": 0,
    "sets": (),
    "threat": None,
    "max_d": None,
    "attacker": None,
    "operations": None,
}


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A threshold tau that benign inputs do not reach on average, except with probability `alpha`.

    The statement (HRS, section 5: tau is the Clopper-Pearson upper bound of the flag rate on benign draws),
    with f(x) the probability that a noisy draw of x is flagged:

    * scope "inputs": the mean of f over the calibration inputs is at most `bound`. Each input was drawn
      equally often; the flags are independent but of unequal probability, and Clopper-Pearson still holds for
      their mean (Hoeffding, Ann. Math. Statist. 27, 1956, theorem 4: below its mean a sum of unequal flags is
      less spread than a binomial), as alpha <= 1/4 and bound <= 1/2. Nothing is said about other inputs.
    * scope "population": the mean of f over the population from which the inputs were drawn independently is
      at most `bound`. Each input was drawn once, so that the flags are independent and of equal probability.

    Neither bounds f at every single benign input; by Markov's inequality at most a share bound / t of them
    (of the inputs, or of the population) has f > t.

    Attributes:
        tau: the threshold, at least `bound`.
        positive: the class that flags.
        scope: which mean is bounded.
        inputs, draws, flagged: benign inputs, noisy draws in all, and those flagged. A draw that named no
            class at all counts as flagged.
        alpha: error probability spent on the bound.
        bound: Clopper-Pearson upper bound, rounded up to the nearest float64.
        noise: the channels as they were noised, without what belongs to one input or one threat.
        model_digest, data_digest: SHA-256 of the model and of the benign inputs.
        seed, noise_scheme: what the draws can be repeated from.
    """

    tau: float
    positive: int
    scope: Literal["inputs", "population"]
    inputs: int
    draws: int
    flagged: int
    alpha: float
    bound: float
    noise: tuple[ChannelRecord, ...]
    model_digest: str
    data_digest: str
    seed: int
    noise_scheme: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "noise", tuple(channel_record(record) for record in self.noise))


def noise_alone(record: ChannelRecord) -> ChannelRecord:
    """The record of a channel's noise, without what depends on one input or on the threat.

    Example:
        >>> record = {"channel": "t", "noise": "mask", "beta": 0.5, "mask_id": 0, "length": 7, "max_d": 2}
        >>> noise_alone(channel_record(record)).length
        0
    """
    own = {f.name for f in fields(typing.cast(Any, record))}
    changes = {name: value for name, value in _OF_ONE_INPUT.items() if name in own}
    if isinstance(record, SuffixNoise):
        changes |= {"outside": (), "kernel": noise_alone(record.kernel)}
    return replace(typing.cast(Any, record), **changes)
