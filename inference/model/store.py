"""A model URI to a verified bundle on local disk.

``s3://BUCKET/PREFIX/VERSION`` names a bundle by the digest of its manifest, so what arrives
is checked against the URI itself: a store that was tampered with cannot serve a model.
``file:///FOLDER`` is for local work; its version is checked where the folder is named by one.
"""

import hashlib
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

from inference.model.bundle import (
    MANIFEST,
    BundleError,
    FileEntry,
    Manifest,
    check,
    is_version,
    parse_manifest,
    read_verified,
    version_of,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONNECT_SECONDS = 1.0
READ_SECONDS = 2.0  # without a byte
ATTEMPTS = 3
CHUNK = 1 << 16  # bytes
MANIFEST_LIMIT = 1 << 20  # bytes


class StoreError(Exception):
    """The bundle cannot be had; the message names the cause."""


@dataclass(frozen=True)
class Bundle:
    """A verified bundle on local disk."""

    folder: Path
    manifest: Manifest
    version: str


@dataclass(frozen=True)
class _S3Location:
    bucket: str
    prefix: str
    version: str

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Split ``s3://BUCKET/PREFIX/VERSION``."""
        bucket, _, path = uri.removeprefix("s3://").rstrip("/").partition("/")
        prefix, _, version = path.rpartition("/")
        if not bucket or not is_version(version):
            raise StoreError(f"{uri} is not of the form s3://BUCKET/PREFIX/VERSION")
        return cls(bucket, prefix, version)

    def key(self, name: str) -> str:
        """The object key of a file of the bundle."""
        return "/".join(part for part in (self.prefix, self.version, name) if part)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}/{self.version}"


def fetch(uri: str, cache: Path, timeout: float) -> Bundle:
    """The bundle at a model URI, from the cache if it is there and whole.

    Args:
        uri: ``s3://BUCKET/PREFIX/VERSION`` or ``file:///FOLDER``.
        cache: where bundles from S3 are kept, a folder a version.
        timeout: seconds after which a pull is given up, whatever it waits for.

    Raises:
        StoreError: it cannot be had, or what was had is not the bundle the URI names.
    """
    try:
        if uri.startswith("file://"):
            return _open_folder(Path(unquote(urlsplit(uri).path)))
        return _fetch_s3(_S3Location.parse(uri), cache, timeout)
    except BundleError as error:
        raise StoreError(f"{uri}: {error}") from error
    except OSError as error:
        where = error.filename or cache  # a write that fails does not say where
        raise StoreError(f"{uri}: {error.strerror or error} ({where})") from error


def fetch_manifest(uri: str) -> tuple[Manifest, str]:
    """The manifest and version of the bundle at a model URI, without its other files.

    Raises:
        StoreError: it cannot be had, or is not the one the URI names.
    """
    try:
        if uri.startswith("file://"):
            folder = Path(unquote(urlsplit(uri).path))
            data = (folder / MANIFEST).read_bytes()
            return parse_manifest(data, _named(folder)), version_of(data)
        location = _S3Location.parse(uri)
        with tempfile.TemporaryDirectory() as folder_name:
            path = Path(folder_name) / MANIFEST
            _download(_client(), location, path, MANIFEST_LIMIT)
            return parse_manifest(path.read_bytes(), location.version), location.version
    except BundleError as error:
        raise StoreError(f"{uri}: {error}") from error
    except OSError as error:
        raise StoreError(f"{uri}: {error.strerror or error}") from error


def _open_folder(folder: Path) -> Bundle:
    return Bundle(folder, *read_verified(folder, _named(folder)))


def _named(folder: Path) -> str | None:
    """The version that a folder is named by, if it is."""
    return folder.name if is_version(folder.name) else None


def _fetch_s3(location: _S3Location, cache: Path, timeout: float) -> Bundle:
    folder = cache / location.version
    if folder.is_dir():
        try:
            return Bundle(folder, *read_verified(folder, location.version))
        except BundleError:
            # Damaged on disk: S3 has it whole. Another process may be at the same.
            shutil.rmtree(folder, ignore_errors=True)
    cache.mkdir(parents=True, exist_ok=True)
    _remove_dead_pulls(cache, timeout)
    temporary = Path(tempfile.mkdtemp(dir=cache, prefix=".pull-"))
    # A thread that still waits for S3 is left behind: the answer to a request cannot wait.
    puller = ThreadPoolExecutor(1)
    try:
        manifest = puller.submit(_pull, location, temporary).result(timeout)
        try:
            temporary.rename(folder)
        except OSError:
            # Another process put the same version there first; it must be as good.
            return Bundle(folder, *read_verified(folder, location.version))
    except TimeoutError:
        raise StoreError(f"{location}: did not arrive within {timeout:g} s") from None
    finally:
        puller.shutdown(wait=False)
        shutil.rmtree(temporary, ignore_errors=True)
    return Bundle(folder, manifest, location.version)


def _remove_dead_pulls(cache: Path, timeout: float) -> None:
    """Make room: a process that is killed while it pulls leaves what it had."""
    for folder in cache.glob(".pull-*"):
        with suppress(FileNotFoundError):  # another process is done with it
            if time.time() - folder.stat().st_mtime > timeout:
                shutil.rmtree(folder, ignore_errors=True)


def _pull(location: _S3Location, folder: Path) -> Manifest:
    """Download a bundle's files side by side, each checked as it comes."""
    s3 = _client()
    _download(s3, location, folder / MANIFEST, MANIFEST_LIMIT)
    manifest = parse_manifest((folder / MANIFEST).read_bytes(), location.version)
    with ThreadPoolExecutor(len(manifest.files)) as pool:
        pulls = [
            pool.submit(_pull_file, s3, location, folder / name, entry)
            for name, entry in manifest.files.items()
        ]
    for pull in pulls:
        pull.result()
    return manifest


def _pull_file(s3: "S3Client", location: _S3Location, path: Path, entry: FileEntry) -> None:
    digest = _download(s3, location, path, entry.size)
    check(path.name, entry, path.stat().st_size, digest)


def _download(s3: "S3Client", location: _S3Location, path: Path, limit: int) -> str:
    """Write an object of at most ``limit`` bytes to a file and return its digest.

    Raises:
        StoreError: S3 does not give it.
        BundleError: it is longer.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return _copy(s3, location, path, limit)
    except (BotoCoreError, ClientError) as error:
        raise StoreError(f"{location}/{path.name}: {error}") from error


def _copy(s3: "S3Client", location: _S3Location, path: Path, limit: int) -> str:
    """What ``_download`` does, with botocore's errors.

    botocore retries requests; this retries bodies that break off midway.
    """
    from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError

    for attempt in range(1, ATTEMPTS + 1):
        answer = s3.get_object(Bucket=location.bucket, Key=location.key(path.name))
        digest = hashlib.sha256()
        try:
            with closing(answer["Body"]) as body:
                if answer["ContentLength"] > limit:
                    size = answer["ContentLength"]
                    raise BundleError(f"{path.name} has {size} bytes, over {limit}")
                with path.open("wb") as file:
                    for chunk in body.iter_chunks(CHUNK):
                        file.write(chunk)
                        digest.update(chunk)
            break
        except (IncompleteReadError, ReadTimeoutError, ResponseStreamingError):
            if attempt == ATTEMPTS:
                raise
    return digest.hexdigest()


def _client() -> "S3Client":
    import boto3  # 0.1 s that local models need not wait for
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )
    return boto3.client("s3", config=config)
