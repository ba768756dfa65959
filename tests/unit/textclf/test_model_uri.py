from pathlib import Path

import pytest

from tests.conftest import SAMPLE_MODEL
from textclf.model_uri import ModelError, locate_model, require_bundle


@pytest.mark.parametrize("uri", ["s3://models/news/0123456789abcdef", "file:///models/news"])
def test_a_uri_stays(uri: str) -> None:
    assert locate_model(uri) == uri


def test_a_folder_becomes_a_uri(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN the folder of a bundle, relative to the current one
    monkeypatch.chdir(SAMPLE_MODEL.parent)
    # THEN its URI is that of the whole path
    assert locate_model(SAMPLE_MODEL.name) == SAMPLE_MODEL.as_uri()


def test_without_a_model_it_is_the_sample_model() -> None:
    assert locate_model("") == SAMPLE_MODEL.as_uri()


def test_of_a_trained_model_the_error_names_its_bundle(tmp_path: Path) -> None:
    # GIVEN a trained model WHEN it has no bundle yet THEN the error says how to make it
    (tmp_path / "training.json").touch()
    bundle = tmp_path / "bundle"
    with pytest.raises(
        ModelError, match=f"--bundle {bundle}, which textclf export {tmp_path} makes"
    ):
        require_bundle(tmp_path, "--bundle")
    # WHEN it has one THEN the error names that
    bundle.mkdir()
    (bundle / "manifest.json").touch()
    with pytest.raises(ModelError, match=f"give --bundle {bundle}$"):
        require_bundle(tmp_path, "--bundle")


def test_a_folder_without_a_bundle_is_an_error_that_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"there is no model in {tmp_path}: give --previous a bun"):
        locate_model(str(tmp_path), "--previous")
