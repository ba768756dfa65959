"""template.yaml as CloudFormation deploys it, with each access mode and each option."""

import json
import re
import tomllib
from datetime import UTC, datetime
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from inference.drift.live_accuracy import Agreement
from inference.model.classifier import Prediction
from inference.prediction_log import feedback
from inference.prediction_log.table import INDEX, to_item
from inference.runtime.settings import read_settings
from operations import cost
from tests.cloudformation import (
    API_KEY,
    DASHBOARD,
    DRIFT,
    EVERYTHING,
    JWT,
    KMS,
    REQUIRED,
    RETRAINING,
    TEMPLATE,
    VPC,
    deployed,
    parameters,
    resources,
    statements,
    transformed,
)
from tests.conftest import ROOT

ROUTES = {"POST /predict", "POST /{page+}", "GET /", "GET /{page+}"}


def classifier(**values: str) -> dict[str, Any]:
    """Return the properties of the function that classifies."""
    properties: dict[str, Any] = resources("Lambda::Function", **values)["Classifier"]
    return properties


# Access


@pytest.mark.parametrize(
    ("values", "kind", "authorizer"),
    [
        ({"Access": "public"}, "NONE", None),
        ({"Access": "iam"}, "AWS_IAM", None),
        (JWT, "JWT", "JwtAuthorizer"),
        (API_KEY, "CUSTOM", "ApiKeyAuthorizer"),
    ],
    ids=lambda value: value.get("Access") if isinstance(value, dict) else None,
)
def test_every_route_has_the_access_mode(
    values: dict[str, str], kind: str, authorizer: str | None
) -> None:
    routes = resources("ApiGatewayV2::Route", **values).values()
    assert {route["RouteKey"] for route in routes} == ROUTES
    assert {route["AuthorizationType"] for route in routes} == {kind}
    assert {route.get("AuthorizerId") for route in routes} == {authorizer}
    authorizers = resources("ApiGatewayV2::Authorizer", **values)
    assert set(authorizers) == ({authorizer} if authorizer else set())


def test_tokens_are_checked_for_issuer_and_audience() -> None:
    authorizer = resources("ApiGatewayV2::Authorizer", **JWT)["JwtAuthorizer"]
    assert authorizer["AuthorizerType"] == "JWT"
    assert authorizer["JwtConfiguration"] == {
        "Issuer": "https://issuer/",
        "Audience": ["app", "cli"],
    }


def test_access_by_token_needs_issuer_and_audience() -> None:
    rule = transformed()["Rules"]["JwtNeedsIssuerAndAudience"]
    assertions = json.dumps([one["Assert"] for one in rule["Assertions"]])
    assert "JwtIssuer" in assertions
    assert "JwtAudience" in assertions


def test_api_keys_are_checked_by_the_authorizer_in_this_repository() -> None:
    authorizer = resources("ApiGatewayV2::Authorizer", **API_KEY)["ApiKeyAuthorizer"]
    assert authorizer["IdentitySource"] == ["$request.header.x-api-key"]
    assert "ApiKeyFunction.Arn" in authorizer["AuthorizerUri"]
    assert authorizer["EnableSimpleResponses"] is True
    assert authorizer["AuthorizerPayloadFormatVersion"] == "2.0"
    function = resources("Lambda::Function", **API_KEY)["ApiKeyFunction"]
    assert function["Environment"]["Variables"] == {"SECRET_ID": "ApiKey"}
    module, _, name = function["Handler"].partition(".")
    assert f"def {name}(" in (ROOT / "authorizer" / f"{module}.py").read_text()


def test_only_access_by_key_has_a_key() -> None:
    names = deployed(Access="public")["Resources"]
    assert not [name for name in names if "ApiKey" in name or name == "ApiMayAskForTheKey"]


@pytest.mark.parametrize("values", [{}, API_KEY])
def test_only_this_api_may_invoke_the_functions(values: dict[str, str]) -> None:
    found = resources("Lambda::Permission", CheckMinutes="0", **values)
    weekly = found.pop("KeepActiveMayInvoke")
    assert weekly["SourceArn"] == "KeepActive.Arn"
    permissions = found.values()
    assert len(permissions) == 1 + bool(values)
    for permission in permissions:
        assert permission["Principal"] == "apigateway.amazonaws.com"
        assert ":Api/" in permission["SourceArn"]


def test_requests_go_to_the_alias_live() -> None:
    uri = resources("ApiGatewayV2::Integration")["Integration"]["IntegrationUri"]
    assert uri.endswith("/functions/Classifier.Arn:live/invocations")
    assert resources("Lambda::Permission")["ApiMayInvoke"]["FunctionName"] == "ClassifierAliaslive"


def test_the_api_throttles_and_logs_requests() -> None:
    stage = resources("ApiGatewayV2::Stage", ThrottleRate="7", ThrottleBurst="9")["ApiStage"]
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == "7"
    assert stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] == "9"
    assert stage["AccessLogSettings"]["DestinationArn"] == "ApiLog.Arn"
    line = json.loads(stage["AccessLogSettings"]["Format"])
    assert {"request_id", "route", "status", "latency_ms"} <= set(line)


def test_other_sites_may_call_the_api_only_if_allowed() -> None:
    assert "CorsConfiguration" not in resources("ApiGatewayV2::Api")["Api"]
    api = resources("ApiGatewayV2::Api", CorsOrigin="https://example.com")["Api"]
    assert api["CorsConfiguration"]["AllowOrigins"] == ["https://example.com"]


def test_the_function_times_out_before_the_api_and_the_api_before_its_limit() -> None:
    milliseconds = resources("ApiGatewayV2::Integration")["Integration"]["TimeoutInMillis"]
    assert 1000 * classifier()["Timeout"] < milliseconds < 30_000


# Versions


def test_changing_a_parameter_of_the_function_publishes_a_version() -> None:
    """CloudFormation replaces a version if its description changes, or its name in the template."""
    version = next(
        one for one in transformed()["Resources"].values() if one["Type"] == "AWS::Lambda::Version"
    )
    description = json.dumps(version["Properties"]["Description"])
    function = json.dumps(transformed()["Resources"]["Classifier"]["Properties"])
    used = set(re.findall(r'(?:"Ref": "|\$\{)(\w+)', function)) & set(parameters())
    assert {"ModelStore", "ModelVersion"} <= used
    missing = {name for name in used if f'"{name}"' not in description}
    # The first is not part of a version. The others are too long for a description, which says if
    # there are any; Revision, a digest of them all, stands for their values.
    too_long = {"SubnetIds", "SecurityGroupIds", "KmsKeyArn", "Image", "QueueResults"}
    assert missing - too_long <= {"ReservedConcurrency"}
    assert {'"Revision"', '"HasVpc"', '"HasKms"'} <= set(re.findall(r'"\w+"', description))


def published_version(**values: str) -> tuple[str, str]:
    """Return the name of the version in the template, and its description."""
    ((name, version),) = resources("Lambda::Version", **values).items()
    return name, version["Description"]


def test_another_revision_publishes_a_version() -> None:
    """Even if nothing else in the description changes, as with another subnet."""
    first, second = (published_version(**VPC, Revision=one) for one in ("0123456789", "abcdefabcd"))
    assert first[0] == "ClassifierVersion0123456789"
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_another_revision_changes_the_function_or_else_lambda_publishes_no_version() -> None:
    assert classifier(Revision="0123456789") != classifier(Revision="abcdefabcd")


def test_a_template_without_a_revision_publishes_a_version_as_sam_does() -> None:
    assert re.fullmatch(r"ClassifierVersion[0-9a-f]{10}", published_version()[0])


def test_while_the_alias_is_elsewhere_cloudformation_moves_it_without_codedeploy() -> None:
    # GIVEN a stack that is deployed after a rollback
    template = transformed(ShiftTraffic="false")["Resources"]
    # THEN the alias has no update policy, so CodeDeploy's check of its version cannot fail
    assert "UpdatePolicy" not in template["ClassifierAliaslive"]
    assert not resources("CodeDeploy::DeploymentGroup", ShiftTraffic="false")
    # AND nothing refers to what SAM leaves out then
    assert "ServerlessDeploymentApplication" not in json.dumps(template)
    # AND the next deployment has its canary, and publishes no version of its own for that
    again = transformed(ShiftTraffic="true")["Resources"]
    assert "CodeDeployLambdaAliasUpdate" in again["ClassifierAliaslive"]["UpdatePolicy"]
    versions = [[name for name in one if "Version" in name] for one in (template, again)]
    assert versions[0] == versions[1]


def test_the_stack_says_which_version_it_deployed() -> None:
    template = transformed(Revision="0123456789")
    assert template["Outputs"]["Version"]["Value"] == {
        "Fn::GetAtt": ["ClassifierVersion0123456789", "Version"]
    }


def test_lambda_accepts_even_the_longest_version_description() -> None:
    section = parameters()
    values = {
        "ModelStore": "s3://".ljust(section["ModelStore"]["MaxLength"], "m"),
        "S3EndpointUrl": "u" * section["S3EndpointUrl"]["MaxLength"],
        "PredictionTtlDays": "36500",
        "MemorySize": "10240",
        "EphemeralStorage": "10240",
        "LogText": "false",
        "PredictionLog": "off",
        "Architecture": "x86_64",
        "KmsKeyArn": KMS,
        "Revision": "0123456789",
        **VPC,
    }
    (version,) = resources("Lambda::Version", **values).values()
    assert len(version["Description"]) <= 256


def test_old_versions_are_kept_for_rollbacks() -> None:
    (version,) = (
        one for one in deployed()["Resources"].values() if one["Type"] == "AWS::Lambda::Version"
    )
    assert version["UpdateReplacePolicy"] == "Retain"
    assert version["DeletionPolicy"] == "Retain"


def test_alarms_roll_back_a_deployment() -> None:
    group = resources("CodeDeploy::DeploymentGroup", Deployment="Canary10Percent10Minutes")
    properties = group["ClassifierDeploymentGroup"]
    assert properties["DeploymentConfigName"] == "CodeDeployDefault.LambdaCanary10Percent10Minutes"
    assert "DEPLOYMENT_STOP_ON_ALARM" in properties["AutoRollbackConfiguration"]["Events"]
    alarms = {alarm["Name"] for alarm in properties["AlarmConfiguration"]["Alarms"]}
    assert alarms == {"NewVersionErrors", "ServerErrors", "ModelLoadFailures"}
    assert alarms <= set(resources("CloudWatch::Alarm"))
    # One bad minute takes no canary back, and two of them happen well before its end.
    for name in alarms:
        alarm = resources("CloudWatch::Alarm")[name]
        assert (alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]) == (2, 3)
        assert 3 * alarm["Period"] < 5 * 60


def test_the_version_that_serves_is_called_every_week() -> None:
    rule = resources("Events::Rule")["KeepActive"]
    assert rule["ScheduleExpression"] == "rate(7 days)"
    (target,) = rule["Targets"]
    assert target["Arn"] == "ClassifierAliaslive"
    assert json.loads(target["Input"]) == {"warmer": True}
    permission = resources("Lambda::Permission")["KeepActiveMayInvoke"]
    assert permission["FunctionName"] == "ClassifierAliaslive"
    assert permission["Principal"] == "events.amazonaws.com"


def test_a_few_slow_requests_set_off_the_alarm_at_low_traffic() -> None:
    """With "ignore", an alarm on p99 stays as it is below 1,000 requests in a period."""
    alarm = resources("CloudWatch::Alarm")["Latency"]
    assert alarm["ExtendedStatistic"] == "p99"
    assert alarm["EvaluateLowSampleCountPercentile"] == "evaluate"


def test_every_function_of_an_image_takes_the_one_that_is_deployed() -> None:
    for function in yaml_parse(TEMPLATE.read_text())["Resources"].values():
        if function.get("Properties", {}).get("PackageType") == "Image":
            assert function["Properties"]["ImageUri"] == {"Ref": "Image"}


@pytest.mark.parametrize(
    ("image", "valid"),
    [
        ("", True),
        (f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/text-classifier@sha256:{'a' * 64}", True),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/text-classifier:latest", False),
        (f"docker.io/text-classifier@sha256:{'a' * 64}", False),
    ],
)
def test_an_image_is_named_by_its_digest(image: str, *, valid: bool) -> None:
    assert bool(re.match(parameters()["Image"]["AllowedPattern"], image)) is valid


# Options


def test_by_default_nothing_costs_by_the_hour() -> None:
    function, alias = classifier(), resources("Lambda::Alias")["ClassifierAliaslive"]
    assert "ReservedConcurrentExecutions" not in function
    assert "ProvisionedConcurrencyConfig" not in alias
    assert "VpcConfig" not in function
    assert resources("DynamoDB::Table") == {}
    assert resources("SecretsManager::Secret") == {}


def test_concurrency_can_be_limited_and_provisioned() -> None:
    assert classifier(ReservedConcurrency="0")["ReservedConcurrentExecutions"] == "0"
    alias = resources("Lambda::Alias", ProvisionedConcurrency="3")["ClassifierAliaslive"]
    assert alias["ProvisionedConcurrencyConfig"] == {"ProvisionedConcurrentExecutions": "3"}


def test_the_function_knows_its_model_and_little_else() -> None:
    assert classifier()["Environment"]["Variables"] == {
        "MODEL_URI": "s3://models/news/0123456789abcdef",
        "AWS_ENDPOINT_URL_S3": "",
        "METRICS_NAMESPACE": "TextClassifier/stack",
        "PREDICTION_TABLE": "",
        "PREDICTION_TTL_DAYS": "30",
        "LOG_TEXT": "false",
        "RESULTS_QUEUE_URL": "",
        "RESULTS_URI": "",
        "REVISION": "",
    }


def test_the_prediction_log_is_a_table_that_expires_its_items() -> None:
    table = resources("DynamoDB::Table", PredictionLog="on")["PredictionTable"]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["SSESpecification"]["SSEEnabled"] is True
    variables = classifier(PredictionLog="on")["Environment"]["Variables"]
    assert variables["PREDICTION_TABLE"] == "PredictionTable"


@pytest.mark.parametrize(
    ("name", "key"), [(INDEX, ["bucket", "id"]), (feedback.INDEX, [feedback.DAY, feedback.TIME])]
)
def test_the_indexes_of_the_prediction_log_hold_no_texts(name: str, key: list[str]) -> None:
    table = resources("DynamoDB::Table", PredictionLog="on")["PredictionTable"]
    (index,) = (one for one in table["GlobalSecondaryIndexes"] if one["IndexName"] == name)
    assert [one["AttributeName"] for one in index["KeySchema"]] == key
    assert index["Projection"]["ProjectionType"] == "INCLUDE"
    assert not [each for each in index["Projection"]["NonKeyAttributes"] if "text" in each]


def test_only_feedback_pays_for_its_index() -> None:
    """DynamoDB leaves items out of an index whose keys they lack, as predictions do at first."""
    prediction = Prediction({"a": 0.5, "b": 0.5}, truncated=False, tokens=3)
    settings = read_settings({"MODEL_URI": "file:///models"})
    item = to_item("id", 0, datetime.now(UTC), "text", prediction, "0123456789abcdef", settings)
    assert {feedback.DAY, feedback.TIME}.isdisjoint(item)


def test_drift_is_measured_if_there_are_a_log_and_a_schedule() -> None:
    for values in ({}, {"PredictionLog": "on"}, {"DriftSchedule": "daily"}):
        assert not [name for name in deployed(**values)["Resources"] if "Drift" in name]
    rules = resources("Events::Rule", CheckMinutes="0", **DRIFT)
    (rule,) = (rule for name, rule in rules.items() if name != "KeepActive")
    assert rule["ScheduleExpression"] == "rate(1 day)"
    assert rule["Targets"][0]["Arn"] == "DriftFunction.Arn"
    function = resources("Lambda::Function", **DRIFT)["DriftFunction"]
    assert function["ImageConfig"] == {"Command": ["inference.drift.function.handler"]}
    assert function["Environment"]["Variables"] == {
        "MODEL_URI": "s3://models/news/0123456789abcdef",
        "LIVE_FUNCTION": "Classifier",
        "METRICS_NAMESPACE": "TextClassifier/stack",
        "PREDICTION_TABLE": "PredictionTable",
        "DRIFT_HOURS": "24",
    }


def test_a_drift_schedule_needs_a_prediction_log() -> None:
    rule = transformed()["Rules"]["DriftNeedsPredictionLog"]
    assert "PredictionLog" in json.dumps(rule["Assertions"])


@pytest.mark.parametrize("function", ["BulkFunction", "DriftFunction"])
def test_all_functions_share_one_image(function: str) -> None:
    functions = yaml_parse(TEMPLATE.read_text())["Resources"]
    # sam builds functions together only if all of their metadata are the same.
    assert functions[function]["Metadata"] == functions["Classifier"]["Metadata"]


def test_the_function_can_run_in_a_vpc() -> None:
    assert classifier(**VPC)["VpcConfig"] == {
        "SubnetIds": ["subnet-1", "subnet-2"],
        "SecurityGroupIds": ["sg-1"],
    }


def test_one_key_encrypts_everything_that_is_stored() -> None:
    keys = {
        "Logs::LogGroup": "KmsKeyId",
        "SecretsManager::Secret": "KmsKeyId",
        "Lambda::Function": "KmsKeyArn",
        "SNS::Topic": "KmsMasterKeyId",
    }
    for kind, name in keys.items():
        found = resources(kind, **EVERYTHING)
        assert found
        assert {one[name] for one in found.values()} == {KMS}
        assert not any(name in one for one in resources(kind, **API_KEY).values())
    table = resources("DynamoDB::Table", **EVERYTHING)["PredictionTable"]
    assert table["SSESpecification"]["KMSMasterKeyId"] == KMS


def test_every_function_is_traced_and_every_log_expires() -> None:
    for function in resources("Lambda::Function", **EVERYTHING).values():
        assert function["TracingConfig"] == {"Mode": "Active"}
        assert function["LoggingConfig"]["LogGroup"] in resources("Logs::LogGroup", **EVERYTHING)
    for group in resources("Logs::LogGroup", LogRetentionDays="7", **API_KEY).values():
        assert group["RetentionInDays"] == "7"


def test_the_functions_run_on_both_architectures() -> None:
    for architecture in ("x86_64", "arm64"):
        functions = resources("Lambda::Function", Architecture=architecture, **API_KEY)
        assert {tuple(one["Architectures"]) for one in functions.values()} == {(architecture,)}


# Permissions

# AWS cannot restrict these to single resources.
UNRESTRICTED = {
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "cloudwatch:DescribeAlarms",
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
}


@pytest.mark.parametrize(
    "values", [{}, EVERYTHING, RETRAINING], ids=["nothing", "everything", "retraining"]
)
def test_every_statement_names_its_actions_and_resources(values: dict[str, str]) -> None:
    for role, properties in resources("IAM::Role", **values).items():
        assert "ManagedPolicyArns" not in properties
        for statement in statements(role, **values).values():
            assert not [action for action in statement["Action"] if "*" in action]
            if statement["Effect"] == "Allow" and "*" in statement["Resource"]:
                assert statement["Action"] <= UNRESTRICTED


def test_a_boundary_applies_to_every_role() -> None:
    arn = "arn:aws:iam::123456789012:policy/boundary"
    for role in resources("IAM::Role", **EVERYTHING).values():
        assert "PermissionsBoundary" not in role
    for role in resources("IAM::Role", PermissionsBoundary=arn, **EVERYTHING).values():
        assert role["PermissionsBoundary"] == arn


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["nothing", "everything"])
def test_no_two_functions_share_a_role(values: dict[str, str]) -> None:
    roles = [one["Role"] for one in resources("Lambda::Function", **values).values()]
    assert len(set(roles)) == len(roles)


def test_the_function_reads_only_the_versions_of_its_model() -> None:
    allowed = statements("ClassifierRole", ModelStore="s3://a-bucket/deep/er")
    assert set(allowed) == {"PullTheModel", "WriteTheLog", "SendTraces"}
    assert allowed["PullTheModel"]["Action"] == {"s3:GetObject"}
    arn = "arn:aws:s3:::a-bucket/deep/er/*"
    assert allowed["PullTheModel"]["Resource"] == {arn}


def test_the_function_writes_predictions_but_cannot_read_them() -> None:
    allowed = statements("ClassifierRole", PredictionLog="on")["WritePredictions"]
    assert allowed["Action"] == {"dynamodb:BatchWriteItem"}
    assert allowed["Resource"] == {"PredictionTable.Arn"}


def test_the_function_may_store_feedback_if_there_is_a_table() -> None:
    allowed = statements("ClassifierRole", PredictionLog="on")
    assert allowed["StoreFeedback"]["Action"] == {"dynamodb:UpdateItem"}
    assert allowed["StoreFeedback"]["Resource"] == {"PredictionTable.Arn"}
    # AND may do nothing else with it
    actions = {action for one in allowed.values() for action in one["Action"]}
    in_table = {action for action in actions if action.startswith("dynamodb:")}
    assert in_table == {"dynamodb:BatchWriteItem", "dynamodb:UpdateItem"}
    assert "StoreFeedback" not in statements("ClassifierRole")


def test_in_a_vpc_only_the_service_manages_network_interfaces() -> None:
    found = statements("ClassifierRole", **VPC)
    assert found["DenyTheCode"]["Effect"] == "Deny"
    assert found["DenyTheCode"]["Action"] == found["CreateNetworkInterfaces"]["Action"]


def test_the_drift_function_reads_only_its_manifest_and_the_index() -> None:
    allowed = statements("DriftRole", **DRIFT)
    assert set(allowed) == {
        "FindTheModel",
        "ReadTheReference",
        "ReadThePredictions",
        "WriteTheLog",
        "SendTraces",
    }
    assert allowed["FindTheModel"]["Resource"] == {"Classifier.Arn", "Classifier.Arn:*"}
    assert allowed["ReadTheReference"]["Action"] == {"s3:GetObject"}
    # Of any version, because after a rollback the stack names another one than that which serves.
    manifest = "arn:aws:s3:::models/news/*/manifest.json"
    assert allowed["ReadTheReference"]["Resource"] == {manifest}
    assert allowed["ReadThePredictions"]["Action"] == {"dynamodb:Query"}
    assert allowed["ReadThePredictions"]["Resource"] == {f"PredictionTable.Arn/index/{INDEX}"}


def test_the_authorizer_reads_only_the_key() -> None:
    allowed = statements("ApiKeyRole", **API_KEY)
    assert set(allowed) == {"ReadTheKey", "WriteTheLog", "SendTraces"}
    assert allowed["ReadTheKey"]["Action"] == {"secretsmanager:GetSecretValue"}
    assert allowed["ReadTheKey"]["Resource"] == {"ApiKey"}


# Other doors

IAM_URL = {"Door": "function-url", "Access": "iam"}
OPEN_URL = {"Door": "function-url", "Access": "public"}
CLOUDFRONT = {"Door": "cloudfront", "Access": "public"}
QUEUE = {"Queue": "on"}


def url_permissions(values: dict[str, str]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the permissions of a function URL, by principal and action."""
    permissions = resources("Lambda::Permission", **values).values()
    return {
        (one["Principal"], one["Action"]): one
        for one in permissions
        if "FunctionUrlAuthType" in one or "InvokedViaFunctionUrl" in one
    }


def test_by_default_the_http_api_is_the_only_door() -> None:
    assert resources("Lambda::Url") == {}
    assert resources("CloudFront::Distribution") == {}
    assert resources("SQS::Queue") == {}
    assert "DisableExecuteApiEndpoint" not in resources("ApiGatewayV2::Api")["Api"]


@pytest.mark.parametrize(
    ("values", "kind"), [(IAM_URL, "AWS_IAM"), (OPEN_URL, "NONE"), (CLOUDFRONT, "AWS_IAM")]
)
def test_another_door_closes_the_http_api(values: dict[str, str], kind: str) -> None:
    assert resources("ApiGatewayV2::Api", **values)["Api"]["DisableExecuteApiEndpoint"] is True
    url = resources("Lambda::Url", **values)["FunctionUrl"]
    assert (url["TargetFunctionArn"], url["Qualifier"]) == ("Classifier", "live")
    assert url["AuthType"] == kind


def test_only_an_open_url_lets_everyone_in() -> None:
    actions = {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}
    assert set(url_permissions(OPEN_URL)) == {("*", action) for action in actions}
    assert url_permissions(IAM_URL) == {}
    permissions = url_permissions(CLOUDFRONT)
    assert set(permissions) == {("cloudfront.amazonaws.com", action) for action in actions}
    for permission in permissions.values():
        assert permission["FunctionName"] == "ClassifierAliaslive"
        assert permission["SourceArn"].endswith(":distribution/Distribution")


def test_cloudfront_signs_its_requests_and_limits_addresses() -> None:
    access = resources("CloudFront::OriginAccessControl", **CLOUDFRONT)["OriginAccess"]
    assert access["OriginAccessControlConfig"]["OriginAccessControlOriginType"] == "lambda"
    assert access["OriginAccessControlConfig"]["SigningBehavior"] == "always"
    distribution = resources("CloudFront::Distribution", **CLOUDFRONT)["Distribution"]
    config = distribution["DistributionConfig"]
    (origin,) = config["Origins"]
    assert origin["DomainName"] == "url.lambda-url.us-east-1.on.aws"
    assert origin["OriginAccessControlId"] == "OriginAccess.Id"
    assert config["WebACLId"] == "WebAcl.Arn"
    acl = resources("WAFv2::WebACL", **CLOUDFRONT, RequestsPerAddress="50")["WebAcl"]
    (rule,) = acl["Rules"]
    assert rule["Statement"]["RateBasedStatement"]["AggregateKeyType"] == "IP"
    assert rule["Statement"]["RateBasedStatement"]["Limit"] == "50"
    assert rule["Action"] == {"Block": {}}


def test_a_web_acl_of_one_s_own_takes_the_place_of_the_stack_s() -> None:
    arn = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/own/1"
    values = {**CLOUDFRONT, "WebAclArn": arn}
    assert resources("WAFv2::WebACL", **values) == {}
    distribution = resources("CloudFront::Distribution", **values)["Distribution"]
    assert distribution["DistributionConfig"]["WebACLId"] == arn


@pytest.mark.parametrize("values", [IAM_URL, CLOUDFRONT])
def test_alarms_and_dashboard_follow_the_door(values: dict[str, str]) -> None:
    alarms = resources("CloudWatch::Alarm", **values)
    assert alarms["ServerErrors"]["MetricName"] == "Url5xxCount"
    assert alarms["Latency"]["MetricName"] == "UrlRequestLatency"
    for alarm in (alarms["ServerErrors"], alarms["Latency"]):
        assert alarm["Namespace"] == "AWS/Lambda"
        assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": "Classifier"}]
    body = resources("CloudWatch::Dashboard", **values, **DASHBOARD)["Dashboard"]["DashboardBody"]
    assert "AWS/ApiGateway" not in body
    assert "UrlRequestCount" in json.dumps(json.loads(body))


def test_the_address_is_that_of_the_door() -> None:
    assert deployed()["Outputs"]["Url"]["Value"] == "Api.ApiEndpoint"
    url = "https://url.lambda-url.us-east-1.on.aws"
    assert deployed(**IAM_URL)["Outputs"]["Url"]["Value"] == url
    assert deployed(**CLOUDFRONT)["Outputs"]["Url"]["Value"] == "https://Distribution.DomainName"


def test_a_distribution_has_the_domain_and_no_http_api_does() -> None:
    certificate = "arn:aws:acm:us-east-1:123456789012:certificate/1"
    values = {**CLOUDFRONT, "Domain": "api.example.com", "CertificateArn": certificate}
    distribution = resources("CloudFront::Distribution", **values)["Distribution"]
    assert distribution["DistributionConfig"]["Aliases"] == ["api.example.com"]
    viewer = distribution["DistributionConfig"]["ViewerCertificate"]
    assert viewer["AcmCertificateArn"] == certificate
    assert resources("ApiGatewayV2::DomainName", **values) == {}


def test_messages_reach_the_alias_and_fail_one_by_one() -> None:
    mapping = resources("Lambda::EventSourceMapping", **QUEUE)["QueueMapping"]
    assert mapping["FunctionName"] == "ClassifierAliaslive"
    assert mapping["EventSourceArn"] == "RequestQueue.Arn"
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    queue = resources("SQS::Queue", **QUEUE)["RequestQueue"]
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == "DeadLetterQueue.Arn"
    # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    assert queue["VisibilityTimeout"] >= 6 * classifier()["Timeout"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] >= 5


def test_answers_to_messages_go_to_a_queue_or_a_bucket() -> None:
    def granted(**values: str) -> dict[str, Any]:
        policy = resources("IAM::RolePolicy", **values)["QueuePolicy"]
        return {one["Sid"]: one["Resource"] for one in policy["PolicyDocument"]["Statement"]}

    variables = classifier(**QUEUE)["Environment"]["Variables"]
    assert variables["RESULTS_QUEUE_URL"] == "ResultsQueue"
    assert variables["RESULTS_URI"] == ""
    assert granted(**QUEUE) == {
        "ReceiveMessages": "RequestQueue.Arn",
        "SendAnswers": "ResultsQueue.Arn",
    }
    values = {**QUEUE, "QueueResults": "s3://files/answers"}
    variables = classifier(**values)["Environment"]["Variables"]
    assert variables["RESULTS_QUEUE_URL"] == ""
    assert variables["RESULTS_URI"] == "s3://files/answers"
    assert granted(**values)["WriteAnswers"] == "arn:aws:s3:::files/answers/*"
    assert "ResultsQueue" not in resources("SQS::Queue", **values)


def test_every_queue_is_encrypted() -> None:
    for queue in resources("SQS::Queue", **QUEUE).values():
        assert queue["SqsManagedSseEnabled"] is True
    for queue in resources("SQS::Queue", **QUEUE, KmsKeyArn=KMS).values():
        assert queue["KmsMasterKeyId"] == KMS


@pytest.mark.parametrize(
    ("rule", "door"),
    [("FunctionUrlNeedsAccess", "function-url"), ("CloudFrontNeedsPublicAccess", "cloudfront")],
)
def test_a_door_that_cannot_check_access_refuses_it(rule: str, door: str) -> None:
    content = transformed()["Rules"][rule]
    assert door in json.dumps(content["RuleCondition"])
    assert "Access" in json.dumps([one["Assert"] for one in content["Assertions"]])


# Scoring files

FILES = {"BulkBucket": "files", "BulkConcurrency": "9"}


def test_files_are_scored_only_if_there_is_a_bucket() -> None:
    assert not [name for name in deployed()["Resources"] if "Bulk" in name]
    assert "BulkStateMachine" not in deployed()["Outputs"]
    assert {"BulkBucket", "BulkStateMachine"} <= set(deployed(**FILES)["Outputs"])


def test_the_same_image_scores_files_with_another_command() -> None:
    functions = resources("Lambda::Function", **FILES)
    assert functions["BulkFunction"]["Code"] == functions["Classifier"]["Code"]
    (command,) = functions["BulkFunction"]["ImageConfig"]["Command"]
    module, _, name = command.rpartition(".")
    assert f"def {name}(" in (ROOT / f"{module.replace('.', '/')}.py").read_text()
    assert functions["BulkFunction"]["ReservedConcurrentExecutions"] == "9"
    assert functions["BulkFunction"]["Timeout"] == 900


def test_the_state_machine_waits_until_its_function_has_timed_out() -> None:
    definition = (ROOT / "inference" / "bulk" / "distributed" / "states.asl.json").read_text()
    waits = {int(seconds) for seconds in re.findall(r'"TimeoutSeconds": (\d+)', definition)}
    assert min(waits) > resources("Lambda::Function", **FILES)["BulkFunction"]["Timeout"]


def test_the_state_machine_is_traced_and_logs_errors_without_data() -> None:
    machine = resources("StepFunctions::StateMachine", **FILES)["BulkStateMachine"]
    assert machine["LoggingConfiguration"]["Level"] == "ERROR"
    assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False
    assert machine["TracingConfiguration"] == {"Enabled": True}


def test_the_state_machine_starts_and_follows_only_itself() -> None:
    allowed = statements("BulkStateMachineRole", **FILES)
    name = resources("StepFunctions::StateMachine", **FILES)["BulkStateMachine"]["StateMachineName"]
    place = "arn:aws:states:us-east-1:123456789012"
    assert allowed["StartItsOwnChildren"]["Resource"] == {f"{place}:stateMachine:{name}"}
    # AWS documents the first for a distributed map; its children's names follow a slash.
    assert allowed["FollowItsOwnChildren"]["Resource"] == {
        f"{place}:execution:{name}:*",
        f"{place}:execution:{name}/*",
    }
    assert allowed["InvokeTheFunction"]["Resource"] == {"BulkFunction.Arn"}


def test_scoring_files_writes_only_runs_and_parts() -> None:
    for role in ("BulkRole", "BulkStateMachineRole"):
        written = {
            place
            for one in statements(role, **FILES).values()
            if "s3:PutObject" in one["Action"]
            for place in one["Resource"]
        }
        assert written <= {"arn:aws:s3:::files/*/runs/*", "arn:aws:s3:::files/*/parts/*"}


# Retraining


def test_by_default_there_is_no_retraining() -> None:
    assert not [name for name in deployed()["Resources"] if name.startswith("Retraining")]
    assert not [name for name in deployed()["Outputs"] if name.startswith("Retraining")]


def test_retraining_needs_its_roles() -> None:
    rule = transformed()["Rules"]["RetrainingNeedsRoles"]
    assertions = json.dumps([one["Assert"] for one in rule["Assertions"]])
    assert "RetrainingRole" in assertions
    assert "RetrainingDeployRole" in assertions


def test_a_retraining_starts_by_hand_on_schedule_or_by_alarm() -> None:
    assert set(resources("Events::Rule", CheckMinutes="0", **RETRAINING)) == {"KeepActive"}
    when = {"RetrainingSchedule": "rate(7 days)", "RetrainingAlarm": "drift"}
    rules = resources("Events::Rule", CheckMinutes="0", **RETRAINING, **when)
    del rules["KeepActive"]
    assert rules["RetrainingBySchedule"]["ScheduleExpression"] == "rate(7 days)"
    pattern = rules["RetrainingByAlarm"]["EventPattern"]
    assert pattern["detail"] == {"alarmName": ["drift"], "state": {"value": ["ALARM"]}}
    for rule in rules.values():
        (target,) = rule["Targets"]
        assert target["Arn"] == "RetrainingStateMachine"
    allowed = statements("RetrainingStarterRole", **RETRAINING)["StartRetraining"]
    assert allowed["Resource"] == {"RetrainingStateMachine"}


def test_a_retraining_passes_each_role_to_one_service() -> None:
    allowed = statements("RetrainingStateMachineRole", **RETRAINING)
    passed = {
        role: one["Condition"]["StringEquals"]["iam:PassedToService"]
        for one in allowed.values()
        if one["Action"] == {"iam:PassRole"}
        for role in one["Resource"]
    }
    assert passed == {
        RETRAINING["RetrainingRole"]: "sagemaker.amazonaws.com",
        RETRAINING["RetrainingDeployRole"]: "cloudformation.amazonaws.com",
    }


def test_a_retraining_updates_only_its_stack_and_reads_only_its_folder() -> None:
    allowed = statements("RetrainingStateMachineRole", **RETRAINING)
    (stack,) = allowed["Deploy"]["Resource"]
    assert stack.endswith(":stack/stack/*")
    read = allowed["ReadRequestAndVerdict"]["Resource"]
    assert all(arn.startswith("arn:aws:s3:::jobs/stack/retraining") for arn in read)
    listed = allowed["ListNewRows"]["Condition"]
    assert listed == {"StringEquals": {"s3:prefix": "stack/new/"}}


# Alarms and dashboard


def test_every_alarm_notifies_the_topic() -> None:
    alarms = resources("CloudWatch::Alarm", **DRIFT)
    assert set(alarms) >= {
        "Drift",
        "DriftErrors",
        "ServerErrors",
        "FunctionErrors",
        "Latency",
        "Throttles",
        "ModelLoadFailures",
    }
    for name, alarm in alarms.items():
        assert alarm["AlarmActions"] == ["AlarmTopic"]
        # No requests are no fault. Drift holds until it is measured again. Checks never pause.
        missing = {"Drift": "ignore", "CheckFailures": "missing"}.get(name, "notBreaching")
        assert alarm["TreatMissingData"] == missing


def test_alarms_are_mailed_to_an_address() -> None:
    assert resources("SNS::Subscription") == {}
    (subscription,) = resources("SNS::Subscription", AlarmEmail="ops@example.com").values()
    assert subscription["Endpoint"] == "ops@example.com"


@pytest.mark.parametrize(
    ("architecture", "gb_second"), [("x86_64", cost.LAMBDA_GB_SECOND), ("arm64", 1.33334e-5)]
)
def test_the_dashboard_shows_traffic_and_costs(architecture: str, gb_second: float) -> None:
    values = {"Architecture": architecture, "MemorySize": "1024", **DASHBOARD}
    body = resources("CloudWatch::Dashboard", **values)["Dashboard"]["DashboardBody"]
    shown = json.dumps(json.loads(body)["widgets"])
    for metric in ("Count", "5xx", "p99", "ColdStarts", "Predictions", "Confidence"):
        assert metric in shown
    assert "TextClassifier/stack" in shown
    assert "PopulationStability" not in shown
    drift = resources("CloudWatch::Dashboard", **DRIFT, **DASHBOARD)["Dashboard"]["DashboardBody"]
    assert "${PROP('Dim.feature')}" in json.dumps(json.loads(drift)["widgets"])
    assert "${PROP('Dim.label')}" in shown
    # CloudFormation cannot read operations/cost.py, so the template repeats its prices.
    lambda_, api = 1e6 * cost.LAMBDA_REQUEST, 1e6 * cost.HTTP_API_REQUEST
    formula = f"ms / 1000 * 1024 / 1024 * {gb_second:.10f}"
    formula += f" + requests * ({lambda_:.2f} + {api:.2f}) / 1000000"
    assert f"1000 * ({formula}) / predictions" in shown


def test_alarms_and_dashboard_watch_metrics_that_the_function_writes() -> None:
    alarms = resources("CloudWatch::Alarm", **DRIFT).values()
    own = [one for one in alarms if one["Namespace"].startswith("TextClassifier/")]
    names = ["DriftedFeatures", "ModelLoadFailures", "PredictionLogFailures"]
    assert sorted(one["MetricName"] for one in own) == names
    for one in own:
        assert one["Dimensions"] == [{"Name": "service", "Value": "classifier"}]
    body = resources("CloudWatch::Dashboard", **DRIFT, **DASHBOARD)["Dashboard"]["DashboardBody"]
    assert 'feature,service} MetricName=\\"PopulationStability' in body
    shown = re.findall(r'\["TextClassifier/stack", "(\w+)", "service", "classifier"', body)
    shown += re.findall(r"stack\\\",service,label} MetricName=\\\"(\w+)", body)
    assert set(shown) == {
        "Predictions",
        "Confidence",
        "Tokens",
        "Latency",
        "ModelLoadSeconds",
        "ModelLoadFailures",
        "ColdStarts",
        "PredictionLogFailures",
        "Feedback",
        "FeedbackAgreement",
        "FeedbackFailures",
    }


def test_a_stack_has_a_dashboard_only_if_asked_for() -> None:
    # GIVEN the defaults THEN nothing costs 3 USD a month that nobody looks at
    assert resources("CloudWatch::Dashboard") == {}
    assert "DashboardUrl" not in deployed()["Outputs"]
    # GIVEN MetricsDashboard=on THEN the stack says where its dashboard is
    assert "Dashboard" in deployed(**DASHBOARD)["Outputs"]["DashboardUrl"]["Value"]


def dashboard_widgets(**values: str) -> dict[str, Any]:
    """Return the widgets of the dashboard by their titles."""
    body = resources("CloudWatch::Dashboard", **values, **DASHBOARD)["Dashboard"]["DashboardBody"]
    widgets = json.loads(body)["widgets"]
    return {one["properties"]["title"].partition(":")[0]: one for one in widgets}


@pytest.mark.parametrize("values", [{}, {"PredictionLog": "on"}, DRIFT])
def test_no_widget_covers_another(values: dict[str, str]) -> None:
    cells = [
        (x, y)
        for one in dashboard_widgets(**values).values()
        for x in range(one["x"], one["x"] + one["width"])
        for y in range(one["y"], one["y"] + one["height"])
    ]
    assert len(cells) == len(set(cells))


@pytest.mark.parametrize(("agreed", "texts"), [(0, 1), (1, 1), (7, 10), (950, 1000)])
def test_the_dashboard_shows_the_agreement_with_its_interval(agreed: int, texts: int) -> None:
    assert "Feedback" not in dashboard_widgets()
    # GIVEN a day with some feedback
    widget = dashboard_widgets(PredictionLog="on")["Feedback"]
    known: dict[str, float] = {"k": agreed, "n": texts}
    # WHEN CloudWatch works out the expressions, whose ^ is a power
    for metric in widget["properties"]["metrics"]:
        options = metric[-1]
        if "expression" in options:
            formula = options["expression"].replace("^", "**")
            known[options["id"]] = eval(formula, {"__builtins__": {}}, known)  # noqa: S307
    # THEN it shows the share, and the interval that `textclf drift` has
    expected = Agreement("", texts, agreed)
    assert known["share"] == expected.share
    assert (known["low"], known["high"]) == pytest.approx(expected.interval, abs=1e-4)


# Parameters


def test_every_parameter_is_described_and_limited() -> None:
    for name, parameter in parameters().items():
        assert parameter["Description"], name
        limits = {"AllowedValues", "AllowedPattern", "MinValue"} & set(parameter)
        assert limits or parameter["Type"] == "CommaDelimitedList", name


def test_only_the_model_and_the_access_are_required() -> None:
    assert [name for name, one in parameters().items() if "Default" not in one] == [*REQUIRED]


def test_no_api_is_open_to_everyone_by_default() -> None:
    access = parameters()["Access"]
    assert "Default" not in access
    assert access["AllowedValues"] == ["public", "iam", "jwt", "api-key"]


@pytest.mark.parametrize(
    ("store", "valid"),
    [
        ("s3://models/news", True),
        ("s3://my.models-1", True),
        ("s3://models/a/b/c", True),
        ("s3://models/news/", False),
        ("s3://models//news", False),
        ("s3://models/*", False),
        ("s3://*", False),
        ("file:///models", False),
    ],
)
def test_a_store_is_a_prefix_in_one_bucket(store: str, *, valid: bool) -> None:
    assert bool(re.match(parameters()["ModelStore"]["AllowedPattern"], store)) is valid


def test_dev_and_prod_are_different_stacks() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    makefile = (ROOT / "Makefile").read_text()
    assert "STACK ?= text-classifier-$(ENV)" in makefile
    for environment in ("dev", "prod"):
        name = config[environment]["deploy"]["parameters"]["stack_name"]
        assert name == f"text-classifier-{environment}"


def test_the_template_avoids_yaml_that_cloudformation_cannot_read() -> None:
    assert not re.search(r"[:-] [&*]\w|<<:", TEMPLATE.read_text())
