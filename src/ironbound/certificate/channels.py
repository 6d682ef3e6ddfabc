"""How each channel was noised and what the attacker may do to it, as a certificate records it."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from ironbound.certificate.codec import decode_fields, encode, encode_fields, object_of
from ironbound.certificate.refusal import refuse

GaussianKind = Literal["gaussian", "gaussian_grid", "gaussian_anisotropic", "gaussian_adaptive"]


class ChannelRecord(Mapping[str, Any]):
    """Base of the kinds of noise below. Reads as attributes or as a mapping of them.

    The entry "threat" is None for a channel that is noised but not attacked.
    """

    channel: str

    @property
    def attacked(self) -> bool:
        """Whether the claims let the attacker change this channel."""
        return self["threat"] is not None

    def __hash__(self) -> int:
        return hash(tuple(self.values()))

    def __getitem__(self, name: str) -> Any:
        if name not in set(self):
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(f.name for f in fields(typing.cast(Any, self)))

    def __len__(self) -> int:
        return len(fields(typing.cast(Any, self)))

    def to_plain(self) -> dict[str, Any]:
        """The form in JSON: one entry for each field."""
        return encode_fields(self)

    @staticmethod
    def from_plain(data: Any, where: str, *, defaults: bool = False) -> ChannelRecord:
        """Rebuild the record that the entry "noise" names; `defaults` allows optional fields to be absent.

        Raises:
            InvalidCertificate: unknown noise, unknown or missing names, wrong types.
        """
        parts = object_of(data, where)
        noise = parts.get("noise")
        if not isinstance(noise, str) or noise not in NOISES:
            raise refuse(f"{where}.noise", noise, f"one of {', '.join(sorted(NOISES))}")
        kind = NOISES[noise]
        return kind(**decode_fields(kind, parts, where, defaults=defaults))


@dataclass(frozen=True)
class GaussianNoise(ChannelRecord):
    """N(0, sigma^2) on every coordinate, in the user's units; the attacker moves it in 2-norm.

    `low` and `high` are the channel's declared range, for the reader; no proof rests on them.
    """

    channel: str
    sigma: float
    unit: str = "input units"
    low: float | None = None
    high: float | None = None
    threat: Literal["l2", "linf"] | None = None
    noise: GaussianKind = "gaussian"

    @property
    def measure(self) -> Literal["l2", "linf"]:
        """The norm that radii on this channel are measured in."""
        return "l2"


@dataclass(frozen=True)
class GridNoise(GaussianNoise):
    """The same noise rounded to whole multiples of 1/(grid * refine), on inputs that are multiples of 1/grid.

    For such inputs it is Gaussian noise followed by a fixed map, so the same laws hold, drawn without
    floating-point error. The claims are about attackers whose results are multiples of 1/grid as well.
    """

    grid: int = 255
    refine: int = 1
    noise: GaussianKind = "gaussian_grid"


@dataclass(frozen=True)
class AnisotropicNoise(GaussianNoise):
    """N(0, sigma_i^2) on coordinate i; `sigma` is the smallest of them.

    A claim at mu covers every shift with sum (delta_i / sigma_i)^2 <= mu^2. `sigmas` is None where there are
    too many to list; `sigmas_id` is the SHA-256 of their decimal forms, joined by commas.
    """

    largest: float = 0.0
    coordinates: int = 0
    sigmas: tuple[float, ...] | None = None
    sigmas_id: str = ""
    noise: GaussianKind = "gaussian_anisotropic"


@dataclass(frozen=True)
class AdaptiveNoise(GaussianNoise):
    """Two releases, the second masked by what the first showed (adaptive smoothing, Lyu et al. 2024).

    Stage one adds N(0, first^2); stage two masks the input and adds N(0, second^2), in the max-norm times the
    mean square of the mask. By `composition` a shift of size r has mu <= r / sigma, with sigma at most
    1 / sqrt(k (1/first^2 + 1/second^2)); k is 1 in the 2-norm, and `coordinates` in the max-norm.
    """

    first: float = 0.0
    second: float = 0.0
    norm: Literal["l2", "linf"] = "l2"
    coordinates: int = 0
    mask_id: str = ""
    composition: Literal["adaptive_gaussian"] = "adaptive_gaussian"
    noise: GaussianKind = "gaussian_adaptive"

    @property
    def measure(self) -> Literal["l2", "linf"]:
        return self.norm


@dataclass(frozen=True)
class ReplacementNoise(ChannelRecord):
    """Each of `length` tokens is kept with 1 - beta, else another of the `alphabet` symbols of the noise.

    `outside` counts clean tokens that are not among these symbols. `attacker` says whether the attacker
    writes only them ("closed") or any token ("open"). `alphabet_id` is the SHA-256 of the sorted ids, None
    for 0 .. alphabet - 1.
    """

    channel: str
    beta: float
    alphabet: int
    length: int
    alphabet_id: str | None = None
    outside: int = 0
    threat: Literal["token_l0"] | None = None
    max_d: int | None = None
    attacker: Literal["closed", "open"] | None = None
    noise: Literal["uniform_replacement", "named_replacement"] = "uniform_replacement"


@dataclass(frozen=True)
class NamedReplacementNoise(ReplacementNoise):
    """The same noise, whose set of symbols has a name: what the set is, in the words of who built it."""

    alphabet_name: str = ""
    noise: Literal["uniform_replacement", "named_replacement"] = "named_replacement"


@dataclass(frozen=True)
class MaskNoise(ChannelRecord):
    """Each of `length` tokens shows `mask_id` with probability beta, else itself."""

    channel: str
    beta: float
    mask_id: int
    length: int
    threat: Literal["token_l0"] | None = None
    max_d: int | None = None
    noise: Literal["mask"] = "mask"


@dataclass(frozen=True)
class CategoricalNoise(ChannelRecord):
    """Field i keeps its category with 1 - betas[i], else shows one of the other arities[i] - 1."""

    channel: str
    arities: tuple[int, ...]
    betas: tuple[float, ...]
    threat: Literal["fields_l0"] | None = None
    max_d: int | None = None
    noise: Literal["categorical"] = "categorical"


@dataclass(frozen=True)
class SynonymNoise(ChannelRecord):
    """Each token is kept with 1 - beta, else another one of its own set of synonyms; others stay.

    `sets` counts this text's tokens by the size of their set (from 2 on): pairs (size, how many tokens).
    `sets_id` is the SHA-256 of all sets, each sorted and followed by -1.
    """

    channel: str
    beta: float
    sets: tuple[tuple[int, int], ...]
    sets_id: str
    length: int
    threat: Literal["synonym_l0"] | None = None
    max_d: int | None = None
    noise: Literal["synonyms"] = "synonyms"


@dataclass(frozen=True)
class DeletionNoise(ChannelRecord):
    """Each of `length` tokens is dropped with probability `rate`; the rest is shown in `width` columns.

    `pad` fills up the columns. `operations` are the edits that the attacker may make.
    """

    channel: str
    rate: float
    width: int
    pad: int
    length: int
    threat: Literal["edits"] | None = None
    max_d: int | None = None
    operations: tuple[Literal["insert", "delete", "substitute"], ...] | None = None
    noise: Literal["deletion"] = "deletion"


@dataclass(frozen=True)
class SuffixNoise(ChannelRecord):
    """A kernel on `positions` tokens at the end of a text, or on the first of `slot` pads behind it.

    `kernel` is the record of the noise on these positions alone. `length` counts all tokens, pads included.
    A budget d reaches the last d tokens, or the first d pads; `outside` lists, in the order in which they are
    reached (from 1), those whose clean token is no symbol of the noise. `slot` and `pad` are None in place.
    """

    channel: str
    kernel: ChannelRecord
    length: int
    positions: int
    outside: tuple[int, ...] = ()
    slot: int | None = None
    pad: int | None = None
    threat: Literal["suffix_in_place", "suffix_append"] | None = None
    max_d: int | None = None
    attacker: Literal["closed", "open"] | None = None
    noise: Literal["suffix"] = "suffix"


NOISES: dict[str, type[ChannelRecord]] = {
    "gaussian": GaussianNoise,
    "gaussian_grid": GridNoise,
    "gaussian_anisotropic": AnisotropicNoise,
    "gaussian_adaptive": AdaptiveNoise,
    "uniform_replacement": ReplacementNoise,
    "named_replacement": NamedReplacementNoise,
    "mask": MaskNoise,
    "categorical": CategoricalNoise,
    "suffix": SuffixNoise,
    "synonyms": SynonymNoise,
    "deletion": DeletionNoise,
}


def channel_record(data: Mapping[str, Any]) -> ChannelRecord:
    """A typed record from a plain mapping such as a channel's `record()`; optional names may be absent.

    Example:
        >>> channel_record({"channel": "image", "noise": "gaussian", "sigma": 0.5}).sigma
        0.5
    """
    if isinstance(data, ChannelRecord):
        return data
    if not isinstance(data, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise refuse("a channel of the evidence", data, "a mapping of its parameters")
    plain = {name: encode(item) for name, item in data.items()}
    if isinstance(data.get("kernel"), Mapping):
        plain["kernel"] = channel_record(data["kernel"]).to_plain()
    return ChannelRecord.from_plain(plain, f"channel {plain.get('channel')!r}", defaults=True)
