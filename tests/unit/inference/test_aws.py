from typing import Any

import pytest

from inference.aws import LiveModelError, find_model_in, make_client, read_live_model
from tests.account import DEPLOYED, FUNCTION, stubbed


def test_a_client_has_its_timeouts_and_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN credentials, which a client would look for in the network otherwise
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    # WHEN a client is created THEN it has the limits
    config = make_client("s3", connect=1.5, read=2.5, attempts=4).meta.config
    assert (config.connect_timeout, config.read_timeout) == (1.5, 2.5)
    assert config.retries == {"mode": "standard", "total_max_attempts": 4}


def test_the_model_in_use_is_that_of_the_version_behind_the_alias() -> None:
    # GIVEN a function whose alias was moved back to version 7
    with stubbed() as account:
        account.serve("7")
        account.has_model("7")
        # WHEN the model is read THEN it is that of version 7
        assert read_live_model(account.lambda_, FUNCTION) == DEPLOYED


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"Error": {"ErrorCode": "AccessDenied", "Message": "no key"}}, "f:7 cannot be read: no k"),
        ({"Variables": {}}, "f:7 names no model"),
        (None, "f:7 names no model"),
    ],
)
def test_variables_without_a_model_are_an_error(environment: Any, message: str) -> None:
    configuration: Any = {"FunctionName": "f", "Version": "7"}
    if environment is not None:
        configuration["Environment"] = environment
    with pytest.raises(LiveModelError, match=message):
        find_model_in(configuration)
