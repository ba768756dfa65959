"""The pretrained model that training starts from: any encoder that `transformers` knows.

A BERT becomes a DistilBERT, which is exported to the fastest graph. A DistilBERT is a BERT without
token types and pooler (Sanh et al. 2019, https://arxiv.org/abs/1910.01108). So a BERT's weights
make one with the same hidden states: copy them layer by layer, and add token-type embedding 0 to
every position embedding.
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from tokenizers import Tokenizer
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    DistilBertModel,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

from training.fit.encoder import POOLING, EncoderClassifier, Pooling
from training.fit.text_model import ModelError, TextModel, explain_load_error

LEAST_SPECIAL_TOKENS = 2  # the first and the last token of a text, such as [CLS] and [SEP]

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
    base_model: str,
    labels: Sequence[str],
    layers: Sequence[int] = (),
    pooling: Pooling | Literal[""] = "",
) -> tuple[TextModel, Tokenizer]:
    """Make a classifier from a base model; returns it with its tokenizer.

    Its head is new, unless the base model was trained here for these very labels and this pooling.

    Args:
        base_model: a hub id or a folder of an encoder.
        labels: the labels in output order.
        layers: the encoder layers to keep, all if empty.
        pooling: what the head reads; if empty, what the base model's head does, or the first state.

    Raises:
        ModelError: there is no such model, it is no encoder, or it lacks one of the layers.
    """
    try:
        config = AutoConfig.from_pretrained(base_model, trust_remote_code=False)
        _require_encoder(base_model, config)
        encoder, trained = _load_encoder(base_model, config, labels)
        tokenizer = _load_tokenizer(base_model)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"cannot load {base_model} (a hub id or a folder): {explain_load_error(error)}"
        ) from error
    if layers:
        _keep_layers(encoder, layers, base_model)
    reads: Pooling = getattr(config, POOLING, "first") if pooling == "" else pooling
    if reads == "first" and encoder.config.model_type == "distilbert":
        return _with_own_head(encoder, labels, trained), tokenizer
    model = EncoderClassifier(encoder, labels, reads)
    if isinstance(trained, EncoderClassifier) and trained.pooling == reads:
        model.classifier = trained.classifier
    if model.config.pad_token_id is None:
        raise ModelError(f"{base_model} has no pad_token_id in its config.json")
    return model, tokenizer


def _require_encoder(base_model: str, config: PretrainedConfig) -> None:
    """Refuse a model that reads a text from left to right only, or that writes one."""
    reads_both_ways = config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    if not reads_both_ways or config.is_encoder_decoder or config.is_decoder:
        raise ModelError(
            f"{base_model} is a {config.model_type}: give an encoder, such as a DistilBERT, "
            "a BERT, an MPNet or a RoBERTa"
        )


def _load_encoder(
    base_model: str, config: PretrainedConfig, labels: Sequence[str]
) -> tuple[PreTrainedModel, TextModel | None]:
    """Load the encoder and, if it was trained for these labels, the classifier around it."""
    is_trained = [name for _, name in sorted(config.id2label.items())] == list(labels)
    trained: TextModel
    if hasattr(config, POOLING):
        trained = EncoderClassifier.load(base_model, config)
        return trained.base_model, trained if is_trained else None
    if config.model_type == "distilbert" and is_trained:
        trained = DistilBertForSequenceClassification.from_pretrained(base_model)
        return trained.distilbert, trained
    encoder = AutoModel.from_pretrained(base_model, trust_remote_code=False)
    return _from_bert(encoder) if config.model_type == "bert" else encoder, None


def _load_tokenizer(base_model: str) -> Tokenizer:
    tokenizer = AutoTokenizer.from_pretrained(base_model, use_fast=True, trust_remote_code=False)
    if not tokenizer.is_fast:
        raise ModelError(f"{base_model} has no fast tokenizer (tokenizer.json)")
    backend: Tokenizer = tokenizer.backend_tokenizer
    if backend.num_special_tokens_to_add(is_pair=False) < LEAST_SPECIAL_TOKENS:
        raise ModelError(
            f"the tokenizer of {base_model} does not mark where a text begins and ends"
        )
    return backend


def _keep_layers(encoder: PreTrainedModel, layers: Sequence[int], base_model: str) -> None:
    if encoder.config.model_type != "distilbert":
        raise ModelError(
            f"--layers: {base_model} is no DistilBERT or BERT, so it keeps all layers: leave the "
            "option out"
        )
    count = encoder.config.n_layers
    if not set(layers) <= set(range(count)):
        raise ModelError(f"--layers: {base_model} has layers 0 to {count - 1}")
    encoder.transformer.layer = torch.nn.ModuleList(encoder.transformer.layer[i] for i in layers)
    encoder.config.n_layers = len(layers)


def _with_own_head(
    encoder: DistilBertModel, labels: Sequence[str], trained: TextModel | None
) -> DistilBertForSequenceClassification:
    """Put the two layers of a DistilBERT's own head on an encoder."""
    config = encoder.config
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    if hasattr(config, POOLING):
        delattr(config, POOLING)
    model = DistilBertForSequenceClassification(config)
    if isinstance(trained, DistilBertForSequenceClassification):
        model.pre_classifier, model.classifier = trained.pre_classifier, trained.classifier
    model.distilbert = encoder
    return model.float()


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
