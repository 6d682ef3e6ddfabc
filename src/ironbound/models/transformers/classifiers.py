"""Hugging Face models with a classification head as base classifiers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ironbound.errors import InputError
from ironbound.models.transformers.images import PixelRange
from ironbound.models.transformers.texts import decoded, decoder, special_names, without
from ironbound.models.transformers.window import window


class TransformersTextClassifier:
    """`AutoModelForSequenceClassification`: noised ids become text, which is tokenized as the model wants it.

    Args:
        model: put into eval mode, and asked on its own device; the tokenizer's pad becomes its own if it has
            none.
        tokenizer: of the model.
        text: name of the channel of tokens.
        ids: turns the noised ids into text; the model's tokenizer if left out.
        max_length: longer texts are cut (after the noise); by default what the model can take.

    The scores are the model's logits (B, C).
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        text: str = "tokens",
        ids: Any = None,
        max_length: int | None = None,
    ) -> None:
        if tokenizer.pad_token_id is None:
            raise InputError("the tokenizer has no pad token; set tokenizer.pad_token, such as its eos_token")
        self.model = model.eval()
        self.text = text
        self._tokenizer = tokenizer
        self._decoder = decoder(tokenizer if ids is None else ids)
        self._names = special_names(tokenizer)
        if getattr(model.config, "pad_token_id", None) is None:
            model.config.pad_token_id = tokenizer.pad_token_id  # decoders find a row's last token by it
        self._most = max_length or min(
            tokenizer.model_max_length, window(model) or tokenizer.model_max_length
        )

    def __call__(self, batch: Mapping[str, Any], /) -> torch.Tensor:
        """Logits (B, C)."""
        if self.text not in batch:
            raise InputError(f"the classifier reads the channel {self.text!r}; the input has {sorted(batch)}")
        texts = without(self._names, decoded(batch[self.text], self._decoder))
        found = self._tokenized(texts)
        nothing = (found["attention_mask"].sum(dim=1) == 0).tolist()
        if any(nothing):
            # A row without any token has no answer, or one that depends on how long the others are.
            shown = zip(texts, nothing, strict=True)
            found = self._tokenized([self._tokenizer.pad_token if none else text for text, none in shown])
        with torch.no_grad():
            return self.model(**found.to(self.model.device)).logits.float().cpu()

    def _tokenized(self, texts: list[str]) -> Any:
        return self._tokenizer(
            texts,
            padding=True,
            padding_side="right",  # absolute positions then count from the first token of every row
            truncation=True,
            max_length=self._most,
            return_attention_mask=True,
            return_tensors="pt",
        )


class TransformersImageClassifier:
    """`AutoModelForImageClassification`: noised images become 8-bit images, which its processor prepares.

    Args:
        model: put into eval mode, and asked on its own device and in its own precision.
        processor: image processor of the model.
        image: name of the image channel.
        pixels: the user's units and layout.

    The scores are the model's logits (B, C).
    """

    def __init__(
        self, model: Any, processor: Any, *, image: str = "image", pixels: PixelRange | None = None
    ) -> None:
        self.model = model.eval()
        self.image = image
        self.pixels = pixels or PixelRange()
        self._processor = processor

    def __call__(self, batch: Mapping[str, Any], /) -> torch.Tensor:
        """Logits (B, C)."""
        if self.image not in batch:
            raise InputError(f"the classifier looks at the channel {self.image!r}; got {sorted(batch)}")
        found = self._processor(images=list(self.pixels.images(batch[self.image])), return_tensors="pt")
        with torch.no_grad():
            pixels = found["pixel_values"].to(self.model.device, self.model.dtype)
            return self.model(pixel_values=pixels).logits.float().cpu()
