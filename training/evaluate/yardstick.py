"""A large language model (LLM) as a yardstick: it labels a sample of the test rows, too."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from training.data.examples import DataError, Example, clusters_of, labels_of
from training.evaluate import tables
from training.evaluate.intervals import measure_difference
from training.evaluate.results import LlmComparison
from training.fit.trained_model import TrainedModel
from training.labels.llm.bedrock import BedrockModel, read_model_id
from training.labels.llm.estimate import Estimate, estimate
from training.labels.llm.journal import Journal
from training.labels.llm.label_set import Label, read_labels
from training.labels.llm.labeller import Labeller
from training.labels.llm.prompt import Prompt
from training.labels.llm.spending import Spending, Usage, format_dollars
from training.labels.llm.texts import cut
from training.metrics import Labels

JOURNALS = "against"  # the folder in a model folder that has what LLMs were paid for
NO_LABEL = -1
PER_TEXTS = 1000  # of which the report gives the price


@dataclass(frozen=True)
class YardstickRequest:
    """A user's request to compare a model with an LLM."""

    model: str  # bedrock:MODEL_ID
    rows: int = 200
    labels: str = ""  # a file that describes the labels
    spending: Spending = field(default_factory=Spending)


@dataclass(frozen=True)
class LlmLabels:
    """The labels that an LLM gives to a sample of the test rows."""

    model: str
    rows: NDArray[np.int64]  # the numbers of the test rows
    labels: Labels  # NO_LABEL where it gave none
    usage: Usage  # of the calls for these rows, earlier runs included
    usd: float | None

    def compare(self, predicted: Labels, test: Sequence[Example]) -> LlmComparison:
        """Compare a model with the LLM on the sample; a row without a label counts as wrong.

        Args:
            predicted: the labels that the model gives to all test rows.
            test: the test rows.
        """
        labels = labels_of(test)[self.rows]
        comparison = measure_difference(
            predicted[self.rows] == labels, self.labels == labels, clusters_of(test)[self.rows]
        )
        return LlmComparison(
            **dict(comparison),
            model=self.model,
            without_label=int((self.labels == NO_LABEL).sum()),
            input_tokens=self.usage.input_tokens,
            output_tokens=self.usage.output_tokens,
            usd=self.usd,
        )


class Yardstick:
    """An LLM, the rows it is to label, and the journal of what was paid for."""

    def __init__(self, request: YardstickRequest, trained: TrainedModel, prompt: Prompt) -> None:
        self._request, self._prompt = request, prompt
        self._model_id = read_model_id(request.model)
        self._labels = trained.labels
        self._rows = choose_rows(trained.rows.test, request.rows, prompt.examples)
        self._texts = [cut(trained.rows.test[row].text) for row in self._rows.tolist()]
        self._journal: Journal
        digest = hashlib.sha256(f"{self._model_id} {prompt.digest}".encode()).hexdigest()[:16]
        self._path = trained.folder / JOURNALS / f"{digest}.journal.jsonl"

    @contextmanager
    def opened(self) -> Iterator["Yardstick"]:
        """Keep the journal open until the block ends."""
        made_with = {"model": self._model_id, "prompt": self._prompt.digest}
        with Journal.open(self._path, made_with) as journal:
            self._journal = journal
            yield self

    @property
    def usage(self) -> Usage:
        """What all runs have cost."""
        return self._journal.usage

    def estimate(self) -> Estimate:
        """Estimate what the rows that are not settled cost."""
        return estimate(self._texts, self._prompt, self._journal)

    def ask(self) -> LlmLabels:
        """Ask about the rows, as far as the budget goes.

        Raises:
            DataError: the budget does not cover one row.
        """
        spending = self._request.spending
        if self.estimate().texts:
            model = BedrockModel(self._model_id, self._prompt, spending.parallel)
            Labeller(model, self._journal, spending).label(self._texts)
        settled = [self._journal.is_settled(text) for text in self._texts]
        if not any(settled):
            raise DataError("the budget does not cover a call: give a higher --budget-usd")
        labels = [
            self._find_label(text)
            for text, is_settled in zip(self._texts, settled, strict=True)
            if is_settled
        ]
        asked = [text for text in dict.fromkeys(self._texts) if self._journal.is_settled(text)]
        usage = sum(map(self._journal.find_usage, asked), Usage())
        return LlmLabels(
            model=self._model_id,
            rows=self._rows[settled],
            labels=np.array(labels, np.int64),
            usage=usage,
            usd=spending.cost(usage),
        )

    def _find_label(self, text: str) -> int:
        label = self._journal.find_label(text)
        return NO_LABEL if label is None else self._labels.index(label)


@contextmanager
def open_yardstick(request: YardstickRequest, trained: TrainedModel) -> Iterator[Yardstick]:
    """Choose rows for an LLM and open its journal; nothing is asked or paid yet.

    Raises:
        DataError: texts have several labels, or the file of labels has others than the model.
        ModelError: it names no LLM.
    """
    if trained.dataset.task.is_multi_label:
        raise DataError("--against is for models that give a text one label")
    labels = [Label(name) for name in trained.labels]
    if request.labels:
        labels = list(read_labels(request.labels))
        if {label.name for label in labels} != set(trained.labels):
            raise DataError(
                f"{request.labels} must have the model's labels: {', '.join(trained.labels)}"
            )
    with Yardstick(request, trained, Prompt(labels)).opened() as yardstick:
        yield yardstick


def choose_rows(test: Sequence[Example], count: int, examples: frozenset[str]) -> NDArray[np.int64]:
    """Draw rows at random, the same each time, without those that the prompt shows."""
    candidates = [number for number, row in enumerate(test) if row.text.strip() not in examples]
    drawn = np.random.default_rng(0).permutation(np.array(candidates, np.int64))
    return drawn[:count]


def describe_yardstick(against: LlmComparison | None, name: str) -> list[str]:
    """Describe the comparison as a section of the report; empty if there is none."""
    if against is None:
        return []
    low, high = against.accuracy_interval
    llm_low, llm_high = against.other_accuracy_interval
    sentences = [
        f"On {against.texts:,} test rows, drawn at random, the model labels "
        f"{against.accuracy:.2%} correctly ({100 * low:.2f} to {100 * high:.2f}), and the LLM, "
        f"which was told the labels but not trained, {against.other_accuracy:.2%} "
        f"({100 * llm_low:.2f} to {100 * llm_high:.2f})."
    ]
    if against.without_label:
        sentences.append(
            f"It gave {against.without_label:,} of the rows no label, which counts as wrong."
        )
    sentences.append(
        f"It read {against.input_tokens:,} tokens and wrote {against.output_tokens:,}"
        f"{_price(against)}."
    )
    return [
        f"## Against {tables.escape(against.model)}",
        " ".join(sentences),
        tables.format_differences([(f"{name} against {against.model}", against)]),
    ]


def _price(against: LlmComparison) -> str:
    if against.usd is None:
        return ""
    rate = format_dollars(against.usd * PER_TEXTS / against.texts)
    return f", for {format_dollars(against.usd)}: {rate} for {PER_TEXTS:,} texts"
