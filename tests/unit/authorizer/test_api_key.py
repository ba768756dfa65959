"""The authorizer against a Secrets Manager in this process."""

import importlib
import sys
from collections.abc import Callable, Iterator

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from mypy_boto3_secretsmanager import SecretsManagerClient

KEY, NEXT_KEY = "k" * 40, "n" * 40

Check = Callable[[str | None], bool]


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretsManagerClient]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("SECRET_ID", "api-key")
    with mock_aws():
        client = boto3.client("secretsmanager")
        client.create_secret(Name="api-key", SecretString=KEY)
        yield client


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def is_authorized(
    secrets: SecretsManagerClient, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Check:
    """A new execution environment of the authorizer: whether a key passes."""
    monkeypatch.delitem(sys.modules, "authorizer.api_key", raising=False)
    module = importlib.import_module("authorizer.api_key")
    monkeypatch.setattr(module, "time", clock)

    def check(key: str | None) -> bool:
        headers = {"host": "api"} if key is None else {"host": "api", "x-api-key": key}
        answer = module.handler({"version": "2.0", "headers": headers}, None)
        assert list(answer) == ["isAuthorized"]
        return bool(answer["isAuthorized"])

    return check


def test_the_right_key_passes(is_authorized: Check) -> None:
    assert is_authorized(KEY)


@pytest.mark.parametrize(
    "key", ["wrong", KEY[:-1], KEY + "k", KEY.upper(), f" {KEY}", "ключ", "\ud800", "\0" * 40]
)
def test_a_wrong_key_does_not(is_authorized: Check, key: str) -> None:
    assert not is_authorized(key)


@pytest.mark.parametrize("key", [None, ""])
def test_a_missing_key_does_not(is_authorized: Check, key: str | None) -> None:
    assert not is_authorized(key)


def test_an_oversized_key_is_refused_without_a_look_up(
    is_authorized: Check, secrets: SecretsManagerClient
) -> None:
    # GIVEN a Secrets Manager that would fail a look-up
    secrets.delete_secret(SecretId="api-key", ForceDeleteWithoutRecovery=True)
    # WHEN a key of a megabyte is shown THEN it is refused all the same
    assert not is_authorized("k" * 1_000_000)


def test_an_event_without_headers_is_refused(secrets: SecretsManagerClient) -> None:
    module = importlib.import_module("authorizer.api_key")
    assert module.handler({"version": "2.0"}, None) == {"isAuthorized": False}


def test_a_rotated_key_passes_within_seconds(
    is_authorized: Check, secrets: SecretsManagerClient, clock: Clock
) -> None:
    # GIVEN an environment that knows the old key
    assert is_authorized(KEY)
    # WHEN the key is rotated and a few seconds are over
    secrets.put_secret_value(SecretId="api-key", SecretString=NEXT_KEY)
    clock.now += 5
    # THEN the new one passes, and the old one no longer
    assert is_authorized(NEXT_KEY)
    assert not is_authorized(KEY)


def test_the_old_key_passes_for_a_minute_at_most(
    is_authorized: Check, secrets: SecretsManagerClient, clock: Clock
) -> None:
    # GIVEN an environment that knows the old key, which is rotated
    assert is_authorized(KEY)
    secrets.put_secret_value(SecretId="api-key", SecretString=NEXT_KEY)
    # WHEN time goes by THEN the old key is good for less than a minute
    clock.now += 59
    assert is_authorized(KEY)
    clock.now += 1
    assert not is_authorized(KEY)


def test_wrong_keys_cause_no_flood_of_look_ups(
    is_authorized: Check, secrets: SecretsManagerClient, clock: Clock
) -> None:
    # GIVEN the key was just read, and Secrets Manager would fail from now on
    assert is_authorized(KEY)
    secrets.delete_secret(SecretId="api-key", ForceDeleteWithoutRecovery=True)
    # WHEN wrong keys are shown within the pause THEN nothing is looked up
    clock.now += 4.9
    assert not any(is_authorized(f"wrong-{number}") for number in range(100))


def test_without_secrets_manager_nobody_passes(
    is_authorized: Check, secrets: SecretsManagerClient
) -> None:
    # GIVEN the secret is gone
    secrets.delete_secret(SecretId="api-key", ForceDeleteWithoutRecovery=True)
    # WHEN a key is shown THEN the function fails, for which API Gateway answers 500
    with pytest.raises(ClientError, match="ResourceNotFound"):
        is_authorized(KEY)
