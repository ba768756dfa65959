"""The settings of a training run: a frozen dataclass turned into command-line options."""

import argparse
import shlex
from collections.abc import Container, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from training.data.examples import DataError, Dataset
from training.data.new_rows import join
from training.data.read import read
from training.data.split import SPLITS, Split, sample, split
from training.tasks import TASKS, Task, custom_task


def _setting(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


GREATEST = {
    "distillation": 1.0,
    "group_loss": 100.0,
    "label_smoothing": 0.99,
    "masking": 0.99,
    "averaging": 0.99999,
}


@dataclass(frozen=True)
class Settings:
    """Everything a run depends on; each field is a command-line option."""

    # what to learn from
    data: str = _setting(MISSING, "CSV file, plain, .gz, .bz2, .xz or .zip; path or s3:// URI")
    output: str = _setting(MISSING, "folder for the checkpoint and the model")
    task: str = _setting("news", f"{', '.join(TASKS)}, or any name with the two columns below")
    text_column: str = _setting("", "text column of a CSV file of your own")
    label_column: str = _setting("", "label column of a CSV file of your own")
    group_column: str = _setting("", "rows of one group stay on one side of the split")
    new_rows: str = _setting("", "folder of files that came later, joined to the data")
    new_rows_times: int = _setting(1, "times that each of them is learnt in an epoch")
    split: str = _setting("", f"{', '.join(SPLITS)}; the task's own if not given")
    max_rows: int = _setting(0, "use at most so many rows, for a quick run; 0 for all")
    max_length: int = _setting(0, "wordpieces read of each text; 0 for the task's own")

    # what to start from
    base_model: str = _setting("distilbert-base-uncased", "hub id or folder, DistilBERT or BERT")
    layers: str = _setting("", "encoder layers to keep, such as 0,2,4; all if not given")
    vocabulary: int = _setting(0, "wordpieces to keep, the most frequent ones; 0 for all")

    # whom to learn from, beside the labels
    teachers: str = _setting("", "folders of trained models, comma-separated; their mean is taken")
    distillation: float = _setting(0.5, "share of the target that is the teachers' answer")

    # how to learn
    epochs: float = _setting(3.0, "passes over the training rows")
    batch_size: int = _setting(64, "texts a step")
    learning_rate: float = _setting(1e-4, "peak; linear warm-up, then linear decay to 0")
    warmup: float = _setting(0.06, "share of the steps spent warming up")
    weight_decay: float = _setting(0.01, "AdamW weight decay of the matrices")
    label_smoothing: float = _setting(0.0, "share of the target spread over all labels")
    group_loss: float = _setting(
        0.0, "weight of also learning which group (story) a text is of, beside its label"
    )
    masking: float = _setting(
        0.0, "share of wordpieces hidden at each step, against learning by heart"
    )
    averaging: float = _setting(
        0.999, "decay of the running mean of the weights, which is what is kept; 0 for the last"
    )
    max_grad_norm: float = _setting(1.0, "gradients are clipped to this norm")
    evaluations: int = _setting(4, "validations an epoch; the best model is kept")
    patience: int = _setting(4, "validations without a better macro-F1 before stopping early")
    seed: int = _setting(42, "of the split, the new weights, the order and dropout")

    # how to run
    precision: str = _setting("auto", "fp32, bf16, fp16, or auto: what the hardware has")
    threads: int = _setting(0, "CPU threads; 0 for one a core")
    checkpoint_minutes: float = _setting(5.0, "time between checkpoints")
    resume: bool = _setting(False, "go on from the checkpoint in the output folder")


def parse(description: str, arguments: Sequence[str] | None = None) -> Settings:
    """Settings from the command line of ``training.fit.train``."""
    options = option_parser("training.fit.train", description).parse_args(arguments)
    return Settings(**vars(options))


def option_parser(
    module: str, description: str, without: Container[str] = ()
) -> argparse.ArgumentParser:
    """Every setting as an option (SageMaker writes a true flag as ``--flag True``).

    Args:
        module: the command, as ``python -m`` starts it.
        description: what ``--help`` says first.
        without: settings that this command does not take; it is for the caller to set them.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for option in fields(Settings):
        if option.name in without:
            continue
        name, text = _flag(option.name), option.metadata["help"]
        if option.default is MISSING:
            parser.add_argument(name, required=True, help=text)
        elif isinstance(option.default, bool):
            parser.add_argument(name, nargs="?", const=True, default=False, type=truth, help=text)
        else:
            text += f" (default: {option.default})" if option.default else ""
            parser.add_argument(name, type=type(option.default), default=option.default, help=text)
    return parser


def command(settings: Settings) -> str:
    """The shell command that trains with these settings; what `parse` reads back to the digit."""
    words = ["python", "-m", "training.fit.train"]
    for option in fields(Settings):
        value = getattr(settings, option.name)
        if value != option.default:
            words += [_flag(option.name), str(value)]
    return shlex.join(words)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def truth(word: str) -> bool:
    """The value of a flag that is given as a word."""
    if word.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{word!r} is neither true nor false")
    return word.lower() == "true"


def rows_of(settings: Settings) -> tuple[Dataset, Split]:
    """The data set and its split, the same for the same settings.

    Raises:
        DataError: the task is unknown, or the data set is not what it describes.
    """
    task = task_of(settings)
    for name, greatest in GREATEST.items():
        if not 0 <= getattr(settings, name) <= greatest:
            raise DataError(f"--{name.replace('_', '-')}: give 0 to {greatest}")
    if settings.new_rows_times < 1 or (settings.new_rows_times > 1 and not settings.new_rows):
        raise DataError("--new-rows-times: give 1 or more, and --new-rows")
    if settings.group_loss and not task.table.group:
        raise DataError("--group-loss needs groups to tell apart: name their --group-column")
    dataset = read(settings.data, task)
    how = settings.split or dataset.task.default_split
    if settings.new_rows:
        if how != "story" or settings.max_rows:
            raise DataError(
                "--new-rows is for all rows, split by story: others do not stay held out"
            )
        dataset = join(dataset, Path(settings.new_rows), settings.seed)
    if settings.max_rows:
        dataset = sample(dataset, settings.max_rows, settings.seed)
    return dataset, split(dataset, how, settings.seed)


def task_of(settings: Settings) -> Task:
    """The task that the settings name, or that they make of a file's columns.

    Raises:
        DataError: there is no such task, or the columns contradict it.
    """
    text, label, group = settings.text_column, settings.label_column, settings.group_column
    if text or label or group:
        if not (text and label):
            raise DataError("give both --text-column and --label-column")
        if settings.task in TASKS:
            raise DataError(f"--task {settings.task} has its own columns: give your task a name")
        return custom_task(settings.task, text, label, group or None)
    if settings.task not in TASKS:
        raise DataError(
            f"unknown task {settings.task!r}: choose one of {', '.join(TASKS)}, "
            "or give --text-column and --label-column"
        )
    return TASKS[settings.task]
