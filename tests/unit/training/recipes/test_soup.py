import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.conftest import TinyModel
from training.data.examples import DataError
from training.evaluate.evaluation import evaluate
from training.fit import text_model
from training.fit.base_model import load_pretrained
from training.fit.encoder import read_pooling
from training.fit.text_model import ModelError
from training.fit.trained_model import open_trained_model
from training.fit.vocabulary import prune_vocabulary
from training.recipes.soup import soup
from training.tasks import NEWS

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


def change_record(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    record = json.loads((folder / "training.json").read_text())
    change(record)
    (folder / "training.json").write_text(json.dumps(record))


def test_a_soup_is_the_mean_of_its_models_and_the_base(
    tiny_model: TinyModel, tiny_base: Path, other: Path, tmp_path: Path
) -> None:
    # GIVEN a model, and another with twice its weights
    one, base = (load_file(at / "model.safetensors") for at in (tiny_model.folder, tiny_base))
    # WHEN they are averaged, with a fifth of the base model
    soup([tiny_model.folder, other], tmp_path / "soup", base_share=0.2)
    # THEN the encoder has that fifth, but the head, which the base model lacks, does not
    mean = load_file(tmp_path / "soup" / "model.safetensors")
    torch.testing.assert_close(mean[HEAD], 1.5 * one[HEAD])
    torch.testing.assert_close(mean[WORDS], 0.8 * 1.5 * one[WORDS] + 0.2 * base[WORDS])


def test_a_soup_can_be_evaluated_and_its_record_says_what_is_in_it(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    # GIVEN a soup of one model, with a smaller vocabulary
    soup([tiny_model.folder], tmp_path, vocabulary=600)
    # WHEN it is opened like any other model
    model = open_trained_model(tmp_path)
    # THEN it has the rows of its models, and its record names them without paths
    assert model.rows == open_trained_model(tiny_model.folder).rows
    assert model.record.settings.vocabulary == 600
    assert model.record.soup is not None
    assert model.record.soup[0].settings.data == "headlines.csv"
    assert '"output": ""' not in (tmp_path / "training.json").read_text()
    # AND its report says how it was made
    evaluate(model)
    assert "A model fine-tuned from `base0`, trained on" in (tmp_path / "report.md").read_text()


def test_models_that_held_out_other_rows_are_not_mixed(
    tiny_model: TinyModel, other: Path, tmp_path: Path
) -> None:
    # GIVEN a model that was split by another seed, so that it learnt rows the first one holds out
    change_record(other, lambda record: record["settings"].update(seed=1))
    # WHEN they are to be mixed THEN nothing is written
    with pytest.raises(DataError, match="did not hold out the same rows: seed"):
        soup([tiny_model.folder, other], tmp_path / "soup")
    assert not (tmp_path / "soup").exists()


@pytest.mark.parametrize(
    ("name", "change"),
    [("config.json", '"Business"'), ("tokenizer.json", '"[UNK]"')],
)
def test_models_of_other_outputs_or_words_are_not_mixed(
    tiny_model: TinyModel, other: Path, tmp_path: Path, name: str, change: str
) -> None:
    # GIVEN a model of the same shape whose outputs or token ids mean something else
    text = (other / name).read_text()
    assert change in text
    (other / name).write_text(text.replace(change, '"else"'))
    # WHEN it is to be mixed with the first THEN the error names the difference
    with pytest.raises(ModelError, match=f"{other} has another {name}"):
        soup([tiny_model.folder, other], tmp_path / "soup")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: record["settings"].update(base_model="x"), "has another base_model"),
        (lambda record: record.update(base_sha256="0" * 64), "started from other weights"),
    ],
)
def test_models_that_started_elsewhere_are_not_mixed(
    tiny_model: TinyModel,
    other: Path,
    tmp_path: Path,
    change: Callable[[dict[str, Any]], None],
    message: str,
) -> None:
    change_record(other, change)
    with pytest.raises(ModelError, match=f"{other} {message}"):
        soup([tiny_model.folder, other], tmp_path / "soup")


@pytest.fixture
def mean_model(tiny_model: TinyModel, tiny_base: Path, tmp_path: Path) -> Path:
    """A model like the tiny one that classifies the mean of its tokens."""
    folder = tmp_path / "mean"
    shutil.copytree(tiny_model.folder, folder)
    _, tokenizer = text_model.load(folder)
    model, _ = load_pretrained(str(tiny_base), NEWS.labels, pooling="mean")
    text_model.save(model, tokenizer, folder)
    change_record(folder, lambda record: record["settings"].update(pooling="mean"))
    return folder


def test_models_of_the_mean_are_mixed_with_their_base(
    mean_model: Path, tiny_base: Path, tmp_path: Path
) -> None:
    # GIVEN a model that classifies the mean of its tokens, with doubled weights
    model, tokenizer = text_model.load(mean_model)
    one = {name: 2 * tensor for name, tensor in model.state_dict().items()}
    model.load_state_dict(one)
    text_model.save(model, tokenizer, mean_model)
    # WHEN it is mixed with a fifth of the base model
    soup([mean_model], tmp_path / "soup", base_share=0.2)
    # THEN the encoder has that fifth, the head none, and the mean is still what is classified
    mean, base = (load_file(at / "model.safetensors") for at in (tmp_path / "soup", tiny_base))
    torch.testing.assert_close(mean[HEAD], one[HEAD])
    torch.testing.assert_close(mean[WORDS], 0.8 * one[WORDS] + 0.2 * base[WORDS])
    assert read_pooling(tmp_path / "soup") == "mean"


def test_models_of_other_pooling_are_not_mixed(
    tiny_model: TinyModel, mean_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=f"{mean_model} classifies with another --pooling than"):
        soup([tiny_model.folder, mean_model], tmp_path / "soup")
    assert not (tmp_path / "soup").exists()


def test_a_soup_does_not_overwrite_one_of_its_models(tiny_model: TinyModel) -> None:
    with pytest.raises(ModelError, match="is one of the models"):
        soup([tiny_model.folder], tiny_model.folder)


def test_a_base_is_mixed_in_wordpiece_by_wordpiece(
    tiny_model: TinyModel, tiny_base: Path, tmp_path: Path
) -> None:
    # GIVEN a model whose vocabulary was pruned for other texts than its training rows
    folder = tmp_path / "pruned"
    shutil.copytree(tiny_model.folder, folder)
    model, whole = text_model.load(folder)
    ids = whole.get_vocab()
    pruned = prune_vocabulary(model, whole, [" ".join(sorted(ids)[-300:])], 300)
    text_model.save(model, pruned, folder)
    change_record(folder, lambda record: record["settings"].update(vocabulary=300))
    # WHEN it is mixed with its base
    soup([folder], tmp_path / "soup", base_share=0.5)
    # THEN each wordpiece is mixed with itself
    kept = sorted(pruned.get_vocab(), key=pruned.get_vocab().__getitem__)
    one, base, mean = (
        load_file(at / "model.safetensors")[WORDS] for at in (folder, tiny_base, tmp_path / "soup")
    )
    expected = (one + base[[ids[token] for token in kept]]) / 2
    torch.testing.assert_close(mean, expected)


def test_a_soup_is_validated_on_the_rows_that_its_models_were(
    tiny_model: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a model that was validated on one row of each group
    folder = tmp_path / "balanced"
    shutil.copytree(tiny_model.folder, folder)
    change_record(folder, lambda record: record["settings"].update(balance_groups=1))
    read: list[int] = []
    compute = text_model.compute_logits

    def note(model: Any, token_ids: Any, *others: Any) -> Any:
        read.append(len(token_ids))
        return compute(model, token_ids, *others)

    monkeypatch.setattr(text_model, "compute_logits", note)
    # WHEN it becomes a soup THEN that is validated on as many
    soup([folder], tmp_path / "soup")
    rows = open_trained_model(folder).rows.validation
    assert read == [len({row.group for row in rows})]
    assert read[0] < len(rows)
