"""`textclf explain`."""

import os
import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from textclf.model_uri import locate_model
from textclf.predict import DOWNLOAD_SECONDS, Texts, read_texts

if TYPE_CHECKING:
    from inference.model.classifier import Prediction
    from inference.model.explanation import Explanation

MOST = 5  # words whose contributions a terminal shows
LEAST = 0.01  # contribution that is worth showing
WEAK, STRONG = 0.1, 0.5  # shares of the largest contribution from which a word is colored
# Of the terminal, as in ECMA-48: for the label, against it, and not read.
FOR, FOR_STRONG = "\x1b[32m", "\x1b[1;30;42m"
AGAINST, AGAINST_STRONG = "\x1b[4;31m", "\x1b[1;4;30;41m"
UNREAD, RESET = "\x1b[2m", "\x1b[0m"


def explain(
    texts: Texts,
    /,
    *,
    model_uri: Annotated[str, Parameter(show_default=lambda _: "the sample model")] = "",
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    r"""Show which words decide the label of a text.

    ```
    textclf explain "Life in Mars might be a real possibility"
    cut -f 2 headlines.tsv | textclf explain - > words.tsv
    ```

    A word contributes what the label's probability loses when the word is hidden, or gains when it
    is shown alone: the mean of the two. 0.7 means 70 percentage points; a negative contribution
    speaks against the label. The contributions do not add up to the probability.

    On a terminal, words for the label are green and words against it red and underlined; the
    largest contributions follow. Words beyond what the model reads are dim. In a pipe, each word
    has a line, with tabs between the number of its text, the label, the word and its contribution,
    which is empty if the model did not read the word.

    A text has at most 10,000 characters. In one of about 80 words or more, neighbouring words are
    hidden together and share their contribution.

    Args:
        texts: The texts, or `-` to read them from stdin, one per line. Blank lines are skipped.
        model_uri: The model: a folder, `file:///FOLDER` or `s3://BUCKET/PREFIX/VERSION`.
        as_json: Print JSON lines, each exactly as the API answers one text with `"explain": true`.
    """
    location = locate_model(model_uri)

    # They import onnxruntime, which `--help` need not wait for.
    from dataclasses import replace

    from inference.api.answers import answer_one
    from inference.model.classifier import Classifier
    from inference.model.store import fetch
    from inference.runtime.settings import find_model_cache

    classifier = Classifier.load(fetch(location, find_model_cache(), DOWNLOAD_SECONDS))
    for number, text in enumerate(read_texts(texts), 1):
        (prediction,) = classifier.predict([text])
        (explanation,) = classifier.explain([text], [prediction])
        if as_json:
            explained = replace(prediction, explanation=explanation)
            lines = [answer_one(explained, classifier.version).to_json()]
        elif sys.stdout.isatty():
            lines = format_text(text, prediction, explanation, has_colors=_has_colors())
        else:
            lines = [
                f"{number}\t{prediction.label}\t{word}\t{_format(contribution)}"
                for word, contribution in explanation
            ]
        print("\n".join(lines), flush=True)


def format_text(
    text: str, prediction: "Prediction", explanation: "Explanation", *, has_colors: bool
) -> list[str]:
    """Format an explained prediction for a terminal, in two lines."""
    read = [(word, contribution) for word, contribution in explanation if contribution is not None]
    read.sort(key=lambda pair: -abs(pair[1]))
    greatest = max([abs(contribution) for _, contribution in read], default=0.0)
    unit = max(greatest, LEAST)  # of which the colors show shares
    line, place = f"{prediction.label}  {prediction.confidence:.1%}  ", 0
    indent = " " * len(line)
    for word, contribution in explanation:
        start = text.index(word, place)
        has_space = 0 < place < start
        shown = _make_printable(word)
        shown = _color(shown, contribution, unit) if has_colors else shown
        line, place = f"{line}{' ' if has_space else ''}{shown}", start + len(word)
    reasons = [f"{_make_printable(word)} {_format(one)}" for word, one in read if abs(one) >= LEAST]
    return [line, indent + (", ".join(reasons[:MOST]) or "no word contributes much")]


def _has_colors() -> bool:
    """Whether the terminal shows colors, and the user wants them: https://no-color.org."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _color(word: str, contribution: float | None, unit: float) -> str:
    if contribution is None:
        return f"{UNREAD}{word}{RESET}"
    share = contribution / unit
    if abs(share) < WEAK:
        return word
    weak, strong = (FOR, FOR_STRONG) if share > 0 else (AGAINST, AGAINST_STRONG)
    return f"{strong if abs(share) >= STRONG else weak}{word}{RESET}"


def _make_printable(word: str) -> str:
    """Replace what a terminal could take for a command."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in word)


def _format(contribution: float | None) -> str:
    return "" if contribution is None else f"{contribution:+.3f}"
