"""Write a small DistilBERT with random weights, to train from scratch.

    python -m benchmarks.small_encoder build/small
    textclf train --base-model build/small --learning-rate 1e-3 --data newsCorpora.csv …

Its vocabulary is the shipped model's, so nothing is downloaded.
"""

from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter, validators
from tokenizers import Tokenizer
from transformers import DistilBertConfig

from benchmarks.full_size import save_model
from inference.local.checkout import SAMPLE_MODEL
from inference.model.bundle import TOKENIZER

Count = Annotated[int, Parameter(validator=validators.Number(gte=1))]
HEAD = 64  # width of an attention head


def main(folder: Path, /, *, layers: Count = 2, heads: Count = 4) -> None:
    """Write a DistilBERT with random weights.

    Args:
        folder: A new folder.
        layers: How many layers it has.
        heads: How many attention heads, of 64 dimensions each, a layer has.
    """
    config = DistilBertConfig(
        vocab_size=Tokenizer.from_file(str(SAMPLE_MODEL / TOKENIZER)).get_vocab_size(),
        dim=HEAD * heads,
        hidden_dim=4 * HEAD * heads,
        n_layers=layers,
        n_heads=heads,
    )
    folder.mkdir(parents=True)
    save_model(config, folder)


if __name__ == "__main__":
    cyclopts.run(main)
