import pytest

from inference.model.bundle import Manifest
from training.evaluate.judgement import judge_model
from training.evaluate.results import Evaluation, Interval, Usefulness
from training.fit.record import TrainingRecord


def judge(
    manifest: Manifest, evaluation: Evaluation, useful: Usefulness | None, **more: object
) -> str:
    record = TrainingRecord.model_validate(manifest.training)
    return judge_model(record, evaluation.model_copy(update={"usefulness": useful, **more}))


def between(useful: Usefulness, low: float, high: float) -> Usefulness:
    """Change the interval between the model and the baseline."""
    changed = useful.against_baseline.model_copy(
        update={"difference_interval": Interval(low, high)}
    )
    return useful.model_copy(update={"against_baseline": changed})


def test_a_good_model_is_worth_using(
    manifest: Manifest, evaluation: Evaluation, useful: Usefulness
) -> None:
    words = judge(manifest, evaluation, useful)
    assert words.startswith("**This model is worth using:** it is better than the linear baseline.")
    assert "labels 90.5% of 36,988 test rows correctly, the linear baseline 88.9%" in words


@pytest.mark.parametrize(
    ("low", "high", "beginning"),
    [
        (-0.02, 0.03, "**This model has learned something, but is not shown to be better"),
        (-0.30, -0.20, "**Do not use this model:** the linear baseline is"),
    ],
)
def test_a_model_that_is_not_better_than_the_baseline_is_not_recommended(
    low: float,
    high: float,
    beginning: str,
    manifest: Manifest,
    evaluation: Evaluation,
    useful: Usefulness,
) -> None:
    assert judge(manifest, evaluation, between(useful, low, high)).startswith(beginning)


@pytest.mark.parametrize(
    ("method", "advice"),
    [
        ("frozen", "Fine-tune the encoder (--method fine-tune)"),
        ("contrastive", "Fine-tune encoder and head together (--method fine-tune)"),
    ],
)
def test_a_model_whose_head_is_fitted_is_not_advised_to_train_longer(
    method: str, advice: str, manifest: Manifest, evaluation: Evaluation, useful: Usefulness
) -> None:
    # GIVEN a model that is worse than the baseline
    worse = between(useful, -0.3, -0.2)
    assert "Train longer (--epochs)" in judge(manifest, evaluation, worse)
    # WHEN only its head was fitted to the labels THEN the advice is to fine-tune it
    settings = {**manifest.training["settings"], "method": method}
    record = TrainingRecord.model_validate({**manifest.training, "settings": settings})
    words = judge_model(record, evaluation.model_copy(update={"usefulness": worse}))
    assert advice in words
    assert "--epochs" not in words


def test_labels_without_test_rows_are_named(
    manifest: Manifest, evaluation: Evaluation, useful: Usefulness
) -> None:
    # GIVEN a label that no test row has
    untested = evaluation.fp32.per_label["Health"].model_copy(update={"texts": 0})
    per_label = {**evaluation.fp32.per_label, "Health": untested}
    fp32 = evaluation.fp32.model_copy(update={"per_label": per_label})
    # WHEN the model is judged THEN the words name it
    words = judge(manifest, evaluation, useful, fp32=fp32)
    assert "A label is not tested, because no test row has it: Health." in words
    assert "not tested" not in judge(manifest, evaluation, useful)


def test_a_few_test_rows_leave_it_open(
    manifest: Manifest, evaluation: Evaluation, useful: Usefulness
) -> None:
    # GIVEN ten test rows and five validation rows
    fp32 = evaluation.fp32.model_copy(update={"texts": 10})
    few = useful.model_copy(update={"groups": 9})
    # WHEN the model is judged THEN the words name what is missing, and how much would do
    words = judge(manifest, evaluation, few, fp32=fp32, calibration_rows=5)
    assert words.startswith("**It is open whether this model is any good:**")
    assert "10 test rows show only large differences" in words
    assert "about 2,000 rows in all" in words
    assert "too few validation rows (5) to calibrate" in words


def test_labels_that_are_never_predicted_are_named(
    manifest: Manifest, evaluation: Evaluation, useful: Usefulness
) -> None:
    missing = useful.model_copy(update={"never_predicts": ("Health",)})
    assert "It never predicts a label: Health." in judge(manifest, evaluation, missing)


def test_an_evaluation_of_an_earlier_version_is_not_judged(
    manifest: Manifest, evaluation: Evaluation
) -> None:
    assert judge(manifest, evaluation, None) == ""
