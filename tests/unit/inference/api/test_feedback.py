from typing import Any

import pytest
from msgspec.structs import replace

from inference.api.feedback import MAX_SHOWN, NO_TABLE, FeedbackRecorder, LabelSet
from inference.api.loader import ClassifierLoader
from inference.api.problems import ProblemError
from inference.runtime.settings import Settings

SINGLE = LabelSet(("Science", "Health"), is_multi=False)
MULTI = LabelSet(("billing", "delivery", "refund"), is_multi=True)


def test_a_text_with_one_label_gets_one() -> None:
    assert SINGLE.parse("Health") == "Health"


@pytest.mark.parametrize(
    ("sent", "labels"),
    [
        ("refund", ("refund",)),
        (["refund", "billing"], ("billing", "refund")),
        (["refund", "refund"], ("refund",)),
        ([], ()),
    ],
)
def test_a_text_with_several_labels_gets_them_in_the_order_of_the_model(
    sent: Any, labels: tuple[str, ...]
) -> None:
    assert MULTI.parse(sent) == labels


@pytest.mark.parametrize(
    ("labels", "sent"),
    [
        (SINGLE, "Sport"),
        (SINGLE, "health"),
        (SINGLE, ["Health"]),
        (SINGLE, None),
        (SINGLE, 1),
        (MULTI, "Sport"),
        (MULTI, ["refund", "Sport"]),
        (MULTI, ["refund", 1]),
        (MULTI, [["refund"]]),
        (MULTI, {"refund": 1}),
        (MULTI, None),
    ],
)
def test_anything_else_is_refused_as_a_wrong_label(labels: LabelSet, sent: Any) -> None:
    with pytest.raises(ProblemError) as caught:
        labels.parse(sent)
    assert caught.value.status == 422
    assert [error.field for error in caught.value.errors] == ["label"]
    assert "Sport" not in caught.value.errors[0].message


def test_an_error_names_only_some_of_many_labels() -> None:
    labels = LabelSet(tuple(f"label-{number}" for number in range(1000)), is_multi=False)
    with pytest.raises(ProblemError) as caught:
        labels.parse("Sport")
    message = caught.value.errors[0].message
    assert message.count("label-") == MAX_SHOWN
    assert message.endswith("and 980 others")


def test_without_a_table_there_is_no_feedback(settings: Settings, loader: ClassifierLoader) -> None:
    with pytest.raises(ProblemError, match=NO_TABLE) as caught:
        FeedbackRecorder(settings, loader).record({})
    assert caught.value.status == 404


def test_of_a_folder_only_its_own_version_is_known(
    settings: Settings, loader: ClassifierLoader
) -> None:
    # GIVEN a service whose model is in a folder, which holds one version
    changed = replace(settings, prediction_table="predictions")
    recorder = FeedbackRecorder(changed, loader)
    # WHEN feedback on another version comes THEN the prediction is unknown
    with pytest.raises(ProblemError) as caught:
        recorder.record({"prediction_id": "0123456789abcdef.id.0", "label": "Health"})
    assert caught.value.status == 404
