"""The pretrained model that training starts from: a DistilBERT, or one made from a BERT.

A DistilBERT is a BERT without token types and pooler (Sanh et al. 2019,
https://arxiv.org/abs/1910.01108). So a BERT's weights make one with the same hidden states: copy
them layer by layer, and add token-type embedding 0 to every position embedding.
"""

from collections.abc import Sequence
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    DistilBertModel,
)

from training.fit.distilbert import ModelError

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


def load_pretrained(
    base_model: str, labels: Sequence[str], layers: Sequence[int] = ()
) -> tuple[DistilBertForSequenceClassification, Tokenizer]:
    """Make a DistilBERT classifier from a base model; returns it with its tokenizer.

    Its head is new, unless the base model is a DistilBERT with these very labels.

    Args:
        base_model: a hub id or a folder of a DistilBERT or a BERT.
        labels: the labels in output order.
        layers: the encoder layers to keep, all if empty.

    Raises:
        ModelError: there is no such model, it is neither a DistilBERT nor a BERT, or it lacks one
            of the layers.
    """
    try:
        encoder, trained = _load_encoder(base_model, labels)
        tokenizer = AutoTokenizer.from_pretrained(base_model, use_fast=True).backend_tokenizer
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(f"cannot load {base_model} (a hub id or a folder): {reason}") from error
    count = encoder.config.n_layers
    kept = list(layers) or list(range(count))
    if not set(kept) <= set(range(count)):
        raise ModelError(f"--layers: {base_model} has layers 0 to {count - 1}")
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


def _load_encoder(
    base_model: str, labels: Sequence[str]
) -> tuple[DistilBertModel, DistilBertForSequenceClassification | None]:
    """Load the encoder and, if it was trained for these labels, the classifier around it."""
    config = AutoConfig.from_pretrained(base_model)
    if config.model_type == "bert":
        return _from_bert(AutoModel.from_pretrained(base_model)), None
    if config.model_type != "distilbert":
        raise ModelError(f"{base_model} is a {config.model_type}: give a DistilBERT or a BERT")
    if [name for _, name in sorted(config.id2label.items())] == list(labels):
        trained = DistilBertForSequenceClassification.from_pretrained(base_model)
        return trained.distilbert, trained
    return AutoModel.from_pretrained(base_model), None


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
