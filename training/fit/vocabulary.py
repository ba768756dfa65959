"""What the tokenizer knows: fewer wordpieces, and markup that is read as a space."""

import json
from collections import Counter
from collections.abc import Iterable

import torch
from tokenizers import Regex, Tokenizer, normalizers

from training.fit.text_model import ModelError, TextModel, encode


def read_as_space(tokenizer: Tokenizer, pattern: str) -> None:
    """Make a tokenizer read a space wherever the regular expression matches.

    ``tokenizer.json`` records this, so training and serving cannot differ.
    """
    replace = normalizers.Replace(Regex(pattern), " ")
    others = [] if tokenizer.normalizer is None else [tokenizer.normalizer]
    tokenizer.normalizer = normalizers.Sequence([replace, *others])


def prune_vocabulary(
    model: TextModel,
    tokenizer: Tokenizer,
    texts: Iterable[str],
    size: int,
) -> Tokenizer:
    """Keep only the ``size`` wordpieces that matter most.

    Special tokens and single ASCII characters stay, so every ASCII word can still be spelt. Then
    come the wordpieces of the texts by their count, then those of ASCII letters and the rest in the
    tokenizer's own order, which is by frequency for a BERT.

    The rows of the model's embedding are cut to match; the returned tokenizer has the new ids.

    Raises:
        ModelError: the tokenizer is not a BERT's, or ``size`` has no room for what must stay.
    """
    spec = json.loads(tokenizer.to_str())
    kinds = (spec["model"]["type"], (spec["post_processor"] or {}).get("type"))
    if kinds != ("WordPiece", "TemplateProcessing"):
        raise ModelError(
            f"--vocabulary: only the vocabulary of a BERT (WordPiece) can be cut, and this is a "
            f"{kinds[0]}, marked by {kinds[1]}: leave the option out"
        )
    counts: Counter[int] = Counter()
    for ids in encode(tokenizer, texts):
        counts.update(ids)
    vocabulary: dict[str, int] = spec["model"]["vocab"]
    special = {token["content"] for token in spec["added_tokens"]}
    kept = _choose_wordpieces(vocabulary, special, counts, size)

    new_ids = {token: index for index, token in enumerate(kept)}
    spec["model"]["vocab"] = new_ids
    for token in spec["added_tokens"]:
        token["id"] = new_ids[token["content"]]
    for name, token in spec["post_processor"]["special_tokens"].items():
        token["ids"] = [new_ids[name]]
    pad = tokenizer.id_to_token(model.config.pad_token_id)
    _cut_embedding(model, [vocabulary[token] for token in kept], pad_id=new_ids[pad])
    return Tokenizer.from_str(json.dumps(spec))


def match_vocabulary(model: TextModel, tokenizer: Tokenizer, pruned: Tokenizer) -> None:
    """Keep the wordpieces that a pruned version of the tokenizer has, in its order."""
    ids, pad = tokenizer.get_vocab(), tokenizer.id_to_token(model.config.pad_token_id)
    kept = pruned.get_vocab()
    rows = [ids[token] for token in sorted(kept, key=kept.__getitem__)]
    _cut_embedding(model, rows, pad_id=kept[pad])


def _choose_wordpieces(
    vocabulary: dict[str, int], special: set[str], counts: Counter[int], size: int
) -> list[str]:
    """Return the wordpieces to keep, in the order of the vocabulary."""

    def must_stay(token: str) -> bool:
        piece = token.removeprefix("##")
        return token in special or (len(piece) == 1 and piece.isascii())

    def rank(token: str) -> tuple[bool, int, bool, int]:
        index = vocabulary[token]
        letters = token.removeprefix("##")
        is_word = letters.isascii() and letters.isalnum()
        return not must_stay(token), -counts[index], not is_word, index

    least = sum(map(must_stay, vocabulary))
    if size < least:
        raise ModelError(f"--vocabulary: {size} is too small, it needs {least} wordpieces")
    return sorted(sorted(vocabulary, key=rank)[:size], key=vocabulary.__getitem__)


def _cut_embedding(model: TextModel, rows: list[int], pad_id: int) -> None:
    """Keep these rows of the word embedding."""
    old: torch.nn.Embedding = model.base_model.get_input_embeddings()
    words = torch.nn.Embedding(len(rows), old.embedding_dim, padding_idx=pad_id)
    words.weight.data.copy_(old.weight.data[torch.tensor(rows)])
    model.base_model.set_input_embeddings(words)
    model.config.vocab_size = len(rows)
    model.config.pad_token_id = pad_id
