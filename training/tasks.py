"""Classification tasks: the one place to add one.

A task names its labels, describes the layout of its data file, and limits how much of a text the
model reads. The bundle's manifest carries whatever serving needs to know about it.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class FileLayout:
    """The layout of a CSV file, and what its columns mean."""

    text: str
    label: str
    group: str | None = None  # rows of one group are never on both sides of a split
    time: str | None = None  # milliseconds since the epoch
    source: str | None = None  # who wrote the text
    split: str | None = None  # train or test, if the authors split the data; may be missing
    header: tuple[str, ...] | None = None  # None if the file's first row is its header
    # If a text may have several labels, or none: what separates them in the label column, or one
    # column of zeros and ones for each label, and then there is no label column.
    label_separator: str = ""
    label_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """A classification task.

    ``codes`` maps the values of the label column to labels; the order of its distinct labels is
    the order of the model's outputs. If it is empty, the labels are found in the data.
    """

    name: str
    layout: FileLayout
    codes: dict[str, str]
    max_length: int  # wordpieces, [CLS] and [SEP] included
    default_split: str  # one of training.data.split.SPLITS; story if a file has no official split
    baseline: str = "TF-IDF(1,2) + LinearSVC"  # one of training.evaluate.baseline.CLASSIFIERS
    truncation_side: str = "right"  # where a longer text is cut: right is its end
    markup: str | None = None  # regular expression; what it matches is read as a space

    @property
    def is_multi_label(self) -> bool:
        """Whether a text may have several labels, or none."""
        return bool(self.layout.label_separator or self.layout.label_columns)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in output order."""
        return tuple(dict.fromkeys(self.codes.values()))


NEWS = Task(
    name="news",
    layout=FileLayout(
        text="TITLE",
        label="CATEGORY",
        group="STORY",
        time="TIMESTAMP",
        source="PUBLISHER",
        header=("ID", "TITLE", "URL", "PUBLISHER", "CATEGORY", "STORY", "HOSTNAME", "TIMESTAMP"),
    ),
    codes={"b": "Business", "t": "Science", "e": "Entertainment", "m": "Health"},
    max_length=64,  # the longest real headline has 48 wordpieces
    default_split="story",
)

SENTIMENT = Task(
    name="sentiment",
    layout=FileLayout(text="text", label="label", split="split"),
    codes={"0": "negative", "1": "positive", "negative": "negative", "positive": "positive"},
    max_length=256,
    default_split="official",
    baseline="TF-IDF(1,2) + logistic regression",
    # Two in five reviews are longer, and their last words say more than their first: a linear
    # model on 254 wordpieces of each is right about 89.5 % with the last and 88.7 % with the first
    # ones (89.9 % with both ends; Sun et al. 2019, https://arxiv.org/abs/1905.05583, found the
    # last ones as good as both ends for BERT).
    truncation_side="left",
    markup=r"<br\s*/?>",  # the line breaks of IMDb's pages
)

TASKS = {task.name: task for task in (NEWS, SENTIMENT)}


def custom_task(
    name: str,
    text: str,
    label: str,
    group: str | None,
    label_separator: str = "",
    label_columns: tuple[str, ...] = (),
) -> Task:
    """Make a task for any CSV file with a header row, a text column, and its labels."""
    layout = FileLayout(
        text=text,
        label=label,
        group=group,
        label_separator=label_separator,
        label_columns=label_columns,
    )
    codes = {column: column for column in label_columns}
    # If texts have several labels, chance alone would leave a part without the rarer ones.
    split = "stratified" if label_separator or label_columns else "story"
    return Task(name, layout, codes=codes, max_length=128, default_split=split)


def with_labels(task: Task, labels: tuple[str, ...]) -> Task:
    """Return the task with the labels that were found in its data."""
    return replace(task, codes={label: label for label in labels})


def with_labels_of_model(task: Task, labels: tuple[str, ...]) -> Task:
    """Return the task of a model; if it does not name its labels, with those of the model."""
    return task if task.codes else with_labels(task, labels)
