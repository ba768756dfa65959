"""From the sample headlines to an answer in the Lambda runtime, without a shortcut."""

import sys
from pathlib import Path

import pytest
from mypy_boto3_s3 import S3Client

from inference.local import emulator
from inference.local.front_door import front_door
from inference.model.bundle import read_verified
from inference.model.publish import publish
from tests.conftest import TinyModel
from tests.e2e.conftest import ask


@pytest.mark.parametrize("runtime", ["emulator", "plain process"])
def test_sample_headlines_become_an_answer(
    runtime: str,
    tiny_model: TinyModel,
    s3: S3Client,
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if runtime == "plain process":  # as on a system without the emulator
        monkeypatch.setattr(emulator, "emulator_binary", lambda: None)
        monkeypatch.delitem(sys.modules, "inference.api.handler", raising=False)
    # GIVEN a model, trained and exported on the sample headlines, in an S3
    uri = publish(s3, tiny_model.bundle, f"s3://{bucket}/tiny")
    monkeypatch.setenv("MODEL_URI", uri)
    monkeypatch.setenv("MODEL_CACHE", str(tmp_path / "cache"))
    # WHEN the function is started with it and gets a request over HTTP
    with (
        emulator.emulators("inference.api.handler.handler", 1, tmp_path / "log") as pool,
        front_door(pool) as url,
    ):
        answer = ask(url, {"inputs": ["Fed holds rates", "New vaccine in trial"]})
    # THEN that very model answers
    assert answer["model_version"] == read_verified(tiny_model.bundle).version
    assert len(answer["predictions"]) == 2
