"""Texts that repeat, and repeats with different labels."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from training.data.examples import Example
from training.data.text_key import normalise


def count_conflicts(examples: Sequence[Example]) -> dict[str, int]:
    """Count texts that repeat, and those that have more than one label.

    Texts are equal here if they differ only in case and plain punctuation. ``outvoted_rows`` have a
    different label than most rows of their text: no classifier of texts can be right about both.
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
