import os

import pytest

from inference.local.s3 import environment


def test_the_environment_names_the_local_s3_and_hides_the_users_account(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # GIVEN a user with a profile of their own
    monkeypatch.setenv("AWS_PROFILE", "production")
    before = dict(os.environ)
    # WHEN the local S3 is used
    with environment("http://127.0.0.1:5000", MODEL_URI="s3://models/local/0"):
        # THEN AWS clients find it, and no proxy or account comes in between
        assert os.environ["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:5000"
        assert os.environ["MODEL_URI"] == "s3://models/local/0"
        assert os.environ["NO_PROXY"] == "127.0.0.1"
        assert "AWS_PROFILE" not in os.environ
    # AND afterwards everything is as before
    assert dict(os.environ) == before
