"""template.yaml as CloudFormation deploys it: the SAM transform, then the intrinsic functions.

``python -m tests.cloudformation`` prints the template after the transform, for scanners.
"""

import json
import re
from functools import cache
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from tests.conftest import ROOT

TEMPLATE = ROOT / "template.yaml"
PSEUDO_PARAMETERS = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::StackName": "stack",
    "AWS::URLSuffix": "amazonaws.com",
}
NO_VALUE = object()  # AWS::NoValue
ATTRIBUTES = {"FunctionUrl.FunctionUrl": "https://url.lambda-url.us-east-1.on.aws/"}  # taken apart

# Values of parameters.
MODEL = {"ModelStore": "s3://models/news", "ModelVersion": "0123456789abcdef"}
REQUIRED = MODEL | {"Access": "public"}
RETRAINING = {
    "RetrainingBucket": "jobs",
    "RetrainingRole": "arn:aws:iam::123456789012:role/training",
    "RetrainingDeployRole": "arn:aws:iam::123456789012:role/deploy",
}
KMS = "arn:aws:kms:us-east-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef"
VPC = {"SubnetIds": "subnet-1,subnet-2", "SecurityGroupIds": "sg-1"}
JWT = {"Access": "jwt", "JwtIssuer": "https://issuer/", "JwtAudience": "app,cli"}
API_KEY = {"Access": "api-key"}
DASHBOARD = {"MetricsDashboard": "on"}
DRIFT = {"PredictionLog": "on", "DriftSchedule": "daily"}
EVERYTHING = {
    **API_KEY,
    **VPC,
    "KmsKeyArn": KMS,
    "BulkBucket": "files",
    **DRIFT,
    **DASHBOARD,
    "ProvisionedConcurrency": "2",
    "ReservedConcurrency": "10",
    "CorsOrigin": "https://example.com",
    "AlarmEmail": "ops@example.com",
    "Architecture": "arm64",
}


def parameters() -> dict[str, dict[str, Any]]:
    """Return the parameters of the template."""
    section: dict[str, dict[str, Any]] = yaml_parse(TEMPLATE.read_text())["Parameters"]
    return section


@cache
def transformed(**values: str) -> dict[str, Any]:
    """Apply the SAM transform, with these values of parameters."""
    template = yaml_parse(TEMPLATE.read_text())
    # What `sam build` and `sam deploy` fill in:
    for function in ("Classifier", "BulkFunction", "DriftFunction"):
        template["Resources"][function]["Properties"]["ImageUri"] = (
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/classifier:0123456789ab"
        )
    for function in ("ApiKeyFunction", "VersionCheckFunction", "LiveCheckFunction"):
        template["Resources"][function]["Properties"]["CodeUri"] = "s3://artifacts/key"
    for name in ("BulkStateMachine", "RetrainingStateMachine"):
        machine = template["Resources"][name]["Properties"]
        machine["DefinitionUri"] = {"Bucket": "artifacts", "Key": name}
    session = boto3.Session(region_name="us-east-1")
    translator = Translator({}, Parser(), boto_session=session)
    expanded: dict[str, Any] = translator.translate(template, REQUIRED | values)
    return expanded


@cache
def deployed(**values: str) -> dict[str, Any]:
    """Return the resources and outputs that exist with these values, with all functions resolved.

    A reference to a resource becomes its name, an attribute of a resource ``NAME.ATTRIBUTE``.
    """
    template = transformed(**values)
    return _Resolver(template, REQUIRED | values).resolve_template()


def resources(kind: str, **values: str) -> dict[str, Any]:
    """Return the properties of the resources of a type, by name."""
    return {
        name: one["Properties"]
        for name, one in deployed(**values)["Resources"].items()
        if one["Type"] == f"AWS::{kind}"
    }


def statements(role: str, **values: str) -> dict[str, dict[str, Any]]:
    """Return the statements of a role by their Sid, with actions and resources as sets."""
    (policy,) = resources("IAM::Role", **values)[role]["Policies"]
    found = {}
    for one in policy["PolicyDocument"]["Statement"]:
        sets = {
            key: {one[key]} if isinstance(one[key], str) else set(one[key])
            for key in ("Action", "Resource")
        }
        found[one["Sid"]] = one | sets
    return found


class _Resolver:
    """Resolves conditions, references and functions of a template."""

    def __init__(self, template: dict[str, Any], values: dict[str, str]) -> None:
        self._template = template
        self._values = dict(PSEUDO_PARAMETERS)
        for name, parameter in template["Parameters"].items():
            value = str(values.get(name, parameter.get("Default")))
            is_list = parameter["Type"] == "CommaDelimitedList"
            self._values[name] = value.split(",") if is_list else value  # type: ignore[assignment]

    def resolve_template(self) -> dict[str, Any]:
        return {
            section: {
                name: self._resolve({k: v for k, v in one.items() if k != "Metadata"})
                for name, one in self._template[section].items()
                if "Condition" not in one or self._is_true(one["Condition"])
            }
            for section in ("Resources", "Outputs")
        }

    def _is_true(self, condition: str) -> bool:
        return bool(self._resolve(self._template["Conditions"][condition]))

    def _resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            resolved = [self._resolve(one) for one in value]
            return [one for one in resolved if one is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            if name == "Condition" and isinstance(argument, str):
                return self._is_true(argument)
            if name == "Ref" or name.startswith("Fn::"):
                return self._call(name.removeprefix("Fn::"), argument)
        pairs = {key: self._resolve(one) for key, one in value.items()}
        return {key: one for key, one in pairs.items() if one is not NO_VALUE}

    def _call(self, function: str, argument: Any) -> Any:
        if function == "Ref":
            return NO_VALUE if argument == "AWS::NoValue" else self._values.get(argument, argument)
        if function == "If":
            condition, yes, no = argument
            return self._resolve(yes if self._is_true(condition) else no)
        if function == "Sub":
            return self._substitute(*([argument, {}] if isinstance(argument, str) else argument))
        argument = self._resolve(argument)
        if function == "GetAtt":
            name = argument if isinstance(argument, str) else ".".join(argument)
            return ATTRIBUTES.get(name, name)
        if function == "Equals":
            return str(argument[0]) == str(argument[1])
        if function == "Not":
            return not argument[0]
        if function == "And":
            return all(argument)
        if function == "Join":
            return argument[0].join(str(one) for one in argument[1])
        if function == "Split":
            return argument[1].split(argument[0])
        if function == "Select":
            return argument[1][int(argument[0])]
        if function == "FindInMap":
            return self._template["Mappings"][argument[0]][argument[1]][argument[2]]
        raise NotImplementedError(function)

    def _substitute(self, text: str, variables: dict[str, Any]) -> str:
        known = {name: self._resolve(value) for name, value in variables.items()}

        def value_of(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            return str(known[name] if name in known else self._call("Ref", name))

        return re.sub(r"\$\{([^}]+)\}", value_of, text)


if __name__ == "__main__":
    print(json.dumps(transformed(), indent=2))
