"""How many tokens a model of Hugging Face can take at once."""

from __future__ import annotations

from typing import Any

import torch


def window(model: Any) -> int | None:
    """The most tokens in a row of input, None where the model's configuration names no limit.

    RoBERTa and its relatives count positions from behind the pad's: of their embeddings so many are not used.
    """
    config = model.config
    config = config.get_text_config() if hasattr(config, "get_text_config") else config
    named = getattr(config, "max_position_embeddings", None)
    found = [named] if isinstance(named, int) and named > 0 else []
    for name, part in model.named_modules():
        if (
            name.endswith("position_embeddings")
            and isinstance(part, torch.nn.Embedding)
            and part.padding_idx is not None
        ):
            found.append(part.num_embeddings - part.padding_idx - 1)
    return min(found, default=None)
