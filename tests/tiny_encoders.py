"""Tiny encoders of other kinds than DistilBERT, with random weights, as a hub would hold them."""

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    MPNetConfig,
    MPNetModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
)

from tests.conftest import HEADLINES
from tests.tiny_model import build_tokenizer
from training import tasks
from training.data.read import read

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
POSITIONS = 64  # that texts can have; a RoBERTa's table has two more rows
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "initializer_range": 0.2,  # large, so that texts differ
}


def write_mpnet(folder: Path) -> Path:
    """Write an MPNet, which reads words as a BERT does but marks texts as a RoBERTa does."""
    vocabulary = build_tokenizer(_read_headlines()).get_vocab(with_added_tokens=False)
    ordered = sorted(vocabulary, key=vocabulary.__getitem__)[len(SPECIAL) :]
    pieces = {
        token: index
        for index, token in enumerate([*SPECIAL[:3], "[UNK]", "<mask>", "[MASK]", *ordered])
    }
    tokenizer = Tokenizer(models.WordPiece(pieces, unk_token="[UNK]"))
    plain = build_tokenizer([])
    tokenizer.normalizer, tokenizer.pre_tokenizer = plain.normalizer, plain.pre_tokenizer
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    config = MPNetConfig(vocab_size=len(pieces), max_position_embeddings=POSITIONS + 2, **SIZES)
    _write(MPNetModel, config, tokenizer, folder, unknown="[UNK]")
    return folder


def write_roberta(folder: Path) -> Path:
    """Write a RoBERTa, which reads bytes and so knows no unknown word."""
    tokenizer = _train_byte_tokenizer(_read_headlines())
    config = RobertaConfig(
        vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=POSITIONS + 2, **SIZES
    )
    _write(RobertaModel, config, tokenizer, folder)
    return folder


def write_modernbert(folder: Path) -> Path:
    """Write a ModernBERT, which has no table of positions."""
    from transformers import ModernBertConfig, ModernBertModel  # compiles, which takes seconds

    tokenizer = _train_byte_tokenizer(_read_headlines())
    config = ModernBertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=POSITIONS,
        cls_token_id=0,
        sep_token_id=2,
        **SIZES,
    )
    _write(ModernBertModel, config, tokenizer, folder)
    return folder


def _read_headlines() -> list[str]:
    return [row.text for row in read(str(HEADLINES), tasks.NEWS).examples]


def _train_byte_tokenizer(texts: Sequence[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=[AddedToken(token, special=True) for token in SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer


def _write(
    kind: type[PreTrainedModel],
    config: object,
    tokenizer: Tokenizer,
    folder: Path,
    unknown: str = "<unk>",
) -> None:
    torch.manual_seed(0)
    kind(config).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        sep_token="</s>",
        eos_token="</s>",
        pad_token="<pad>",
        mask_token="<mask>",
        unk_token=unknown,
    ).save_pretrained(folder)
