"""Texts that repeat, and repeats with different labels."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from training.data.examples import Example
from training.data.text_key import normalise


def count_conflicts(examples: Sequence[Example]) -> dict[str, int]:
    """Count texts that repeat, and those that have more than one label.

    Texts are equal here if they differ only in case and plain punctuation. ``outvoted_rows`` have a
    different label than most rows of their text: no classifier of texts can be right about both.
    Where a text may have several labels, all of them together count as one.
    """
    labels: defaultdict[str, Counter[int | tuple[int, ...]]] = defaultdict(Counter)
    for example in examples:
        labels[normalise(example.text)][example.answer] += 1
    conflicts = [counts for counts in labels.values() if len(counts) > 1]
    return {
        "rows": len(examples),
        "texts": len(labels),
        "conflicting_texts": len(conflicts),
        "conflicting_rows": sum(counts.total() for counts in conflicts),
        "outvoted_rows": sum(counts.total() - max(counts.values()) for counts in conflicts),
    }


def find_labels_of_texts(
    rows: Sequence[Example], examples: Sequence[Example]
) -> list[frozenset[int]]:
    """Return the labels that the text of each row has anywhere in the data set it is from."""
    labels = _collect_labels(examples, [normalise(example.text) for example in examples])
    return [frozenset(labels[normalise(row.text)]) for row in rows]


def find_labels_of_groups(
    rows: Sequence[Example], examples: Sequence[Example]
) -> list[frozenset[int]]:
    """Return the labels that any text in the group of each row has anywhere in the data set.

    A story that is listed under two labels may be two groups, one of each label, that share some
    of their texts. A row without a group has no labels here.
    """
    keys = [normalise(example.text) for example in examples]
    of_text = _collect_labels(examples, keys)
    labels: defaultdict[str, set[int]] = defaultdict(set)
    for example, key in zip(examples, keys, strict=True):
        if example.group:
            labels[example.group] |= of_text[key]
    return [frozenset(labels[row.group]) if row.group else frozenset() for row in rows]


def _collect_labels(examples: Sequence[Example], keys: Sequence[str]) -> defaultdict[str, set[int]]:
    """Return the labels of each text, by its key."""
    labels: defaultdict[str, set[int]] = defaultdict(set)
    for example, key in zip(examples, keys, strict=True):
        labels[key].add(example.label)
    return labels
