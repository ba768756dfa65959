"""The context object that Lambda passes to a handler, where no Lambda does."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Context:
    """Identifies a request and the function that answers it."""

    aws_request_id: str
    function_name: str = "classifier"
    function_version: str = "$LATEST"
    memory_limit_in_mb: int = 2048
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:classifier"
