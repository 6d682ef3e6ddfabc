"""Write train.jsonl, test.jsonl and vocabulary.txt: invented film reviews."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
WORDS = {
    "liked": "superb moving funny clever warm honest gripping fresh elegant bright tender witty bold",
    "disliked": "dull clumsy boring stale noisy lazy flat cheap hollow tired forced messy grim bland",
    "either": "the a film story actor scene and with its music plot ending was is very quite camera",
}
LIKED, DISLIKED, NEUTRAL = (words.split() for words in WORDS.values())


def review(liked: bool, generator: np.random.Generator) -> str:
    """Thirty words, most of them telling, so that no single one decides."""
    telling, against = (LIKED, DISLIKED) if liked else (DISLIKED, LIKED)
    words = [*generator.choice(telling, 23), *generator.choice(against, 1), *generator.choice(NEUTRAL, 6)]
    return " ".join(generator.permutation(words))


def main() -> None:
    generator = np.random.default_rng(0)
    (HERE / "vocabulary.txt").write_text("\n".join(LIKED + DISLIKED + NEUTRAL) + "\n", encoding="utf-8")
    for name, count in (("train.jsonl", 400), ("test.jsonl", 60)):
        with (HERE / name).open("w", encoding="utf-8") as stream:
            for i in range(count):
                liked = bool(generator.random() < 0.5)
                record = {
                    "id": f"review-{i:03d}",
                    "text": review(liked, generator),
                    "verdict": "liked" if liked else "disliked",
                }
                stream.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
