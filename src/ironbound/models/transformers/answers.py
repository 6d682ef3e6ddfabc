"""An answer from next-token probabilities, or from generated text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch

NO_CLASS = -1


def masses(logits: torch.Tensor, tokens: Sequence[Sequence[int]], least: float = 0.0) -> torch.Tensor:
    """Log-probability (B, C), float64, that the next token is one of each class's tokens.

    Args:
        logits: of the next token, (B, V).
        tokens: ids of each class.
        least: rows whose classes together have less probability than this answer no class: NaN.

    Example:
        >>> logits = torch.tensor([[0.0, 0.0, 0.0, 0.0]])
        >>> masses(logits, [[0, 1], [2]]).exp().round(decimals=6).tolist()
        [[0.5, 0.25]]
    """
    log_p = torch.log_softmax(logits.double(), dim=-1)
    found = torch.stack([torch.logsumexp(log_p[:, list(ids)], dim=-1) for ids in tokens], dim=-1)
    together = torch.logsumexp(found, dim=-1).exp()
    return torch.where((together >= least)[:, None], found, torch.full_like(found, float("nan")))


def parsed(text: str, labels: Mapping[str, Sequence[str]]) -> int:
    """The class whose word comes first in a text, as a whole word in any case; -1 if none does.

    Example:
        >>> words = {"safe": ["Safe"], "unsafe": ["Unsafe", "not safe"]}
        >>> [parsed(text, words) for text in ("UNSAFE.", "It is not safe", "safe, I think", "Unsafely?")]
        [1, 1, 0, -1]
    """
    best = (len(text), 0, NO_CLASS)
    for place, words in enumerate(labels.values()):
        for word in words:
            match = re.search(rf"(?<!\w){re.escape(word.strip())}(?!\w)", text, re.IGNORECASE)
            if match is not None:
                # Of words at the same place the longer one counts.
                best = min(best, (match.start(), -len(word), place))
    return best[2]
