"""Describe a bulk run and its files: the JSON that travels through the state machine.

``states.asl.json`` and the names of parts that were already scored depend on the JSON, so its
keys never change; two of them are called otherwise here.
"""

from pydantic import BaseModel, ConfigDict, Field

from inference.tables.columns import InputColumns
from inference.tables.layout import Layout
from inference.tables.options import ReadOptions

_JSON = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, serialize_by_alias=True)


class Source(BaseModel):
    """One version of an object to score."""

    model_config = _JSON

    key: str
    etag: str
    size: int  # bytes, as stored
    # The plan step adds these; every range is then read by the same rules.
    compression: str = ""
    layout: Layout | None = None


class BulkRun(BaseModel):
    """One scoring of files; every step of the state machine gets it.

    The files of the run itself are under ``prefix``: ``inputs.jsonl`` lists what to score,
    ``plan/`` and ``plan.jsonl`` its ranges, ``planned/`` and ``scored/`` have what Step Functions
    reports of the two maps, and ``manifest.json`` comes last. The parts are under ``output``.
    Neither prefix ends with a slash.
    """

    model_config = _JSON

    bucket: str
    prefix: str = Field(validation_alias="run", serialization_alias="run")
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
