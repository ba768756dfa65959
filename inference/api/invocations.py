"""``POST /invocations``: requests and answers as SageMaker's clients know them.

A container of SageMaker answers ``GET /ping`` and ``POST /invocations``:
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
The formats are those of the built-in algorithms:
https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-inference.html
"""

import csv
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from inference.api.answers import Answer, ManyAnswers, OneAnswer
from inference.api.bodies import get_header
from inference.api.json_body import decode_json, decode_utf8
from inference.api.problems import FieldError, ProblemError
from inference.api.requests import (
    FIELDS,
    LIST_FIELD,
    UTF8_NAMES,
    Options,
    PredictRequest,
    RequestParser,
    invalid,
    is_json,
    parse_media_type,
    unsupported,
)

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.common import BaseProxyEvent

INSTANCES = "instances"
JSON, CSV, LINES = "application/json", "text/csv", "application/jsonlines"
LINES_NAMES = (LINES, "application/x-jsonlines", "application/jsonl", "application/x-ndjson")
READABLE = f"{JSON}, {LINES} or {CSV}, in UTF-8"


def parse(event: "BaseProxyEvent", parser: RequestParser, max_texts: int) -> PredictRequest:
    """Parse a request in any of the formats.

    Raises:
        ProblemError: It is in another format, not valid or too large.
    """
    header = get_header(event, "content-type") or JSON
    media_type, charset = parse_media_type(header)
    if charset not in UTF8_NAMES:
        raise unsupported(header, READABLE)
    if media_type == CSV:
        texts = list(_read_csv(decode_utf8(parser.read_body(event))))
        return parser.read_list(texts, Options(), "row", max_texts)
    if media_type in LINES_NAMES:
        values = [_text_of(value) for value in _read_lines(parser.read_body(event))]
        return parser.read_list(values, Options(), "line", max_texts)
    if not is_json(media_type):
        raise unsupported(header, READABLE)
    content = parser.decode(event)
    if isinstance(content, dict) and INSTANCES in content:
        content = {**content, INSTANCES: _read_instances(content[INSTANCES])}
    return parser.read(content, max_texts, (LIST_FIELD, INSTANCES))


def find_format(event: "BaseProxyEvent") -> str:
    """Return the media type of the answer: what the client accepts, or else what it sent."""
    accepted = (get_header(event, "accept") or "").split(",")
    sent = get_header(event, "content-type") or ""
    for header in (*accepted, sent):
        media_type, _ = parse_media_type(header)
        if media_type in (JSON, CSV):
            return media_type
        if media_type in LINES_NAMES:
            return LINES
    return JSON


def write(answer: OneAnswer | ManyAnswers, media_type: str, separator: str = "") -> str:
    """Write an answer in a format; CSV has a row for each text: its label and the confidence.

    Where a text may have several labels, the separator is written between them.
    """
    if media_type == JSON:
        return answer.to_json()
    answers = [answer] if isinstance(answer, OneAnswer) else answer.predictions
    if media_type == LINES:
        return "".join(one.to_json() + "\n" for one in answers)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    for one in answers:
        writer.writerow(_to_row(one, separator) if isinstance(one, Answer) else ("", ""))
    return table.getvalue()


def _to_row(answer: Answer, separator: str) -> tuple[str, float]:
    if answer.predicted_labels is UNSET:
        return answer.predicted_label, answer.confidence
    return separator.join(answer.predicted_labels), answer.confidence


def _read_csv(text: str) -> Iterator[str]:
    """Yield the only column of a CSV without a header."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    number = -1
    try:
        for number, row in enumerate(rows):
            if len(row) > 1:
                message = (
                    f"A row should have one column, not {len(row)}; "
                    "put a text with commas into double quotes"
                )
                raise invalid([FieldError(field=f"row.{number}", message=message)])
            yield row[0] if row else ""
    except csv.Error as error:
        raise invalid([FieldError(field=f"row.{number + 1}", message=str(error))]) from None


def _read_lines(data: bytes) -> Iterator[Any]:
    """Yield the JSON of each line."""
    for number, line in enumerate(data.removesuffix(b"\n").split(b"\n")):
        try:
            yield decode_json(line)
        except ProblemError as error:
            detail = f"line.{number}: {error.detail}"
            raise ProblemError(error.status, detail, headers=error.headers) from None


def _read_instances(instances: Any) -> list[Any]:
    """Return the texts of instances, each of which is a text or an object that holds one."""
    if not isinstance(instances, list):
        raise invalid([FieldError(field=INSTANCES, message="Input should be a valid list")])
    return [_text_of(instance) for instance in instances]


def _text_of(value: Any) -> Any:
    """Return the text of an object with one field, and anything else as it is."""
    if isinstance(value, dict) and len(value) == 1:
        ((name, text),) = value.items()
        return text if name in FIELDS else value
    return value
