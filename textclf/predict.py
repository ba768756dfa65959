"""`textclf predict`."""

import io
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from inference.errors import TextClassifierError
from textclf.model_uri import locate_model

if TYPE_CHECKING:
    from inference.model.classifier import Prediction

STDIN = "-"
DOWNLOAD_SECONDS = 300.0
BAR_CELLS = 10
NO_LABEL = "(no label)"
PARTS_OF_A_CELL = " ▏▎▍▌▋▊▉█"


class PredictError(TextClassifierError):
    """Stdin cannot be read."""


def _require_texts(_: object, texts: tuple[str, ...]) -> None:
    for text in texts:
        if not text.strip():
            raise ValueError("a text is blank: give it some words")
        if text.startswith("--") and " " not in text:
            raise ValueError(f"there is no option {text}")


Texts = Annotated[tuple[str, ...], Parameter(allow_leading_hyphen=True, validator=_require_texts)]


def predict(
    texts: Texts,
    /,
    *,
    model_uri: Annotated[str, Parameter(show_default=lambda _: "the sample model")] = "",
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    r"""Classify texts on the terminal.

    Without `--model-uri`, the sample model of this repository answers. It labels news headlines as
    Business, Science, Entertainment or Health.

    ```
    textclf predict "Life in Mars might be a real possibility"
    printf 'Fed holds rates\nFlu shots cut hospital stays\n' | textclf predict -
    textclf predict --model-uri build/news/bundle "Fed holds rates"
    ```

    On a terminal, each line shows a label, its probability and the text, or the probabilities of
    the other labels if you give a single text. In a pipe, the label, its probability and the text
    are separated by tabs. If the model has thresholds, the line also says why not to act on the
    label: `low_confidence` or `out_of_scope`; in a pipe, in a fourth column. If a text may have
    several labels, all of them take the label's place, and the probability is that of the first.
    For large files, use `textclf bulk`.

    Args:
        texts: The texts, or `-` to read them from stdin, one per line. Blank lines are skipped.
        model_uri: The model: a folder, `file:///FOLDER` or `s3://BUCKET/PREFIX/VERSION`.
        as_json: Print JSON lines, each exactly as the API answers one text.
    """
    location = locate_model(model_uri)

    # They import onnxruntime, which `--help` need not wait for.
    from inference.api.answers import answer_one
    from inference.model.classifier import Classifier
    from inference.model.store import fetch
    from inference.runtime.settings import find_model_cache

    classifier = Classifier.load(fetch(location, find_model_cache(), DOWNLOAD_SECONDS))
    label_width = max(map(len, classifier.labels))
    separator = classifier.labelling.separator if classifier.labelling else ""
    for text in read_texts(texts):
        (prediction,) = classifier.predict([text])
        if as_json:
            line = answer_one(prediction, classifier.version).to_json()
        elif sys.stdout.isatty():
            is_only_one = len(texts) == 1 and texts[0] != STDIN
            line = _format_line(prediction, label_width, "" if is_only_one else text)
        else:
            labels = _squeeze(separator.join(prediction.all_labels))
            line = f"{labels}\t{prediction.confidence:.4f}\t{_squeeze(text)}"
            if prediction.can_abstain:
                line += f"\t{prediction.abstention or ''}"
        print(line, flush=True)


def read_texts(texts: tuple[str, ...]) -> Iterator[str]:
    """Yield the texts of a command, or the lines of stdin that are not blank."""
    if texts != (STDIN,):
        yield from texts
        return
    if isinstance(sys.stdin, io.TextIOWrapper):  # in the C locale, it would let other bytes pass
        sys.stdin.reconfigure(encoding="utf-8", errors="strict")
    try:
        for line in sys.stdin:
            if line.strip():
                yield line.rstrip("\n")
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise PredictError(
            f"stdin is not UTF-8, as the byte 0x{byte:02x} shows: convert it, such as with "
            "`iconv -f latin1 -t utf-8`"
        ) from None


def _format_line(prediction: "Prediction", label_width: int, text: str) -> str:
    """Format a prediction for a terminal, with its text or else the other labels' shares."""
    bar = _draw_bar(prediction.confidence)
    labels = ", ".join(prediction.all_labels) or NO_LABEL
    line = f"{labels:{label_width}}  {prediction.confidence:6.1%}  {bar}  "
    if prediction.abstention:
        line += f"[{prediction.abstention.replace('_', ' ')}]  "
    if text:
        room = shutil.get_terminal_size().columns - len(line)
        return line + _shorten(_squeeze(text), room)
    by_share = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
    others = by_share[1:] if prediction.labels is None else by_share
    return line + ", ".join(f"{label} {share:.1%}" for label, share in others)


def _draw_bar(share: float) -> str:
    eighths = round(share * BAR_CELLS * 8)
    full, rest = divmod(eighths, 8)
    return (PARTS_OF_A_CELL[8] * full + PARTS_OF_A_CELL[rest]).ljust(BAR_CELLS)[:BAR_CELLS]


def _squeeze(text: str) -> str:
    """Replace each run of white space, tabs included, by a space."""
    return " ".join(text.split())


def _shorten(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"
