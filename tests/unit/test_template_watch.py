"""The parts of template.yaml that watch a deployment: checks, alarms, budget, domain, SnapStart."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.session import get_session

from checks import deployment
from tests.cloudformation import (
    API_KEY,
    DRIFT,
    EVERYTHING,
    RETRAINING,
    deployed,
    parameters,
    resources,
    statements,
    transformed,
)
from tests.conftest import ROOT

DOMAIN = {
    "Domain": "api.example.com",
    "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/0123-4567",
}
RECORD = {**DOMAIN, "HostedZoneId": "Z0123456789ABC"}
TARGET = {"AvailabilityTarget": "99.9"}
FILES = {"BulkBucket": "files"}
HOST = "Api.execute-api.us-east-1.amazonaws.com"


def check_environment(**values: str) -> dict[str, str]:
    """Return the variables of the function that checks the live version."""
    function = resources("Lambda::Function", **values)["LiveCheckFunction"]
    variables: dict[str, str] = function["Environment"]["Variables"]
    return variables


def rule_holds(name: str, **values: str) -> list[bool]:
    """Evaluate the assertions of a rule as CloudFormation does, with these parameters."""
    defaults = {key: str(one.get("Default", "")) for key, one in parameters().items()}
    given = defaults | values

    def resolve(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        ((function, argument),) = value.items()
        if function == "Ref":
            return given[argument]
        arguments = [resolve(one) for one in argument]
        return arguments[0] == arguments[1] if function == "Fn::Equals" else not arguments[0]

    rule = transformed()["Rules"][name]
    assert resolve(rule["RuleCondition"])
    return [resolve(one["Assert"]) for one in rule["Assertions"]]


# The check of a new version


def test_codedeploy_checks_a_new_version_before_it_gets_traffic() -> None:
    # GIVEN the alias, which CodeDeploy moves
    alias = transformed()["Resources"]["ClassifierAliaslive"]
    # THEN a function of this repository is called first, and told which version and model to expect
    hook = alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]["BeforeAllowTrafficHook"]
    assert hook == {"Ref": "VersionCheckFunction"}
    function = resources("Lambda::Function", LatencyAlarmMs="700")["VersionCheckFunction"]
    assert callable(getattr(deployment, function["Handler"].removeprefix("deployment.")))
    (version,) = resources("Lambda::Version")
    assert function["Environment"]["Variables"] == {
        "FUNCTION": "Classifier",
        "QUALIFIER": f"{version}.Version",
        "MODEL_VERSION": "0123456789abcdef",
        "LATENCY_MS": "700",
        "RESERVED_CONCURRENCY": "-1",
    }
    # AND CodeDeploy may call it, and it may call the classifier and report the result
    allowed = statements("DeploymentRole")["CheckTheVersion"]
    assert allowed["Action"] == {"lambda:InvokeFunction"}
    assert allowed["Resource"] == {"VersionCheckFunction.Arn"}
    allowed = statements("VersionCheckRole")
    assert allowed["AskTheClassifier"]["Resource"] == {"Classifier.Arn:*"}
    assert allowed["ReportTheResult"]["Resource"] == {
        "arn:aws:codedeploy:us-east-1:123456789012:deploymentgroup:stack-*"
    }


def test_the_checks_import_only_what_the_runtime_of_lambda_has() -> None:
    # GIVEN the folder that becomes the function's code WHEN Lambda imports the handler from it
    function = resources("Lambda::Function")["VersionCheckFunction"]
    module = function["Handler"].partition(".")[0]
    code = f"import {module}; {module}.before_traffic, {module}.on_schedule"
    environment = {**os.environ, "AWS_DEFAULT_REGION": "us-east-1"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT / "checks", env=environment, check=True)
    # THEN it needs nothing but boto3, and so no image
    tree = ast.parse((ROOT / "checks" / f"{module}.py").read_text())
    imported = {
        name.partition(".")[0]
        for node in tree.body
        for name in (
            [each.name for each in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported - sys.stdlib_module_names == {"boto3", "botocore"}


def test_the_checks_have_time_to_wait_for_lambda() -> None:
    functions = resources("Lambda::Function")
    answers = 2 + deployment.WARM_CALLS
    for name, patience in (("VersionCheckFunction", 240), ("LiveCheckFunction", 30)):
        calls = answers if name == "VersionCheckFunction" else 2
        assert functions[name]["Timeout"] > patience + calls * 28 / 2
        assert functions["Classifier"]["Timeout"] < deployment.TIMEOUT_SECONDS


def test_lambda_knows_the_errors_that_the_checks_wait_for() -> None:
    model = get_session().get_service_model("lambda").operation_model("Invoke")
    assert {shape.name for shape in model.error_shapes} >= deployment.NOT_READY


# The check on schedule


def test_the_live_version_and_the_api_are_checked_on_schedule() -> None:
    rule = resources("Events::Rule")["LiveCheckFunctionSchedule"]
    assert rule["ScheduleExpression"] == "rate(5 minutes)"
    assert rule["Targets"][0]["Arn"] == "LiveCheckFunction.Arn"
    assert check_environment(Access="iam") == {
        "FUNCTION": "Classifier",
        "QUALIFIER": "live",
        "ACCESS": "iam",
        "SECRET_ID": "",
        "HOST": HOST,
        "ADDRESS": HOST,
        "SIGNED_FOR": "execute-api",
        "HEALTH_PATH": "/health",
    }
    allowed = statements("LiveCheckRole", **API_KEY)
    assert check_environment(**API_KEY)["SECRET_ID"] == "ApiKey"
    assert allowed["ReadTheKey"]["Resource"] == {"ApiKey"}
    assert allowed["CallTheApi"]["Resource"] == {
        "arn:aws:execute-api:us-east-1:123456789012:Api/*/GET/*"
    }


def test_the_check_signs_its_requests_to_a_function_url() -> None:
    url = {"Access": "iam", "Door": "function-url"}
    assert check_environment(**url)["SIGNED_FOR"] == "lambda"
    assert "CallTheFunctionUrl" not in statements("LiveCheckRole")
    allowed = statements("LiveCheckRole", **url)["CallTheFunctionUrl"]
    assert allowed["Action"] == {"lambda:InvokeFunctionUrl"}
    assert allowed["Resource"] == {"Classifier.Arn:live"}


@pytest.mark.parametrize("minutes", [0, 5, 10, 15, 30, 60])
def test_the_alarm_looks_at_two_checks(minutes: int) -> None:
    assert parameters()["CheckMinutes"]["AllowedValues"] == [0, 5, 10, 15, 30, 60]
    alarms = resources("CloudWatch::Alarm", CheckMinutes=str(minutes))
    assert ("CheckFailures" in alarms) is (minutes > 0)
    assert ("LiveCheckFunction" in resources("Lambda::Function", CheckMinutes=str(minutes))) is (
        minutes > 0
    )
    if minutes:
        alarm = alarms["CheckFailures"]
        assert alarm["Period"] == str(60 * minutes)
        assert alarm["EvaluationPeriods"] == 2
        # WHEN nothing is checked any more, the alarm tells so
        assert alarm["TreatMissingData"] == "missing"
        assert alarm["InsufficientDataActions"] == ["AlarmTopic"]


# Alarms


def test_a_bulk_run_that_fails_sets_off_an_alarm() -> None:
    assert "BulkFailures" not in resources("CloudWatch::Alarm")
    alarm = resources("CloudWatch::Alarm", **FILES)["BulkFailures"]
    metrics = [one["MetricStat"]["Metric"] for one in alarm["Metrics"] if "MetricStat" in one]
    assert {one["MetricName"] for one in metrics} == {"ExecutionsFailed", "ExecutionsTimedOut"}
    for metric in metrics:
        (dimension,) = metric["Dimensions"]
        assert dimension == {"Name": "StateMachineArn", "Value": "BulkStateMachine"}


def test_predictions_that_are_not_logged_set_off_an_alarm() -> None:
    assert "PredictionLogFailures" not in resources("CloudWatch::Alarm")
    alarm = resources("CloudWatch::Alarm", PredictionLog="on")["PredictionLogFailures"]
    assert alarm["Namespace"] == "TextClassifier/stack"


@pytest.mark.parametrize(
    ("composite", "windows", "times"),
    [
        ("FastBurn", {"FastBurnHour": 3600, "FastBurnNow": 300}, 14.4),
        ("SlowBurn", {"SlowBurnHours": 21600, "SlowBurnNow": 1800}, 6),
    ],
)
def test_errors_that_use_up_the_target_too_fast_set_off_an_alarm(
    composite: str, windows: dict[str, int], times: float
) -> None:
    # GIVEN a target of 99.9 %
    assert not resources("CloudWatch::CompositeAlarm")
    alarm = resources("CloudWatch::CompositeAlarm", **TARGET)[composite]
    # THEN the alarm needs both windows
    assert re.findall(r'ALARM\("(\w+)"\)', alarm["AlarmRule"]) == [*windows]
    assert " AND " in alarm["AlarmRule"]
    assert alarm["AlarmActions"] == ["AlarmTopic"]
    # AND each window compares the share of errors with the share that is allowed
    for name, seconds in windows.items():
        window = resources("CloudWatch::Alarm", **TARGET)[name]
        assert window["Threshold"] == times
        assert "AlarmActions" not in window
        metrics = {one["Id"]: one["MetricStat"] for one in window["Metrics"] if "MetricStat" in one}
        assert {one["Period"] for one in metrics.values()} == {seconds}
        formula = next(one["Expression"] for one in window["Metrics"] if "Expression" in one)
        assert burn_rate(formula, errors=2, requests=100) == pytest.approx(20)
        assert burn_rate(formula, errors=1, requests=1000) == pytest.approx(1)
        assert burn_rate(formula, errors=19, requests=19) == 0


def burn_rate(formula: str, errors: int, requests: int) -> float:
    """Evaluate a formula of metric math, whose operators are also Python's."""
    return float(eval(formula, {"errors": errors, "requests": requests}))  # noqa: S307


def alarms_everywhere() -> Iterator[str]:
    for values in ({**EVERYTHING, **TARGET, "Queue": "on"}, RETRAINING, DRIFT):
        for kind in ("CloudWatch::Alarm", "CloudWatch::CompositeAlarm"):
            for name, alarm in resources(kind, **values).items():
                if "AlarmActions" in alarm:  # the others are parts of a composite one
                    yield name


def test_the_runbook_has_a_section_for_each_alarm() -> None:
    text = (ROOT / "docs" / "runbook.md").read_text()
    headings = re.findall(r"^## `(\w+)`", text, re.MULTILINE)
    assert set(headings) == set(alarms_everywhere())
    assert len(headings) == len(set(headings))


# A budget


def test_a_budget_is_mailed_and_counts_a_tag() -> None:
    assert not resources("Budgets::Budget")
    values = {"MonthlyBudget": "20", "AlarmEmail": "ops@example.com"}
    budget = resources("Budgets::Budget", **values)["Budget"]
    assert budget["Budget"]["BudgetLimit"] == {"Amount": "20", "Unit": "USD"}
    assert "CostFilters" not in budget["Budget"]
    for notification in budget["NotificationsWithSubscribers"]:
        assert notification["Subscribers"] == [
            {"SubscriptionType": "EMAIL", "Address": "ops@example.com"}
        ]
    tagged = resources("Budgets::Budget", BudgetTag="project:news", **values)["Budget"]
    assert tagged["Budget"]["CostFilters"] == {"TagKeyValue": ["user:project$news"]}
    assert rule_holds("BudgetNeedsEmail", MonthlyBudget="20") == [False]
    assert rule_holds("BudgetNeedsEmail", **values) == [True]


# A domain


def test_without_a_domain_the_api_has_the_address_of_aws() -> None:
    assert not resources("ApiGatewayV2::DomainName")
    assert not resources("Route53::RecordSet")
    assert "DisableExecuteApiEndpoint" not in resources("ApiGatewayV2::Api")["Api"]
    assert deployed()["Outputs"]["Url"]["Value"] == "Api.ApiEndpoint"


def test_with_a_domain_the_api_has_no_other_address() -> None:
    assert resources("ApiGatewayV2::Api", **DOMAIN)["Api"]["DisableExecuteApiEndpoint"] is True
    (mapping,) = resources("ApiGatewayV2::ApiMapping", **DOMAIN).values()
    assert mapping == {"ApiId": "Api", "DomainName": "ApiDomain", "Stage": "ApiStage"}
    assert deployed(**DOMAIN)["Outputs"]["Url"]["Value"] == "https://api.example.com"


def test_the_api_can_have_a_path_within_the_domain() -> None:
    values = {**DOMAIN, "BasePath": "news"}
    (mapping,) = resources("ApiGatewayV2::ApiMapping", **values).values()
    assert mapping["ApiMappingKey"] == "news"
    assert deployed(**values)["Outputs"]["Url"]["Value"] == "https://api.example.com/news"
    assert check_environment(**values)["HEALTH_PATH"] == "/news/health"
    # A path without a domain changes nothing.
    assert check_environment(BasePath="news")["HEALTH_PATH"] == "/health"


def test_the_check_asks_its_own_region_for_the_domain() -> None:
    variables = check_environment(**DOMAIN)
    assert variables["HOST"] == "api.example.com"
    assert variables["ADDRESS"] == "ApiDomain.RegionalDomainName"


def test_each_region_has_a_record_that_follows_its_check() -> None:
    record = resources("Route53::RecordSet", **RECORD)["DomainRecord"]
    assert (record["Name"], record["Region"]) == ("api.example.com", "us-east-1")
    assert record["SetIdentifier"] == "stack-us-east-1"
    assert record["HealthCheckId"] == "DomainHealth"
    assert record["AliasTarget"]["DNSName"] == "ApiDomain.RegionalDomainName"
    health = resources("Route53::HealthCheck", **RECORD)["DomainHealth"]["HealthCheckConfig"]
    assert health["AlarmIdentifier"] == {"Name": "CheckFailures", "Region": "us-east-1"}
    # Route 53 follows no alarm of metric math, of percentiles or of "M out of N":
    # https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html
    alarm = resources("CloudWatch::Alarm", **RECORD)["CheckFailures"]
    assert alarm["Statistic"] == "Sum"
    assert not {"Metrics", "DatapointsToAlarm", "ExtendedStatistic"} & set(alarm)


def test_without_checks_a_record_has_no_health() -> None:
    values = {**RECORD, "CheckMinutes": "0"}
    assert not resources("Route53::HealthCheck", **values)
    assert "HealthCheckId" not in resources("Route53::RecordSet", **values)["DomainRecord"]


def test_a_domain_needs_a_certificate_and_a_record_a_domain() -> None:
    assert rule_holds("DomainNeedsCertificate", Domain="api.example.com") == [False]
    assert rule_holds("DomainNeedsCertificate", **DOMAIN) == [True]
    assert rule_holds("RecordNeedsDomain", HostedZoneId="Z0123456789ABC") == [False]
    assert rule_holds("RecordNeedsDomain", **RECORD) == [True]


# SnapStart


def test_snapshots_are_taken_of_published_versions_if_asked_for() -> None:
    assert resources("Lambda::Function")["Classifier"]["SnapStart"] == {"ApplyOn": "None"}
    function = resources("Lambda::Function", SnapStart="on")["Classifier"]
    assert function["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    # and switching it on publishes a version
    (before,) = resources("Lambda::Version").values()
    (after,) = resources("Lambda::Version", SnapStart="on").values()
    assert before["Description"] != after["Description"]


def test_snapstart_excludes_what_lambda_does_not_combine_it_with() -> None:
    assert rule_holds("SnapStartNeedsRoom", SnapStart="on") == [True, True]
    provisioned = rule_holds("SnapStartNeedsRoom", SnapStart="on", ProvisionedConcurrency="1")
    assert provisioned == [False, True]
    large = rule_holds("SnapStartNeedsRoom", SnapStart="on", EphemeralStorage="1024")
    assert large == [True, False]


def test_the_rules_say_what_is_wrong() -> None:
    for rule in ("SnapStartNeedsRoom", "DomainNeedsCertificate", "BudgetNeedsEmail"):
        for assertion in transformed()["Rules"][rule]["Assertions"]:
            assert len(assertion["AssertDescription"]) > 15, json.dumps(assertion)
