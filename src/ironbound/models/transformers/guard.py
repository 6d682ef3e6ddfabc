"""A generative model of Hugging Face as a filter: it reads an image and a text, and answers with a word."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from ironbound.errors import InputError, wrong_value
from ironbound.models.transformers.answers import NO_CLASS, masses, parsed
from ironbound.models.transformers.images import PixelRange
from ironbound.models.transformers.texts import decoded, decoder, special_names, without
from ironbound.models.transformers.window import window
from ironbound.models.transformers.words import check_labels, first_tokens

Decide = Literal["mass", "generate"]

LABELS: Mapping[str, Sequence[str]] = {"safe": ("Safe",), "unsafe": ("Unsafe",)}


@dataclass(frozen=True)
class _Question:
    """What is asked about each draw."""

    prompt: str
    system: str | None
    prefix: str


class TransformersGuard:
    """An image-text-to-text model (or a chat model without images) as a base classifier.

    Each draw is put into the model's chat template, and its answer becomes a class: scores (B, C) for
    decide="mass", labels (B,) for "generate". All of it comes after the noise, so none of it needs a proof.
    Noise can make a text longer. A draw that no longer fits into the model's window is no class, and nothing
    of it is cut off: what an attacker writes must not push the rest, or the question, out of sight.

    Args:
        model: such as `AutoModelForImageTextToText`, or `AutoModelForCausalLM` with image=None. It is put
            into eval mode, and asked on its own device and in its own precision.
        processor: of the model, with a chat template; a tokenizer where image is None.
        labels: class -> words that name it, in the order of the classes.
        decide: "mass": the class whose words have most probability as the next token, summed over the first
            tokens of all their forms (case, with a space before or without), as HRS does. "generate": greedy
            text of at most `max_new_tokens` tokens, in which `parse` finds the class; what cannot be parsed
            is no class (-1), which counts against the prediction and is never left out.
        prompt: the user's message; "{text}" stands for the decoded text.
        system: a system message, if the template knows one.
        prefix: what the answer begins with, such as '{"rating": "', so that the next token is the verdict.
        image: name of the image channel, None for a model of text.
        text: name of the channel of tokens, None for a model of images.
        pixels: the user's units and layout of images.
        tokenizer: turns the noised ids into text; the model's own if left out.
        least_mass: for "mass": draws whose words have less probability together are no class.
        max_new_tokens: for "generate".
        parse: for "generate": from the generated text to a class or -1; by default the class whose word
            comes first.
    Raises:
        InputError: no channel, no chat template, or words that the tokenizer cannot tell apart.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        *,
        labels: Mapping[str, Sequence[str]] = LABELS,
        decide: Decide = "mass",
        prompt: str = "{text}",
        system: str | None = None,
        prefix: str = "",
        image: str | None = "image",
        text: str | None = "tokens",
        pixels: PixelRange | None = None,
        tokenizer: Any = None,
        least_mass: float = 0.0,
        max_new_tokens: int = 16,
        parse: Callable[[str], int] | None = None,
    ) -> None:
        if image is None and text is None:
            raise InputError("image and text cannot both be None: there would be nothing to look at")
        if decide not in ("mass", "generate"):
            raise wrong_value("decide", decide, '"mass" or "generate"')
        if not 0.0 <= least_mass < 1.0:
            raise wrong_value("least_mass", least_mass, "a probability in [0, 1)")
        own = getattr(processor, "tokenizer", processor)
        if getattr(processor, "chat_template", None) is None and getattr(own, "chat_template", None) is None:
            raise InputError("the processor has no chat template; set processor.chat_template")
        if own.pad_token_id is None:
            raise InputError("the tokenizer has no pad token; set tokenizer.pad_token, such as its eos_token")
        check_labels(labels)
        self.model = model.eval()
        self.processor = processor
        self.labels = {name: tuple(words) for name, words in labels.items()}
        self.decide: Decide = decide
        self.image, self.text = image, text
        self.pixels = pixels or PixelRange()
        self._own = own
        self._decoder = decoder(own if tokenizer is None else tokenizer)
        self._names = special_names(own)
        self._question = _Question(prompt, system, prefix)
        self._tokens = first_tokens(own, labels) if decide == "mass" else ()
        self._least = least_mass
        self._new = max_new_tokens
        # The last token that is written is not read again.
        self._room = (window(model) or 2**31) - (0 if decide == "mass" else max_new_tokens - 1)
        self._parse = parse or (lambda text: parsed(text, self.labels))

    @property
    def class_names(self) -> tuple[str, ...]:
        """The labels, in the order of the classes."""
        return tuple(self.labels)

    def __call__(self, batch: Mapping[str, Any], /) -> torch.Tensor:
        """Scores (B, C) or labels (B,); see the class."""
        inputs = self._inputs(batch)
        fits = inputs["attention_mask"].sum(dim=1).cpu() <= self._room
        if bool(fits.all()):
            return self._answers(inputs)
        shape, none = ((len(self.labels),), float("nan")) if self.decide == "mass" else ((), NO_CLASS)
        dtype = torch.float64 if self.decide == "mass" else torch.int64
        found = torch.full((len(fits), *shape), none, dtype=dtype)
        if bool(fits.any()):
            places = torch.nonzero(fits).flatten().tolist()
            found[fits] = self._answers(self._inputs({name: _rows(v, places) for name, v in batch.items()}))
        return found

    def _answers(self, inputs: dict[str, Any]) -> torch.Tensor:
        with torch.no_grad():
            if self.decide == "mass":
                # `generate` knows the positions of padded rows for every architecture; forward does not.
                made = self.model.generate(**inputs, generation_config=self._generation(1))
                return masses(made.logits[0], self._tokens, self._least).cpu()
            made = self.model.generate(**inputs, generation_config=self._generation(self._new))
        written = made.sequences[:, inputs["input_ids"].shape[1] :]
        texts = self._own.batch_decode(written, skip_special_tokens=True)
        return torch.tensor([self._parse(self._question.prefix + text) for text in texts])

    def questions(self, batch: Mapping[str, Any]) -> list[str]:
        """The complete text that the model sees for each draw, image placeholders included."""
        count = len(next(iter(batch.values())))
        texts = [""] * count
        if self.text is not None:
            texts = without(self._names, decoded(self._channel(batch, self.text), self._decoder))
        return [self._question_about(text) for text in texts]

    def _question_about(self, text: str) -> str:
        asked = self._question
        message = asked.prompt.replace("{text}", text)
        content: Any = message
        if self.image is not None:
            content = [{"type": "image"}, {"type": "text", "text": message}]
        conversation = [{"role": "user", "content": content}]
        if asked.system is not None:
            system: Any = asked.system
            if self.image is not None:
                system = [{"type": "text", "text": asked.system}]
            conversation.insert(0, {"role": "system", "content": system})
        shown = self.processor.apply_chat_template(conversation, add_generation_prompt=True, tokenize=False)
        return shown + asked.prefix

    def _inputs(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        texts = self.questions(batch)
        begin = self._own.bos_token
        settings: dict[str, Any] = {
            "padding": True,
            "padding_side": "left",  # the next token follows the last column of every row
            "return_attention_mask": True,
            "return_tensors": "pt",
            # A template that writes the first token itself must not get a second one.
            "add_special_tokens": not (begin is not None and texts[0].startswith(begin)),
        }
        if self.image is None:
            found = self._own(texts, **settings)
        else:
            from PIL import Image

            images = [Image.fromarray(one) for one in self.pixels.images(self._channel(batch, self.image))]
            found = self.processor(text=texts, images=images, **settings)
        device, dtype = self.model.device, self.model.dtype
        return {
            name: value.to(device, dtype) if value.is_floating_point() else value.to(device)
            for name, value in found.items()
        }

    def _channel(self, batch: Mapping[str, Any], name: str) -> Any:
        if name not in batch:
            raise InputError(f"the guard looks at the channel {name!r}; the input has {sorted(batch)}")
        return batch[name]

    def _generation(self, tokens: int) -> Any:
        from transformers import GenerationConfig

        own = getattr(self.model, "generation_config", None)
        end = getattr(own, "eos_token_id", None)
        return GenerationConfig(
            max_new_tokens=tokens,
            do_sample=False,
            num_beams=1,
            pad_token_id=self._own.pad_token_id,
            eos_token_id=self._own.eos_token_id if end is None else end,
            return_dict_in_generate=True,
            output_logits=self.decide == "mass",
        )


def _rows(value: Any, places: list[int]) -> Any:
    return value[places] if hasattr(value, "shape") else [value[i] for i in places]
