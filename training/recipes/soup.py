"""Average trained models, and a share of the base model they started from, into one.

Models that were fine-tuned from the same weights lie in one valley, so the mean of their weights
is a model too. On texts like the training rows it is about as good as their vote would be (model
soups, Wortsman et al. 2022, https://arxiv.org/abs/2203.05482). A share of the base model's own
encoder brings back some of what fine-tuning has unlearnt, which shows on texts of other years and
sources (WiSE-FT, Wortsman et al. 2022, https://arxiv.org/abs/2109.01903).
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from inference.model.windows import Windows
from training.atomic import require_writable
from training.fit import text_model
from training.fit.encoder import read_pooling
from training.fit.epoch_rows import choose_validation_rows
from training.fit.initialise import initialise
from training.fit.record import (
    SoupIngredient,
    TrainingRecord,
    find_source_commit,
    hash_weights,
    require_same_rows,
)
from training.fit.settings import Settings
from training.fit.text_model import ModelError, TextModel
from training.fit.trained_model import (
    TrainedModel,
    open_trained_model,
    replacing_model,
    require_no_earlier_work,
)
from training.fit.validation import score_windows
from training.fit.vocabulary import match_vocabulary, prune_vocabulary
from training.fit.windows import describe_windows, encode_windows


def soup(
    models: Sequence[Path],
    output: Path,
    base_share: float = 0.0,
    vocabulary: int = 0,
    *,
    overwrite: bool = False,
) -> TrainedModel:
    """Average models and write the result as `train` writes a model.

    Args:
        models: folders of trained models; one that is named twice counts twice.
        output: the folder of the mean.
        base_share: how much of the base model's encoder to mix in, from 0 to below 1.
        vocabulary: how many wordpieces to keep; 0 for all.
        overwrite: whether the output may replace a model.

    Raises:
        OutputError: the output has other work in it, or cannot be written.
        DataError: the models did not hold out the same rows, or those cannot be read.
        ModelError: the models are not of one kind, or the output is one of them.
        StaleError: the data file has changed since the first model was trained.
    """
    if output.resolve() in {folder.resolve() for folder in models}:
        raise ModelError(f"{output} is one of the models: give another --output")
    require_writable(output)
    if not overwrite:
        require_no_earlier_work(output)
    first = open_trained_model(models[0])
    records = [TrainingRecord.read(folder) for folder in models]
    for folder, record in zip(models, records, strict=True):
        require_same_rows(first.record, record)
        require_same_kind(first, folder, record)

    model, tokenizer = text_model.load(first.folder)
    weights = average([text_model.load(folder)[0].state_dict() for folder in models])
    settings = first.record.settings.model_copy(update={"output": str(output)})
    if base_share:
        base = load_base(settings, first, tokenizer)
        weights |= mix_encoder(weights, base, base_share)
    model.load_state_dict(weights)
    if vocabulary:
        texts = [row.text for row in first.rows.train]
        tokenizer = prune_vocabulary(model, tokenizer, texts, vocabulary)
        settings = settings.model_copy(update={"vocabulary": vocabulary})

    f1, windows = validate(model, tokenizer, first)
    result = {
        "windows": windows,
        "soup": tuple(map(describe_ingredient, models, records)),
        "base_sha256": first.record.base_sha256,
        "base_share": base_share,
        "validation_macro_f1": f1,
        "commit": find_source_commit(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    record = TrainingRecord.begin(settings, first.dataset, first.rows).model_copy(update=result)
    mean = TrainedModel(output, record, first.dataset, first.rows)
    with replacing_model(output) as folder:
        text_model.save(model, tokenizer, folder)
        mean.save(folder)
    return mean


def load_base(settings: Settings, first: TrainedModel, tokenizer: Tokenizer) -> TextModel:
    """Load the base model as the models started from it, with the wordpieces that they know."""
    whole = settings.model_copy(update={"vocabulary": 0})
    base, base_tokenizer = initialise(whole, first.dataset.task, first.rows.train)
    if settings.vocabulary:  # which ones were kept depends on all texts that were learnt from
        match_vocabulary(base, base_tokenizer, tokenizer)
    return base


def require_same_kind(first: TrainedModel, folder: Path, record: TrainingRecord) -> None:
    """Refuse models whose weights do not mean the same.

    Raises:
        ModelError: they started from other weights, read other tokens, or name other outputs.
    """
    for name in ("base_model", "layers"):
        if getattr(record.settings, name) != getattr(first.record.settings, name):
            raise ModelError(f"{folder} has another {name} than {first.folder}")
    if record.base_sha256 != first.record.base_sha256:
        raise ModelError(f"{folder} started from other weights than {first.folder}")
    if read_pooling(folder) != read_pooling(first.folder):
        raise ModelError(f"{folder} classifies with another --pooling than {first.folder}")
    for name in ("config.json", "tokenizer.json"):
        if (folder / name).read_bytes() != (first.folder / name).read_bytes():
            raise ModelError(f"{folder} has another {name} than {first.folder}")


def average(models: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean of models' weights, by name."""
    return {
        name: torch.stack([weights[name] for weights in models]).mean(dim=0) for name in models[0]
    }


def mix_encoder(weights: dict[str, Tensor], base: TextModel, share: float) -> dict[str, Tensor]:
    """Return the encoder's weights, moved towards those of the base model.

    The head is left alone: few base models have one.
    """
    return {
        name: torch.lerp(weights[name], tensor, share)
        for name, tensor in base.state_dict().items()
        if name.startswith(f"{base.base_model_prefix}.")
    }


def validate(
    model: TextModel, tokenizer: Tokenizer, first: TrainedModel
) -> tuple[float, Windows | None]:
    """Return the macro-F1 of the mean on the rows that its models were validated on.

    If long texts are read in windows, these rows choose how to pool them, too.
    """
    settings = first.record.settings
    rows = choose_validation_rows(first.rows.validation, settings)
    windows = encode_windows(tokenizer, [row.text for row in rows], settings)
    logits = text_model.compute_logits(model, windows.token_ids, torch.device("cpu"))
    f1, sharpness = score_windows(windows, logits, rows)
    return f1, describe_windows(tokenizer, settings, sharpness)


def describe_ingredient(folder: Path, record: TrainingRecord) -> SoupIngredient:
    """Record one of the models, without this machine's paths."""
    return SoupIngredient.model_validate(
        {
            **record.for_publication(),
            "model": folder.name,
            "weights_sha256": hash_weights(folder),
        }
    )
