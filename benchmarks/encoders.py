"""Compare how fast encoders of several kinds are served, for the same size of model.

    python -m benchmarks.encoders
    python -m benchmarks.encoders --kinds roberta mpnet --layers 4

Each has random weights, as many layers of the same size, and a bundle's graph: int8, on one thread.
Texts have 16 and 64 tokens. The graphs answer in turn, so that other work on the machine slows all
of them alike, and the figures are CPU times, not wall times. The last column is the time of a
layer and a text as a multiple of a DistilBERT's; the embeddings and the head are so small that two
layers tell what twelve would.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from transformers import CONFIG_MAPPING, AutoModel, DistilBertConfig

from benchmarks.full_size import pad_tokenizer
from inference.model.bundle import MODEL
from training.export.graph import write_graph
from training.fit import text_model
from training.fit.encoder import EncoderClassifier

KINDS = ("distilbert", "roberta", "electra", "mpnet", "modernbert", "deberta-v2", "albert")
WORDS = 30_000
LENGTHS = (16, 64)
RUNS = 30
CALIBRATION_ROWS = 16
SIZES = {"vocab_size": WORDS, "hidden_size": 768, "num_attention_heads": 12}
SIZES |= {"intermediate_size": 3072, "pad_token_id": 1, "max_position_embeddings": 514}
DEBERTA = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 256}
EXTRA: dict[str, dict[str, Any]] = {
    "modernbert": {"cls_token_id": 0, "sep_token_id": 2},
    "deberta-v2": {**DEBERTA, "share_att_key": True, "norm_rel_ebd": "layer_norm"},
}


def write_kind(kind: str, layers: int, folder: Path) -> onnxruntime.InferenceSession:
    """Write the graph of a model with random weights, and open it."""
    torch.manual_seed(0)
    if kind == "distilbert":
        config = DistilBertConfig(vocab_size=WORDS, n_layers=layers)
    else:
        config = CONFIG_MAPPING[kind](**SIZES, num_hidden_layers=layers, **EXTRA.get(kind, {}))
    model = EncoderClassifier(AutoModel.from_config(config), ["a", "b"], "mean").eval()
    tokenizer = pad_tokenizer(WORDS)
    tokenizer.enable_truncation(max(LENGTHS))
    text_model.save(model, tokenizer, folder)
    random = np.random.default_rng(0)
    calibration = random.integers(10, WORDS, (CALIBRATION_ROWS, max(LENGTHS))).tolist()
    write_graph(folder, folder, max(LENGTHS), calibration)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(folder / MODEL, options, providers=["CPUExecutionProvider"])


def measure(sessions: dict[str, onnxruntime.InferenceSession], length: int) -> dict[str, float]:
    """Return the median CPU time of a text of this length, in ms, by kind."""
    token_ids = np.random.default_rng(1).integers(10, WORDS, (1, length))
    times: dict[str, list[float]] = {kind: [] for kind in sessions}
    for _ in range(RUNS):
        for kind, session in sessions.items():
            begin = time.process_time()
            session.run(None, {"input_ids": token_ids})
            times[kind].append((time.process_time() - begin) * 1000)
    return {kind: statistics.median(values) for kind, values in times.items()}


def main() -> None:
    """Write the graphs, measure them in turn, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--layers", type=int, default=2)
    options = parser.parse_args()
    kinds = dict.fromkeys(["distilbert", *options.kinds])
    with tempfile.TemporaryDirectory() as temporary:
        sessions = {}
        for kind in kinds:
            folder = Path(temporary) / kind
            folder.mkdir()
            sessions[kind] = write_kind(kind, options.layers, folder)
        by_length = {length: measure(sessions, length) for length in LENGTHS}
    print("| encoder |" + "".join(f" {length} tokens, ms | times |" for length in LENGTHS))
    print("|---|" + "---:|" * 2 * len(LENGTHS))
    for kind in kinds:
        cells = [(times[kind], times[kind] / times["distilbert"]) for times in by_length.values()]
        print(f"| {kind} |" + "".join(f" {ms:.2f} | {ratio:.1f} |" for ms, ratio in cells))


if __name__ == "__main__":
    main()
