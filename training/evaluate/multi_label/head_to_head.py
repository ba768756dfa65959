"""Two bundles that may give a text several labels, head to head on test rows."""

from dataclasses import dataclass

import numpy as np

from inference.model.bundle import Bundle
from training.data.examples import Example, clusters_of, multi_hot
from training.evaluate.multi_label import report, summary
from training.evaluate.multi_label.results import Comparison, Summary
from training.evaluate.predictions import answer_rows
from training.multi_label import micro_f1


@dataclass(frozen=True)
class MultiLabelHeadToHead:
    """How a new bundle does next to an old one."""

    data: str  # name of the data file
    texts: int
    groups: int  # of the texts: stories, or equal texts
    agreement: float  # micro-F1 of the labels of one against those of the other
    new: Summary
    old: Summary
    new_name: str  # task and version
    old_name: str
    difference: Comparison

    def to_markdown(self) -> str:
        """Return the result as Markdown."""
        return "\n\n".join(
            [
                f"{self.texts:,} test rows of {self.data} in {self.groups:,} groups; the labels of "
                f"one bundle have a micro-F1 of {self.agreement:.4f} against those of the other.",
                report.format_models([(self.new_name, self.new), (self.old_name, self.old)]),
                report.format_comparisons(
                    [(f"{self.new_name} against {self.old_name}", self.difference)]
                ),
                report.WORDS,
            ]
        )


def compare_bundles(
    new: Bundle, old: Bundle, rows: list[Example], data: str
) -> MultiLabelHeadToHead:
    """Measure two bundles on test rows that both held out."""
    names = new.manifest.labels
    labels, clusters = multi_hot(rows, len(names)), clusters_of(rows)
    probabilities, answers = answer_rows(new, rows)
    old_probabilities, old_answers = answer_rows(old, rows)
    return MultiLabelHeadToHead(
        data=data,
        texts=len(rows),
        groups=len(np.unique(clusters)),
        agreement=micro_f1(answers, old_answers),
        new=summary.summarise(probabilities, answers, labels, names, clusters),
        old=summary.summarise(old_probabilities, old_answers, labels, names, clusters),
        new_name=f"{new.manifest.task} {new.version}",
        old_name=f"{old.manifest.task} {old.version}",
        difference=summary.compare(answers, old_answers, labels, clusters),
    )
