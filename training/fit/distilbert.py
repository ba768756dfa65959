"""DistilBERT: start from pretrained weights, cut to size, predict.

A DistilBERT is a BERT without token types and pooler (Sanh et al. 2019,
https://arxiv.org/abs/1910.01108), so a BERT's weights make one that gives the same hidden
states: copy layer by layer and add token-type embedding 0 to every position embedding.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, normalizers
from torch import Tensor
from tqdm import tqdm
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    DistilBertModel,
    PreTrainedTokenizerFast,
)

from training.fit.batches import by_length, padded

_LAYER_NAMES = {
    "attention.q_lin": "attention.self.query",
    "attention.k_lin": "attention.self.key",
    "attention.v_lin": "attention.self.value",
    "attention.out_lin": "attention.output.dense",
    "sa_layer_norm": "attention.output.LayerNorm",
    "ffn.lin1": "intermediate.dense",
    "ffn.lin2": "output.dense",
    "output_layer_norm": "output.LayerNorm",
}


class ModelError(Exception):
    """The base model cannot be used; the message says why."""


def load_pretrained(
    base_model: str, labels: Sequence[str], layers: Sequence[int] = ()
) -> tuple[DistilBertForSequenceClassification, Tokenizer]:
    """A DistilBERT classifier on a base model's encoder, and its tokenizer.

    Its head is fresh, unless the base model is a DistilBERT with one output for each of the labels.

    Args:
        base_model: a hub id or a folder of a DistilBERT or a BERT.
        labels: the labels in output order.
        layers: the encoder layers to keep, all if empty.

    Raises:
        ModelError: there is no such model, or it is neither a DistilBERT nor a BERT.
    """
    try:
        found = AutoConfig.from_pretrained(base_model)
        kind, outputs = found.model_type, [name for _, name in sorted(found.id2label.items())]
        if kind not in ("bert", "distilbert"):
            raise ModelError(f"{base_model} is a {kind}: give a DistilBERT or a BERT")
        if kind == "distilbert" and outputs == list(labels):
            trained = DistilBertForSequenceClassification.from_pretrained(base_model)
            encoder = trained.distilbert
        else:
            trained, encoder = None, AutoModel.from_pretrained(base_model)
        tokenizer = AutoTokenizer.from_pretrained(base_model, use_fast=True).backend_tokenizer
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(f"cannot load {base_model} (a hub id or a folder): {reason}") from error
    if kind == "bert":
        encoder = _from_bert(encoder)
    kept = list(layers) or list(range(encoder.config.n_layers))
    if not set(kept) <= set(range(encoder.config.n_layers)):
        raise ModelError(f"{base_model} has layers 0 to {encoder.config.n_layers - 1}")
    encoder.transformer.layer = torch.nn.ModuleList(encoder.transformer.layer[i] for i in kept)
    config = encoder.config
    config.n_layers = len(kept)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    model = DistilBertForSequenceClassification(config)
    if trained is not None:
        model.pre_classifier, model.classifier = trained.pre_classifier, trained.classifier
    model.distilbert = encoder
    return model.float(), tokenizer


def _from_bert(bert: Any) -> DistilBertModel:
    source = bert.config
    config = DistilBertConfig(
        vocab_size=source.vocab_size,
        max_position_embeddings=source.max_position_embeddings,
        n_layers=source.num_hidden_layers,
        n_heads=source.num_attention_heads,
        dim=source.hidden_size,
        hidden_dim=source.intermediate_size,
        activation=source.hidden_act,
        pad_token_id=source.pad_token_id,
    )
    weights = bert.state_dict()
    token_type = weights["embeddings.token_type_embeddings.weight"][0]
    renamed = {
        "embeddings.word_embeddings.weight": weights["embeddings.word_embeddings.weight"],
        "embeddings.position_embeddings.weight": (
            weights["embeddings.position_embeddings.weight"] + token_type
        ),
    }
    for part in ("weight", "bias"):
        norm = f"embeddings.LayerNorm.{part}"
        renamed[norm] = weights[norm]
        for layer in range(config.n_layers):
            for ours, theirs in _LAYER_NAMES.items():
                name = f"encoder.layer.{layer}.{theirs}.{part}"
                renamed[f"transformer.layer.{layer}.{ours}.{part}"] = weights[name]
    model = DistilBertModel(config)
    model.load_state_dict(renamed)
    return model


def read_as_space(tokenizer: Tokenizer, pattern: str) -> None:
    """Let a tokenizer read a space wherever the regular expression matches.

    It stands in ``tokenizer.json`` from then on, so training and serving cannot differ.
    """
    replace = normalizers.Replace(Regex(pattern), " ")
    tokenizer.normalizer = normalizers.Sequence([replace, tokenizer.normalizer])


def prune_vocabulary(
    model: DistilBertForSequenceClassification,
    tokenizer: Tokenizer,
    texts: Iterable[str],
    size: int,
) -> Tokenizer:
    """Keep only the ``size`` wordpieces that matter most.

    Special tokens and single ASCII characters stay, so every ASCII word still has a spelling;
    then come the wordpieces of the texts by their count, then those of ASCII letters and the
    rest in the tokenizer's own order, which in BERT's is by frequency.
    The model's embedding rows follow; the tokenizer returned has the new ids.

    Raises:
        ModelError: the tokenizer is not one of BERT's, or ``size`` has no room for what must stay.
    """
    spec = json.loads(tokenizer.to_str())
    kinds = (spec["model"]["type"], (spec["post_processor"] or {}).get("type"))
    if kinds != ("WordPiece", "TemplateProcessing"):
        raise ModelError(f"cannot prune a vocabulary of {kinds}, only of BERT's WordPiece")
    vocabulary: dict[str, int] = spec["model"]["vocab"]
    special = {token["content"] for token in spec["added_tokens"]}
    counts: Counter[int] = Counter()
    for ids in encode(tokenizer, texts):
        counts.update(ids)

    def must_stay(token: str) -> bool:
        piece = token.removeprefix("##")
        return token in special or (len(piece) == 1 and piece.isascii())

    def rank(token: str) -> tuple[bool, int, bool, int]:
        index = vocabulary[token]
        letters = token.removeprefix("##")
        word = letters.isascii() and letters.isalnum()
        return not must_stay(token), -counts[index], not word, index

    least = sum(map(must_stay, vocabulary))
    if size < least:
        raise ModelError(f"a vocabulary of {size} is too small: it needs {least} wordpieces")
    kept = sorted(sorted(vocabulary, key=rank)[:size], key=vocabulary.__getitem__)
    rows = torch.tensor([vocabulary[token] for token in kept])
    new_ids = {token: index for index, token in enumerate(kept)}
    spec["model"]["vocab"] = new_ids
    for token in spec["added_tokens"]:
        token["id"] = new_ids[token["content"]]
    for name, token in spec["post_processor"]["special_tokens"].items():
        token["ids"] = [new_ids[name]]
    words = torch.nn.Embedding(len(kept), model.config.dim, padding_idx=new_ids["[PAD]"])
    words.weight.data.copy_(model.distilbert.embeddings.word_embeddings.weight.data[rows])
    model.distilbert.embeddings.word_embeddings = words
    model.config.vocab_size = len(kept)
    model.config.pad_token_id = new_ids["[PAD]"]
    return Tokenizer.from_str(json.dumps(spec))


def save(model: DistilBertForSequenceClassification, tokenizer: Tokenizer, folder: Path) -> None:
    """Write a folder that ``transformers`` loads: safetensors weights, config, tokenizer.

    Of a model with several outputs a label, a ``transformers`` pipeline gives the best output;
    ``logits`` here, and the exported graph, sum those of each label.
    """
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
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
    """What ``save`` wrote.

    Raises:
        ModelError: the folder holds no model.
    """
    try:
        model = DistilBertForSequenceClassification.from_pretrained(folder)
    except OSError as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(f"cannot load the model in {folder}: {reason}") from error
    return model, Tokenizer.from_file(str(folder / "tokenizer.json"))


def encode(tokenizer: Tokenizer, texts: Iterable[str]) -> list[list[int]]:
    """Token ids of each text, [CLS] and [SEP] included, cut to the tokenizer's limit."""
    tokenizer.no_padding()
    texts, chunk = list(texts), 10_000  # an encoding is a hundred times the size of its ids
    return [
        encoding.ids
        for start in range(0, len(texts), chunk)
        for encoding in tokenizer.encode_batch_fast(texts[start : start + chunk])
    ]


@torch.no_grad()
def logits(
    model: DistilBertForSequenceClassification,
    token_ids: Sequence[Sequence[int]],
    device: torch.device,
    precision: torch.dtype | None = None,
    batch_size: int = 256,
) -> NDArray[np.float32]:
    """The logits of each label, shape (texts, labels), in the order of the texts.

    A label of several outputs is as probable as they are together.
    """
    model.eval()
    outputs = outputs_by_label(model.config)
    result = np.empty((len(token_ids), len(outputs)), np.float32)
    lengths = [len(ids) for ids in token_ids]
    for rows in tqdm(by_length(lengths, batch_size), "predict", unit="batch", leave=False):
        inputs = padded([token_ids[row] for row in rows], model.config.pad_token_id)
        with torch.autocast(device.type, precision, enabled=precision is not None):
            scores: Tensor = model(*(part.to(device) for part in inputs)).logits.float()
        labels = [part.logsumexp(dim=1) for part in scores.split(outputs, dim=1)]
        result[rows] = torch.stack(labels, dim=1).cpu().numpy()
    return result


def outputs_by_label(config: Any) -> list[int]:
    """How many outputs each label has; those of one label stand together."""
    return list(Counter(name for _, name in sorted(config.id2label.items())).values())
