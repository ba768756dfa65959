"""Fetch bundles from a model store and verify them.

``s3://BUCKET/PREFIX/VERSION`` names a bundle by the digest of its manifest, so downloads are
checked against the URI itself and a store that was tampered with cannot serve a model.
``file:///FOLDER`` is for local work; its version is checked if the folder is named after one.
"""

import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from inference.aws import make_client
from inference.errors import TextClassifierError
from inference.model.bundle import (
    MANIFEST,
    Bundle,
    BundleError,
    FileEntry,
    Manifest,
    is_version,
    parse_manifest,
    read_verified,
    version_of,
)
from inference.s3_uri import S3Uri, S3UriError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

FILE_SCHEME = "file://"
CONNECT_SECONDS = 1.0
READ_SECONDS = 2.0  # without receiving a byte
ATTEMPTS = 3
CHUNK = 1 << 16  # bytes
MANIFEST_LIMIT = 1 << 20  # bytes
UNFINISHED = ".pull-"  # how the folders of downloads in progress begin


class StoreError(TextClassifierError):
    """The bundle cannot be fetched; the message gives the cause."""


@dataclass(frozen=True)
class PublishedManifest:
    """The manifest of a bundle in a store, and the bundle's version."""

    manifest: Manifest
    version: str


def fetch(uri: str, cache: Path, timeout: float) -> Bundle:
    """Return the bundle at a model URI, verified; a bundle from S3 is downloaded only once.

    Args:
        uri: ``s3://BUCKET/PREFIX/VERSION`` or ``file:///FOLDER``.
        cache: The folder that keeps the bundles from S3, one folder per version.
        timeout: Seconds after which a download is given up, whatever it is waiting for.

    Raises:
        StoreError: The bundle cannot be fetched, or is not the one that the URI names.
    """
    with _store_errors(uri, cache):
        if uri.startswith(FILE_SCHEME):
            folder = _local_folder(uri)
            return read_verified(folder, _version_in_name(folder))
        return _fetch_s3(_parse_model_uri(uri), cache, timeout)


def fetch_manifest(uri: str) -> PublishedManifest:
    """Return the manifest of the bundle at a model URI, without fetching the other files.

    Raises:
        StoreError: The manifest cannot be fetched, or is not the one that the URI names.
    """
    with _store_errors(uri), tempfile.TemporaryDirectory() as temporary:
        if uri.startswith(FILE_SCHEME):
            folder = _local_folder(uri)
            version = _version_in_name(folder)
        else:
            source = _parse_model_uri(uri)
            folder, version = Path(temporary), source.name
            _download(_make_s3(), source / MANIFEST, folder / MANIFEST, MANIFEST_LIMIT)
        data = (folder / MANIFEST).read_bytes()
        return PublishedManifest(parse_manifest(data, version), version_of(data))


def is_missing(error: StoreError) -> bool:
    """Tell whether a bundle is not in its store, rather than out of reach for now.

    To those who may not list the bucket, S3 answers 403 for an object that it does not have.
    """
    response = getattr(error.__cause__, "response", {})
    return response.get("ResponseMetadata", {}).get("HTTPStatusCode") in (403, 404)


@contextmanager
def _store_errors(uri: str, cache: Path | None = None) -> Iterator[None]:
    """Turn what goes wrong with a bundle or a file into a ``StoreError`` that names the URI."""
    try:
        yield
    except BundleError as error:
        raise StoreError(f"{uri}: {error.problem}") from error
    except OSError as error:
        where = error.filename or cache  # a failed write does not say where
        message = f"{uri}: {error.strerror or error}"
        raise StoreError(f"{message} ({where})" if where else message) from error


def _parse_model_uri(uri: str) -> S3Uri:
    with suppress(S3UriError):
        parsed = S3Uri.parse(uri)
        if is_version(parsed.name):
            return parsed
    raise StoreError(f"{uri} is not of the form s3://BUCKET/PREFIX/VERSION")


def _local_folder(uri: str) -> Path:
    return Path(unquote(urlsplit(uri).path))


def _version_in_name(folder: Path) -> str | None:
    """Return the version that a folder is named after, if any."""
    return folder.name if is_version(folder.name) else None


def _fetch_s3(source: S3Uri, cache: Path, timeout: float) -> Bundle:
    version = source.name
    folder = cache / version
    if folder.is_dir():
        try:
            return read_verified(folder, version)
        except BundleError:
            # Damaged on disk; S3 has a good copy. Another process may be removing it too.
            shutil.rmtree(folder, ignore_errors=True)
    cache.mkdir(parents=True, exist_ok=True)
    _remove_abandoned_downloads(cache, timeout)
    temporary = Path(tempfile.mkdtemp(dir=cache, prefix=UNFINISHED))
    # If S3 hangs, the thread is left behind, because a request cannot wait for it.
    background = ThreadPoolExecutor(1)
    try:
        manifest = background.submit(_pull, source, temporary).result(timeout)
        try:
            temporary.rename(folder)
        except OSError:
            # Another process was faster with the same version; its copy must be as good.
            return read_verified(folder, version)
    except TimeoutError:
        raise StoreError(f"{source}: did not arrive within {timeout:g} s") from None
    finally:
        background.shutdown(wait=False)
        shutil.rmtree(temporary, ignore_errors=True)
    return Bundle(folder, manifest, version)


def _remove_abandoned_downloads(cache: Path, timeout: float) -> None:
    """Free the space of downloads whose process was killed."""
    for folder in cache.glob(f"{UNFINISHED}*"):
        with suppress(FileNotFoundError):  # another process has just finished with it
            if time.time() - folder.stat().st_mtime > timeout:
                shutil.rmtree(folder, ignore_errors=True)


def _pull(source: S3Uri, folder: Path) -> Manifest:
    """Download the files of a bundle in parallel and verify each."""
    s3 = _make_s3()
    _download(s3, source / MANIFEST, folder / MANIFEST, MANIFEST_LIMIT)
    manifest = parse_manifest((folder / MANIFEST).read_bytes(), source.name)
    with ThreadPoolExecutor(len(manifest.files)) as pool:
        downloads = [
            pool.submit(_pull_file, s3, source / name, folder / name, entry)
            for name, entry in manifest.files.items()
        ]
    for download in downloads:
        download.result()
    return manifest


def _pull_file(s3: "S3Client", source: S3Uri, path: Path, entry: FileEntry) -> None:
    digest = _download(s3, source, path, entry.size)
    entry.verify(path.name, path.stat().st_size, digest)


def _download(s3: "S3Client", source: S3Uri, path: Path, limit: int) -> str:
    """Write an object of at most ``limit`` bytes to a file and return its digest.

    Raises:
        StoreError: S3 does not deliver the object.
        BundleError: The object is too long.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return _download_with_retries(s3, source, path, limit)
    except (BotoCoreError, ClientError) as error:
        raise StoreError(f"{source}: {error}") from error


def _download_with_retries(s3: "S3Client", source: S3Uri, path: Path, limit: int) -> str:
    """Download an object again if its body breaks off; botocore only retries requests."""
    from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError

    for _ in range(ATTEMPTS - 1):
        response = s3.get_object(Bucket=source.bucket, Key=source.key)
        with suppress(IncompleteReadError, ReadTimeoutError, ResponseStreamingError):
            return _write_body(response, path, limit)
    return _write_body(s3.get_object(Bucket=source.bucket, Key=source.key), path, limit)


def _write_body(response: "GetObjectOutputTypeDef", path: Path, limit: int) -> str:
    """Write a response's body to a file and return its digest."""
    digest = hashlib.sha256()
    with closing(response["Body"]) as body:
        if response["ContentLength"] > limit:
            size = response["ContentLength"]
            raise BundleError(f"{path.name} has {size} bytes, over {limit}")
        with path.open("wb") as file:
            for chunk in body.iter_chunks(CHUNK):
                file.write(chunk)
                digest.update(chunk)
    return digest.hexdigest()


def _make_s3() -> "S3Client":
    client: S3Client = make_client(
        "s3", connect=CONNECT_SECONDS, read=READ_SECONDS, attempts=ATTEMPTS
    )
    return client
