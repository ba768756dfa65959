import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from numpy.typing import NDArray

from inference.model.bundle import MANIFEST, parse_manifest, read_verified
from tests.conftest import EARLIER_MANIFEST, HEADLINES, MESSAGES, TinyModel
from training import metrics
from training.data.examples import UNLABELLED, DataError, Example, labels_of, multi_hot
from training.fit import text_model
from training.fit.distillation import Targets, hash_teachers, make_targets
from training.fit.process_group import Group
from training.fit.record import TrainingRecord, hash_weights
from training.fit.rows import load_rows
from training.fit.settings import Settings

ALONE = Group(rank=0, size=1, device=torch.device("cpu"))
WITHOUT_LABEL = Example("A headline that nobody has labelled", UNLABELLED)


def make_settings(**changes: object) -> Settings:
    return Settings.model_validate({"data": str(HEADLINES), "output": "o", **changes})


def make(
    settings: Settings, further: Sequence[Example] = (), rows: NDArray[np.intp] | None = None
) -> tuple[list[Example], Targets]:
    """Make the targets of the training rows, with further texts at their end."""
    dataset, split = load_rows(settings)
    record = TrainingRecord.begin(settings, dataset, split)
    examples = [*split.train, *further]
    rows = np.arange(len(examples)) if rows is None else rows
    return examples, make_targets(examples, rows, record, ALONE, None)


def predict(teacher: TinyModel, examples: Sequence[Example]) -> NDArray[np.float32]:
    """Compute the teacher's logits."""
    model, tokenizer = text_model.load(teacher.folder)
    token_ids = text_model.encode(tokenizer, [row.text for row in examples])
    return text_model.compute_logits(model, token_ids, ALONE.device)


def test_without_a_teacher_the_labels_are_the_targets() -> None:
    # GIVEN no teacher WHEN the targets are made
    examples, targets = make(make_settings())
    # THEN each row's label has all the probability
    assert (targets.labels.argmax(axis=1) == labels_of(examples)).all()
    assert targets.labels.sum() == len(examples)
    assert targets.softened is targets.states is None


def test_smoothing_spreads_a_share_of_the_target_over_all_labels() -> None:
    # GIVEN a smoothing of 0.2 WHEN the targets of four labels are made
    examples, targets = make(make_settings(label_smoothing=0.2))
    # THEN a row's label has 0.85, and the others 0.05
    expected = np.where(np.eye(4)[labels_of(examples)] > 0, 0.85, 0.05)
    assert targets.labels == pytest.approx(expected)


def test_a_teachers_predictions_are_mixed_into_the_targets(tiny_model: TinyModel) -> None:
    # GIVEN a teacher that was trained on the same rows
    settings = make_settings(teachers=str(tiny_model.folder), distillation=0.25)
    # WHEN a quarter of the targets comes from it
    examples, targets = make(settings)
    # THEN they are the labels and its probabilities, three to one (the last digits of an answer
    # depend on the texts that were answered together, and the teacher may have kept some)
    labels = np.eye(4, dtype=np.float32)[labels_of(examples)]
    expected = 0.75 * labels + 0.25 * metrics.softmax(predict(tiny_model, examples))
    assert np.allclose(targets.labels, expected, rtol=0, atol=1e-6)


def test_a_text_without_a_label_has_the_teachers_predictions_alone(tiny_model: TinyModel) -> None:
    # GIVEN a text without a label
    settings = make_settings(teachers=str(tiny_model.folder), distillation=0.25)
    # WHEN the targets are made
    _, targets = make(settings, [WITHOUT_LABEL])
    # THEN all of its target comes from the teacher, whatever its share for other rows
    expected = metrics.softmax(predict(tiny_model, [WITHOUT_LABEL]))[0]
    assert targets.labels[-1] == pytest.approx(expected, abs=1e-6)


def test_at_another_temperature_labels_and_predictions_stay_apart(tiny_model: TinyModel) -> None:
    # GIVEN a temperature of 2
    changes = {"distillation": 0.25, "distillation_temperature": 2}
    settings = make_settings(teachers=str(tiny_model.folder), **changes)
    # WHEN the targets are made
    examples, targets = make(settings, [WITHOUT_LABEL])
    # THEN each part has its share: of a text without a label the teacher has all
    shares = np.array([0.25] * (len(examples) - 1) + [1.0])[:, np.newaxis]
    labels = np.eye(4)[labels_of(examples)]
    softened = metrics.softmax(predict(tiny_model, examples), 2)
    assert targets.labels == pytest.approx((1 - shares) * labels, abs=1e-6)
    assert targets.softened == pytest.approx(shares * softened, abs=1e-6)


def test_both_parts_of_the_targets_are_smoothed(tiny_model: TinyModel) -> None:
    # GIVEN settings that differ in the temperature alone, which hardly differs
    changes = {"distillation": 0.25, "label_smoothing": 0.1, "teachers": str(tiny_model.folder)}
    _, at_1 = make(make_settings(**changes), [WITHOUT_LABEL])
    # WHEN the parts are made THEN their sum is the target at temperature 1
    _, apart = make(make_settings(distillation_temperature=1 + 1e-7, **changes), [WITHOUT_LABEL])
    assert apart.softened is not None
    assert apart.labels + apart.softened == pytest.approx(at_1.labels, abs=1e-5)


def test_the_answers_of_several_teachers_are_averaged(
    tiny_model: TinyModel, other_teacher: Path
) -> None:
    # GIVEN two teachers WHEN all targets come from them
    teachers = f"{tiny_model.folder},{other_teacher}"
    _, targets = make(make_settings(teachers=teachers, distillation=1, embedding_loss=1))
    # THEN they are the mean of their probabilities, and their states follow one another
    (_, one), (_, other) = (
        make(make_settings(teachers=str(folder), distillation=1, embedding_loss=1))
        for folder in (tiny_model.folder, other_teacher)
    )
    assert targets.labels == pytest.approx((one.labels + other.labels) / 2, abs=1e-6)
    assert one.states is not None
    assert other.states is not None
    assert targets.states is not None
    assert targets.state_size == 256
    assert np.array_equal(targets.states, np.hstack([one.states, other.states]))


@pytest.fixture(scope="module")
def other_teacher(tiny_model: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with other weights of its head."""
    folder = tmp_path_factory.mktemp("other")
    model, tokenizer = text_model.load(tiny_model.folder)
    torch.nn.init.normal_(model.classifier.weight)
    text_model.save(model, tokenizer, folder)
    (folder / "training.json").write_bytes((tiny_model.folder / "training.json").read_bytes())
    return folder


@pytest.mark.parametrize("temperature", [1, 2])
def test_rows_that_teachers_do_not_answer_have_their_labels(
    temperature: int, tiny_model: TinyModel
) -> None:
    # GIVEN teachers that answer three of the rows
    changes = {"distillation": 1, "distillation_temperature": temperature, "embedding_loss": 1}
    settings = make_settings(teachers=str(tiny_model.folder), **changes)
    rows = np.array([4, 7, 200])
    # WHEN the targets are made
    examples, targets = make(settings, rows=rows)
    # THEN the labels of the others have all the probability, and only the three have states
    is_label = (targets.labels == np.eye(4)[labels_of(examples)]).all(axis=1)
    assert np.flatnonzero(~is_label).tolist() == rows.tolist()
    if targets.softened is not None:
        assert np.flatnonzero(targets.softened.any(axis=1)).tolist() == rows.tolist()
    assert targets.states is not None
    assert np.flatnonzero(targets.states.any(axis=1)).tolist() == rows.tolist()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "random"}, "not hold out the same rows: split, rows"),
        ({"seed": 7}, "not hold out the same stories: seed"),
        ({"max_rows": 100}, "not hold out the same rows: max_rows"),
        ({"teachers": "nowhere"}, "no trained model in nowhere"),
    ],
)
def test_a_teacher_that_may_know_the_rows_held_out_is_refused(
    tiny_model: TinyModel, changes: dict[str, object], message: str
) -> None:
    # GIVEN a student whose rows are split in another way than its teacher's
    for teacher in (tiny_model.folder, tiny_model.bundle):
        settings = make_settings(**{"teachers": str(teacher), **changes})
        # WHEN the targets are made THEN the teacher is refused, and so is its bundle
        with pytest.raises(DataError, match=message):
            make(settings)


def test_a_bundle_is_a_teacher_like_others(tiny_model: TinyModel, other_teacher: Path) -> None:
    # GIVEN a bundle and a trained model
    folders = (tiny_model.bundle, other_teacher)
    # WHEN all targets come from both, and states are compared
    both = ",".join(map(str, folders))
    _, targets = make(make_settings(teachers=both, distillation=1, embedding_loss=1))
    # THEN they are the mean of what both teach alone, and only the trained model has states
    (_, one), (_, other) = (
        make(make_settings(teachers=str(folder), distillation=1)) for folder in folders
    )
    assert targets.labels == pytest.approx((one.labels + other.labels) / 2, abs=1e-6)
    assert np.abs(one.labels - other.labels).max() > 0.1
    assert targets.state_size == 128


def test_bundles_alone_have_no_states_to_compare(tiny_model: TinyModel) -> None:
    settings = make_settings(teachers=str(tiny_model.bundle), embedding_loss=1)
    with pytest.raises(DataError, match="--embedding-loss compares states, and bundles have none"):
        make(settings)


def test_a_bundle_that_learnt_further_rows_may_teach_if_it_held_out_the_same_stories(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    # GIVEN a bundle with the record of the model of 0.1.0, which learnt another file and new rows
    bundle = tmp_path / "bundle"
    shutil.copytree(tiny_model.bundle, bundle)
    earlier = parse_manifest(EARLIER_MANIFEST.read_bytes())
    assert earlier.training["new_rows"] > 0
    manifest = replace(read_verified(bundle).manifest, training=earlier.training)
    (bundle / MANIFEST).write_bytes(manifest.to_bytes())
    # WHEN the targets are made THEN it answers, because the seed alone decides about stories
    _, targets = make(make_settings(teachers=str(bundle), distillation=1), rows=np.arange(20))
    _, expected = make(
        make_settings(teachers=str(tiny_model.bundle), distillation=1), rows=np.arange(20)
    )
    assert np.array_equal(targets.labels, expected.labels)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            ("Business", "Science", "Health", "Sport"),
            "it also has Entertainment, and it lacks Sport",
        ),
        (("Business", "Science", "Entertainment"), "the data: it also has Health$"),
        (
            ("Science", "Business", "Entertainment", "Health"),
            "Business, Science, Entertainment, Health instead of Science, Business, ",
        ),
    ],
)
def test_a_teacher_of_other_labels_is_refused(
    labels: tuple[str, ...], message: str, tiny_model: TinyModel
) -> None:
    # GIVEN data with other labels than a teacher's, or in another order
    dataset, split = load_rows(make_settings())
    for teacher in (tiny_model.folder, tiny_model.bundle):
        record = TrainingRecord.begin(make_settings(teachers=str(teacher)), dataset, split)
        record = record.model_copy(update={"labels": labels})
        # WHEN targets are made of them THEN the teacher is refused, and the labels are named
        with pytest.raises(DataError, match=message):
            make_targets([WITHOUT_LABEL], np.arange(1), record, ALONE, None)


def test_a_bundle_that_gives_several_labels_does_not_teach_one(
    multi_label_model: TinyModel,
) -> None:
    # GIVEN data of which each text has one of the labels that a bundle gives several of
    settings = make_settings(teachers=str(multi_label_model.bundle))
    dataset, split = load_rows(make_settings())
    labels = TrainingRecord.read(multi_label_model.folder).labels
    record = TrainingRecord.begin(settings, dataset, split).model_copy(update={"labels": labels})
    # WHEN targets are made THEN the bundle is refused
    with pytest.raises(DataError, match=r"only one of teacher .* gives a text several labels"):
        make_targets([WITHOUT_LABEL], np.arange(1), record, ALONE, None)


def test_teachers_are_identified_by_their_weights(tiny_model: TinyModel) -> None:
    settings = make_settings(teachers=f" {tiny_model.folder} ,")
    assert hash_teachers(settings) == {tiny_model.folder.name: hash_weights(tiny_model.folder)}


def test_a_bundle_is_identified_by_its_version(tiny_model: TinyModel) -> None:
    settings = make_settings(teachers=f"{tiny_model.bundle},{tiny_model.folder}")
    assert hash_teachers(settings) == {
        "bundle": read_verified(tiny_model.bundle).version,
        tiny_model.folder.name: hash_weights(tiny_model.folder),
    }


def test_two_teachers_in_folders_of_one_name_are_both_identified(
    tiny_model: TinyModel, other_teacher: Path, tmp_path: Path
) -> None:
    # GIVEN two teachers, both in a folder "best", as two searches leave them
    folders = [tmp_path / one / "best" for one in ("a", "b")]
    for folder, source in zip(folders, (tiny_model.folder, other_teacher), strict=True):
        folder.parent.mkdir()
        folder.symlink_to(source)
    # WHEN they are hashed THEN neither is lost
    found = hash_teachers(make_settings(teachers=",".join(map(str, folders))))
    assert found == {"best": hash_weights(tiny_model.folder), "best-2": hash_weights(other_teacher)}


def test_a_missing_teacher_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no trained model in"):
        hash_teachers(make_settings(teachers=str(tmp_path)))


def test_several_labels_have_two_outcomes_each() -> None:
    # GIVEN the sample messages, of which some have several topics, and a text without an answer
    changes = {"task": "messages", "text_column": "text", "label_column": "topics"}
    settings = make_settings(
        data=str(MESSAGES), **changes, label_separator=";", label_smoothing=0.2
    )
    # WHEN the targets are made
    examples, targets = make(settings, [WITHOUT_LABEL])
    # THEN each label applies or not, smoothed between the two
    applies, does_not = np.hsplit(targets.labels[:-1], 2)
    assert applies == pytest.approx(np.where(multi_hot(examples[:-1], 5), 0.9, 0.1))
    assert applies + does_not == pytest.approx(1)
    # AND nothing is known about the text without an answer
    assert targets.labels[-1] == pytest.approx(0.1)
