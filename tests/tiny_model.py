"""A DistilBERT so small that it is trained in seconds, made by the project's own commands."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from tests.conftest import HEADLINES, TRAINING
from textclf.app import main
from training import tasks
from training.data.read import read
from training.fit import text_model

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
MAX_LENGTH = 64


def write_base_model(folder: Path, texts: Sequence[str] = ()) -> None:
    """Write a model with random weights that knows the words of texts, or the sample headlines."""
    texts = texts or [row.text for row in read(str(HEADLINES), tasks.NEWS).examples]
    tokenizer = build_tokenizer(texts)
    config = DistilBertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        dim=128,
        hidden_dim=256,
        n_layers=1,  # shallow and wide, so that int8 changes no probability by more than 0.01
        n_heads=4,
        max_position_embeddings=MAX_LENGTH,
    )
    torch.manual_seed(0)
    text_model.save(DistilBertForSequenceClassification(config), tokenizer, folder)


def build_tokenizer(texts: Sequence[str], *, lowercase: bool = True) -> Tokenizer:
    """Build a tokenizer of all characters and of each word that occurs twice.

    Its vocabulary is sorted: a trained one differs from run to run, and so would the model.
    """
    normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    splitter = pre_tokenizers.BertPreTokenizer()
    words = Counter(
        word
        for text in texts
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))
    )
    characters = sorted({character for word in words for character in word})
    frequent = sorted(word for word, count in words.items() if count > 1 and len(word) > 1)
    pieces = [*SPECIAL, *characters, *(f"##{c}" for c in characters), *frequent]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_truncation(MAX_LENGTH)
    return tokenizer


def train_and_export(base: Path, folder: Path) -> None:
    """Train on the sample headlines, evaluate, and export to ``folder/bundle``."""
    data = ["--data", str(HEADLINES), "--base-model", str(base), "--output", str(folder)]
    assert main(["train", *data, *TRAINING]) == 0
    assert main(["evaluate", str(folder)]) == 0
    assert main(["export", str(folder)]) == 0
