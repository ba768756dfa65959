"""Measure bulk scoring in headlines a second, next to a ``transformers`` pipeline.

    python -m benchmarks.bulk                                  # the sample headlines
    python -m benchmarks.bulk --data newsCorpora.csv --rows 50000
    python -m benchmarks.bulk --rows 64 --pipeline-rows 32 --layers 1    # does it run?

Measured on all cores: `textclf bulk` with an int8 bundle, from the command's start to its end (so
give it rows for minutes), and how much of its CPU time it spends outside onnxruntime; a pipeline in
fp32 with batches of 32; and the CPU's own peak in int8 matrix products, as a bound. The model is a
full-size DistilBERT with random weights, which do not change the speed.

Leave the machine alone meanwhile. On a 2-core cloud machine the figures differed by half in slow
hours, and the ratio to the pipeline by a tenth.
"""

import json
import multiprocessing
import random
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import chain, islice
from itertools import count as count_from
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
import onnx
import onnxruntime
import torch
import transformers
from cyclopts import Parameter
from cyclopts.validators import Number
from onnx import TensorProto, helper
from tokenizers import Tokenizer
from transformers import DistilBertConfig, pipeline

from benchmarks.full_size import HEADLINES, build, read_headlines
from inference.bulk.chunks import CHUNK_ROWS
from inference.bulk.pool import usable_cores
from inference.local.checkout import ROOT
from inference.model.batches import BATCH_TOKENS, group_by_length
from inference.model.bundle import MODEL, TOKENIZER, read_verified
from inference.model.classifier import open_tokenizer
from training import tasks

TARGET_SPEEDUP = 12.0
TARGET_SHARE = 0.6  # of the peak
TARGET_OUTSIDE = 0.08  # of the CPU time, start included
PEAK_SECONDS = 5.0

Count = Annotated[int, Parameter(validator=Number(gte=1))]


@dataclass(frozen=True)
class BulkRun:
    """What a run of the command took."""

    rate: float  # headlines a second
    cpu: float  # seconds, of all its processes


def main(
    *,
    data: str = str(HEADLINES),
    rows: Count = 20_000,
    pipeline_rows: Count = 2_000,
    layers: Count = 6,
) -> None:
    """Measure bulk scoring and print a table.

    Args:
        data: A file of news, as training reads them.
        rows: How many headlines to score in bulk.
        pipeline_rows: How many of them the pipeline classifies.
        layers: Of the model.
    """
    transformers.logging.set_verbosity_error()
    cores = usable_cores()
    texts = choose_texts(data, rows)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        config = DistilBertConfig(n_layers=layers, num_labels=len(tasks.NEWS.labels))
        build(config, folder)
        peer = measure_pipeline(folder, texts[:pipeline_rows], cores)
        ours = measure_bulk(folder, texts)
        in_session = texts[: max(CHUNK_ROWS, rows // 10)]
        session = measure_session(folder / "bundle", in_session) / len(in_session) * rows
        peak = measure_peak(config, cores)
        share = ours.rate * count_operations(config, folder, texts) / len(texts) / peak
    speedup, outside = ours.rate / peer, 1 - session / ours.cpu
    print(f"{cores} cores, {len(texts)} headlines, DistilBERT {config.n_layers} x {config.dim}")
    print(f"transformers pipeline, batch size 32  {peer:10.1f} headlines/s")
    print(f"textclf bulk, int8                    {ours.rate:10.1f} headlines/s")
    print(f"textclf bulk, on each core            {ours.rate / cores:10.1f} headlines/s")
    print(f"speed-up                              {speedup:10.1f} x (target {TARGET_SPEEDUP:g})")
    print(f"CPU time outside onnxruntime          {outside:10.1%} (target {TARGET_OUTSIDE:.0%})")
    print(f"int8 matrix products, peak            {peak / 1e9:10.1f} G operations/s")
    print(f"share of it that textclf bulk uses    {share:10.1%} (target {TARGET_SHARE:.0%})")


def choose_texts(location: str, count: int) -> list[str]:
    """Shuffle the headlines of a file, and repeat them with numbers until there are enough.

    No two are the same, because ``textclf bulk`` classifies equal texts of a chunk once.
    """
    texts = list(dict.fromkeys(read_headlines(location)))
    random.Random(0).shuffle(texts)  # noqa: S311 - not a secret
    numbered = (f"{text} {number}" for number in count_from(1) for text in texts)
    return list(islice(chain(texts, numbered), count))


def measure_pipeline(folder: Path, texts: list[str], cores: int) -> float:
    """Return the headlines a second of ``transformers`` as most people use it."""
    torch.set_num_threads(cores)
    classify = pipeline("text-classification", str(folder), device="cpu", batch_size=32)
    classify(texts[:32])
    started = time.perf_counter()
    classify(texts, truncation=True)
    return len(texts) / (time.perf_counter() - started)


def measure_bulk(folder: Path, texts: list[str]) -> BulkRun:
    """Measure the command from its start to its end."""
    source = folder / "headlines.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    # A separate process, because the start of Python and the imports count too.
    command = [sys.executable, "-m", "textclf", "bulk", str(source)]
    command += ["--output", str(folder / "out.jsonl")]
    command += ["--model-uri", (folder / "bundle").as_uri()]
    started, before = time.perf_counter(), _cpu_of_children()
    subprocess.run(command, cwd=ROOT, check=True)
    rate = len(texts) / (time.perf_counter() - started)
    return BulkRun(rate, _cpu_of_children() - before)


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure_session(bundle: Path, texts: list[str]) -> float:
    """Return the CPU seconds of texts in nothing but onnxruntime, in the batches of a chunk."""
    tokenizer = open_tokenizer(bundle / TOKENIZER, read_verified(bundle).manifest.max_length)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(bundle / MODEL), options)
    seconds = 0.0
    for start in range(0, len(texts), CHUNK_ROWS):
        token_ids = [one.ids for one in tokenizer.encode_batch(texts[start : start + CHUNK_ROWS])]
        for rows in group_by_length([len(ids) for ids in token_ids]):
            batch = np.array([token_ids[row] for row in rows], np.int64)
            before = time.process_time()
            session.run(None, {"input_ids": batch})
            seconds += time.process_time() - before
    return seconds


def count_operations(config: DistilBertConfig, folder: Path, texts: list[str]) -> int:
    """Count the multiplications and additions in the matrix products of a plain DistilBERT."""
    tokenizer = Tokenizer.from_file(str(folder / "bundle" / TOKENIZER))
    total = 0
    for encoding in tokenizer.encode_batch(texts):
        tokens = len(encoding.ids)
        projections = tokens * (4 * config.dim**2 + 2 * config.dim * config.hidden_dim)
        attention = 2 * tokens**2 * config.dim
        total += config.n_layers * (projections + attention)
        total += config.dim**2 + config.dim * config.num_labels
    return 2 * total


def measure_peak(config: DistilBertConfig, cores: int) -> float:
    """Return the operations a second of the model's fastest int8 product, on all cores at once."""
    shapes = [(config.dim, config.dim), (config.dim, config.hidden_dim)]
    shapes += [(config.hidden_dim, config.dim)]
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        return max(sum(pool.map(measure_product, [shape] * cores, 1)) for shape in shapes)


def measure_product(shape: tuple[int, int]) -> float:
    """Return the operations a second of a batch's tokens times int8 weights, on one thread."""
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
    cyclopts.run(main)
