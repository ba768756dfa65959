import shutil
from pathlib import Path

import pytest

from inference.model.bundle import read_verified
from inference.model.store import StoreError, fetch
from tests.conftest import TinyModel


def test_a_bundle_is_pulled_and_verified(uri: str, tmp_path: Path, tiny_model: TinyModel) -> None:
    bundle = fetch(uri, tmp_path, timeout=10)
    assert (bundle.manifest, bundle.version) == read_verified(tiny_model.bundle)
    assert bundle.folder == tmp_path / bundle.version
    assert [path.name for path in tmp_path.iterdir()] == [bundle.version]


def test_a_local_folder_is_read_in_place(tiny_model: TinyModel, tmp_path: Path) -> None:
    bundle = fetch(tiny_model.bundle.as_uri(), tmp_path, timeout=10)
    assert bundle.folder == tiny_model.bundle
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "uri", ["s3://bucket", "s3://bucket/news/latest", "s3:///0123456789abcdef"]
)
def test_a_uri_without_a_version_is_an_error(uri: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not of the form"):
        fetch(uri, tmp_path, timeout=10)


def test_a_local_folder_named_by_a_version_must_be_that_version(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    shutil.copytree(tiny_model.bundle, tmp_path / "0123456789abcdef")
    with pytest.raises(StoreError, match="not 0123456789abcdef"):
        fetch((tmp_path / "0123456789abcdef").as_uri(), tmp_path, timeout=10)
