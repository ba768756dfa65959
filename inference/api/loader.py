"""The model of this execution environment: had once, then kept in memory."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from inference.model.bundle import BundleError
from inference.model.store import StoreError, fetch
from inference.runtime.settings import Settings
from inference.runtime.tracing import traced

if TYPE_CHECKING:
    from inference.model.classifier import Classifier


class ModelUnavailableError(Exception):
    """The model cannot be had now; the log says why."""


class Model:
    """The classifier that the settings name; while it cannot be had, each request tries again."""

    def __init__(self, settings: Settings) -> None:
        """Begin to get it."""
        self._settings = settings
        self._loaded: tuple[Classifier, str] | None = None
        self._loading: Future[tuple[Classifier, str]] | None = self._begin()

    def load(self) -> None:
        """Have the model if it is not there yet; a failure is logged, not raised."""
        if self._loaded:
            return
        from inference.runtime.telemetry import (  # not before it is begun
            model_loaded,
            model_not_loaded,
        )

        try:
            with traced("load model"):
                loading = self._loading or self._begin()
                self._loading = None  # should it fail, the next call begins anew
                self._loaded = loading.result()
        except (StoreError, BundleError) as error:
            model_not_loaded(self._settings.model_uri, error)
            return
        model_loaded(self._loaded[1], time.monotonic() - self._started)

    def _begin(self) -> "Future[tuple[Classifier, str]]":
        """Have a thread fetch the bundle and load it, while this one goes on."""
        self._started = time.monotonic()
        uri, cache = self._settings.model_uri, self._settings.model_cache
        background = ThreadPoolExecutor(1)
        fetching = background.submit(fetch, uri, cache, self._settings.model_timeout_seconds)
        # numpy and onnxruntime take as long to import as a model to arrive.
        from inference.model.classifier import Classifier

        def load() -> tuple[Classifier, str]:
            bundle = fetching.result()
            return Classifier(bundle.folder, bundle.manifest), bundle.version

        loading = background.submit(load)
        background.shutdown(wait=False)
        return loading

    @property
    def loaded(self) -> bool:
        """Whether the model is there."""
        return self._loaded is not None

    def get(self) -> "tuple[Classifier, str]":
        """The classifier and its version.

        Raises:
            ModelUnavailableError: it cannot be had now.
        """
        self.load()
        if not self._loaded:
            raise ModelUnavailableError
        return self._loaded
