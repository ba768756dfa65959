"""The settings of a training run; pydantic checks their limits for every command that trains."""

import shlex
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from inference.tables.options import ReadOptions
from training.fit.option_needs import list_unmet
from training.tasks import TASKS, Task, custom_task

MOST_WINDOWS = 128  # of a text, so that its answer fits into the API's time
SHORTEST = 3  # wordpieces: [CLS], [SEP] and one of the text


def _check_length(wordpieces: int) -> int:
    if 0 < wordpieces < SHORTEST:
        raise ValueError(
            "give 3 or more, to leave room for [CLS], [SEP] and a wordpiece of the text"
        )
    return wordpieces


def _check_layers(layers: str) -> str:
    numbers = layers.split(",") if layers else []
    if not all(number.isdecimal() for number in numbers) or len(set(numbers)) < len(numbers):
        raise ValueError("give the numbers of different layers, such as 0,2,4")
    return layers


def _check_columns(columns: str) -> str:
    names = [name.strip() for name in columns.split(",")] if columns else []
    if not all(names) or len(set(names)) < len(names) or len(names) == 1:
        raise ValueError(
            "give two or more different columns, such as billing,delivery,refund; a column whose "
            "name has a comma has to be renamed"
        )
    return ",".join(names)


Count = Annotated[int, Field(ge=1)]
CountOrAll = Annotated[int, Field(ge=0)]  # 0: all of them
Share = Annotated[float, Field(ge=0, le=1)]
ShareBelowOne = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]

# The options of a file of labelled texts; other commands have them, too.
LabelSeparator = Annotated[
    str, Field(description="What separates the labels in a label cell, if a text may have several.")
]
LabelColumns = Annotated[
    str,
    Field(description="Columns of 0 and 1, one for each label of texts that may have several."),
    AfterValidator(_check_columns),
]
Delimiter = Annotated[
    str, Field(description="What separates columns, if not as found: a character, or tab.")
]
QuotingOption = Annotated[
    Literal["", "standard", "backslash", "none"],
    Field(description='How values are quoted, if not as found; "none": quotes are characters.'),
]
EncodingOption = Annotated[
    str, Field(description="Encoding of the file, such as cp1252; UTF-8 by default.")
]
NoHeader = Annotated[
    bool, Field(description="The file has no header; columns are positions from 0.")
]
SkipBadRows = Annotated[
    bool, Field(description="Leave out rows that cannot be used, and count them.")
]


class Settings(BaseModel):
    """Everything a training run depends on; each field is an option of `textclf train`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # What to learn from.
    data: Annotated[
        str,
        Field(min_length=1, description="CSV file, plain, .gz, .bz2, .xz or .zip; path or S3 URI."),
    ]
    output: Annotated[str, Field(description="Folder for the checkpoint and the model.")]
    task: Annotated[
        str,
        Field(
            min_length=1,
            description=f"{', '.join(TASKS)}, or any name together with the two columns below.",
        ),
    ] = "news"
    text_column: Annotated[str, Field(description="Text column of your own CSV file.")] = ""
    label_column: Annotated[str, Field(description="Label column of your own CSV file.")] = ""
    label_separator: LabelSeparator = ""
    label_columns: LabelColumns = ""
    delimiter: Delimiter = ""
    quoting: QuotingOption = ""
    encoding: EncodingOption = ""
    no_header: NoHeader = False
    skip_bad_rows: SkipBadRows = False
    group_column: Annotated[
        str, Field(description="Rows of one group stay on the same side of the split.")
    ] = ""
    new_rows: Annotated[
        str, Field(description="Folder of rows that came later; they are added to the data.")
    ] = ""
    new_rows_times: Annotated[
        Count, Field(description="How many times an epoch each of the new rows is seen.")
    ] = 1
    balance_groups: Annotated[
        CountOrAll,
        Field(
            description="Most rows of a group that each epoch draws, and validation has; 0: all."
        ),
    ] = 0
    split: Annotated[
        Literal["", "story", "stratified", "random", "time", "official"],
        Field(description="How rows are held out: story, stratified, random, time or official."),
    ] = ""
    max_rows: Annotated[
        CountOrAll, Field(description="Use at most this many rows, for a quick run; 0 for all.")
    ] = 0
    max_length: Annotated[
        int,
        Field(ge=0, description="Wordpieces read of each text; 0 for the task's own limit."),
        AfterValidator(_check_length),
    ] = 0
    long_texts: Annotated[
        Literal["cut", "windows"],
        Field(
            description="What is read of texts that are longer: one end, or all, in overlapping "
            "windows of that length."
        ),
    ] = "cut"
    max_windows: Annotated[
        int, Field(ge=1, le=MOST_WINDOWS, description="Most windows that are read of a text.")
    ] = 32
    windows_in_step: Annotated[
        Count, Field(description="Most windows of a text in a training step, drawn at random.")
    ] = 2

    # What to start from.
    base_model: Annotated[
        str,
        Field(
            min_length=1,
            description="Hub id or folder of an encoder; a DistilBERT or BERT is fastest.",
        ),
    ] = "distilbert-base-uncased"
    layers: Annotated[
        str,
        Field(description="Encoder layers to keep, such as 0,2,4; all by default."),
        AfterValidator(_check_layers),
    ] = ""
    pooling: Annotated[
        Literal["", "first", "mean"],
        Field(description="What is classified: the first token's state, or the mean of all."),
    ] = ""  # as the base model was trained, or the first
    vocabulary: Annotated[
        CountOrAll, Field(description="Most frequent wordpieces to keep; 0 for all.")
    ] = 0

    # Whom to learn from, in addition to the labels.
    teachers: Annotated[
        str,
        Field(
            description="Folders of trained models or bundles, comma-separated; their mean is the "
            "target."
        ),
    ] = ""
    teacher_rows: Annotated[
        CountOrAll,
        Field(
            description="Most rows of a group in an epoch that teachers answer; the others have "
            "only their labels. 0: all."
        ),
    ] = 0
    distillation: Annotated[
        Share, Field(description="Share of the target that comes from the teachers.")
    ] = 0.5
    distillation_temperature: Annotated[
        float,
        Field(ge=0.1, le=100, description="Above 1, small probabilities of teachers weigh more."),
    ] = 1.0
    embedding_loss: Annotated[
        float,
        Field(ge=0, le=100, description="Weight of a loss: to represent texts as teachers do."),
    ] = 0.0
    unlabelled: Annotated[
        str,
        Field(description="File of texts without labels, which teachers answer: lines or a table."),
    ] = ""

    # How to learn.
    method: Annotated[
        Literal["auto", "fine-tune", "contrastive", "frozen"],
        Field(
            description="Fine-tune the encoder with its head; or leave it frozen, or fine-tune it "
            "on pairs of texts (contrastive), and fit a logistic head; auto tries each of them if "
            "there are few rows."
        ),
    ] = "fine-tune"
    class_weights: Annotated[
        Literal["", "balanced"],
        Field(description="balanced: all labels weigh the same in the loss, rare ones too."),
    ] = ""
    epochs: Annotated[Positive, Field(description="Passes over the training rows.")] = 3.0
    batch_size: Annotated[Count, Field(description="Texts per step.")] = 64
    learning_rate: Annotated[
        Positive, Field(description="Peak rate; linear warm-up, then linear decay to 0.")
    ] = 1e-4
    head_first: Annotated[
        bool, Field(description="Fit the linear head to the base model before they learn together.")
    ] = False
    head_rate_times: Annotated[
        Positive, Field(description="How many times the learning rate the head learns at.")
    ] = 1.0
    layer_decay: Annotated[
        float,
        Field(gt=0, le=1, description="Learning rate of a layer, as a share of the one above it."),
    ] = 1.0
    warmup: Annotated[ShareBelowOne, Field(description="Share of the steps spent warming up.")] = (
        0.06
    )
    weight_decay: Annotated[NotNegative, Field(description="AdamW weight decay.")] = 0.01
    label_smoothing: Annotated[
        ShareBelowOne, Field(description="Share of the target spread over all labels.")
    ] = 0.0
    group_loss: Annotated[
        float,
        Field(
            ge=0,
            le=100,
            description="Weight of a second loss: telling the groups (stories) apart.",
        ),
    ] = 0.0
    masking: Annotated[
        ShareBelowOne, Field(description="Share of wordpieces masked at each step.")
    ] = 0.0
    averaging: Annotated[
        ShareBelowOne,
        Field(description="Decay of the moving average of the weights; 0 for none."),
    ] = 0.999
    max_grad_norm: Annotated[Positive, Field(description="Gradients are clipped to this norm.")] = (
        1.0
    )
    evaluations: Annotated[
        Count, Field(description="Validations per epoch; the best model is kept.")
    ] = 4
    patience: Annotated[
        Count, Field(description="Validations without improvement before stopping early.")
    ] = 4
    seed: Annotated[
        int,
        Field(ge=0, lt=2**32, description="Of the split, the new weights, the order and dropout."),
    ] = 42

    # How to run.
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"],
        Field(description="Of matrix products; auto picks what the hardware is fast at."),
    ] = "auto"
    threads: Annotated[CountOrAll, Field(description="CPU threads; 0 for one per core.")] = 0
    checkpoint_minutes: Annotated[
        NotNegative, Field(description="Time between checkpoints; 0 for one after each step.")
    ] = 5.0
    resume: Annotated[
        bool, Field(description="Continue from the checkpoint in the output folder.")
    ] = False
    overwrite: Annotated[
        bool, Field(description="Replace the model or the checkpoint in the output folder.")
    ] = False

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        has_label_columns = bool(self.label_column or self.label_columns)
        if bool(self.text_column) != has_label_columns or (
            self.group_column and not self.text_column
        ):
            raise ValueError("give both --text-column and --label-column")
        if self.text_column and self.text_column in (
            self.label_column,
            *self.label_columns.split(","),
        ):
            raise ValueError(f"{self.text_column!r} cannot have both the texts and the labels")
        if self.label_columns and (self.label_column or self.label_separator):
            raise ValueError("give --label-columns, or --label-column with --label-separator")
        if self.label_separator and not self.label_column:
            raise ValueError("--label-separator needs the column of the labels: --label-column")
        if self.text_column and self.task in TASKS:
            raise ValueError(f"--task {self.task} has its own columns: give your task another name")
        if not self.text_column and self.task not in TASKS:
            raise ValueError(
                f"unknown task {self.task!r}: choose one of {', '.join(TASKS)}, "
                "or give --text-column and --label-column"
            )
        if self.resume and self.overwrite:
            raise ValueError("give --resume or --overwrite, not both")
        if self.new_rows and (self.split not in ("", "story") or self.max_rows):
            raise ValueError(
                "--new-rows needs all rows, split by story: "
                "otherwise rows that are held out could change sides"
            )
        if self.method != "fine-tune" and self.teachers:
            raise ValueError("--teachers needs --method fine-tune: others learn from labels alone")
        for _, problem in list_unmet(self):
            raise ValueError(problem)
        return self

    def is_given(self, name: str) -> bool:
        """Whether a setting has another value than by default."""
        return bool(getattr(self, name) != type(self).model_fields[name].default)

    @property
    def fits_head(self) -> bool:
        """Whether the head is a logistic regression on the encoder as it is in the end."""
        return self.method in ("frozen", "contrastive")

    @property
    def is_multi_label(self) -> bool:
        """Whether a text may have several labels, or none."""
        return bool(self.label_separator or self.label_columns)

    def find_task(self) -> Task:
        """Return the task that the settings name, or make one of a file's columns."""
        if not self.text_column:
            return TASKS[self.task]
        return custom_task(
            self.task,
            self.text_column,
            self.label_column,
            self.group_column or None,
            self.label_separator,
            tuple(self.label_columns.split(",")) if self.label_columns else (),
        )

    def read_options(self) -> ReadOptions:
        """Return what the settings say about the dialect of the data file."""
        return ReadOptions(
            delimiter=self.delimiter or None,
            quoting=self.quoting or None,
            encoding=self.encoding or None,
            no_header=self.no_header,
        )

    def to_command(self) -> str:
        """Return the shell command that trains with these settings."""
        words = ["textclf", "train"]
        for name, value in self.model_dump(exclude_defaults=True).items():
            words.append(f"--{name.replace('_', '-')}")
            words += [] if value is True else [str(value)]
        return shlex.join(words)


def list_differences(saved: Mapping[str, object], current: Mapping[str, object]) -> list[str]:
    """Compare what identifies two runs; a difference reads like ``seed 42, not 1``.

    A setting that is missing is at its default. So runs of two versions compare equal even if one
    of the versions lacks a setting, as long as the other run leaves it at its default.
    """
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    before, after = {**defaults, **saved}, {**defaults, **current}
    return [
        f"{name.replace('_', '-')} {before.get(name)}, not {after.get(name)}"
        for name in before | after
        if before.get(name) != after.get(name)
    ]
