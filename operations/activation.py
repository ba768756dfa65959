"""Wake a version of the function before it gets requests.

After weeks without a call, Lambda reclaims what it prepared for a function of an image. Its next
call fails and starts the preparation, and the calls after that fail until it is done.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-images.html#images-lifecycle
"""

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from operations.stack import StackError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

# The state machines retry the errors of an idle image for as long.
PAUSES = (5.0, 10.0, 20.0, 40.0, 80.0)  # seconds
IDLE = (
    "CodeArtifactUserPendingException",
    "ResourceConflictException",
    "ResourceNotReadyException",
    "SnapStartNotReadyException",
)
THROTTLED = "TooManyRequestsException"
BRIEF_PAUSES = PAUSES[:3]  # while throttled: clients are waiting, too
WARMER = json.dumps({"warmer": True}).encode()


def activate(
    lambda_: "LambdaClient",
    function: str,
    version: str,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Call a version until it answers that its model is loaded.

    Returns:
        Whether it answered; False if the function has no free concurrency, so nobody could ask.

    Raises:
        StackError: It does not answer, or cannot load its model.
    """
    for pause in (*PAUSES, None):
        try:
            answer = lambda_.invoke(FunctionName=function, Qualifier=version, Payload=WARMER)
            break
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == THROTTLED and pause not in BRIEF_PAUSES:
                return False
            if code not in (*IDLE, THROTTLED):
                raise
            if pause is None:
                raise StackError(
                    f"version {version} of {function} is not active after "
                    f"{sum(PAUSES):.0f} seconds ({code}): try again"
                ) from error
        sleep(pause)
    content = answer["Payload"].read().decode()
    if answer.get("FunctionError") or _status_in(content) == "unavailable":
        raise StackError(f"version {version} of {function} does not work: {content[:500]}")
    return True


def _status_in(content: str) -> Any:
    try:
        body = json.loads(content)
    except ValueError:
        return None
    return body.get("status") if isinstance(body, dict) else None
