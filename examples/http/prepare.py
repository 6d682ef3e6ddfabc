"""Write test.jsonl and vocabulary.txt: invented messages."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
WORDS = {
    "spam": "free cash winner prize urgent claim offer cheap pills click bonus credit loan",
    "ham": "meeting lunch report thanks tomorrow family project draft dinner train monday notes",
    "either": "the a you your we please for with today now and will is this see very",
}
SPAM, HAM, NEUTRAL = (words.split() for words in WORDS.values())


def message(spam: bool, generator: np.random.Generator) -> str:
    """Thirty words, most of them telling."""
    telling = SPAM if spam else HAM
    return " ".join(generator.permutation([*generator.choice(telling, 25), *generator.choice(NEUTRAL, 5)]))


def main() -> None:
    generator = np.random.default_rng(0)
    (HERE / "vocabulary.txt").write_text("\n".join(SPAM + HAM + NEUTRAL) + "\n", encoding="utf-8")
    with (HERE / "test.jsonl").open("w", encoding="utf-8") as stream:
        for i in range(40):
            spam = bool(generator.random() < 0.5)
            record = {"id": f"message-{i:02d}", "text": message(spam, generator)}
            stream.write(json.dumps({**record, "verdict": "spam" if spam else "ham"}) + "\n")


if __name__ == "__main__":
    main()
