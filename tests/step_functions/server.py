"""Run LocalStack's Step Functions, and let the test answer for services that LocalStack lacks.

This runs in an environment of its own (requirements.txt); interpreter.py starts it with the
variable TEST_URL. LocalStack's code executes the definitions, with these additions:

- The test sees every call of a service first: it answers it, fails it, or leaves it to LocalStack.
- Wait states and pauses between attempts end at once; the test gets to know how long they were.
- Of ``sagemaker:createTrainingJob.sync`` LocalStack knows the request only. Here it asks for the
  status of the job until it ends, as AWS documents ("Run a Job (.sync)").
- A path with a filter gives a list, whatever matches, as in the JsonPath that AWS names as its
  syntax (github.com/json-path/JsonPath, "What is Returned When?"). LocalStack gives a single match
  without its list, and fails without a match.
- A path is parsed once, not each time: that is nine tenths of LocalStack's work.
"""

import functools
import json
import os
import urllib.request
from collections.abc import Callable
from typing import Any

from jsonpath_ng.jsonpath import DatumInContext
from localstack.aws import handlers
from localstack.aws.api import CommonServiceException
from localstack.aws.protocol.serializer import create_serializer
from localstack.runtime.main import main
from localstack.services.stepfunctions.asl.component.common.error_name import (
    failure_event,
    states_error_name,
    states_error_name_type,
)
from localstack.services.stepfunctions.asl.component.common.retry import retrier_decl
from localstack.services.stepfunctions.asl.component.state.state_execution.state_task.service import (  # noqa: E501
    resource,
    state_task_service_aws_sdk,
    state_task_service_callback,
    state_task_service_factory,
)
from localstack.services.stepfunctions.asl.component.state.state_wait.wait_function import (
    wait_function,
)
from localstack.services.stepfunctions.asl.utils import json_path
from localstack.services.stepfunctions.asl.utils.boto_client import boto_client_for
from localstack.services.stepfunctions.asl.utils.encoding import to_json_str

TASK_FAILED = states_error_name_type.StatesErrorNameType.StatesTaskFailed


def ask(event: str, given: dict[str, Any]) -> dict[str, Any]:
    """Tell the test what happens; return its answer, {} if it has none."""
    body = json.dumps({"event": event, "input": given}, default=to_text).encode()
    with urllib.request.urlopen(os.environ["TEST_URL"], body, timeout=120) as answer:
        content: dict[str, Any] = json.load(answer)
        return content


def to_text(value: Any) -> str:
    """Write bytes, open bodies and times as JSON can."""
    value = value.read() if hasattr(value, "read") else value
    return value.decode() if isinstance(value, bytes) else str(value)


def ask_first(chain: Any, context: Any, response: Any) -> None:
    """Let the test answer a call of the interpreter."""
    if not context.is_internal_call or context.operation is None:
        return
    # An object's content is not for the test; reading it here would take it from LocalStack.
    given = {name: value for name, value in context.service_request.items() if name != "Body"}
    answer = ask(f"{context.service.service_name}:{context.operation.name}", given)
    if "error" in answer:
        raise CommonServiceException(**answer["error"])
    if "output" in answer:
        serializer = create_serializer(context.service, context.protocol)
        response.update_from(
            serializer.serialize_to_response(
                answer["output"], context.operation, context.request.headers, context.request_id
            )
        )
        chain.stop()


class FilterPath:
    """A path with a filter, whose only match is the list of all matches."""

    def __init__(self, expression: Any) -> None:
        self._expression = expression

    def find(self, data: Any) -> list[Any]:
        return [DatumInContext([match.value for match in self._expression.find(data)])]


@functools.cache
def parse_path(path: str, parse: Callable[[str], Any] = json_path.parse) -> Any:
    """Parse a path."""
    expression = parse(path)
    return FilterPath(expression) if "[?(" in path else expression


class Clock:
    """Stands in for the module ``time`` in the code that pauses between attempts."""

    @staticmethod
    def sleep(seconds: float) -> None:
        ask("pause", {"seconds": seconds})


def wait_at_once(self: Any, env: Any, wait_seconds: int) -> None:
    """Replace the waiting of a Wait state."""
    ask("wait", {"seconds": wait_seconds})


class SageMakerTask(state_task_service_aws_sdk.StateTaskServiceAwsSdk):
    """Creates a training job and waits until it ends."""

    def __init__(self) -> None:
        patterns = {resource.ResourceCondition.Sync}
        state_task_service_callback.StateTaskServiceCallback.__init__(self, patterns)

    def _get_sfn_resource_type(self) -> str:
        return str(self.resource.service_name)

    @staticmethod
    def _normalise_exception_name(norm_service_name: str, ex: Exception) -> str:  # noqa: ARG004
        """Name an error that the API does not define as the AWS SDK for Java does."""
        name = type(ex).__name__
        name = "AmazonSageMaker" if name == "ClientError" else name
        return f"SageMaker.{name.removesuffix('Exception')}Exception"

    def _build_sync_resolver(
        self,
        env: Any,
        resource_runtime_part: Any,
        normalised_parameters: Any,
        state_credentials: Any,
    ) -> Callable[[], Any]:
        region = resource_runtime_part.region
        client = boto_client_for("sagemaker", region, state_credentials)
        env.stack.pop()

        def look() -> Any:
            job = client.describe_training_job(
                TrainingJobName=normalised_parameters["TrainingJobName"]
            )
            del job["ResponseMetadata"]
            if job["TrainingJobStatus"] in ("InProgress", "Stopping"):
                return None
            self._normalise_response(job, service_action_name="describe_training_job")
            if job["TrainingJobStatus"] != "Completed":
                failed = self._get_task_failure_event(env, TASK_FAILED.to_name(), to_json_str(job))
                failed.error_name = states_error_name.StatesErrorName(TASK_FAILED)
                raise failure_event.FailureEventException(failed)
            return job

        return look


if __name__ == "__main__":
    handlers.serve_custom_service_request_handlers.append(ask_first)
    json_path.parse = parse_path
    retrier_decl.time = Clock
    state_task_service_callback.time = Clock
    wait_function.WaitFunction._wait_interval = wait_at_once
    state_task_service_factory.StateTaskServiceUnsupported = SageMakerTask
    main()
