from typing import Any

import pytest
from pydantic import ValidationError

from training.fit.settings import Settings, list_differences


def make_settings(**changes: Any) -> Settings:
    return Settings.model_validate({"data": "d", "output": "o", **changes})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("batch_size", 0), ("evaluations", 0), ("patience", 0), ("new_rows_times", 0)),
        *(("max_rows", -5), ("threads", -1), ("vocabulary", -1), ("seed", -1), ("seed", 2**32)),
        *(("max_length", -1), ("max_length", 1), ("max_length", 2)),
        *(("epochs", -1), ("epochs", 0), ("epochs", float("nan")), ("epochs", float("inf"))),
        *(("learning_rate", 0), ("max_grad_norm", 0), ("weight_decay", -0.1)),
        *(("warmup", 2), ("warmup", -0.1), ("masking", 1), ("label_smoothing", 1)),
        *(("averaging", 1), ("distillation", 1.5), ("distillation", float("nan"))),
        *(("balance_groups", -1), ("embedding_loss", -1), ("embedding_loss", 101)),
        *(("distillation_temperature", 0), ("distillation_temperature", 101)),
        *(("group_loss", -1), ("group_loss", 101), ("checkpoint_minutes", -1)),
        *(("layers", "x"), ("layers", "0,,2"), ("layers", "-1")),
        *(("split", "half"), ("precision", "fp8"), ("data", ""), ("base_model", "")),
    ],
)
def test_a_value_beyond_its_limits_is_an_error_that_names_the_setting(
    name: str, value: object
) -> None:
    with pytest.raises(ValidationError) as error:
        make_settings(**{name: value})
    assert [one["loc"] for one in error.value.errors()] == [(name,)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"group_column": "STORY"}, "give both --text-column and --label-column"),
        ({"text_column": "TITLE"}, "give both --text-column and --label-column"),
        ({"text_column": "a", "label_column": "b"}, "--task news has its own columns"),
        ({"task": "weather"}, "unknown task 'weather': choose one of news, sentiment"),
        ({"task": "sentiment", "group_loss": 0.5}, "give --group-column"),
        ({"task": "sentiment", "balance_groups": 3}, "--balance-groups needs groups.*-column"),
        ({"unlabelled": "texts.txt"}, "--unlabelled needs models to learn from: give --teachers"),
        ({"teacher_rows": 4, "teachers": "a"}, "--teacher-rows needs .*: give --balance-groups"),
        ({"embedding_loss": 1}, "--embedding-loss needs models to learn from: give --teachers"),
        ({"distillation_temperature": 2}, "--distillation-temperature needs .* give --teachers"),
        ({"new_rows_times": 2}, "--new-rows-times needs --new-rows"),
        ({"new_rows": "more", "split": "random"}, "needs all rows, split by story"),
        ({"new_rows": "more", "split": "time"}, "needs all rows, split by story"),
        ({"new_rows": "more", "max_rows": 100}, "needs all rows, split by story"),
    ],
)
def test_settings_that_do_not_fit_together_are_an_error(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        make_settings(**changes)


def test_columns_make_a_task() -> None:
    # GIVEN the columns of a user's own file
    columns = {"text_column": "body", "label_column": "team", "group_column": "thread"}
    # WHEN the task is looked up
    task = make_settings(task="tickets", **columns).find_task()
    # THEN it has those columns, and its labels are still to be found
    assert (task.name, task.labels) == ("tickets", ())
    assert (task.layout.text, task.layout.label, task.layout.group) == ("body", "team", "thread")


@pytest.mark.parametrize(
    ("saved", "current", "differences"),
    [
        ({}, {}, []),
        ({"epochs": 1.0, "seed": 42}, {"epochs": 1.0}, []),  # saved with all defaults
        ({"epochs": 1.0}, {"epochs": 2.0, "seed": 1}, ["epochs 1.0, not 2.0", "seed 42, not 1"]),
        ({"removed": 7}, {}, ["removed 7, not None"]),
        ({"dataset_sha256": "a"}, {"dataset_sha256": "b"}, ["dataset-sha256 a, not b"]),
    ],
)
def test_runs_differ_only_by_what_is_not_at_its_default(
    saved: dict[str, object], current: dict[str, object], differences: list[str]
) -> None:
    assert list_differences(saved, current) == differences


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label_columns": "a"}, "two or more different columns.* has a comma has to be renamed"),
        ({"label_columns": "a,a"}, "two or more different columns"),
        ({"label_columns": "a,"}, "two or more different columns"),
        ({"label_columns": "a,b", "label_column": "c"}, "give --label-columns, or --label-column"),
        ({"label_separator": ";"}, "give both --text-column and --label-column"),
        ({"label_columns": "a,b", "label_separator": ";"}, "give --label-columns, or"),
    ],
)
def test_labels_are_in_one_column_or_in_several(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make_settings(task="mine", text_column="text", **changes)


def test_several_labels_a_text_make_a_task_that_says_so() -> None:
    # GIVEN either way to write them WHEN the task is made
    columns = make_settings(task="mine", text_column="text", label_columns="a, b")
    cells = make_settings(task="mine", text_column="text", label_column="c", label_separator=";")
    # THEN it knows, and holds out rows by their labels
    for settings in (columns, cells):
        assert settings.is_multi_label
        assert settings.find_task().is_multi_label
        assert settings.find_task().default_split == "stratified"
    assert columns.find_task().labels == ("a", "b")
    assert not make_settings().find_task().is_multi_label


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "frozen", "teachers": "t"}, "--teachers needs --method fine-tune"),
        ({"method": "auto", "teachers": "t"}, "--teachers needs --method fine-tune"),
        ({"method": "frozen", "masking": 0.1}, "--masking changes how an encoder learns"),
        ({"method": "frozen", "group_loss": 0.1}, "--group-loss changes how an encoder learns"),
        ({"method": "frozen", "head_first": True}, "--head-first changes how an encoder learns"),
        ({"method": "frozen", "resume": True}, "--resume is about training steps"),
        ({"method": "contrastive", "teachers": "t"}, "--teachers needs --method fine-tune"),
        ({"method": "contrastive", "head_first": True}, "--head-first changes how an encoder"),
        ({"method": "contrastive", "resume": True}, "--resume is about the steps of --method fine"),
        ({"method": "thawed"}, "Input should be 'auto', 'fine-tune', 'contrastive' or 'frozen'"),
        ({"class_weights": "heavy"}, "Input should be '' or 'balanced'"),
    ],
)
def test_settings_that_a_method_lacks_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Settings.model_validate({"data": "d", "output": "o", **changes})
