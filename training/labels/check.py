"""Check the labels of a file: which of them are probably wrong, and what they should be."""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.atomic import replacing
from training.data.examples import DataError, Dataset, cut_long_texts, list_labels
from training.data.label_cells import choose_separator
from training.labels.conflicts import count_conflicts
from training.labels.encoder import BundleEncoder
from training.labels.features import STATES, compute_features, drop_markup
from training.labels.judge import COMPARE_ON, Judgement, compare_kinds, judge_labels
from training.labels.names import shorten

LEAST_ROWS = 20
LOW_AGREEMENT, LOW_KAPPA = 0.75, 0.5
COLUMNS = ("line", "text", "label", "suggested", "score")
PAIRS = 5  # of labels, in the summary


@dataclass(frozen=True)
class LabelCheck:
    """What the labels of a data set look like to models that have not seen them."""

    dataset: Dataset
    features: str
    losses: dict[str, float]  # of other features that were tried
    judgement: Judgement

    def write(self, path: Path) -> None:
        """Write the suspects as a CSV file, completely or not at all."""
        codes = _find_codes(self.dataset)
        separator = self.dataset.task.layout.label_separator or choose_separator(codes)
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
            table = csv.writer(out, lineterminator="\n")
            table.writerow(COLUMNS)
            for row, suggested, score in self.judgement.suspects:
                example = self.dataset.examples[row]
                cells = [
                    separator.join(codes[label] for label in labels)
                    for labels in (list_labels(example), suggested)
                ]
                table.writerow((example.line, example.text, *cells, f"{score:.4f}"))

    def describe(self) -> str:
        """Describe the result in a few lines."""
        found, rows = self.judgement, len(self.dataset.examples)
        others = [f"{kind} {loss:.2f}" for kind, loss in self.losses.items()]
        compared = f" (log loss {found.loss:.2f}; {', '.join(others)})" if others else ""
        lines = [
            f"judged by {self.features}{compared}, which agrees with {found.agreement:.0%} of the "
            "labels",
            f"probably wrong: {len(found.suspects):,} of {rows:,} rows (confident learning "
            f"estimates that {found.estimate:,.0f} labels are)",
            *self._describe_pairs(),
            *(f"note: {note}" for note in self._list_notes()),
        ]
        return "\n".join(lines)

    def _describe_pairs(self) -> list[str]:
        """Say which labels are taken for which others most often."""
        names = shorten(list(self.dataset.task.labels))
        pairs = Counter(
            (self.dataset.examples[suspect.row].label, suspect.suggested[0])
            for suspect in self.judgement.suspects
            if self.dataset.examples[suspect.row].labels is None
        )
        return [
            f"  {count:,} labelled {names[given]}, suggested {names[other]}"
            for (given, other), count in pairs.most_common(PAIRS)
        ]

    def _list_notes(self) -> list[str]:
        notes = []
        if conflicts := count_conflicts(self.dataset.examples)["conflicting_texts"]:
            notes.append(f"{conflicts:,} texts are in the file with different labels")
        if self.judgement.not_judged:
            notes.append(
                f"{self.judgement.not_judged:,} rows are not judged, because no other text or "
                "group has their label"
            )
        if self.judgement.agreement < LOW_AGREEMENT or self.judgement.kappa < LOW_KAPPA:
            notes.append(
                "too much of this is guessed: give a --model that knows texts of this kind, or "
                "expect most of these labels to be right"
            )
        return notes


def check_labels(
    dataset: Dataset, encoder: BundleEncoder | None, kinds: Sequence[str] = ()
) -> LabelCheck:
    """Find labels that are probably wrong.

    Each row is judged by a logistic regression that has learnt other groups and other texts. It
    sees words, words and characters, or the states of an encoder: what predicts the labels best.

    Args:
        dataset: the labelled rows.
        encoder: of a bundle; None to see words alone.
        kinds: of features to choose from, by default all.

    Raises:
        DataError: there are too few rows, or too few of each label.
    """
    dataset = cut_long_texts(dataset)
    rows, count = dataset.examples, len(dataset.task.labels)
    if len(rows) < LEAST_ROWS:
        raise DataError(f"{len(rows)} rows are too few to learn from: add more, at least some 100")
    texts = drop_markup([row.text for row in rows], dataset.task.markup)
    judged = compare_kinds(rows, texts, count, encoder, kinds)
    best, *others = judged
    judgement = judged[best]
    if len(rows) > COMPARE_ON:
        judgement = judge_labels(rows, compute_features(best, texts, encoder), count)
    if judgement.not_judged == len(rows):
        raise DataError(
            "no label can be judged: none is in two different texts, and in two groups if there "
            "is a --group-column"
        )
    name = f"the {STATES} of {encoder.version}" if encoder and best == STATES else best
    return LabelCheck(dataset, name, {kind: judged[kind].loss for kind in others}, judgement)


def _find_codes(dataset: Dataset) -> list[str]:
    """Return how the file writes each label."""
    codes: dict[str, str] = {}
    for code, label in dataset.task.codes.items():
        codes.setdefault(label, code)
    return [codes[label] for label in dataset.task.labels]
