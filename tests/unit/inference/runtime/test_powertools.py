"""Parts of Powertools are imported without the rest, and nothing is missing."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT


def run(code: str) -> str:
    """Run code in a fresh interpreter; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nimport inference.runtime\n{code}"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("logging.logger", "Logger"),
        ("metrics.metrics", "Metrics"),
        ("event_handler.api_gateway", "APIGatewayHttpResolver"),
        ("utilities.data_classes", "APIGatewayProxyEventV2"),
    ],
)
def test_a_part_comes_without_the_rest(module: str, name: str) -> None:
    code = f"from aws_lambda_powertools.{module} import {name}\n"
    rest = [
        "asyncio",
        "aws_lambda_powertools.event_handler.appsync",
        "aws_lambda_powertools.utilities.data_classes.kafka_event",
        "botocore",
    ]
    assert run(f"{code}print([name for name in {rest} if name in sys.modules])") == "[]"


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("", "Tracer"),
        (".event_handler", "AppSyncResolver"),
        (".utilities.data_classes", "KafkaEvent"),
    ],
)
def test_what_no_submodule_is_known_for_is_imported_all_the_same(package: str, name: str) -> None:
    # GIVEN a package of which a part was imported
    code = (
        "from aws_lambda_powertools.event_handler.api_gateway import Response\n"
        f"from aws_lambda_powertools{package} import {name}\n"
        "import aws_lambda_powertools.event_handler as package\n"
        f"print({name}.__name__, package.Response is Response)"
    )
    # WHEN another of its names is imported THEN it is there, and the part is still the same
    assert run(code) == f"{name} True"


def test_an_unknown_name_is_an_import_error() -> None:
    code = (
        "try:\n    from aws_lambda_powertools.event_handler import NoSuchResolver\n"
        "except ImportError as error:\n    print(error)"
    )
    assert "NoSuchResolver" in run(code)


def test_a_package_that_was_imported_before_stays_as_it_is() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import aws_lambda_powertools as first, sys, inference.runtime\n"
            "print(sys.modules['aws_lambda_powertools'] is first)",
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "True"
