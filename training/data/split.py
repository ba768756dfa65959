"""Split labelled texts without leakage.

The news headlines come in story clusters: many outlets report the same event in nearly the
same words. A random split puts one story on both sides, so its test score rewards memory
(95.9 % for a bag of words, against 88.9 % when whole stories are held out; see explore.ipynb).
"""

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Self

from training.data.examples import DataError, Dataset, Example, cluster_of, list_labels, multi_hot
from training.data.stratify import stratify
from training.data.text_key import TextKey

SPLITS = ("story", "stratified", "random", "time", "official")
TEST_SHARE = 0.10
VALIDATION_SHARE = 0.05
LEAST_TEST_ROWS = 200  # with fewer, one row is more than half a point


@dataclass(frozen=True)
class RowNumbers:
    """Which rows of a data set are in each part of a split."""

    train: list[int]
    validation: list[int]
    test: list[int]


@dataclass(frozen=True)
class Dropped:
    """How many rows a split leaves out, by the reason."""

    repeated: int = 0  # training rows with the text and the label of another one
    learnt: int = 0  # held-out rows whose text is in train

    @property
    def total(self) -> int:
        """All rows that are left out."""
        return self.repeated + self.learnt


@dataclass(frozen=True)
class Split:
    """Rows to fit on, to tune on, and to report on."""

    train: list[Example]
    validation: list[Example]
    test: list[Example]
    numbers: RowNumbers
    dropped: Dropped = field(default=Dropped(), compare=False)  # unknown if rows were selected

    @classmethod
    def select(cls, dataset: Dataset, numbers: RowNumbers, dropped: Dropped | None = None) -> Self:
        """Take the rows of a data set by their numbers."""
        train, validation, test = (
            [dataset.examples[number] for number in part]
            for part in (numbers.train, numbers.validation, numbers.test)
        )
        return cls(train, validation, test, numbers, dropped or Dropped())


def sample(dataset: Dataset, rows: int, seed: int) -> Dataset:
    """Draw up to ``rows`` rows at random; they stay in file order."""
    order = sorted(range(len(dataset.examples)), key=lambda index: _unit(f"{seed}:{index}"))
    chosen = sorted(order[:rows])
    return replace(
        dataset,
        examples=[dataset.examples[i] for i in chosen],
        not_sampled=len(dataset.examples) - len(chosen),
    )


def is_held_out(example: Example, seed: int, key: TextKey = TextKey.CURRENT) -> bool:
    """Whether a split by story holds the row out; the other rows do not matter."""
    return _part(_unit(f"{seed}:{cluster_of(example, key)}")) != "train"


def split(dataset: Dataset, how: str, seed: int, key: TextKey = TextKey.CURRENT) -> Split:
    """Split into 85 % train, 5 % validation and 10 % test; the same seed gives the same split.

    - ``story`` holds out whole groups; rows without a group form one with the rows of equal text.
    - ``stratified`` does so, too, and gives every part its share of every label, as well as it can.
    - ``random`` holds out single rows.
    - ``time`` holds out the newest rows.
    - ``official`` tests on the rows that the file marks as test, and validates on 1 in 18 others.

    Rows that repeat in train are dropped. So are held-out rows whose text is in train, except in a
    random split. Texts are equal if their keys are; models of earlier versions had another key.

    Raises:
        DataError: a part is empty, train lacks a label, or rows lack the time or the part that
            the split needs.
    """
    texts = [key.of(example.text) for example in dataset.examples]
    parts = _assign(dataset, how, seed, texts)
    # Keeps the first row of each text and label, in the place of the last: models that were
    # trained on this order can be trained again to the same weights.
    distinct = {(texts[n], dataset.examples[n].answer): n for n in reversed(parts["train"])}
    repeated = len(parts["train"]) - len(distinct)
    parts["train"] = list(distinct.values())[::-1]
    held_out = len(parts["validation"]) + len(parts["test"])
    if how != "random":
        learnt = {text for text, _ in distinct}
        for name in ("validation", "test"):
            parts[name] = [number for number in parts[name] if texts[number] not in learnt]
    dropped = Dropped(repeated, held_out - len(parts["validation"]) - len(parts["test"]))
    if not all(parts.values()):
        clusters = {e.group or text for e, text in zip(dataset.examples, texts, strict=True)}
        problem = _explain_empty_part(parts, dropped, how, len(clusters))
        more = "; give a higher --max-rows" if dataset.not_sampled else ""
        raise dataset.make_error(problem + more)
    _require_every_label(dataset, parts["train"], how)
    return Split.select(dataset, RowNumbers(**parts), dropped)


def explain_few_rows(test_rows: int) -> str:
    """Say what few test rows cannot show, and how many rows would."""
    least = round(LEAST_TEST_ROWS / TEST_SHARE)
    return (
        f"{test_rows:,} test rows show only large differences: with {LEAST_TEST_ROWS} or more, "
        f"that is about {least:,} rows in all, figures become reliable"
    )


def _explain_empty_part(
    parts: dict[str, list[int]], dropped: Dropped, how: str, clusters: int
) -> str:
    """Say why a part has no rows, and what to do."""
    rows = sum(map(len, parts.values())) + dropped.total
    empty = " and ".join(f"{name} part" for name, numbers in parts.items() if not numbers)
    message = f"a {how} split of these {rows:,} rows leaves the {empty} empty"
    if dropped.total:
        return f"{message}, because {dropped.total:,} rows repeat others: add different texts"
    groups = f" in {clusters:,} groups (stories, or equal texts)" if how == "story" else ""
    return f"{message}: {rows:,} rows{groups} are too few; add more, at least some hundreds"


def _assign(dataset: Dataset, how: str, seed: int, texts: list[str]) -> dict[str, list[int]]:
    """Return the numbers of the rows in each part, in file order; ``texts`` are their keys."""
    parts: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    names = (
        _stratify(dataset, seed, texts)
        if how == "stratified"
        else [_part(place) for place in _places(dataset.examples, how, seed, texts)]
    )
    for number, name in enumerate(names):
        parts[name].append(number)
    return parts


def _stratify(dataset: Dataset, seed: int, texts: list[str]) -> list[str]:
    """Return the part of each row, with its share of every label in each of them."""
    clusters = [e.group or text for e, text in zip(dataset.examples, texts, strict=True)]
    shares = {"train": 1 - TEST_SHARE - VALIDATION_SHARE}
    shares |= {"test": TEST_SHARE, "validation": VALIDATION_SHARE}
    order = {cluster: _unit(f"{seed}:{cluster}") for cluster in clusters}
    labels = multi_hot(dataset.examples, len(dataset.task.labels))
    part_of = stratify(clusters, labels, shares, order)
    return [part_of[cluster] for cluster in clusters]


def _require_every_label(dataset: Dataset, train: list[int], how: str) -> None:
    """Refuse a split from which some label cannot be learnt."""
    counts = Counter(label for example in dataset.examples for label in list_labels(example))
    if dataset.task.is_multi_label:
        for label, name in enumerate(dataset.task.labels):
            if counts[label]:
                continue
            if dataset.not_sampled:
                raise dataset.make_error(
                    f"no text that --max-rows draws has the label {name!r}: give a higher number"
                )
            raise dataset.make_error(f"no text has the label {name!r}: leave it out")
    learnt = {label for number in train for label in list_labels(dataset.examples[number])}
    for label in sorted(counts.keys() - learnt):
        raise dataset.make_error(
            f"a {how} split holds out every row of {dataset.task.labels[label]!r}: "
            f"{counts[label]}; {_suggest_rows(dataset)}"
        )


def _suggest_rows(dataset: Dataset) -> str:
    """Say how a rare label gets rows to learn from."""
    if dataset.new_files:  # which allow no other split
        return "add more of them, or remove them"
    more = "use more rows (--max-rows)" if dataset.not_sampled else "add more of them"
    return f"keep some for training with --split stratified, {more}, or remove them"


def _places(examples: list[Example], how: str, seed: int, texts: list[str]) -> list[float]:
    """Return a number in [0, 1) for each row; the lowest tenth becomes the test part."""
    clusters = [example.group or text for example, text in zip(examples, texts, strict=True)]
    if how == "story":
        return [_unit(f"{seed}:{cluster}") for cluster in clusters]
    if how == "random":
        return [_unit(f"{seed}:{number}") for number in range(len(examples))]
    if how == "time":
        return _places_by_time(examples)
    if how == "official":
        if not all(example.part for example in examples):
            raise DataError("--split official needs train or test in the split column of every row")
        return [
            _official_place(example, cluster, seed)
            for example, cluster in zip(examples, clusters, strict=True)
        ]
    raise DataError(f"unknown split {how!r}: choose one of {', '.join(SPLITS)}")


def _places_by_time(examples: list[Example]) -> list[float]:
    if not all(example.time for example in examples):
        raise DataError("--split time needs a time in every row")
    newest_first = sorted(range(len(examples)), key=lambda number: -examples[number].time)
    rank = {number: place for place, number in enumerate(newest_first)}
    return [rank[number] / len(examples) for number in range(len(examples))]


def _official_place(example: Example, cluster: str, seed: int) -> float:
    if example.part == "test":
        return 0.0
    return TEST_SHARE + (1 - TEST_SHARE) * _unit(f"{seed}:{cluster}")


def _part(place: float) -> str:
    if place < TEST_SHARE:
        return "test"
    return "validation" if place < TEST_SHARE + VALIDATION_SHARE else "train"


def _unit(key: str) -> float:
    """Return a number in [0, 1) that depends on nothing but the key."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6]) / 2**48
