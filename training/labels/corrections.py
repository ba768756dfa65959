"""Choose which feedback becomes labelled rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inference.prediction_log.feedback import Feedback
from training.data.labelled_file import LabelledFile, LabelledText
from training.data.text_key import normalise


@dataclass(frozen=True)
class Reject:
    """Feedback that makes no row, and why. It holds no text."""

    prediction_id: str
    reason: str


@dataclass(frozen=True)
class Corrections:
    """The rows, and what became of all other feedback."""

    rows: tuple[LabelledText, ...]  # the earliest first
    confirmed: int  # feedback that agrees with the model, if that was not asked for
    repeated: int  # feedback on a text on which later feedback came
    rejects: tuple[Reject, ...]

    @property
    def feedback(self) -> int:
        """How much feedback there was."""
        return len(self.rows) + self.confirmed + self.repeated + len(self.rejects)

    def describe(self) -> str:
        """Say in one line what became of all feedback."""
        return (
            f"{self.feedback:,} predictions with feedback = {len(self.rows):,} rows "
            f"+ {self.confirmed:,} that the model got right + {self.repeated:,} repeated "
            f"+ {len(self.rejects):,} rejected"
        )


def collect_corrections(
    window: Sequence[Feedback],
    texts: Mapping[str, str | None],
    file: LabelledFile,
    *,
    confirmed: bool = False,
) -> Corrections:
    """Make rows from feedback; of several on one text, the last counts.

    Args:
        window: The feedback, in any order.
        texts: The text of each prediction by the key of its item, as far as the table has it.
        file: Where the rows are to be written.
        confirmed: Whether labels that the model got right become rows too.
    """
    rows: dict[str, LabelledText] = {}  # by the key of the text, the latest first
    agreed, repeated, rejects = 0, 0, []
    seen: set[str] = set()
    for feedback in sorted(window, key=lambda one: one.time, reverse=True):
        row = _to_row(feedback, texts)
        problem = row if isinstance(row, str) else file.find_problem(row)
        if isinstance(row, str) or problem:
            rejects.append(Reject(str(feedback.prediction_id), problem))
            continue
        key = normalise(row.text)
        if key in seen:
            repeated += 1
            continue
        seen.add(key)
        if feedback.agrees and not confirmed:
            agreed += 1
        else:
            rows[key] = row
    return Corrections(tuple(reversed(rows.values())), agreed, repeated, tuple(rejects))


def _to_row(feedback: Feedback, texts: Mapping[str, str | None]) -> LabelledText | str:
    """Return a row, or why there is none."""
    if feedback.key not in texts:
        return "the prediction has expired"
    text = texts[feedback.key]
    if text is None:
        return "the table does not have its text"
    labels = (feedback.label,) if isinstance(feedback.label, str) else feedback.label
    return LabelledText(text, labels, int(1000 * feedback.time.timestamp()))
