"""Paths, intrinsic functions, templates and choice rules of the Amazon States Language (JSONPath).

https://states-language.net/spec.html, https://docs.aws.amazon.com/step-functions/latest/dg/
"""

import json
import operator
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

Fields = Mapping[str, Any]

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "StringEquals": operator.eq,
    "StringEqualsPath": operator.eq,
    "StringMatches": lambda value, pattern: bool(
        re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), value, re.DOTALL)
    ),
    "BooleanEquals": operator.eq,
    "NumericEquals": operator.eq,
    "NumericLessThan": operator.lt,
    "NumericLessThanEquals": operator.le,
    "NumericGreaterThan": operator.gt,
    "NumericGreaterThanEquals": operator.ge,
}
INTRINSICS: dict[str, Callable[..., Any]] = {
    "States.Format": lambda text, *values: text.format(*values),
    "States.MathAdd": lambda one, other: int(one) + int(other),
    "States.StringToJson": json.loads,
    "States.JsonToString": lambda value: json.dumps(value, separators=(",", ":")),
    "States.JsonMerge": lambda one, other, deep: _merge(one, other, deep=deep),
    "States.UUID": lambda: str(uuid.uuid4()),
    "States.Array": lambda *values: list(values),
    "States.ArrayGetItem": lambda values, index: values[index],
    "States.ArrayLength": len,
}
PATH = re.compile(r"\$\$?(\.\w+|\[\d+\])*")
FILTER = re.compile(r"(\$.*)\[\?\(@\.(\w+) (==|>) (?:'(\w+)'|(\d+))\)\]\.(\w+)")


class StateError(Exception):
    """An error with its name in the States Language; a task raises it to fail with this name."""

    def __init__(self, error: str, cause: str = "") -> None:
        """Name an error."""
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause


class UnsupportedError(Exception):
    """The definition uses something that is not simulated."""


def copy_json(value: Any) -> Any:
    """Copy a value as JSON carries it from state to state."""
    return json.loads(json.dumps(value))


def fill_template(template: Any, data: Any, context: Fields) -> Any:
    """Fill in a payload template: evaluate every key that ends in ``.$``."""
    if isinstance(template, list):
        return [fill_template(one, data, context) for one in template]
    if not isinstance(template, dict):
        return template
    return {
        key.removesuffix(".$"): evaluate(value, data, context)
        if key.endswith(".$")
        else fill_template(value, data, context)
        for key, value in template.items()
    }


def evaluate(expression: str, data: Any, context: Fields) -> Any:
    """Evaluate a path or an intrinsic function."""
    if expression.startswith("States."):
        result, rest = _call(expression, data, context)
        if rest:
            raise UnsupportedError(expression)
        return result
    if filtered := FILTER.fullmatch(expression):
        path, key, comparison, text, number, name = filtered.groups()
        wanted = text if number is None else int(number)
        compare = {"==": operator.eq, ">": operator.gt}[comparison]
        rows = evaluate(path, data, context)
        return [one[name] for one in rows if key in one and compare(one[key], wanted)]
    if not PATH.fullmatch(expression):
        raise UnsupportedError(expression)
    value: Any = context if expression.startswith("$$") else data
    for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", expression):
        try:
            value = value[name] if name else value[int(index)]
        except (KeyError, IndexError, TypeError):
            raise StateError("States.Runtime", f"{expression} is not in the input") from None
    return value


def _call(text: str, data: Any, context: Fields) -> tuple[Any, str]:
    """Call the intrinsic function at the start of a text; return its value and the rest."""
    name, _, rest = text.partition("(")
    if name not in INTRINSICS:
        raise UnsupportedError(name)
    arguments = []
    while not rest.startswith(")"):
        rest = rest.lstrip(", ")
        if rest.startswith("States."):
            argument, rest = _call(rest, data, context)
        else:
            token = re.match(r"'[^'\\]*'|[^,)]+", rest)
            if not token:
                raise UnsupportedError(text)
            argument, rest = _read_argument(token[0], data, context), rest[token.end() :]
        arguments.append(argument)
    try:
        return INTRINSICS[name](*arguments), rest[1:]
    except (IndexError, TypeError, ValueError) as error:
        raise StateError("States.IntrinsicFailure", f"{text}: {error}") from error


def _read_argument(token: str, data: Any, context: Fields) -> Any:
    if token.startswith("'"):
        return token[1:-1]
    return evaluate(token, data, context) if token.startswith("$") else json.loads(token)


def _merge(one: dict[str, Any], other: dict[str, Any], *, deep: bool) -> dict[str, Any]:
    if deep:
        raise StateError("States.IntrinsicFailure", "States.JsonMerge: only shallow merging")
    return one | other


def place_result(path: str | None, data: Any, result: Any) -> Any:
    """Put the result of a state into its input, at its ``ResultPath``."""
    if path is None:
        return data
    if path == "$":
        return result
    if not re.fullmatch(r"\$(\.\w+)+", path):
        raise UnsupportedError(f"ResultPath: {path}")
    output = copy_json(data)
    *parents, last = path.removeprefix("$.").split(".")
    place = output
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = result
    return output


def holds(rule: Fields, data: Any, context: Fields) -> bool:
    """Tell whether a rule of a Choice state holds."""
    rest = {key: value for key, value in rule.items() if key not in ("Variable", "Next", "Comment")}
    if len(rest) != 1:
        raise UnsupportedError(f"Choice: {rule}")
    ((name, operand),) = rest.items()
    if name == "Not":
        return not holds(operand, data, context)
    if name in ("And", "Or"):
        return {"And": all, "Or": any}[name](holds(one, data, context) for one in operand)
    if name == "IsPresent":
        return _is_present(rule["Variable"], data, context) is operand
    if name not in COMPARISONS:
        raise UnsupportedError(f"Choice: {name}")
    if name.endswith("Path"):
        operand = evaluate(operand, data, context)
    value = evaluate(rule["Variable"], data, context)
    comparable = isinstance(value, (int, float) if name.startswith("Numeric") else type(operand))
    return comparable and COMPARISONS[name](value, operand)


def _is_present(path: str, data: Any, context: Fields) -> bool:
    try:
        evaluate(path, data, context)
    except StateError:
        return False
    return True
