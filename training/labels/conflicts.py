"""Texts that repeat, and repeats that carry different labels."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from training.data.examples import Example, normalise


def repeats(examples: Sequence[Example]) -> dict[str, int]:
    """How many texts repeat, and how many carry more than one label.

    Texts are equal here when they are so without case and punctuation. ``outvoted_rows`` have
    another label than most rows of their text: no classifier of texts can be right about them
    and about the others.
    """
    labels: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for example in examples:
        labels[normalise(example.text)][example.label] += 1
    conflicts = [counts for counts in labels.values() if len(counts) > 1]
    return {
        "rows": len(examples),
        "texts": len(labels),
        "conflicting_texts": len(conflicts),
        "conflicting_rows": sum(counts.total() for counts in conflicts),
        "outvoted_rows": sum(counts.total() - max(counts.values()) for counts in conflicts),
    }
