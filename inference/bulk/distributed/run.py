"""Describe a bulk run and its files: the JSON that travels through the state machine.

``states.asl.json`` and the names of parts that were already scored depend on the JSON, so its
keys never change; two of them are called otherwise here.
"""

from typing import Any, Self

import msgspec
from msgspec import Struct, field

from inference.tables.columns import InputColumns
from inference.tables.layout import Layout
from inference.tables.options import ReadOptions


class Message(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is JSON between the steps."""

    @classmethod
    def parse(cls, content: Any) -> Self:
        """Validate decoded JSON.

        Raises:
            msgspec.ValidationError: It has unknown fields, or lacks some.
        """
        return msgspec.convert(content, cls, str_keys=True)

    def to_json(self) -> dict[str, Any]:
        """Return what ``json.dumps`` takes."""
        content: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return content


class Source(Message, frozen=True, kw_only=True):
    """One version of an object to score."""

    key: str
    etag: str
    size: int  # bytes, as stored
    # The plan step adds these; every range is then read by the same rules.
    compression: str = ""
    layout: Layout | None = None


class BulkRun(Message, frozen=True, kw_only=True):
    """One scoring of files; every step of the state machine gets it.

    The files of the run itself are under ``prefix``: ``inputs.jsonl`` lists what to score,
    ``plan/`` and ``plan.jsonl`` its ranges, ``planned/`` and ``scored/`` have what Step Functions
    reports of the two maps, and ``manifest.json`` comes last. The parts are under ``output``.
    Neither prefix ends with a slash.
    """

    bucket: str
    prefix: str = field(name="run")
    output: str
    model_uri: str
    text_column: str
    keep: tuple[str, ...]
    options: ReadOptions = ReadOptions()

    @property
    def name(self) -> str:
        """The name of its execution."""
        return self.prefix.rpartition("/")[2]

    @property
    def columns(self) -> InputColumns:
        """The columns to read."""
        return InputColumns(self.text_column, self.keep)

    @property
    def inputs_key(self) -> str:
        """The object that lists the sources, one on each line."""
        return f"{self.prefix}/inputs.jsonl"

    @property
    def plans_prefix(self) -> str:
        """The prefix of the plans of single objects."""
        return f"{self.prefix}/plan/"

    @property
    def plan_key(self) -> str:
        """The object that lists all ranges, one on each line."""
        return f"{self.prefix}/plan.jsonl"

    @property
    def manifest_key(self) -> str:
        """The object that sums the run up."""
        return f"{self.prefix}/manifest.json"
