"""Load the classifier once per execution environment and cache it."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inference.model.bundle import BundleError, Manifest
from inference.model.store import StoreError, fetch
from inference.runtime.settings import Settings
from inference.runtime.tracing import traced

if TYPE_CHECKING:
    from inference.model.classifier import Classifier


class ModelUnavailableError(Exception):
    """The model could not be loaded; the log says why."""


@dataclass(frozen=True)
class LoadedModel:
    """A classifier, and the manifest of the bundle that it was loaded from."""

    classifier: "Classifier"
    manifest: Manifest


class ClassifierLoader:
    """Loads the classifier that the settings name; the next request retries a failed load."""

    def __init__(self, settings: Settings) -> None:
        """Start loading, without waiting for the result."""
        self._settings = settings
        self._model: LoadedModel | None = None
        self._loading: Future[LoadedModel] | None = self._start()

    def load(self) -> None:
        """Wait until the classifier is loaded; a failure is recorded, not raised."""
        if self._model:
            return
        # Imported here, so that loading starts before Powertools is imported.
        from inference.runtime.telemetry import record_model_load, record_model_load_failure

        try:
            with traced("load model"):
                loading = self._loading or self._start()
                self._loading = None  # if this attempt fails, the next call starts another one
                self._model = loading.result()
        except (StoreError, BundleError) as error:
            record_model_load_failure(self._settings.model_uri, error)
            return
        record_model_load(self._model.classifier.version, time.monotonic() - self._started)

    def _start(self) -> Future[LoadedModel]:
        """Fetch the bundle and load it in another thread."""
        self._started = time.monotonic()
        uri, cache = self._settings.model_uri, self._settings.model_cache
        background = ThreadPoolExecutor(1)
        fetching = background.submit(fetch, uri, cache, self._settings.model_timeout_seconds)
        # Importing numpy and onnxruntime takes as long as fetching a model.
        from inference.model.classifier import Classifier

        def load() -> LoadedModel:
            bundle = fetching.result()
            return LoadedModel(Classifier.load(bundle), bundle.manifest)

        loading = background.submit(load)
        background.shutdown(wait=False)
        return loading

    @property
    def is_loaded(self) -> bool:
        """Whether the classifier is in memory."""
        return self._model is not None

    def get_model(self) -> LoadedModel:
        """Return the classifier and its manifest, after loading them if necessary.

        Raises:
            ModelUnavailableError: The bundle cannot be loaded now.
        """
        self.load()
        if self._model is None:
            raise ModelUnavailableError
        return self._model
