"""Import parts of Powertools without the rest.

The ``__init__`` of a package imports all of it: resolvers for AppSync and Bedrock, asyncio, the
events of every service, and a patch of botocore. That takes longer than what the first answer
needs of it. Here, a package is put into ``sys.modules`` before its ``__init__`` has run. It runs
as soon as a name is asked for that no submodule is known to have, so that nothing is missing.
"""

import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from typing import Any

POWERTOOLS = "aws_lambda_powertools"
# Packages, and the submodules that have some of their names.
PACKAGES: Mapping[str, Mapping[str, str]] = {
    POWERTOOLS: {},
    f"{POWERTOOLS}.event_handler": {},
    f"{POWERTOOLS}.utilities.data_classes": {
        "ALBEvent": "alb_event",
        "APIGatewayProxyEvent": "api_gateway_proxy_event",
        "APIGatewayProxyEventV2": "api_gateway_proxy_event",
        "BedrockAgentEvent": "bedrock_agent_event",
        "LambdaFunctionUrlEvent": "lambda_function_url_event",
        "VPCLatticeEvent": "vpc_lattice",
        "VPCLatticeEventV2": "vpc_lattice",
    },
}


def defer_packages() -> None:
    """Let the packages of Powertools be imported piece by piece, if nothing has imported them."""
    if POWERTOOLS in sys.modules or find_spec(POWERTOOLS) is None:
        return
    for package, places in PACKAGES.items():
        defer(package, places)


def defer(package: str, places: Mapping[str, str]) -> None:
    """Put a package into ``sys.modules`` without running its ``__init__``.

    Args:
        package: Its full name.
        places: Submodules by the names that are imported from them when they are asked for.
    """
    spec = find_spec(package)
    if spec is None or spec.loader is None:
        return
    loader, module = spec.loader, module_from_spec(spec)

    def find(name: str) -> Any:  # PEP 562
        if name in places:
            value = getattr(import_module(f"{package}.{places[name]}"), name)
            setattr(module, name, value)
            return value
        if name.startswith("__") and name != "__all__":
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if find_spec(f"{package}.{name}") is not None:
            return import_module(f"{package}.{name}")
        del module.__dict__["__getattr__"]
        loader.exec_module(module)
        return getattr(module, name)

    module.__dict__["__getattr__"] = find
    sys.modules[package] = module
    parent, _, child = package.rpartition(".")
    if parent:
        setattr(import_module(parent), child, module)
