from typing import Any

import pytest
from pydantic import ValidationError

from training.fit.option_needs import NEEDS, drop_unmet, list_unmet
from training.fit.settings import Settings

FROZEN: dict[str, Any] = {"method": "frozen"}
CONTRASTIVE: dict[str, Any] = {"method": "contrastive"}
# A value other than the default for each option that needs another one.
GIVEN: dict[str, Any] = {
    **{"distillation": 0.7, "distillation_temperature": 2.0, "embedding_loss": 1.0},
    **{"unlabelled": "more.txt", "teacher_rows": 2, "new_rows_times": 3, "max_windows": 4},
    **{"windows_in_step": 4, "group_loss": 0.5, "balance_groups": 3, "masking": 0.1},
    **{"head_first": True, "epochs": 1.0, "batch_size": 8, "learning_rate": 1e-3},
    **{"head_rate_times": 2.0, "layer_decay": 0.9, "warmup": 0.1, "weight_decay": 0.1},
    **{"label_smoothing": 0.1, "averaging": 0.9, "max_grad_norm": 2.0, "evaluations": 1},
    **{"patience": 9, "checkpoint_minutes": 1.0, "resume": True, "teachers": "build/one"},
}
COLUMNS: dict[str, Any] = {"task": "own", "text_column": "t", "label_column": "l"}


def make_settings(**changes: Any) -> Settings:
    return Settings.model_validate({"data": "d", "output": "o", **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"distillation": 0.7}, "--distillation needs models to learn from: give --teachers"),
        ({"unlabelled": "u.txt"}, "--unlabelled needs models to learn from: give --teachers"),
        ({"teachers": "t", "distillation": 0.0}, "--teachers has no effect with --distillation 0"),
        (
            {"teachers": "t", "distillation": 0, "embedding_loss": 1, "teacher_rows": 1},
            "--teacher-rows needs rows that are drawn: give --balance-groups",
        ),
        ({"new_rows_times": 2}, "--new-rows-times needs --new-rows"),
        ({"max_windows": 3}, "--max-windows needs texts that are not cut"),
        ({**COLUMNS, "balance_groups": 2}, "--balance-groups needs groups to draw from"),
        ({**COLUMNS, "group_loss": 1.0}, "--group-loss needs groups to tell apart"),
        ({**FROZEN, "epochs": 9.0}, "--epochs is about training steps: --method frozen takes none"),
        ({**FROZEN, "masking": 0.1}, "--masking changes how an encoder learns"),
        (
            {**CONTRASTIVE, "epochs": 9.0},
            "--epochs is about the steps of --method fine-tune: those of --method contrastive are",
        ),
        ({**CONTRASTIVE, "masking": 0.1}, "--masking changes how an encoder learns from single"),
    ],
)
def test_an_option_without_effect_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make_settings(**changes)


@pytest.mark.parametrize(
    ("need", "option"), [(need, option) for need in NEEDS for option in need.options]
)
def test_no_option_of_the_table_passes_alone(need: Any, option: str) -> None:
    # GIVEN an option of the table, in settings that lack what it needs
    draft = Settings.model_construct(**{option: GIVEN[option]})
    lacking: list[dict[str, Any]] = [{}, COLUMNS, FROZEN, CONTRASTIVE, {"distillation": 0.0}]
    changes = next(
        one for one in lacking if not need.is_met(draft.model_copy(update={**one, option: 1}))
    )
    # WHEN they are checked THEN it is among those without effect
    settings = draft.model_copy(update={**changes, option: GIVEN[option]})
    assert option in dict(list_unmet(settings))


@pytest.mark.parametrize(
    "changes",
    [
        {"teachers": "t", "distillation": 0.9, "distillation_temperature": 2.0},
        {"teachers": "t", "distillation": 0.0, "unlabelled": "u", "distillation_temperature": 2.0},
        {"teachers": "t", "balance_groups": 4, "teacher_rows": 1},
        {"new_rows": "new", "new_rows_times": 3},
        {"long_texts": "windows", "max_windows": 3},
        {"group_loss": 0.5},
        {"method": "auto", "epochs": 5.0, "masking": 0.1},
        {"method": "frozen", "balance_groups": 3, "class_weights": "balanced", "seed": 3},
        {"method": "contrastive", "balance_groups": 3, "class_weights": "balanced", "seed": 3},
        {"method": "contrastive", "precision": "bf16", "long_texts": "windows", "max_windows": 3},
        {"distillation": 0.5},  # the default
    ],
)
def test_options_that_have_an_effect_are_accepted(changes: dict[str, Any]) -> None:
    settings = make_settings(**changes)
    assert drop_unmet(settings) == settings


@pytest.mark.parametrize("method", ["frozen", "contrastive"])
def test_options_without_effect_can_be_dropped(method: str) -> None:
    # GIVEN settings of all methods, of which one without such steps was chosen
    both = make_settings(method="auto", epochs=5.0, masking=0.1, seed=3)
    chosen = both.model_copy(update={"method": method, "resume": True})
    # WHEN those without effect are dropped THEN the others stay, and the settings are valid
    useful = drop_unmet(chosen)
    assert useful == make_settings(method=method, seed=3)
    assert make_settings(**useful.model_dump(exclude={"data", "output"})) == useful
