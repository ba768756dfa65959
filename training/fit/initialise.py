"""The model and the tokenizer that a run starts from."""

from collections.abc import Sequence

from tokenizers import Tokenizer
from transformers import DistilBertForSequenceClassification

from training.data.examples import Example
from training.fit.base_model import load_pretrained
from training.fit.distilbert import ModelError
from training.fit.settings import Settings
from training.fit.vocabulary import prune_vocabulary, read_as_space
from training.tasks import Task


def initialise(
    settings: Settings, task: Task, examples: Sequence[Example]
) -> tuple[DistilBertForSequenceClassification, Tokenizer]:
    """Load the base model and cut it to the size that the settings ask for.

    Args:
        settings: the base model, its layers and vocabulary, and how much of a text is read.
        task: what to classify.
        examples: the training rows, whose most frequent wordpieces are kept.

    Raises:
        ModelError: the base model cannot be loaded, or is smaller than the settings ask for.
    """
    layers = [int(layer) for layer in settings.layers.split(",") if layer]
    model, tokenizer = load_pretrained(settings.base_model, task.labels, layers)
    if task.markup:
        read_as_space(tokenizer, task.markup)
    if settings.vocabulary:
        texts = [example.text for example in examples]
        tokenizer = prune_vocabulary(model, tokenizer, texts, settings.vocabulary)
    max_length = settings.max_length or task.max_length
    limit = model.config.max_position_embeddings
    if max_length > limit:
        raise ModelError(f"--max-length: {settings.base_model} reads at most {limit} wordpieces")
    tokenizer.enable_truncation(max_length, direction=task.truncation_side)
    return model, tokenizer
