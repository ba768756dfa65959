"""The authorizer with a Secrets Manager that moto simulates in this process."""

import importlib
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from mypy_boto3_secretsmanager import SecretsManagerClient

KEY, NEXT_KEY = "k" * 40, "n" * 40

Check = Callable[[str | None], bool]


@pytest.fixture(scope="module")
def secrets_manager() -> Iterator[SecretsManagerClient]:
    """An empty Secrets Manager, once for all tests because moto starts slowly."""
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("SECRET_ID", "api-key")
        yield boto3.client("secretsmanager")


@pytest.fixture
def secrets(secrets_manager: SecretsManagerClient) -> Iterator[SecretsManagerClient]:
    """A Secrets Manager with the key."""
    secrets_manager.create_secret(Name="api-key", SecretString=KEY)
    yield secrets_manager
    secrets_manager.delete_secret(SecretId="api-key", ForceDeleteWithoutRecovery=True)


@pytest.fixture(scope="module")
def module(secrets_manager: SecretsManagerClient) -> ModuleType:
    """The authorizer, imported anew because its client is created on import."""
    sys.modules.pop("authorizer.api_key", None)
    return importlib.import_module("authorizer.api_key")


@pytest.fixture
def api_key(
    module: ModuleType, secrets: SecretsManagerClient, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    """The authorizer as in a new execution environment."""
    monkeypatch.setattr(module, "_key", b"")
    monkeypatch.setattr(module, "_read_at", 0.0)
    return module


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def is_authorized(api_key: ModuleType, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Check:
    """A new execution environment of the authorizer; call it to find out if a key passes."""
    monkeypatch.setattr(api_key, "time", clock)

    def check(key: str | None) -> bool:
        headers = {"host": "api"} if key is None else {"host": "api", "x-api-key": key}
        answer = api_key.handler({"version": "2.0", "headers": headers}, None)
        assert list(answer) == ["isAuthorized"]
        return bool(answer["isAuthorized"])

    return check


def test_the_right_key_passes(is_authorized: Check) -> None:
    assert is_authorized(KEY)


@pytest.mark.parametrize(
    "key", ["wrong", KEY[:-1], KEY + "k", KEY.upper(), f" {KEY}", "ключ", "\ud800", "\0" * 40]
)
def test_a_wrong_key_does_not_pass(is_authorized: Check, key: str) -> None:
    assert not is_authorized(key)


@pytest.mark.parametrize("key", [None, ""])
def test_a_missing_key_does_not_pass(is_authorized: Check, key: str | None) -> None:
    assert not is_authorized(key)


def test_an_oversized_key_is_refused_without_asking_secrets_manager(
    is_authorized: Check, secrets: SecretsManagerClient
) -> None:
    # GIVEN a Secrets Manager that would fail
    secrets.delete_secret(SecretId="api-key", ForceDeleteWithoutRecovery=True)
    # WHEN a request presents a key of a megabyte THEN it is still just refused
    assert not is_authorized("k" * 1_000_000)


def test_an_event_without_headers_is_refused(api_key: ModuleType) -> None:
    assert api_key.handler({"version": "2.0"}, None) == {"isAuthorized": False}


def test_a_rotated_key_passes_within_seconds(
    is_authorized: Check, secrets: SecretsManagerClient, clock: Clock
) -> None:
    # GIVEN an environment that has cached the old key
    assert is_authorized(KEY)
    # WHEN the key is rotated and a few seconds pass
    secrets.put_secret_value(SecretId="api-key", SecretString=NEXT_KEY)
    clock.now += 5
    # THEN the new one passes, and the old one no longer does
    assert is_authorized(NEXT_KEY)
    assert not is_authorized(KEY)


def test_a_rotated_key_passes_for_at_most_a_minute_more(
    is_authorized: Check, secrets: SecretsManagerClient, clock: Clock
) -> None:
    # GIVEN an environment that has cached the old key, and a rotation
    assert is_authorized(KEY)
    secrets.put_secret_value(SecretId="api-key", SecretString=NEXT_KEY)
    # WHEN time passes THEN the old key works for less than a minute
    clock.now += 59
    assert is_authorized(KEY)
    clock.now += 1
    assert not is_authorized(KEY)


def test_many_wrong_keys_do_not_flood_secrets_manager(
    is_authorized: Check, secrets: SecretsManagerClient, clock: Clock
) -> None:
    # GIVEN the key has just been read, and Secrets Manager would fail from now on
    assert is_authorized(KEY)
    secrets.delete_secret(SecretId="api-key", ForceDeleteWithoutRecovery=True)
    # WHEN wrong keys come within the pause THEN Secrets Manager is not asked
    clock.now += 4.9
    assert not any(is_authorized(f"wrong-{number}") for number in range(100))


def test_without_secrets_manager_no_key_passes(
    is_authorized: Check, secrets: SecretsManagerClient
) -> None:
    # GIVEN the secret is gone
    secrets.delete_secret(SecretId="api-key", ForceDeleteWithoutRecovery=True)
    # WHEN a key is presented THEN the function fails, and API Gateway answers 500
    with pytest.raises(ClientError, match="ResourceNotFound"):
        is_authorized(KEY)
