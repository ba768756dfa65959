"""The shipped model, as the doors of the API use it."""

import pytest

from inference.api.loader import ClassifierLoader
from inference.api.predictor import Predictor
from inference.api.requests import RequestParser
from inference.local.checkout import SAMPLE_MODEL
from inference.runtime.settings import Settings
from inference.runtime.telemetry import metrics


@pytest.fixture(autouse=True)
def _namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "namespace", "Tests")


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings(model_uri=SAMPLE_MODEL.as_uri(), max_texts=3, max_characters=200)


@pytest.fixture(scope="session")
def parser(settings: Settings) -> RequestParser:
    return RequestParser(settings)


@pytest.fixture(scope="session")
def loader(settings: Settings) -> ClassifierLoader:
    return ClassifierLoader(settings)


@pytest.fixture
def predictor(settings: Settings, loader: ClassifierLoader) -> Predictor:
    return Predictor(settings, loader)
