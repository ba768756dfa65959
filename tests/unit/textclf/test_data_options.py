import pytest
from pydantic import ValidationError

from inference.tables.options import ReadOptions
from textclf.data_options import DataOptions, NewTextOptions
from training.tasks import NEWS, SENTIMENT


def test_the_default_is_the_task_of_the_news() -> None:
    assert DataOptions().find_task() == NEWS


def test_a_task_is_found_by_its_name() -> None:
    assert DataOptions(task="sentiment").find_task() == SENTIMENT


def test_columns_make_a_task_without_a_name() -> None:
    layout = DataOptions(text_column="body", label_column="team").find_task().layout
    assert (layout.text, layout.label, layout.header) == ("body", "team", None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text_column": "body"}, "give both --text-column and --label-column"),
        ({"text_column": "a", "label_column": "a"}, "both the texts and the labels"),
        ({"text_column": "a", "label_columns": "b,a"}, "both the texts and the labels"),
        ({"task": "weather"}, "unknown task 'weather'"),
        ({"task": "news", "text_column": "a", "label_column": "b"}, "has its own columns"),
    ],
)
def test_options_that_training_would_refuse_are_refused(
    options: dict[str, str], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        DataOptions.model_validate(options)


def test_the_dialect_is_passed_on() -> None:
    options = DataOptions(delimiter="tab", quoting="none").read_options()
    assert options == ReadOptions(delimiter="tab", quoting="none")


@pytest.mark.parametrize(
    ("options", "columns"),
    [
        ({}, ("text", "label")),
        ({"no_header": True}, ("0", "1")),
        ({"no_header": True, "text_column": "1"}, ("1", "0")),
        ({"no_header": True, "label_column": "0"}, ("1", "0")),
        ({"text_column": "body"}, ("body", "label")),
        ({"label_column": "team"}, ("text", "team")),
        ({"task": "news"}, ("TITLE", "CATEGORY")),
    ],
)
def test_columns_of_texts_without_labels_have_defaults(
    options: dict[str, object], columns: tuple[str, str]
) -> None:
    layout = NewTextOptions.model_validate(options).find_task().layout
    assert (layout.text, layout.label) == columns


def test_texts_may_get_several_labels() -> None:
    layout = NewTextOptions(label_columns="a,b").find_task().layout
    assert (layout.label_columns, layout.label) == (("a", "b"), "")
