"""Load the classifier once per execution environment and cache it."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inference.model.bundle import Bundle, BundleError, Manifest
from inference.model.store import StoreError, fetch
from inference.runtime.settings import Settings
from inference.runtime.tracing import traced

if TYPE_CHECKING:
    from inference.model.classifier import Classifier


class ModelUnavailableError(Exception):
    """The model could not be loaded; the log says why."""


@dataclass(frozen=True)
class _Loading:
    """An attempt that runs in another thread."""

    started: float
    bundle: Future[Bundle]
    classifier: "Future[Classifier]"


class ClassifierLoader:
    """Loads the classifier that the settings name; the next request retries a failed load."""

    def __init__(self, settings: Settings) -> None:
        """Start loading, without waiting for the result."""
        self._settings = settings
        self._classifier: Classifier | None = None
        self._manifest: Manifest | None = None
        self._loading: _Loading | None = self._start()

    def load(self) -> None:
        """Wait until the classifier is loaded; a failure is recorded, not raised."""
        if self._classifier:
            return
        # Imported here, so that loading starts before Powertools is imported.
        from inference.runtime.telemetry import record_model_load, record_model_load_failure

        try:
            with traced("load model"):
                loading = self._loading or self._start()
                self._loading = None  # if this attempt fails, the next call starts another one
                self._classifier = loading.classifier.result()
                self._manifest = loading.bundle.result().manifest
        except (StoreError, BundleError) as error:
            record_model_load_failure(self._settings.model_uri, error)
            return
        record_model_load(self._classifier.version, time.monotonic() - loading.started)

    def _start(self) -> _Loading:
        """Fetch the bundle and load it in another thread."""
        started = time.monotonic()
        uri, cache = self._settings.model_uri, self._settings.model_cache
        background = ThreadPoolExecutor(1)
        fetching = background.submit(fetch, uri, cache, self._settings.model_timeout_seconds)
        # Importing numpy and onnxruntime takes as long as fetching a model.
        from inference.model.classifier import Classifier

        loading = background.submit(lambda: Classifier.load(fetching.result()))
        background.shutdown(wait=False)
        return _Loading(started, fetching, loading)

    @property
    def is_loaded(self) -> bool:
        """Whether the classifier is in memory."""
        return self._classifier is not None

    def get_classifier(self) -> "Classifier":
        """Return the classifier, after loading it if necessary.

        Raises:
            ModelUnavailableError: It cannot be loaded now.
        """
        self.load()
        if self._classifier is None:
            raise ModelUnavailableError
        return self._classifier

    def get_manifest(self) -> Manifest:
        """Return the manifest of the classifier's bundle, after loading it if necessary.

        Raises:
            ModelUnavailableError: It cannot be loaded now.
        """
        self.load()
        if self._manifest is None:
            raise ModelUnavailableError
        return self._manifest
