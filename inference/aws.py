"""Create clients of AWS services, and read which model a deployed stack serves."""

from typing import TYPE_CHECKING, Any

from inference.errors import TextClassifierError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import FunctionConfigurationResponseTypeDef

LIVE = "live"  # the alias whose version answers the requests
MODEL_VARIABLE = "MODEL_URI"


class LiveModelError(TextClassifierError):
    """The model that a function serves cannot be read; the message says why."""


def make_client(service: str, *, connect: float, read: float, attempts: int) -> Any:
    """Create a client that gives up in time.

    Args:
        service: Such as ``s3``.
        connect: Seconds to connect.
        read: Seconds without receiving a byte.
        attempts: The most attempts of a call; the pauses between them grow.
    """
    import boto3  # takes 0.1 s, which functions that call no service need not wait for
    from botocore.config import Config

    config = Config(
        connect_timeout=connect,
        read_timeout=read,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )
    create: Any = boto3.client  # whose overloads want literal names
    return create(service, config=config)


def read_live_model(lambda_: "LambdaClient", function: str) -> str:
    """Return the URI of the model of the version behind ``live``.

    The parameters of the stack name the model that was deployed last, which after a rollback is
    not the one that serves.

    Raises:
        LiveModelError: Its variables cannot be read, or do not name a model.
    """
    version = lambda_.get_alias(FunctionName=function, Name=LIVE)["FunctionVersion"]
    return read_model_of(lambda_, function, version)


def read_model_of(lambda_: "LambdaClient", function: str, version: str) -> str:
    """Return the URI of the model of one version of a function.

    Raises:
        LiveModelError: Its variables cannot be read, or do not name a model.
    """
    return find_model_in(
        lambda_.get_function_configuration(FunctionName=function, Qualifier=version)
    )


def find_model_in(configuration: "FunctionConfigurationResponseTypeDef") -> str:
    """Return the URI of the model in the variables of a version.

    Raises:
        LiveModelError: They cannot be read, or do not name a model.
    """
    name = f"{configuration.get('FunctionName')}:{configuration.get('Version')}"
    environment = configuration.get("Environment", {})
    # Without permission for the key that encrypts them, Lambda answers this instead of the values.
    if problem := environment.get("Error", {}).get("Message"):
        raise LiveModelError(f"the variables of {name} cannot be read: {problem}")
    uri = environment.get("Variables", {}).get(MODEL_VARIABLE)
    if not uri:
        raise LiveModelError(f"{name} names no model in {MODEL_VARIABLE}")
    return uri
