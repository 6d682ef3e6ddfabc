"""The tables `[channels.NAME]` and `[threat.NAME]` of a configuration: kinds of noise, kinds of attack."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ironbound.runs.table import Budget, Positive, Rate, Table, TokenId


class GaussianNoise(Table):
    """Gaussian noise on a continuous channel."""

    noise: Literal["gaussian"]
    sigma: Annotated[float, Field(gt=0, strict=True)]
    low: float | None = None
    high: float | None = None
    unit: str | None = None
    exact: bool = False
    grid: Annotated[int, Field(ge=1, le=65536, strict=True)] = 255
    refine: Annotated[int, Field(ge=1, le=65536, strict=True)] = 1


class ReplacementNoise(Table):
    """Each token replaced with probability beta by another one of the alphabet."""

    noise: Literal["uniform_replacement"]
    beta: Rate
    alphabet: Annotated[int, Field(ge=2, strict=True)] | tuple[int, ...] | None = None
    allowed: Literal["all", "plain", "round_trip"] | None = None

    @model_validator(mode="after")
    def _one_set(self) -> ReplacementNoise:
        if self.alphabet is not None and self.allowed is not None:
            raise ValueError("give either alphabet (a number or ids) or allowed (a set of the tokenizer's)")
        return self


class MaskNoise(Table):
    """Each token masked with probability beta."""

    noise: Literal["mask"]
    beta: Rate
    mask_id: TokenId
    alphabet: Annotated[int, Field(ge=1, strict=True)] | None = None


class CategoricalNoise(Table):
    """Each field replaced with probability beta by another of its categories."""

    noise: Literal["categorical"]
    beta: Rate | tuple[Rate, ...]
    arities: tuple[Annotated[int, Field(ge=2, strict=True)], ...] | None = None


class AnisotropicNoise(Table):
    """Gaussian noise with a standard deviation of its own for each entry of a channel of one axis."""

    noise: Literal["gaussian_anisotropic"]
    sigmas: Annotated[tuple[Annotated[float, Field(gt=0, strict=True)], ...], Field(min_length=1)]
    low: float | None = None
    high: float | None = None
    unit: str | None = None


class SynonymNoise(Table):
    """Each token replaced with probability beta by another one of its set."""

    noise: Literal["synonyms"]
    beta: Rate
    sets: Annotated[tuple[tuple[TokenId, ...], ...], Field(min_length=1)]


class DeletionNoise(Table):
    """Each token dropped with probability `rate`, the rest shown in `width` columns."""

    noise: Literal["deletion"]
    rate: Rate
    width: Positive
    pad: TokenId = 0


class L2Threat(Table):
    """A shift of bounded 2-norm."""

    kind: Literal["l2"]


class TokenThreat(Table):
    """Up to max_d tokens rewritten, anywhere."""

    kind: Literal["token_l0"]
    max_d: Budget
    alphabet: Literal["closed", "open"] = "closed"


class SuffixThreat(Table):
    """Up to max_d of the last tokens rewritten, noise on these alone."""

    kind: Literal["suffix_in_place"]
    max_d: Budget
    alphabet: Literal["closed", "open"] = "closed"
    sampling: Literal["shared", "per_budget"] = "shared"


class SlotThreat(Table):
    """Up to the first max_d of `slot` pads behind the text written, noise on these alone."""

    kind: Literal["suffix_append"]
    max_d: Budget
    pad: TokenId = 0
    slot: TokenId | None = None
    alphabet: Literal["closed", "open"] = "closed"
    sampling: Literal["shared", "per_budget"] = "shared"


class FieldsThreat(Table):
    """Up to max_d fields changed."""

    kind: Literal["fields_l0"]
    max_d: Budget


class SynonymThreat(Table):
    """Up to max_d tokens replaced by synonyms of theirs."""

    kind: Literal["synonym_l0"]
    max_d: Budget


class EditsThreat(Table):
    """Up to max_d insertions, deletions and substitutions."""

    kind: Literal["edits"]
    max_d: Budget
    operations: Annotated[tuple[Literal["insert", "delete", "substitute"], ...], Field(min_length=1)] = (
        "insert",
        "delete",
        "substitute",
    )


NoiseTable = (
    GaussianNoise
    | AnisotropicNoise
    | ReplacementNoise
    | MaskNoise
    | SynonymNoise
    | DeletionNoise
    | CategoricalNoise
)
ThreatTable = L2Threat | TokenThreat | SuffixThreat | SlotThreat | SynonymThreat | EditsThreat | FieldsThreat
