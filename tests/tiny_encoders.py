"""Tiny encoders of other kinds than DistilBERT, with random weights, as a hub would hold them."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    AlbertConfig,
    AutoModel,
    CamembertConfig,
    DistilBertConfig,
    DistilBertModel,
    ElectraConfig,
    ElectraModel,
    MPNetConfig,
    MPNetModel,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    XLMRobertaConfig,
    XLMRobertaModel,
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
_POSITIONED = {**SIZES, "max_position_embeddings": POSITIONS + 2}
BERT_TOKENS = {
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "mask_token": "[MASK]",
    "unk_token": "[UNK]",
}
ROBERTA_TOKENS = {
    "bos_token": "<s>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "eos_token": "</s>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
    "unk_token": "<unk>",
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
    config = MPNetConfig(vocab_size=len(pieces), **_POSITIONED)
    tokens = {**ROBERTA_TOKENS, "unk_token": "[UNK]"}
    _write(MPNetModel, config, tokenizer, folder, tokens)
    return folder


def write_roberta(folder: Path) -> Path:
    """Write a RoBERTa, which reads bytes and so knows no unknown word."""
    return _write_like_roberta(RobertaConfig(**_POSITIONED), folder)


def write_albert(folder: Path) -> Path:
    """Write an ALBERT, whose layers share their weights, with a RoBERTa's tokenizer."""
    return _write_like_roberta(AlbertConfig(embedding_size=16, **_POSITIONED), folder)


def write_camembert(folder: Path) -> Path:
    """Write a CamemBERT, which is a RoBERTa by another name."""
    return _write_like_roberta(CamembertConfig(**_POSITIONED), folder)


def _write_like_roberta(config: PretrainedConfig, folder: Path) -> Path:
    tokenizer = _train_byte_tokenizer(_read_headlines())
    config.vocab_size = tokenizer.get_vocab_size()
    _write(AutoModel.from_config, config, tokenizer, folder, ROBERTA_TOKENS)
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
    _write(ModernBertModel, config, tokenizer, folder, ROBERTA_TOKENS)
    return folder


def write_xlm_roberta(folder: Path, texts: Sequence[str]) -> Path:
    """Write an XLM-R, which reads pieces of sentences in any script."""
    tokenizer = _train_unigram_tokenizer(texts)
    config = XLMRobertaConfig(vocab_size=tokenizer.get_vocab_size(), **_POSITIONED)
    _write(XLMRobertaModel, config, tokenizer, folder, ROBERTA_TOKENS)
    return folder


def write_deberta(folder: Path, texts: Sequence[str]) -> Path:
    """Write a DeBERTa, whose attentions know distances alone."""
    with warnings.catch_warnings():  # its module compiles with what torch has deprecated
        warnings.simplefilter("ignore", DeprecationWarning)
        from transformers import DebertaV2Config, DebertaV2Model

    tokenizer = _train_unigram_tokenizer(texts)
    config = DebertaV2Config(
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=POSITIONS,
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
        position_buckets=16,
        share_att_key=True,
        norm_rel_ebd="layer_norm",
        position_biased_input=False,
        **SIZES,
    )
    _write(DebertaV2Model, config, tokenizer, folder, ROBERTA_TOKENS)
    return folder


def write_electra(folder: Path) -> Path:
    """Write an Electra, whose embeddings are smaller than its states."""
    tokenizer = build_tokenizer(_read_headlines())
    sizes = {**SIZES, "pad_token_id": 0}
    config = ElectraConfig(
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=POSITIONS,
        embedding_size=16,
        **sizes,
    )
    _write(ElectraModel, config, tokenizer, folder, BERT_TOKENS)
    return folder


def write_multilingual_distilbert(folder: Path, texts: Sequence[str]) -> Path:
    """Write a DistilBERT that reads words of any script, and tells case and accents apart."""
    tokenizer = build_tokenizer(texts, lowercase=False)
    config = DistilBertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        dim=64,
        hidden_dim=96,
        n_layers=2,
        n_heads=4,
        max_position_embeddings=POSITIONS,
    )
    _write(DistilBertModel, config, tokenizer, folder, BERT_TOKENS)
    return folder


def _write(
    kind: Callable[[Any], PreTrainedModel],
    config: PretrainedConfig,
    tokenizer: Tokenizer,
    folder: Path,
    tokens: Mapping[str, str],
) -> None:
    torch.manual_seed(0)
    kind(config).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **tokens).save_pretrained(folder)


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


def _train_unigram_tokenizer(texts: Sequence[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=500,
        special_tokens=[AddedToken(token, special=True) for token in SPECIAL],
        unk_token="<unk>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer
