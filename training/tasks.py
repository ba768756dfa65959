"""What is classified: the one place to add a task.

A task names its labels, says how its rows stand in a file and how many tokens of a text
the model reads. Everything the serving half needs of it travels in the bundle's manifest.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Table:
    """How rows stand in a CSV file and which columns mean what."""

    text: str
    label: str
    group: str | None = None  # rows of one group never stand on both sides of a split
    time: str | None = None  # milliseconds since the epoch
    source: str | None = None  # who wrote the text
    split: str | None = None  # train or test, as the data set's authors split it; may be missing
    delimiter: str = ","  # where the file has its own header, the one that stands in it
    quoted: bool = True
    header: tuple[str, ...] | None = None  # None: the first row of the file


@dataclass(frozen=True)
class Task:
    """A classification task.

    ``codes`` maps what stands in the label column to a label; the order of its distinct
    values is the order of the model's outputs. Empty: the labels are found in the data.
    """

    name: str
    table: Table
    codes: dict[str, str]
    max_length: int  # wordpieces, [CLS] and [SEP] included
    default_split: str  # of training.data.SPLITS; story where a file has no official split
    baseline: str = "TF-IDF(1,2) + LinearSVC"  # of training.evaluate.baseline.CLASSIFIERS
    truncation_side: str = "right"  # where a longer text is cut off: right is its end
    markup: str | None = None  # regular expression of what is read as a space

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in output order."""
        return tuple(dict.fromkeys(self.codes.values()))


NEWS = Task(
    name="news",
    table=Table(
        text="TITLE",
        label="CATEGORY",
        group="STORY",
        time="TIMESTAMP",
        source="PUBLISHER",
        delimiter="\t",
        # A double quote in a headline is a character, not a delimiter: read with quoting,
        # 518 rows of the real file vanish into 9 giant titles.
        quoted=False,
        header=("ID", "TITLE", "URL", "PUBLISHER", "CATEGORY", "STORY", "HOSTNAME", "TIMESTAMP"),
    ),
    codes={"b": "Business", "t": "Science", "e": "Entertainment", "m": "Health"},
    max_length=64,  # the longest real headline has 48 wordpieces
    default_split="story",
)

SENTIMENT = Task(
    name="sentiment",
    table=Table(text="text", label="label", split="split"),
    codes={"0": "negative", "1": "positive", "negative": "negative", "positive": "positive"},
    max_length=256,
    default_split="official",
    baseline="TF-IDF(1,2) + logistic regression",
    # Two in five reviews are longer, and their last words tell more than their first: a linear
    # model on 254 wordpieces of each is right about 89.5 % by the last and 88.7 % by the first
    # ones (89.9 % by both ends; Sun et al. 2019, https://arxiv.org/abs/1905.05583, found the
    # last ones as good as both ends for BERT).
    truncation_side="left",
    markup=r"<br\s*/?>",  # the line breaks of IMDb's pages
)

TASKS = {task.name: task for task in (NEWS, SENTIMENT)}


def custom_task(name: str, text: str, label: str, group: str | None) -> Task:
    """A task for any CSV file with a header row, a text and a label column."""
    table = Table(text=text, label=label, group=group)
    return Task(name, table, codes={}, max_length=128, default_split="story")


def with_labels(task: Task, labels: tuple[str, ...]) -> Task:
    """The same task with the labels that were found in its data."""
    return replace(task, codes={label: label for label in labels})
