import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from inference.local.checkout import SAMPLE_MODEL
from inference.model.bundle import (
    MANIFEST,
    BundleError,
    ClassifierSpec,
    locating,
    parse_manifest,
    read_verified,
    version_of,
)
from tests.conftest import EARLIER_MANIFEST


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


def encode(manifest: dict[str, Any]) -> bytes:
    return json.dumps(manifest).encode()


def test_a_version_is_the_beginning_of_the_manifests_digest() -> None:
    # GIVEN bytes whose SHA-256 is known (FIPS 180-2, "abc")
    assert version_of(b"abc") == "ba7816bf8f01cfea"


def test_a_manifest_reads_back_as_written(manifest: dict[str, Any]) -> None:
    parsed = parse_manifest(encode(manifest))
    assert parse_manifest(parsed.to_bytes(), version_of(parsed.to_bytes())) == parsed


def test_a_manifest_of_an_earlier_release_keeps_its_bytes() -> None:
    # GIVEN a manifest that an earlier release wrote
    data = EARLIER_MANIFEST.read_bytes()
    # WHEN it is parsed and written again THEN no byte differs, and so neither does its version
    assert parse_manifest(data, "7531af3bdaa99370").to_bytes() == data


def test_the_manifest_of_the_sample_model_keeps_its_bytes() -> None:
    data = (SAMPLE_MODEL / MANIFEST).read_bytes()
    assert parse_manifest(data).to_bytes() == data


def test_the_fields_of_a_manifest_keep_their_order(manifest: dict[str, Any]) -> None:
    written = json.loads(parse_manifest(encode(manifest)).to_bytes())
    assert list(written) == list(manifest)


def test_a_manifest_of_schema_2_has_examples(manifest: dict[str, Any]) -> None:
    # GIVEN a manifest with an example
    example = {"text": "Fed holds rates", "probabilities": {"a": 0.25, "b": 0.75}}
    newer = manifest | {"schema_version": 2, "examples": [example]}
    # WHEN it is parsed and written again THEN the example is there
    assert json.loads(parse_manifest(encode(newer)).to_bytes()) == newer


def test_a_manifest_is_the_spec_of_a_classifier(manifest: dict[str, Any]) -> None:
    spec = parse_manifest(encode(manifest))
    assert isinstance(spec, ClassifierSpec)
    assert (spec.labels, spec.max_length, spec.temperature) == (("a", "b"), 64, 1.5)


def test_a_manifest_of_another_version_is_refused(manifest: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="not 0123456789abcdef"):
        parse_manifest(encode(manifest), "0123456789abcdef")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 4}, "is of schema 4, and this version reads schemas up to 3"),
        ({"schema_version": 0}, "schema_version"),
        ({"labels": ["a"]}, "labels"),
        ({"labels": ["a", "a"]}, "labels repeat"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": "NaN"}, "temperature"),
        ({"max_length": 2}, "max_length"),
        ({"files": {}}, "files lack model.onnx, tokenizer.json"),
        ({"files": {"../model.onnx": {"size": 1, "sha256": "0" * 64}}}, "files"),
        ({"files": {"model.onnx": {"size": -1, "sha256": "0" * 64}}}, r"files\[...\].size"),
        ({"examples": [{"text": "", "probabilities": {}}]}, r"examples\[0\].text"),
        ({"more": 1}, "more"),
    ],
)
def test_a_manifest_of_an_unknown_form_is_refused(
    manifest: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        parse_manifest(encode(manifest | change))


@pytest.mark.parametrize(
    "data", [b"<html>", b"", b"[" * 100_000, b'{"task": "\xff"}', b"\xff\xfe{}"]
)
def test_bytes_that_are_not_a_manifest_are_refused(data: bytes) -> None:
    with pytest.raises(BundleError, match=r"manifest\.json"):
        parse_manifest(data)


def test_a_missing_file_is_named(tmp_path: Path, manifest: dict[str, Any]) -> None:
    (tmp_path / "manifest.json").write_bytes(encode(manifest))
    with pytest.raises(BundleError, match=r"model\.onnx: No such file"):
        read_verified(tmp_path)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"labels": ["a"]}, "manifest.json: Expected `array` of length >= 2 - at `$.labels`"),
        ({"schema_version": 4}, "manifest.json is of schema 4"),
        ({}, "model.onnx has 9 bytes, not 1"),
    ],
)
def test_the_refusal_of_a_bundle_names_its_folder(
    change: dict[str, Any], problem: str, tmp_path: Path, manifest: dict[str, Any]
) -> None:
    (tmp_path / "manifest.json").write_bytes(encode(manifest | change))
    (tmp_path / "model.onnx").write_bytes(b"too large")
    with pytest.raises(BundleError, match=re.escape(f"{tmp_path}: {problem}")):
        read_verified(tmp_path)


def test_an_error_that_names_a_place_keeps_it() -> None:
    with (
        pytest.raises(BundleError, match=r"^the first: wrong$"),
        locating("another"),
        locating("the first"),
    ):
        raise BundleError("wrong")


@pytest.mark.parametrize("content", [b"", b"no", b"x"])
def test_a_file_that_differs_from_its_entry_is_refused(
    tmp_path: Path, manifest: dict[str, Any], content: bytes
) -> None:
    # GIVEN a model file of the wrong size, or of the right size with other content
    (tmp_path / "manifest.json").write_bytes(encode(manifest))
    (tmp_path / "model.onnx").write_bytes(content)
    # WHEN the bundle is read THEN it is refused
    with pytest.raises(BundleError, match=r"model.onnx has (. bytes, not 1|digest)"):
        read_verified(tmp_path)


def test_a_complete_bundle_knows_its_folder_and_version(
    tmp_path: Path, manifest: dict[str, Any]
) -> None:
    data = write_bundle(tmp_path, manifest)
    bundle = read_verified(tmp_path)
    assert (bundle.folder, bundle.version) == (tmp_path, version_of(data))
    assert bundle.manifest == parse_manifest(data)


def test_weights_that_the_manifest_does_not_list_are_refused(
    tmp_path: Path, manifest: dict[str, Any]
) -> None:
    # GIVEN a complete bundle of a model that keeps all of its weights in one file
    write_bundle(tmp_path, manifest)
    # WHEN a file of weights is added THEN the bundle is refused
    (tmp_path / "model.onnx.data").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"model\.onnx\.data .* does not list it"):
        read_verified(tmp_path)


def write_bundle(folder: Path, manifest: dict[str, Any]) -> bytes:
    """Write a bundle whose files hold one byte; returns the bytes of its manifest."""
    entry = {"size": 1, "sha256": sha256(b"x").hexdigest()}
    files = {"model.onnx": entry, "tokenizer.json": entry}
    data = encode(manifest | {"files": files})
    (folder / "manifest.json").write_bytes(data)
    for name in files:
        (folder / name).write_bytes(b"x")
    return data


def test_a_manifest_of_schema_3_has_thresholds(manifest: dict[str, Any]) -> None:
    # GIVEN a manifest with thresholds of its labels
    thresholds = {"precision": 0.95, "confidence": 0.95, "least": {"a": 0.5, "b": None}}
    newer = manifest | {"schema_version": 3, "label_thresholds": thresholds}
    # WHEN it is parsed and written again THEN they are there, but no field without a value
    parsed = parse_manifest(encode(newer))
    assert json.loads(parsed.to_bytes()) == newer
    assert parsed.to_json() == {**newer, "examples": []}  # which clients have always found
    assert parsed.can_abstain
    # AND a manifest of an older schema may not have them, nor those of other labels
    for change in ({"schema_version": 2}, {"labels": ["a", "c"]}):
        with pytest.raises(BundleError, match=r"schema_version must be 3|label_thresholds"):
            parse_manifest(encode(newer | change))


LABELLING = {
    "kind": "multi",
    "separator": ";",
    "temperatures": {"a": 1.0, "b": 2.0},
    "thresholds": {"a": 0.5, "b": 0.3},
}


def test_a_bundle_of_several_labels_is_of_schema_3(manifest: dict[str, Any]) -> None:
    parsed = parse_manifest(encode(manifest | {"schema_version": 3, "labelling": LABELLING}))
    assert parsed.labelling is not None
    assert parse_manifest(parsed.to_bytes()) == parsed
    with pytest.raises(BundleError, match="schema_version must be 3"):
        parse_manifest(encode(manifest | {"labelling": LABELLING}))


def test_the_labelling_is_that_of_the_labels(manifest: dict[str, Any]) -> None:
    other = LABELLING | {"thresholds": {"a": 0.5}}
    with pytest.raises(BundleError, match="labelling is not that of the labels"):
        parse_manifest(encode(manifest | {"schema_version": 3, "labelling": other}))
