import shutil
from pathlib import Path

import pytest

from tests.conftest import SAMPLE_MODEL, TinyModel
from training.atomic import OutputError
from training.export.bundle import export, put_in_place
from training.fit.trained_model import open_trained_model


def test_a_folder_with_the_manifest_of_something_else_is_not_replaced(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    # GIVEN the folder of a browser extension, which has a manifest of its own
    extension = tmp_path / "extension"
    extension.mkdir()
    (extension / "manifest.json").write_text('{"manifest_version": 3, "name": "Mine"}')
    # WHEN a bundle is exported to it THEN it is refused
    with pytest.raises(OutputError, match="is not a bundle"):
        export(open_trained_model(tiny_model.folder), extension)
    # AND the folder stays
    assert (extension / "manifest.json").is_file()


def test_a_bundle_with_a_file_of_somebody_else_is_not_replaced(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    bundle = shutil.copytree(tiny_model.bundle, tmp_path / "bundle")
    (bundle / "notes.txt").write_text("not to be lost")
    with pytest.raises(OutputError, match="has other files"):
        export(open_trained_model(tiny_model.folder), bundle)
    assert (bundle / "notes.txt").is_file()


def test_a_bundle_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    # GIVEN an earlier bundle and a new one WHEN the new one is put in its place
    output, new, old = (tmp_path / name for name in ("bundle", "new", "old"))
    for folder in (output, new):
        folder.mkdir()
        (folder / folder.name).touch()
    put_in_place(new, output, old)
    # THEN it is there, and the earlier one aside
    assert [file.name for file in output.iterdir()] == ["new"]
    assert [file.name for file in old.iterdir()] == ["bundle"]


def test_an_earlier_bundle_stays_if_a_new_one_cannot_take_its_place(tmp_path: Path) -> None:
    # GIVEN a bundle WHEN a new one that cannot be renamed is to take its place
    output = shutil.copytree(SAMPLE_MODEL, tmp_path / "bundle")
    before = sorted(file.name for file in output.iterdir())
    with pytest.raises(FileNotFoundError):
        put_in_place(tmp_path / "nothing", output, tmp_path / "old")
    # THEN the earlier one is where it was
    assert sorted(file.name for file in output.iterdir()) == before
    assert not (tmp_path / "old").exists()
