import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from inference.model.bundle import BundleError, Manifest
from tests.conftest import EARLIER_MANIFEST, HEADLINES, SAMPLE_MODEL, TinyModel
from training.data.examples import DataError
from training.fit.record import (
    RowCounts,
    TrainingRecord,
    UnlabelledTexts,
    hash_base,
    is_bundle,
    read_bundle_record,
    require_same_rows,
    require_same_stories,
)
from training.fit.rows import load_rows, load_unlabelled
from training.fit.settings import Settings


@pytest.fixture
def published() -> dict[str, Any]:
    """The record in a manifest of 0.1.0: a soup."""
    record: dict[str, Any] = json.loads(EARLIER_MANIFEST.read_text())["training"]
    return record


def make_record(**changes: object) -> TrainingRecord:
    settings = Settings.model_validate({"data": str(HEADLINES), "output": "o", **changes})
    return TrainingRecord.begin(settings, *load_rows(settings))


def test_a_record_begins_with_the_rows() -> None:
    # GIVEN settings WHEN the record of a run begins
    record = make_record()
    # THEN it says which rows are used, and how they are split
    assert record.labels == ("Business", "Science", "Entertainment", "Health")
    assert (record.split, record.new_rows) == ("story", 0)
    assert record.rows == RowCounts(train=429, validation=40, test=35)
    assert len(record.dataset_sha256) == 64


def test_a_published_record_can_be_read(published: dict[str, Any]) -> None:
    # GIVEN the record in a bundle of 0.1.0 WHEN it is read
    record = TrainingRecord.model_validate(published)
    # THEN everything in it is typed
    assert (record.settings.new_rows_times, record.rows.test) == (15, 36_988)
    assert record.best_validation == published["validation_macro_f1"]
    assert record.soup is not None
    assert [each.model for each in record.soup] == ["years-1", "years-2", "years-3"]
    assert record.soup[1].best_validation == published["soup"][1]["validation_macro_f1"][0][1]


def test_a_published_record_is_published_again_unchanged(published: dict[str, Any]) -> None:
    # GIVEN the record of an earlier release WHEN it is published again
    again = TrainingRecord.model_validate(published).for_publication()
    # THEN only settings that it did not know are added
    for record, before in zip(
        [again, *again["soup"]], [published, *published["soup"]], strict=True
    ):
        record["settings"] = {name: record["settings"][name] for name in before["settings"]}
    assert again == {**published, "teachers": {}}


def test_no_path_of_this_machine_is_published(tiny_model: TinyModel) -> None:
    # GIVEN the record of a model that was trained on this machine
    record = TrainingRecord.read(tiny_model.folder)
    # WHEN it is published
    text = json.dumps(record.for_publication())
    # THEN it has only the names of files, and no output folder
    assert str(HEADLINES.parent) not in text
    assert str(tiny_model.folder.parent) not in text
    assert '"data": "headlines.csv"' in text
    assert '"output"' not in text


@pytest.mark.parametrize("name", ["settings", "rows", "dataset_sha256"])
def test_a_record_that_lacks_something_is_an_error_that_names_it(
    published: dict[str, Any], name: str
) -> None:
    del published[name]
    with pytest.raises(DataError, match=f"a training record is invalid: {name}: Field required"):
        TrainingRecord.model_validate(published)


def test_the_error_of_a_record_says_whose_it_is(
    published: dict[str, Any], tmp_path: Path, manifest: Manifest
) -> None:
    # GIVEN a record that lacks something, in the folder of a model and in a published bundle
    del published["rows"]
    (tmp_path / "training.json").write_text(json.dumps(published))
    (tmp_path / "model.safetensors").touch()
    # WHEN either is read THEN the error says which it is
    with pytest.raises(DataError, match=rf"^{tmp_path}/training\.json: a training record"):
        TrainingRecord.read(tmp_path)
    with pytest.raises(DataError, match=r"^bundle 0123456789abcdef: a training record"):
        TrainingRecord.of_bundle(
            msgspec.structs.replace(manifest, training=published), "0123456789abcdef"
        )


def test_texts_without_labels_are_identified_and_their_folder_is_not_published(
    tmp_path: Path,
) -> None:
    # GIVEN a file of texts without labels, one of which is held out
    values = {"data": str(HEADLINES), "output": "o", "teachers": "t"}
    settings = Settings.model_validate({**values, "unlabelled": str(tmp_path / "more.txt")})
    dataset, rows = load_rows(settings)
    content = f"one\ntwo\n{rows.test[0].text}\n"
    (tmp_path / "more.txt").write_text(content)
    # WHEN the record begins
    unlabelled = load_unlabelled(settings, dataset, rows)
    record = TrainingRecord.begin(settings, dataset, rows, unlabelled)
    # THEN it says which file that was, and how many texts are learnt from
    digest = hashlib.sha256(content.encode()).hexdigest()
    assert record.unlabelled == UnlabelledTexts(file="more.txt", sha256=digest, rows=3, used=2)
    # ... and what is published can be read again, without the folder
    published = record.for_publication()
    assert str(tmp_path) not in json.dumps(published)
    assert TrainingRecord.model_validate(published).unlabelled == record.unlabelled


def test_settings_that_no_longer_exist_are_ignored(published: dict[str, Any]) -> None:
    published["settings"]["removed"] = 7
    assert TrainingRecord.model_validate(published).settings.epochs == 0.15


def test_a_folder_without_a_finished_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run `textclf train` first"):
        TrainingRecord.read(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 7}, "the same rows: seed, rows"),
        ({"split": "random"}, "the same rows: split, rows"),
        ({"max_rows": 300}, "the same rows: max_rows, rows"),
    ],
)
def test_models_that_held_out_other_rows_are_refused(changes: dict[str, Any], message: str) -> None:
    require_same_rows(make_record(), make_record(epochs=7))
    with pytest.raises(DataError, match=message):
        require_same_rows(make_record(), make_record(**changes))


def test_the_same_stories_are_held_out_whatever_rows_are_joined(tmp_path: Path) -> None:
    # GIVEN a model that was also trained on a new row
    (tmp_path / "a.csv").write_text("1\tA new one\turl\tWire\tb\tnew\thost\t1\n")
    more = make_record(new_rows=str(tmp_path))
    # WHEN it is compared with one that was not THEN only their rows differ
    require_same_stories(make_record(), more)
    with pytest.raises(DataError, match="the same rows: dataset_sha256, rows"):
        require_same_rows(make_record(), more)


def test_models_that_held_out_other_stories_are_refused() -> None:
    with pytest.raises(DataError, match="the same stories: seed"):
        require_same_stories(make_record(), make_record(seed=7))


@pytest.mark.parametrize("changes", [{"split": "time"}, {"max_rows": 300}])
def test_only_a_story_split_of_all_rows_holds_out_the_same_stories(
    changes: dict[str, Any],
) -> None:
    with pytest.raises(DataError, match="only a story split of all rows"):
        require_same_stories(make_record(**changes), make_record(**changes))


def test_a_base_model_from_a_hub_has_no_digest() -> None:
    assert hash_base("distilbert-base-uncased") is None


def test_models_that_found_equal_texts_by_other_keys_are_refused() -> None:
    # GIVEN a model of an earlier version, whose rows have the same sizes
    old = make_record().model_copy(update={"text_key": None})
    # WHEN it is compared with a new one THEN the message says why that would not be fair
    with pytest.raises(DataError, match=r"the same rows: key: one was trained by a version that"):
        require_same_rows(make_record(), old)


def test_stories_are_the_same_whatever_the_key_if_all_rows_have_one() -> None:
    old = make_record().model_copy(update={"text_key": None, "rows_without_group": None})
    require_same_stories(make_record(), old)
    without = make_record().model_copy(update={"rows_without_group": 3})
    with pytest.raises(DataError, match="the same stories: key"):
        require_same_stories(without, old)


def test_a_record_with_options_that_had_no_effect_is_read(
    published: dict[str, Any],
) -> None:
    # GIVEN the record of a version that accepted options without effect
    settings = {**published["settings"], "method": "frozen", "resume": True, "masking": 0.1}
    settings = {name: value for name, value in settings.items() if name != "teachers"}
    # WHEN it is read THEN it is that of the same run, without them
    record = TrainingRecord.model_validate({**published, "settings": settings})
    assert record.settings.method == "frozen"
    assert not record.settings.resume
    assert (record.settings.masking, record.settings.distillation) == (0.0, 0.5)


def test_a_bundle_is_told_from_a_trained_model(tiny_model: TinyModel, tmp_path: Path) -> None:
    assert is_bundle(tiny_model.bundle)
    assert is_bundle(SAMPLE_MODEL)
    assert not is_bundle(tiny_model.folder)
    assert not is_bundle(tmp_path)


def test_the_record_of_a_bundle_is_that_of_its_model(tiny_model: TinyModel) -> None:
    found, expected = read_bundle_record(tiny_model.bundle), TrainingRecord.read(tiny_model.folder)
    assert (found.labels, found.rows) == (expected.labels, expected.rows)
    assert found.dataset_sha256 == expected.dataset_sha256


def test_the_record_of_an_altered_bundle_is_refused(tiny_model: TinyModel, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model.bundle, tmp_path / "altered")
    (folder / "model.onnx").write_bytes(b"other")
    with pytest.raises(BundleError, match=r"altered: model\.onnx has 5 bytes"):
        read_bundle_record(folder)


def test_a_bundle_is_no_trained_model(tiny_model: TinyModel) -> None:
    with pytest.raises(DataError, match="is a bundle: give the folder that `textclf train` wrote"):
        TrainingRecord.read(tiny_model.bundle)
