"""The options that say which columns a file of labelled texts has, and how it is written."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from inference.tables.options import ReadOptions
from training.fit.settings import (
    Delimiter,
    EncodingOption,
    LabelColumns,
    LabelSeparator,
    NoHeader,
    QuotingOption,
    Settings,
    SkipBadRows,
)
from training.tasks import TASKS, Task

DEFAULT_TASK = "news"
OWN_TASK = "texts"  # the name does not matter where nothing is trained


class DataOptions(BaseModel):
    """The options of `textclf train` that describe a file; each has the same meaning here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Annotated[
        str, Field(description=f"{' or '.join(TASKS)}, unless you name the columns: news.")
    ] = ""
    text_column: Annotated[str, Field(description="Text column of your own file.")] = ""
    label_column: Annotated[str, Field(description="Label column of your own file.")] = ""
    label_separator: LabelSeparator = ""
    label_columns: LabelColumns = ""
    group_column: Annotated[
        str, Field(description="Rows of one group are never learned from to judge each other.")
    ] = ""
    delimiter: Delimiter = ""
    quoting: QuotingOption = ""
    encoding: EncodingOption = ""
    no_header: NoHeader = False
    skip_bad_rows: SkipBadRows = False

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        try:
            self._to_settings()
        except ValidationError as error:
            message = error.errors(include_url=False)[0]["msg"]
            raise ValueError(message.removeprefix("Value error, ")) from None
        return self

    def find_task(self) -> Task:
        """Return the task that the options name, or make one of the columns."""
        return self._to_settings().find_task()

    def read_options(self) -> ReadOptions:
        """Return what the options say about the dialect of the file."""
        return self._to_settings().read_options()

    def _to_settings(self) -> Settings:
        given = self._fill_in()
        given["task"] = given["task"] or (OWN_TASK if given["text_column"] else DEFAULT_TASK)
        return Settings(data="-", output="-", **given)

    def _fill_in(self) -> dict[str, Any]:
        """Return the options, with the defaults of those that were not given."""
        return self.model_dump()


class NewTextOptions(DataOptions):
    """The same options for texts that have no labels yet.

    Unless a task has its own columns, they are named `text` and `label`, or 0 and 1 without a
    header.
    """

    def _fill_in(self) -> dict[str, Any]:
        given = self.model_dump()
        if self.task in TASKS:
            return given
        text, label = ("0", "1") if self.no_header else ("text", "label")
        if self.text_column == label or self.label_column == text:
            text, label = label, text
        given["text_column"] = self.text_column or text
        if not self.label_columns:
            given["label_column"] = self.label_column or label
        return given
