import shutil
from pathlib import Path

import pytest

from inference.api.loader import ClassifierLoader, ModelUnavailableError
from inference.local.checkout import SAMPLE_MODEL
from inference.model.bundle import read_verified
from inference.runtime.settings import Settings


def test_a_classifier_is_loaded_once() -> None:
    # GIVEN a loader WHEN it is asked for its classifier twice THEN it returns the same one
    loader = ClassifierLoader(Settings(model_uri=SAMPLE_MODEL.as_uri()))
    classifier = loader.get_model().classifier
    assert loader.get_model().classifier is classifier
    assert loader.is_loaded


def test_the_manifest_is_that_of_the_classifier() -> None:
    loader = ClassifierLoader(Settings(model_uri=SAMPLE_MODEL.as_uri()))
    assert loader.get_model().manifest == read_verified(SAMPLE_MODEL).manifest
    assert loader.get_model().classifier.version == read_verified(SAMPLE_MODEL).version


def test_a_failed_load_is_retried_by_the_next_request(tmp_path: Path) -> None:
    # GIVEN a loader whose model is missing
    folder = tmp_path / "bundle"
    loader = ClassifierLoader(Settings(model_uri=folder.as_uri()))
    with pytest.raises(ModelUnavailableError):
        loader.get_model()
    assert not loader.is_loaded
    with pytest.raises(ModelUnavailableError):
        loader.get_model()
    # WHEN the model is there THEN the next request gets it
    shutil.copytree(SAMPLE_MODEL, folder)
    assert loader.get_model().classifier.labels == read_verified(folder).manifest.labels


def test_the_reason_of_a_failure_is_logged_once_per_attempt(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loader = ClassifierLoader(Settings(model_uri=(tmp_path / "nothing").as_uri()))
    loader.load()
    loader.load()
    causes = [record.__dict__["cause"] for record in caplog.records]
    assert len(causes) == 2
    assert all("No such file" in cause for cause in causes)
