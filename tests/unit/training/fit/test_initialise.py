from pathlib import Path

import pytest

from training.data.examples import Example
from training.fit.distilbert import ModelError
from training.fit.initialise import initialise
from training.fit.settings import Settings
from training.tasks import NEWS, SENTIMENT

ROWS = [Example("Fed holds rates", 0)]


def settings(base: Path, **changes: object) -> Settings:
    return Settings.model_validate({"data": "d", "output": "o", "base_model": str(base), **changes})


def test_more_wordpieces_than_the_base_model_has_positions_for_are_an_error(
    tiny_base: Path,
) -> None:
    with pytest.raises(ModelError, match=r"--max-length: .* reads at most 64 wordpieces"):
        initialise(settings(tiny_base, max_length=65), NEWS, ROWS)


def test_a_layer_that_the_base_model_lacks_is_an_error(tiny_base: Path) -> None:
    with pytest.raises(ModelError, match=r"--layers: .* has layers 0 to 0"):
        initialise(settings(tiny_base, layers="0,1"), NEWS, ROWS)


def test_the_task_says_how_texts_are_read(tiny_base: Path) -> None:
    # GIVEN the sentiment task, which reads the end of a text and no markup
    options = settings(tiny_base, task="sentiment", max_length=5)
    # WHEN the tokenizer is prepared for it
    _, tokenizer = initialise(options, SENTIMENT, ROWS)
    # THEN a line break is a space, and the first words are cut off
    expected = tokenizer.encode("of the new").ids
    assert tokenizer.encode("a long list of<br />the new").ids == expected
