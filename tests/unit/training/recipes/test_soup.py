import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.conftest import TinyModel
from training.evaluate import evaluation as evaluate
from training.recipes import soup

HEAD, WORDS = "classifier.weight", "distilbert.embeddings.word_embeddings.weight"


@pytest.fixture
def other(tiny_model: TinyModel, tmp_path: Path) -> Path:
    """The tiny model with all its weights doubled."""
    folder = tmp_path / "other"
    shutil.copytree(tiny_model.folder, folder)
    weights = load_file(folder / "model.safetensors")
    doubled = {name: 2 * tensor for name, tensor in weights.items()}
    save_file(doubled, folder / "model.safetensors", {"format": "pt"})
    return folder


def test_a_soup_is_the_mean_of_its_models_and_the_base(
    tiny_model: TinyModel, tiny_base: Path, other: Path, tmp_path: Path
) -> None:
    # GIVEN a model and another of twice its weights
    one, base = (load_file(at / "model.safetensors") for at in (tiny_model.folder, tiny_base))
    # WHEN their mean is asked for, with a fifth of the base model
    options = [str(tiny_model.folder), str(other), "--base-share", "0.2"]
    assert soup.main([*options, "--output", str(tmp_path / "soup")]) == 0
    # THEN the encoder has its fifth, the new head, which the base lacks, does not
    found = load_file(tmp_path / "soup" / "model.safetensors")
    torch.testing.assert_close(found[HEAD], 1.5 * one[HEAD])
    torch.testing.assert_close(found[WORDS], 0.8 * 1.5 * one[WORDS] + 0.2 * base[WORDS])


def test_a_soup_can_be_evaluated_and_says_what_is_in_it(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    # GIVEN a soup of one model, with a smaller vocabulary
    options = [str(tiny_model.folder), "--vocabulary", "600", "--output", str(tmp_path)]
    assert soup.main(options) == 0
    # WHEN it is evaluated THEN it is a model like any other, and its record says how it was made
    assert evaluate.main([str(tmp_path)]) == 0
    assert "Mean of 1 models fine-tuned from `base0`" in (tmp_path / "report.md").read_text()
    record = json.loads((tmp_path / "training.json").read_text())
    assert record["settings"]["vocabulary"] == 600
    assert record["soup"][0]["settings"]["data"] == "headlines.csv"
    assert "output" not in record["soup"][0]["settings"]


def test_models_of_other_rows_are_not_mixed(
    tiny_model: TinyModel, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a model that was split by another seed, so learnt rows that the first holds out
    record = json.loads((other / "training.json").read_text())
    record["settings"]["seed"] = 1
    (other / "training.json").write_text(json.dumps(record))
    # WHEN they are to be mixed THEN nothing is written
    options = [str(tiny_model.folder), str(other), "--output", str(tmp_path / "soup")]
    assert soup.main(options) == 1
    assert "did not hold out the same rows: seed" in capsys.readouterr().err
    assert not (tmp_path / "soup").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--base-share", "1"], "give 0 to below 1"), (["--vocabulary", "9"], "is too small")],
)
def test_a_soup_that_cannot_be_is_refused(
    tiny_model: TinyModel,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    output = str(tmp_path / "soup")
    assert soup.main([str(tiny_model.folder), "--output", output, *options]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "change"),
    [("config.json", '"Business"'), ("tokenizer.json", '"[UNK]"')],
)
def test_models_of_other_outputs_or_words_are_not_mixed(
    tiny_model: TinyModel,
    other: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    change: str,
) -> None:
    # GIVEN a model of the same shape whose outputs or token ids mean something else
    text = (other / name).read_text()
    assert change in text
    (other / name).write_text(text.replace(change, '"else"'))
    # WHEN it is to be mixed with the first THEN the difference is named
    options = [str(tiny_model.folder), str(other), "--output", str(tmp_path / "soup")]
    assert soup.main(options) == 1
    assert f"{other} has another {name}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: record["settings"].update(base_model="x"), "has another base_model"),
        (lambda record: record.update(base_sha256="0" * 64), "began from other weights"),
    ],
)
def test_models_that_began_elsewhere_are_not_mixed(
    tiny_model: TinyModel,
    other: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[dict[str, Any]], None],
    message: str,
) -> None:
    record = json.loads((other / "training.json").read_text())
    change(record)
    (other / "training.json").write_text(json.dumps(record))
    options = [str(tiny_model.folder), str(other), "--output", str(tmp_path / "soup")]
    assert soup.main(options) == 1
    assert f"{other} {message}" in capsys.readouterr().err


def test_a_soup_does_not_overwrite_what_it_is_made_of(
    tiny_model: TinyModel, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tiny_model.folder)
    assert soup.main([folder, "--output", folder]) == 1
    assert "is one of the models" in capsys.readouterr().err
