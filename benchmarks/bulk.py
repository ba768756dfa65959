"""Headlines a second of bulk scoring, beside a transformers pipeline and the CPU's own peak.

    python -m benchmarks.bulk                                  # the sample headlines
    python -m benchmarks.bulk --data newsCorpora.csv --rows 50000
    python -m benchmarks.bulk --rows 64 --pipeline-rows 32 --layers 1    # does it run?

The model is a DistilBERT of full size with random weights, exported as training.export.bundle does;
weights do not change the speed. Everything is measured in one run on all cores; leave the
machine alone meanwhile. The command's start is part of its time, so give it rows for minutes.
"""

import argparse
import json
import multiprocessing
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper
from tokenizers import Tokenizer
from transformers import DistilBertConfig, pipeline

from benchmarks.full_size import HEADLINES, ROOT, build
from inference.bulk.pool import usable_cores
from inference.model.bundle import TOKENIZER
from inference.model.classifier import BATCH_TOKENS
from training import tasks
from training.data.read import read

WANTED_SPEEDUP = 12.0
WANTED_SHARE = 0.6  # of the peak
PEAK_SECONDS = 5.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bulk",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", default=str(HEADLINES), help="news, as training reads them")
    parser.add_argument("--rows", type=int, default=20_000, help="to score in bulk")
    parser.add_argument("--pipeline-rows", type=int, default=2_000)
    parser.add_argument("--layers", type=int, default=DistilBertConfig().n_layers)
    options = parser.parse_args(arguments)
    cores = usable_cores()
    texts = headlines(options.data, options.rows)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        config = DistilBertConfig(n_layers=options.layers, num_labels=len(tasks.NEWS.labels))
        build(config, folder)
        slow = pipeline_rate(folder, texts[: options.pipeline_rows], cores)
        fast = bulk_rate(folder, texts)
        peak = peak_rate(config, cores)
        share = fast * operations(config, folder, texts) / len(texts) / peak
    print(f"{cores} cores, {len(texts)} headlines, DistilBERT {config.n_layers} x {config.dim}")
    print(f"transformers pipeline, batch size 32  {slow:10.1f} headlines/s")
    print(f"inference.bulk, int8                  {fast:10.1f} headlines/s")
    print(f"speed-up                              {fast / slow:10.1f} x (wanted {WANTED_SPEEDUP})")
    print(f"int8 matrix products, peak            {peak / 1e9:10.1f} G operations/s")
    print(f"inference.bulk's share of it          {share:10.1%} (wanted {WANTED_SHARE:.0%})")


def headlines(location: str, count: int) -> list[str]:
    """Headlines in random order, over again where there are fewer than asked for."""
    texts = [row.text for row in read(location, tasks.NEWS).examples]
    random.Random(0).shuffle(texts)  # noqa: S311 - not a secret
    return list(islice(cycle(texts), count))


def pipeline_rate(folder: Path, texts: list[str], cores: int) -> float:
    """Headlines a second of ``transformers`` as most people run it."""
    torch.set_num_threads(cores)
    classify = pipeline("text-classification", str(folder), device="cpu", batch_size=32)
    classify(texts[:32])
    started = time.perf_counter()
    classify(texts, truncation=True)
    return len(texts) / (time.perf_counter() - started)


def bulk_rate(folder: Path, texts: list[str]) -> float:
    """Headlines a second of the command, from its start to its end."""
    source = folder / "headlines.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    command = [sys.executable, "-m", "inference.bulk", str(source)]
    command += ["--output", str(folder / "out.jsonl")]
    command += ["--model-uri", (folder / "bundle").as_uri()]
    started = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True)
    return len(texts) / (time.perf_counter() - started)


def operations(config: DistilBertConfig, folder: Path, texts: list[str]) -> int:
    """Multiplications and additions in the matrix products of a plain DistilBERT."""
    tokenizer = Tokenizer.from_file(str(folder / "bundle" / TOKENIZER))
    total = 0
    for encoding in tokenizer.encode_batch(texts):
        tokens = len(encoding.ids)
        projections = tokens * (4 * config.dim**2 + 2 * config.dim * config.hidden_dim)
        attention = 2 * tokens**2 * config.dim
        total += config.n_layers * (projections + attention)
        total += config.dim**2 + config.dim * config.num_labels
    return 2 * total


def peak_rate(config: DistilBertConfig, cores: int) -> float:
    """Operations a second of the best of the model's own int8 products, on all cores at once."""
    shapes = [(config.dim, config.dim), (config.dim, config.hidden_dim)]
    shapes += [(config.hidden_dim, config.dim)]
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        return max(sum(pool.map(product_rate, [shape] * cores, 1)) for shape in shapes)


def product_rate(shape: tuple[int, int]) -> float:
    """Operations a second of one batch's tokens times int8 weights, one thread."""
    rows, columns = shape
    random = np.random.default_rng(0)
    weights = random.integers(-64, 64, shape, np.int8)
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["tokens", "weights"], ["out"])],
        "product",
        [helper.make_tensor_value_info("tokens", TensorProto.UINT8, [BATCH_TOKENS, rows])],
        [helper.make_tensor_value_info("out", TensorProto.INT32, [BATCH_TOKENS, columns])],
        [onnx.numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    inputs = {"tokens": random.integers(0, 256, (BATCH_TOKENS, rows), np.uint8)}
    session.run(None, inputs)
    runs, started = 0, time.perf_counter()
    while (seconds := time.perf_counter() - started) < PEAK_SECONDS:
        session.run(None, inputs)
        runs += 1
    return 2 * BATCH_TOKENS * rows * columns * runs / seconds


if __name__ == "__main__":
    main()
