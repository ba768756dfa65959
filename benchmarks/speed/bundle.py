"""Make a source tree's bundle of the model that everything is measured with.

Runs by its path, with the source tree in PYTHONPATH:

    PYTHONPATH=TREE python -P benchmarks/speed/bundle.py FOLDER 6 768
"""

import sys
from pathlib import Path
from typing import Any


def main(arguments: list[str]) -> None:
    """Make the model, and the bundle in its folder ``bundle``."""
    from benchmarks.full_size import build

    folder, layers, dim = arguments
    build(configure(int(layers), int(dim)), Path(folder))


def configure(layers: int, dim: int) -> Any:
    """Return the configuration of a DistilBERT, whose heads have 64 dimensions each, as usual."""
    from transformers import DistilBertConfig

    return DistilBertConfig(
        n_layers=layers, dim=dim, hidden_dim=4 * dim, n_heads=max(1, dim // 64), num_labels=4
    )


if __name__ == "__main__":
    main(sys.argv[1:])
