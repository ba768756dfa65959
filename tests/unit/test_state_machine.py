"""The simulation of state machines, compared with what AWS documents."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.state_machine import StateError, StateMachine, UnsupportedError


def run(*states: dict[str, Any], given: Any = None, **tasks: Any) -> tuple[Any, StateMachine]:
    """Run states one after the other; return the output and the machine."""
    names = [f"S{number}" for number in range(len(states))]
    flow = {
        name: state if {"Next", "End", "Choices"} & set(state) else {**state, "Next": following}
        for name, state, following in zip(names, states, [*names[1:], None], strict=True)
    }
    machine = StateMachine({"StartAt": "S0", "States": flow}, tasks)
    return machine.run(given), machine


def failing(*errors: str) -> Any:
    """Make a task that fails with these errors and then succeeds."""
    remaining: Iterator[str] = iter(errors)

    def task(given: Any) -> Any:
        for error in remaining:
            raise StateError(error)
        return "done"

    return task


def test_templates_paths_and_intrinsics_are_filled_in() -> None:
    template = {
        "a.$": "$.list[1].x",
        "b": [{"c.$": "$$.Execution.Name"}],
        "d.$": "States.Format('{}-{}', $.list[0], States.MathAdd(States.StringToJson('4'), -1))",
    }
    output, _ = run({"Type": "Pass", "Parameters": template}, given={"list": [7, {"x": None}]})
    assert output == {"a": None, "b": [{"c": "execution"}], "d": "7-3"}


def test_a_result_is_placed_at_its_path() -> None:
    state = {"Type": "Pass", "Result": 1, "ResultPath": "$.a.b"}
    assert run(state, given={"c": 2})[0] == {"c": 2, "a": {"b": 1}}
    assert run({**state, "ResultPath": None}, given={"c": 2})[0] == {"c": 2}


def test_retries_wait_longer_each_time_up_to_a_limit() -> None:
    retry = {"ErrorEquals": ["A"], "IntervalSeconds": 2, "BackoffRate": 3, "MaxDelaySeconds": 10}
    state = {"Type": "Task", "Resource": "task", "Retry": [retry], "End": True}
    output, machine = run(state, task=failing("A", "A", "A"))
    assert output == "done"
    assert [seconds for _, seconds in machine.waits] == [2, 6, 10]
    with pytest.raises(StateError, match="A"):  # MaxAttempts is 3 by default
        run(state, task=failing(*"AAAA"))
    with pytest.raises(StateError, match="B"):
        run(state, task=failing("B"))


@pytest.mark.parametrize(
    ("error", "caught", "expected"),
    [
        ("E", ["E"], True),
        ("E", ["F", "States.ALL"], True),
        ("E", ["States.TaskFailed"], True),
        ("States.Timeout", ["States.TaskFailed"], False),
        ("States.DataLimitExceeded", ["States.ALL"], False),
        ("States.Runtime", ["States.ALL"], False),
    ],
)
def test_errors_are_caught_as_the_language_specifies(
    error: str, caught: list[str], *, expected: bool
) -> None:
    catch = [{"ErrorEquals": caught, "ResultPath": "$.error", "Next": "S1"}]
    task = {"Type": "Task", "Resource": "task", "Catch": catch, "End": True}
    states = (task, {"Type": "Succeed", "End": True})
    if expected:
        output, _ = run(*states, given={"a": 1}, task=failing(error))
        assert output == {"a": 1, "error": {"Error": error, "Cause": ""}}
    else:
        with pytest.raises(StateError, match=error):
            run(*states, given={"a": 1}, task=failing(error))


@pytest.mark.parametrize(("count", "reached"), [(3, "S1"), (9, "S2")])
def test_a_choice_takes_the_first_rule_that_holds(count: int, reached: str) -> None:
    rules = [
        {"Variable": "$.none", "IsPresent": True, "Next": "S0"},
        {
            "And": [
                {"Variable": "$.count", "NumericLessThan": 5},
                {"Not": {"Variable": "$.kind", "StringEquals": "b"}},
            ],
            "Next": "S1",
        },
    ]
    states = {"Type": "Choice", "Choices": rules, "Default": "S2"}
    end = {"Type": "Succeed", "End": True}
    _, machine = run(states, end, end, given={"count": count, "kind": "a"})
    assert machine.visited == ["S0", reached]


def test_waits_are_recorded_and_take_no_time() -> None:
    _, machine = run({"Type": "Wait", "SecondsPath": "$.s", "End": True}, given={"s": 10**6})
    assert machine.waits == [("S0", 10**6)]


def test_the_outputs_of_parallel_branches_are_a_list() -> None:
    branch = {"StartAt": "B", "States": {"B": {"Type": "Task", "Resource": "task", "End": True}}}
    state = {"Type": "Parallel", "Branches": [branch, branch], "End": True}
    assert run(state, given=4, task=lambda given: given + 1)[0] == [5, 5]


def test_more_data_than_states_may_pass_on_is_an_error() -> None:
    with pytest.raises(StateError, match=r"States\.DataLimitExceeded"):
        run({"Type": "Task", "Resource": "task", "End": True}, task="x".__mul__, given=300_000)


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Pass", "Assign": {}, "End": True},
        {"Type": "Pass", "Parameters": {"a.$": "$..a"}, "End": True},
        {"Type": "Pass", "Parameters": {"a.$": "States.Hash('a', 'MD5')"}, "End": True},
        {"Type": "Task", "Resource": "another", "End": True},
    ],
)
def test_whatever_is_not_simulated_is_refused(state: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError):
        run(state, given={})
