"""A DistilBERT classifier and its tokenizer: save, load, encode texts, predict."""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor
from tqdm import tqdm
from transformers import DistilBertForSequenceClassification, PreTrainedTokenizerFast, logging

from inference.errors import TextClassifierError
from training.atomic import naming
from training.fit.batches import batch_by_length, pad

# Its warnings are about what is intended here, such as a head that has yet to be trained.
logging.set_verbosity_error()


class ModelError(TextClassifierError):
    """The base model cannot be used; the message says why."""


def save(model: DistilBertForSequenceClassification, tokenizer: Tokenizer, folder: Path) -> None:
    """Write a folder that ``transformers`` can load: safetensors weights, config, tokenizer."""
    with naming(folder), tempfile.TemporaryDirectory(dir=folder) as temporary:
        model.save_pretrained(temporary, safe_serialization=True)
        _for_transformers(tokenizer).save_pretrained(temporary)
        for file in Path(temporary).iterdir():
            file.replace(folder / file.name)


def _for_transformers(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=tokenizer.truncation["max_length"],
        unk_token="[UNK]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "attention_mask"],
    )


def load(folder: Path) -> tuple[DistilBertForSequenceClassification, Tokenizer]:
    """Load what ``save`` wrote.

    Raises:
        ModelError: the folder holds no model, or one with several outputs per label.
    """
    try:
        model = DistilBertForSequenceClassification.from_pretrained(folder)
    except OSError as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(f"cannot load the model in {folder}: {reason}") from error
    if len(set(model.config.id2label.values())) < model.config.num_labels:
        raise ModelError(f"{folder} has an output per story, as older versions did: train it again")
    return model, Tokenizer.from_file(str(folder / "tokenizer.json"))


def encode(tokenizer: Tokenizer, texts: Iterable[str]) -> list[list[int]]:
    """Return the token ids of each text with [CLS] and [SEP], cut to the tokenizer's limit."""
    tokenizer.no_padding()
    texts, chunk = list(texts), 10_000  # an encoding takes a hundred times the memory of its ids
    return [
        encoding.ids
        for start in range(0, len(texts), chunk)
        for encoding in tokenizer.encode_batch_fast(texts[start : start + chunk])
    ]


@torch.no_grad()
def compute_logits(
    model: DistilBertForSequenceClassification,
    token_ids: Sequence[Sequence[int]],
    device: torch.device,
    precision: torch.dtype | None = None,
    batch_size: int = 256,
) -> NDArray[np.float32]:
    """Return the logit of each label, shape (texts, labels), in the order of the texts."""
    model.eval()
    result = np.empty((len(token_ids), model.config.num_labels), np.float32)
    lengths = [len(ids) for ids in token_ids]
    for rows in tqdm(batch_by_length(lengths, batch_size), "predict", unit="batch", leave=False):
        inputs = pad([token_ids[row] for row in rows], model.config.pad_token_id)
        with torch.autocast(device.type, precision, enabled=precision is not None):
            scores: Tensor = model(*(part.to(device) for part in inputs)).logits.float()
        result[rows] = scores.cpu().numpy()
    return result
