import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from training.data.examples import Example
from training.fit import text_model
from training.fit.encoder import EncoderClassifier
from training.fit.initialise import initialise
from training.fit.settings import Settings
from training.fit.text_model import ModelError
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


def test_a_roberta_has_fewer_positions_than_rows_in_their_table(roberta: Path) -> None:
    # GIVEN a table of 66 positions, of which the first two are no text's
    model, tokenizer = initialise(settings(roberta, max_length=64), NEWS, ROWS)
    # WHEN a text is as long as it can be THEN the model reads it, but no longer one
    token_ids = text_model.encode(tokenizer, ["x y " * 100])
    assert len(token_ids[0]) == 64
    assert np.isfinite(text_model.compute_logits(model, token_ids, torch.device("cpu"))).all()
    with pytest.raises(ModelError, match=r"--max-length: .* reads at most 64 wordpieces"):
        initialise(settings(roberta, max_length=65), NEWS, ROWS)


def test_a_head_of_two_layers_cannot_be_fitted_first(tiny_base: Path) -> None:
    with pytest.raises(ModelError, match="--head-first needs a linear head: give --pooling mean"):
        initialise(settings(tiny_base, head_first=True), NEWS, ROWS)


@pytest.mark.parametrize("method", ["frozen", "contrastive"])
def test_a_head_that_is_fitted_is_a_linear_one_on_the_mean(method: str, tiny_base: Path) -> None:
    # GIVEN a DistilBERT, which has a head of two layers of its own
    model, _ = initialise(settings(tiny_base, method=method), NEWS, ROWS)
    # WHEN only a head is fitted THEN a linear one reads the mean of its states instead
    assert isinstance(model, EncoderClassifier)
    assert model.pooling == "mean"
    # ... and its own head cannot be asked for
    with pytest.raises(ModelError, match=f"--method {method} needs a linear head"):
        initialise(settings(tiny_base, method=method, pooling="first"), NEWS, ROWS)


def test_masking_needs_a_mask(roberta: Path, tmp_path: Path) -> None:
    # GIVEN an encoder whose tokenizer has no mask
    shutil.copytree(roberta, tmp_path, dirs_exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text.replace("<mask>", "<other>"))
    # WHEN words are to be masked THEN that is an error
    with pytest.raises(ModelError, match=r"--masking: the tokenizer of .* has no mask token"):
        initialise(settings(tmp_path, max_length=16, masking=0.1), NEWS, ROWS)
    assert initialise(settings(tmp_path, max_length=16), NEWS, ROWS)


def test_markup_is_a_space_for_a_tokenizer_that_changes_nothing(roberta: Path) -> None:
    # GIVEN a tokenizer of bytes, which has no normalizer
    _, tokenizer = initialise(settings(roberta, task="sentiment", max_length=16), SENTIMENT, ROWS)
    # WHEN it reads a line break THEN that is a space
    assert tokenizer.encode("new<br />phone").ids == tokenizer.encode("new phone").ids


def test_the_task_says_how_texts_are_read(tiny_base: Path) -> None:
    # GIVEN the sentiment task, which reads the end of a text and no markup
    options = settings(tiny_base, task="sentiment", max_length=5)
    # WHEN the tokenizer is prepared for it
    _, tokenizer = initialise(options, SENTIMENT, ROWS)
    # THEN a line break is a space, and the first words are cut off
    expected = tokenizer.encode("of the new").ids
    assert tokenizer.encode("a long list of<br />the new").ids == expected
