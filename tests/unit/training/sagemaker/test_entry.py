"""The program of a training job; whole jobs run in tests/integration/test_sagemaker.py."""

import json
from pathlib import Path

import pytest

from training.sagemaker import entry


def test_the_reason_of_a_failure_is_left_for_sagemaker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # GIVEN a container without data
    (tmp_path / "input" / "data" / "training").mkdir(parents=True)
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    monkeypatch.setenv("SM_HPS", json.dumps({"store": "s3://models/news", "publish": True}))
    # WHEN the program runs THEN it fails, and says why where SageMaker looks
    assert entry.main() == 1
    reason = (tmp_path / "output" / "failure").read_text()
    assert reason == "ChannelError: the data must be one file, not 0: check --data"
