"""From the tables of a configuration to channels and budgets."""

from __future__ import annotations

from typing import Any

from ironbound.channels import (
    Alphabet,
    AnisotropicGaussian,
    Categorical,
    Deletion,
    Gaussian,
    Mask,
    SynonymReplacement,
    UniformReplacement,
)
from ironbound.channels.base import AbstractChannel
from ironbound.errors import ConfigError, InputError
from ironbound.runs.kernels import (
    AnisotropicNoise,
    CategoricalNoise,
    DeletionNoise,
    EditsThreat,
    FieldsThreat,
    GaussianNoise,
    L2Threat,
    MaskNoise,
    NoiseTable,
    ReplacementNoise,
    SlotThreat,
    SuffixThreat,
    SynonymNoise,
    SynonymThreat,
    ThreatTable,
    TokenThreat,
)
from ironbound.runs.text import Tokenizer
from ironbound.threats import L2, Budget, Edits, FieldsL0, SuffixAppend, SuffixInPlace, SynonymL0, TokenL0


def channel(name: str, noise: NoiseTable, schema: Any, tokenizer: Tokenizer | None) -> AbstractChannel:
    """The noise on a channel.

    Args:
        name: of the channel, for messages.
        noise: its table.
        schema: of the data, where it is a table of columns.
        tokenizer: of the data, where it is text.
    Raises:
        ConfigError: the noise cannot be built, or the data do not say what the table leaves out.
    """
    try:
        match noise:
            case GaussianNoise():
                default = "standard deviations" if schema is not None else "input units"
                return Gaussian(
                    noise.sigma,
                    noise.low,
                    noise.high,
                    unit=noise.unit or default,
                    exact=noise.exact,
                    grid=noise.grid,
                    refine=noise.refine,
                )
            case ReplacementNoise():
                alphabet = noise.alphabet
                if alphabet is None:
                    alphabet = _allowed(name, noise, tokenizer)
                return UniformReplacement(noise.beta, alphabet)
            case MaskNoise():
                return Mask(noise.beta, noise.mask_id, noise.alphabet)
            case AnisotropicNoise():
                default = "standard deviations" if schema is not None else "input units"
                return AnisotropicGaussian(noise.sigmas, noise.low, noise.high, noise.unit or default)
            case SynonymNoise():
                return SynonymReplacement(noise.beta, noise.sets)
            case DeletionNoise():
                return Deletion(noise.rate, noise.width, noise.pad)
            case CategoricalNoise():
                arities = noise.arities
                if arities is None and schema is not None:
                    arities = tuple(len(column.values) for column in schema.categorical)
                if arities is None:
                    raise ConfigError(f"channels.{name}.arities: give the number of categories of each field")
                return Categorical(arities, noise.beta)
    except ConfigError:
        raise
    except InputError as error:
        raise ConfigError(f"channels.{name}: {error}") from None


def _allowed(name: str, noise: ReplacementNoise, tokenizer: Tokenizer | None) -> int | Alphabet:
    """The symbols of replacement noise whose alphabet the configuration leaves to the tokenizer."""
    if tokenizer is None:
        raise ConfigError(f"channels.{name}.alphabet: give the number of tokens, or their ids")
    sets = getattr(tokenizer, "allowed", None)
    if sets is not None:
        return sets(noise.allowed or "plain")
    if noise.allowed not in (None, "all"):
        raise ConfigError(
            f'channels.{name}.allowed: "{noise.allowed}" needs a tokenizer.json as data.tokenizer; give '
            "alphabet, the ids themselves"
        )
    return int(tokenizer.vocabulary_size)


def budget(threat: ThreatTable) -> Budget:
    """What an attacker may do to a channel."""
    match threat:
        case L2Threat():
            return L2()
        case TokenThreat():
            return TokenL0(max_d=threat.max_d, alphabet=threat.alphabet)
        case FieldsThreat():
            return FieldsL0(max_d=threat.max_d)
        case SuffixThreat():
            return SuffixInPlace(threat.max_d, threat.alphabet, threat.sampling)
        case SlotThreat():
            return SuffixAppend(threat.max_d, threat.pad, threat.slot, threat.alphabet, threat.sampling)
        case SynonymThreat():
            return SynonymL0(threat.max_d)
        case EditsThreat():
            return Edits(threat.max_d, threat.operations)
