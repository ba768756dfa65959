"""Texts to classify and to learn from."""

import csv
import json
import random
from collections.abc import Sequence
from itertools import cycle, islice, pairwise
from pathlib import Path

from tokenizers import Tokenizer

from benchmarks.speed.errors import BenchError
from inference.local.checkout import ROOT

HEADLINES = ROOT / "data" / "headlines.csv"


def read_headlines() -> list[str]:
    """Read the sample headlines."""
    with HEADLINES.open(newline="") as lines:
        return [row[1] for row in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)]


def choose_of_length(texts: Sequence[str], tokens: int, tokenizer: Path) -> str:
    """Return the first text with this many tokens, or else two that have them together."""
    candidates = [*texts, *(" ".join(pair) for pair in pairwise(texts))]
    encodings = Tokenizer.from_file(str(tokenizer)).encode_batch(candidates)
    for text, encoding in zip(candidates, encodings, strict=True):
        if len(encoding.ids) == tokens:
            return text
    raise BenchError(f"no sample headline has {tokens} tokens, nor have two")


def write_lines(texts: Sequence[str], count: int, path: Path) -> Path:
    """Write texts as JSON lines, in random order, again and again until there are enough.

    Each has a number at its end, so that no two are the same.
    """
    shuffled = random.Random(0).sample(list(texts), len(texts))  # noqa: S311 - not a secret
    with path.open("w") as lines:
        for number, text in enumerate(islice(cycle(shuffled), count)):
            lines.write(json.dumps({"text": f"{text} {number}"}) + "\n")
    return path


def write_rows(texts: Sequence[str], count: int, path: Path) -> Path:
    """Write rows to learn from: halves of two texts each, and one of four labels by chance."""
    chance = random.Random(0)  # noqa: S311 - not a secret
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        for _ in range(count):
            first, second = (text.split() for text in chance.sample(list(texts), 2))
            words = first[: len(first) // 2] + second[len(second) // 2 :]
            rows.writerow([" ".join(words), f"label {chance.randrange(4)}"])
    return path
