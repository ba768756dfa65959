import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from inference.model.bundle import BundleError, parse_manifest, read_verified, version_of


@pytest.fixture
def manifest() -> dict[str, Any]:
    entry = {"size": 1, "sha256": "0" * 64}
    return {
        "schema_version": 1,
        "task": "news",
        "labels": ["a", "b"],
        "max_length": 64,
        "temperature": 1.5,
        "files": {"model.onnx": entry, "tokenizer.json": entry},
        "training": {},
        "metrics": {},
        "quantization": {},
        "reference": {},
    }


def encoded(manifest: dict[str, Any]) -> bytes:
    return json.dumps(manifest).encode()


def test_a_version_is_the_head_of_the_manifests_digest() -> None:
    # GIVEN bytes whose SHA-256 is known (FIPS 180-2, "abc")
    assert version_of(b"abc") == "ba7816bf8f01cfea"


def test_a_manifest_reads_back_as_written(manifest: dict[str, Any]) -> None:
    parsed = parse_manifest(encoded(manifest))
    assert parse_manifest(parsed.to_bytes(), version_of(parsed.to_bytes())) == parsed


def test_a_manifest_of_another_version_is_refused(manifest: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="not 0123456789abcdef"):
        parse_manifest(encoded(manifest), "0123456789abcdef")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "schema_version"),
        ({"labels": ["a"]}, "labels"),
        ({"labels": ["a", "a"]}, "labels repeat"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": "NaN"}, "temperature"),
        ({"max_length": 2}, "max_length"),
        ({"files": {}}, "files lack model.onnx, tokenizer.json"),
        ({"files": {"../model.onnx": {"size": 1, "sha256": "0" * 64}}}, "files"),
        ({"files": {"model.onnx": {"size": -1, "sha256": "0" * 64}}}, "files.model.onnx.size"),
        ({"more": 1}, "more"),
    ],
)
def test_a_manifest_that_is_not_understood_is_refused(
    manifest: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        parse_manifest(encoded(manifest | change))


def test_bytes_that_are_no_manifest_are_refused() -> None:
    with pytest.raises(BundleError, match=r"manifest\.json"):
        parse_manifest(b"<html>")


def test_a_missing_file_is_named(tmp_path: Path, manifest: dict[str, Any]) -> None:
    (tmp_path / "manifest.json").write_bytes(encoded(manifest))
    with pytest.raises(BundleError, match=r"model\.onnx: No such file"):
        read_verified(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no", b"x"])
def test_a_file_that_is_not_the_one_in_the_manifest_is_refused(
    tmp_path: Path, manifest: dict[str, Any], content: bytes
) -> None:
    # GIVEN a model file of the wrong size, or of the right size and another content
    (tmp_path / "manifest.json").write_bytes(encoded(manifest))
    (tmp_path / "model.onnx").write_bytes(content)
    # WHEN the bundle is read THEN it is refused
    with pytest.raises(BundleError, match=r"model.onnx has (. bytes, not 1|digest)"):
        read_verified(tmp_path)


def test_weights_that_the_manifest_does_not_list_are_refused(
    tmp_path: Path, manifest: dict[str, Any]
) -> None:
    # GIVEN a whole bundle of a model that keeps all of its weights in one file
    entry = {"size": 1, "sha256": sha256(b"x").hexdigest()}
    files = {"model.onnx": entry, "tokenizer.json": entry}
    (tmp_path / "manifest.json").write_bytes(encoded(manifest | {"files": files}))
    for name in files:
        (tmp_path / name).write_bytes(b"x")
    assert read_verified(tmp_path)
    # WHEN somebody puts weights beside it THEN it is refused
    (tmp_path / "model.onnx.data").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"model\.onnx\.data .* does not list it"):
        read_verified(tmp_path)
