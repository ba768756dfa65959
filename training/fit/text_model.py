"""The model that is trained, and its tokenizer: save, load, encode texts, predict.

It is a DistilBERT with its own head, or an encoder with a linear one, see
`training/fit/encoder.py`.
"""

import json
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor
from tqdm import tqdm
from transformers import (
    AutoConfig,
    DistilBertForSequenceClassification,
    PreTrainedTokenizerFast,
    logging,
)

from inference.errors import TextClassifierError
from training.atomic import naming
from training.fit.batches import batch_by_length, pad
from training.fit.encoder import POOLING, EncoderClassifier

# Its warnings are about what is intended here, such as a head that has yet to be trained.
logging.set_verbosity_error()

MASK = re.compile(r"\[mask\]|<\|?mask\|?>", re.IGNORECASE)

TextModel: TypeAlias = DistilBertForSequenceClassification | EncoderClassifier


class ModelError(TextClassifierError):
    """The base model cannot be used; the message says why."""


def save(model: TextModel, tokenizer: Tokenizer, folder: Path) -> None:
    """Write a folder that ``transformers`` can load: safetensors weights, config, tokenizer."""
    with naming(folder), tempfile.TemporaryDirectory(dir=folder) as temporary:
        model.save_pretrained(temporary)
        _for_transformers(tokenizer, model.config.pad_token_id).save_pretrained(temporary)
        for file in Path(temporary).iterdir():
            file.replace(folder / file.name)


def _for_transformers(tokenizer: Tokenizer, pad_id: int) -> PreTrainedTokenizerFast:
    tokenizer.no_padding()
    tokens = tokenizer.encode("").tokens
    mask_id = find_mask_id(tokenizer)
    special = {
        "unk_token": find_unknown_token(tokenizer),
        "sep_token": tokens[-1],
        "pad_token": tokenizer.id_to_token(pad_id),
        "cls_token": tokens[0],
        "mask_token": None if mask_id is None else tokenizer.id_to_token(mask_id),
    }
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=tokenizer.truncation["max_length"],
        **{role: token for role, token in special.items() if token is not None},
        model_input_names=["input_ids", "attention_mask"],
    )


def find_mask_id(tokenizer: Tokenizer) -> int | None:
    """Find the token that hides a word, such as [MASK] or <mask>; None if there is none."""
    # Special tokens first: the vocabulary of an MPNet holds both.
    added = tokenizer.get_added_tokens_decoder()
    special: dict[str, int] = {token.content: index for index, token in added.items()}
    for names in (special, tokenizer.get_vocab()):
        for token, index in names.items():
            if MASK.fullmatch(token):
                return index
    return None


def find_unknown_token(tokenizer: Tokenizer) -> str | None:
    """Find the token that replaces what the vocabulary lacks; None if it lacks nothing."""
    spec = json.loads(tokenizer.to_str())["model"]
    token: str | None = spec.get("unk_token")
    if spec.get("unk_id") is not None:  # a Unigram model names it by number
        token = tokenizer.id_to_token(spec["unk_id"])
    return token


def load(folder: Path) -> tuple[TextModel, Tokenizer]:
    """Load what ``save`` wrote.

    Raises:
        ModelError: the folder holds no model, or one with several outputs per label.
    """
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        model: TextModel
        if hasattr(config, POOLING):
            model = EncoderClassifier.load(str(folder), config)
        else:
            model = DistilBertForSequenceClassification.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"cannot load the model in {folder}: {explain_load_error(error)}"
        ) from error
    if len(set(model.config.id2label.values())) < model.config.num_labels:
        raise ModelError(f"{folder} has an output per story, as older versions did: train it again")
    return model, Tokenizer.from_file(str(folder / "tokenizer.json"))


def explain_load_error(error: Exception) -> str:
    """Return what an error of transformers says, without the list of all models that it knows."""
    return str(error).partition("\n")[0].partition(", or contain one of the following")[0]


def encode(tokenizer: Tokenizer, texts: Iterable[str]) -> list[list[int]]:
    """Return the token ids of each text with its first and last special token, cut to the limit."""
    tokenizer.no_padding()
    texts, chunk = list(texts), 10_000  # an encoding takes a hundred times the memory of its ids
    return [
        encoding.ids
        for start in range(0, len(texts), chunk)
        for encoding in tokenizer.encode_batch_fast(texts[start : start + chunk])
    ]


def compute_logits(
    model: TextModel,
    token_ids: Sequence[Sequence[int]],
    device: torch.device,
    precision: torch.dtype | None = None,
    batch_size: int = 256,
) -> NDArray[np.float32]:
    """Return the logit of each label, shape (texts, labels), in the order of the texts."""

    def read_logits(inputs: Tensor, mask: Tensor) -> Tensor:
        return model(inputs, mask).logits  # type: ignore[no-any-return]

    result = np.empty((len(token_ids), model.config.num_labels), np.float32)
    _fill(result, model, read_logits, token_ids, device, precision, batch_size)
    return result


def compute_features(
    model: EncoderClassifier,
    token_ids: Sequence[Sequence[int]],
    device: torch.device,
    precision: torch.dtype | None = None,
    batch_size: int = 256,
) -> NDArray[np.float32]:
    """Return what the linear head reads of each text, shape (texts, dim), in their order."""

    def read_features(inputs: Tensor, mask: Tensor) -> Tensor:
        states = model.base_model(input_ids=inputs, attention_mask=mask).last_hidden_state
        return model.extract_features(states, mask)

    result = np.empty((len(token_ids), model.config.hidden_size), np.float32)
    _fill(result, model, read_features, token_ids, device, precision, batch_size)
    return result


@torch.no_grad()
def _fill(
    result: NDArray[np.float32],
    model: TextModel,
    read: Callable[[Tensor, Tensor], Tensor],
    token_ids: Sequence[Sequence[int]],
    device: torch.device,
    precision: torch.dtype | None,
    batch_size: int,
) -> None:
    """Fill a row of the result for each text with what is read of it."""
    model.eval()
    lengths = [len(ids) for ids in token_ids]
    for rows in tqdm(batch_by_length(lengths, batch_size), "predict", unit="batch", leave=False):
        inputs, mask = pad([token_ids[row] for row in rows], model.config.pad_token_id)
        with torch.autocast(device.type, precision, enabled=precision is not None):
            values = read(inputs.to(device), mask.to(device))
        result[rows] = values.float().cpu().numpy()
