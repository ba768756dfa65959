"""The model and the tokenizer that a run starts from."""

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer

from training.data.examples import Example
from training.fit.base_model import load_pretrained
from training.fit.encoder import EncoderClassifier
from training.fit.settings import Settings
from training.fit.text_model import ModelError, TextModel, find_mask_id
from training.fit.vocabulary import prune_vocabulary, read_as_space
from training.fit.windows import set_overlap
from training.tasks import Task


def initialise(
    settings: Settings, task: Task, examples: Sequence[Example]
) -> tuple[TextModel, Tokenizer]:
    """Load the base model and cut it to the size that the settings ask for.

    Args:
        settings: the base model, its layers and vocabulary, and how much of a text is read.
        task: what to classify.
        examples: the training rows, whose most frequent wordpieces are kept.

    Raises:
        ModelError: the base model cannot be loaded, or lacks what the settings ask for.
    """
    layers = [int(layer) for layer in settings.layers.split(",") if layer]
    pooling = settings.pooling or ("mean" if settings.fits_head else "")
    model, tokenizer = load_pretrained(settings.base_model, task.labels, layers, pooling)
    if settings.is_multi_label:  # tells `transformers` to read outputs by a sigmoid
        model.config.problem_type = "multi_label_classification"
    if settings.fits_head and not isinstance(model, EncoderClassifier):
        raise ModelError(f"--method {settings.method} needs a linear head: give --pooling mean")
    if settings.head_first and not isinstance(model, EncoderClassifier):
        raise ModelError("--head-first needs a linear head: give --pooling mean")
    if settings.masking and find_mask_id(tokenizer) is None:
        raise ModelError(f"--masking: the tokenizer of {settings.base_model} has no mask token")
    if task.markup:
        read_as_space(tokenizer, task.markup)
    if settings.vocabulary:
        texts = [example.text for example in examples]
        tokenizer = prune_vocabulary(model, tokenizer, texts, settings.vocabulary)
    max_length = settings.max_length or task.max_length
    limit = find_longest(model)
    if limit is not None and max_length > limit:
        raise ModelError(f"--max-length: {settings.base_model} reads at most {limit} wordpieces")
    tokenizer.enable_truncation(max_length, direction=task.truncation_side)
    set_overlap(tokenizer, settings)
    return model, tokenizer


def find_longest(model: TextModel) -> int | None:
    """Return how many tokens a model has positions for; None if that has no limit."""
    positions: int | None = getattr(model.config, "max_position_embeddings", None)
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            # A RoBERTa counts positions from the number after its padding's, as fairseq did.
            unused = 0 if module.padding_idx is None else module.padding_idx + 1
            positions = module.num_embeddings - unused
    return positions
