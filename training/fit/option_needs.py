"""Which options of a training run do nothing without another one, so that they are refused."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from training.tasks import TASKS

if TYPE_CHECKING:
    from training.fit.settings import Settings

HOW_ENCODERS_LEARN = ("group_loss", "masking", "head_first")
OF_STEPS = (
    *("epochs", "batch_size", "learning_rate", "head_rate_times", "layer_decay", "warmup"),
    *("weight_decay", "label_smoothing", "averaging", "max_grad_norm", "evaluations", "patience"),
    *("checkpoint_minutes", "windows_in_step", "resume"),
)


def _has_groups(settings: "Settings") -> bool:
    task = TASKS.get(settings.task)
    return bool(settings.group_column or (task and task.layout.group))


@dataclass(frozen=True)
class Need:
    """What some options need to have an effect."""

    options: tuple[str, ...]
    is_met: "Callable[[Settings], Any]"  # by its truth
    problem: str  # after the name of the option


NEEDS = (
    Need(
        ("distillation", "distillation_temperature", "embedding_loss", "unlabelled"),
        lambda settings: settings.teachers,
        "needs models to learn from: give --teachers",
    ),
    Need(
        ("teachers", "distillation_temperature"),
        lambda settings: settings.distillation or settings.embedding_loss or settings.unlabelled,
        "has no effect with --distillation 0: give a share, --embedding-loss or --unlabelled",
    ),
    Need(
        ("teacher_rows",),
        lambda settings: settings.balance_groups,
        "needs rows that are drawn: give --balance-groups",
    ),
    Need(
        ("teacher_rows",),
        lambda settings: settings.teachers,
        "needs models to learn from: give --teachers",
    ),
    Need(("new_rows_times",), lambda settings: settings.new_rows, "needs --new-rows"),
    Need(
        ("max_windows", "windows_in_step"),
        lambda settings: settings.long_texts != "cut",
        "needs texts that are not cut: --long-texts windows",
    ),
    Need(
        ("group_loss",),
        _has_groups,
        "needs groups to tell apart: give --group-column",
    ),
    Need(
        ("balance_groups",),
        _has_groups,
        "needs groups to draw from: give --group-column",
    ),
    Need(
        HOW_ENCODERS_LEARN,
        lambda settings: settings.method != "frozen",
        "changes how an encoder learns: --method frozen has none",
    ),
    Need(
        HOW_ENCODERS_LEARN,
        lambda settings: settings.method != "contrastive",
        "changes how an encoder learns from single texts: --method contrastive takes pairs",
    ),
    Need(
        OF_STEPS,
        lambda settings: settings.method != "frozen",
        "is about training steps: --method frozen takes none",
    ),
    Need(
        OF_STEPS,
        lambda settings: settings.method != "contrastive",
        "is about the steps of --method fine-tune: those of --method contrastive are fixed",
    ),
)


def list_unmet(settings: "Settings") -> Iterator[tuple[str, str]]:
    """Yield the options that are given and have no effect, each with the problem."""
    for need in NEEDS:
        given = [option for option in need.options if settings.is_given(option)]
        if given and not need.is_met(settings):
            for option in given:
                yield option, f"--{option.replace('_', '-')} {need.problem}"


def drop_unmet(settings: "Settings") -> "Settings":
    """Return settings that train the same, without the options that have no effect."""
    while unmet := [option for option, _ in list_unmet(settings)]:
        defaults = {name: type(settings).model_fields[name].default for name in unmet}
        settings = settings.model_copy(update=defaults)
    return settings
