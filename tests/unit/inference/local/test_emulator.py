import platform
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from inference.local.emulator import EmulatorError, InProcess, Pool, emulator_binary


class Waiting:
    """An execution environment that answers when it is allowed to."""

    def __init__(self) -> None:
        self.called, self.may_answer = threading.Event(), threading.Event()

    def invoke(self, event: Mapping[str, Any], timeout: float) -> Any:
        self.called.set()
        self.may_answer.wait(timeout)
        return dict(event)


def echo(event: dict[str, Any], context: Any) -> Any:
    if "error" in event:
        raise ValueError("a secret")
    return {"id": context.aws_request_id, **event}


ECHO = f"{__name__}.echo"


def test_a_pool_gives_each_environment_one_request_at_a_time() -> None:
    # GIVEN a pool whose only environment is busy
    environment = Waiting()
    pool = Pool([environment])
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(pool.invoke, {"n": 1}, 10)
        assert environment.called.wait(10)
        # WHEN another request comes THEN it waits, in vain
        with pytest.raises(EmulatorError, match="all environments are busy"):
            pool.invoke({"n": 2}, 0.01)
        # AND once the first is answered, the environment takes the next one
        environment.may_answer.set()
        assert first.result() == {"n": 1}
    assert pool.invoke({"n": 3}, 10) == {"n": 3}


def test_an_environment_returns_to_the_pool_after_an_error() -> None:
    pool = Pool([InProcess(ECHO)])
    with pytest.raises(EmulatorError):
        pool.invoke({"error": True}, 1)
    assert pool.invoke({"n": 1}, 1)["n"] == 1


def test_without_an_emulator_the_handler_runs_in_this_process() -> None:
    # GIVEN a handler WHEN it is called twice THEN each call has its own request id
    environment = InProcess(ECHO)
    answers = [environment.invoke({"n": 1}, timeout=1) for _ in range(2)]
    assert answers[0]["n"] == 1
    assert answers[0]["id"] != answers[1]["id"]


def test_an_exception_of_the_handler_is_reported_by_its_type_alone() -> None:
    with pytest.raises(EmulatorError) as caught:
        InProcess(ECHO).invoke({"error": True}, timeout=1)
    assert str(caught.value) == "the function failed: ValueError"


def test_there_is_no_emulator_outside_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert emulator_binary() is None
