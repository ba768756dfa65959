"""Classify with other people's code, when asked on stdin, and answer how long each call took.

    python -m benchmarks.speed.peers openvino_int8 MODELS THREADS
    python -m benchmarks.speed.peers openvino_int8 MODELS THREADS TEXT    # once, as a cold start

Each peer is used as its documentation shows: `transformers` and optimum by their pipeline, the
runtimes by themselves, with the same steps around them as this project has: tokenizing without
padding, batches of equal length, and a softmax.
"""

import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.speed.ours import serve, take_stdout
from inference.model.batches import group_by_length

BATCH_SIZE = 32  # of the pipelines

Classify = Callable[[Any], Any]  # a text or a list of them
Run = Callable[[Any], Any]  # token ids, (texts, tokens), to logits


def main(arguments: list[str]) -> None:
    """Load a peer, and answer."""
    name, models, threads, *once = arguments
    if once:
        load(name, Path(models), int(threads))(once[0])
        os.write(1, b"answered\n")
        return
    answers = take_stdout()
    classify = load(name, Path(models), int(threads))
    serve({name: classify, f"{name}_128": classify}, answers)


def load(name: str, models: Path, threads: int) -> Classify:
    """Load a peer with this many threads."""
    if name == "transformers":
        return make_pipeline(str(models / "torch"), threads)
    if name == "optimum_int8":
        return make_optimum_pipeline(models / "optimum", threads)
    if name == "onnxruntime_fp32":
        return make_classifier(open_onnxruntime(models, threads), models)
    return make_classifier(open_openvino(models, threads), models)


def make_pipeline(model: Any, threads: int, **others: Any) -> Classify:
    """Make a pipeline of ``transformers``, by default with PyTorch in fp32."""
    import torch
    import transformers

    torch.set_num_threads(threads)
    transformers.logging.set_verbosity_error()
    classify = transformers.pipeline("text-classification", model, device="cpu", **others)
    return lambda inputs: classify(inputs, batch_size=BATCH_SIZE, truncation=True)


def make_optimum_pipeline(folder: Path, threads: int) -> Classify:
    """Make a pipeline with the int8 model that optimum made."""
    import onnxruntime
    from optimum.onnxruntime import ORTModelForSequenceClassification
    from transformers import AutoTokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    model = ORTModelForSequenceClassification.from_pretrained(
        folder, file_name="model_quantized.onnx", session_options=options
    )
    return make_pipeline(model, threads, tokenizer=AutoTokenizer.from_pretrained(folder))


def open_onnxruntime(models: Path, threads: int) -> Run:
    """Open the fp32 graph in onnxruntime."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        models / "onnx" / "model.onnx", options, providers=["CPUExecutionProvider"]
    )

    def run(token_ids: Any) -> Any:
        inputs = np.array(token_ids, np.int64)
        return session.run(None, {"input_ids": inputs, "attention_mask": np.ones_like(inputs)})[0]

    return run


def open_openvino(models: Path, threads: int) -> Run:
    """Compile the int8 model for single requests."""
    import numpy as np
    import openvino

    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
    compiled = openvino.Core().compile_model(models / "openvino" / "model.xml", "CPU", options)
    request = compiled.create_infer_request()

    def run(token_ids: Any) -> Any:
        inputs = np.array(token_ids, np.int64)
        # Not copying the inputs is an option that saves OpenVINO a little time.
        return request.infer(
            {"input_ids": inputs, "attention_mask": np.ones_like(inputs)}, share_inputs=True
        )[0]

    return run


def make_classifier(run: Run, models: Path) -> Classify:
    """Put tokenizer and softmax around a runtime."""
    tokenizer = open_tokenizer(models)

    def classify(inputs: str | list[str]) -> list[list[float]]:
        texts = [inputs] if isinstance(inputs, str) else inputs
        token_ids = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
        result: list[list[float]] = [[]] * len(texts)
        for rows in group_by_length([len(ids) for ids in token_ids]):
            logits = run([token_ids[row] for row in rows]).tolist()
            for row, values in zip(rows, logits, strict=True):
                result[row] = softmax(values)
        return result

    return classify


def open_tokenizer(models: Path) -> Any:
    """Open the model's tokenizer, which neither pads nor reads more than the model can."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(models / "torch" / "tokenizer.json"))
    tokenizer.no_padding()
    return tokenizer


def softmax(logits: Sequence[float]) -> list[float]:
    """Return probabilities."""
    greatest = max(logits)
    exponentials = [math.exp(logit - greatest) for logit in logits]
    total = sum(exponentials)
    return [exponential / total for exponential in exponentials]


if __name__ == "__main__":
    main(sys.argv[1:])
