"""The model of this execution environment: had once, then kept in memory."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from inference.bundle import BundleError
from inference.observability import model_loaded, model_not_loaded
from inference.settings import Settings
from inference.store import StoreError, fetch
from inference.tracing import traced

if TYPE_CHECKING:
    from inference.classifier import Classifier


class ModelUnavailableError(Exception):
    """The model cannot be had now; the log says why."""


class Model:
    """The classifier that the settings name; while it cannot be had, each request tries again."""

    def __init__(self, settings: Settings) -> None:
        """Remember where to get it."""
        self._settings = settings
        self._loaded: tuple[Classifier, str] | None = None

    def load(self) -> None:
        """Get the model if it is not there yet; a failure is logged, not raised."""
        if self._loaded:
            return
        uri, started = self._settings.model_uri, time.monotonic()
        cache, timeout = self._settings.model_cache, self._settings.model_timeout_seconds
        try:
            with traced("load model"), ThreadPoolExecutor(1) as background:
                fetching = background.submit(fetch, uri, cache, timeout)
                # numpy and onnxruntime take as long to import as a model to arrive.
                from inference.classifier import Classifier

                bundle = fetching.result()
                self._loaded = (Classifier(bundle.folder, bundle.manifest), bundle.version)
        except (StoreError, BundleError) as error:
            model_not_loaded(uri, error)
            return
        model_loaded(bundle.version, time.monotonic() - started)

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
