"""Score a file of texts with other people's code, as `textclf bulk` does with this project's.

    python -m benchmarks.speed.score_file openvino_int8 MODELS THREADS in.jsonl out.jsonl

Reads JSON lines with a text, and writes JSON lines with a label and all probabilities, in the same
order. Prints the seconds that this took, without loading the model. The runtimes get batches of
equal length, OpenVINO in the way that is its fastest: asynchronously, with a stream for each core.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.speed.peers import load, open_tokenizer, softmax
from inference.model.batches import group_by_length


def main(arguments: list[str]) -> None:
    """Score a file."""
    name, models, threads, source, output = arguments
    folder, count = Path(models), int(threads)
    with Path(source).open() as lines:
        texts = [json.loads(line)["text"] for line in lines]
    named = json.loads((folder / "torch" / "config.json").read_text())["id2label"]
    labels = [named[str(index)] for index in range(len(named))]
    score: Callable[[list[str]], Any] = (
        load_openvino(folder, count) if name == "openvino_int8" else load(name, folder, count)
    )
    started, used = time.perf_counter(), time.process_time()
    answers = score(texts)
    with Path(output).open("w") as file:
        for answer in answers:
            file.write(json.dumps(to_row(answer, labels)) + "\n")
    took = {"wall": time.perf_counter() - started, "cpu": time.process_time() - used}
    print(json.dumps(took), flush=True)
    # When OpenVINO's model is deleted, it may wait forever, holding Python's lock, for one of its
    # threads that waits for this lock.
    os._exit(0)


def to_row(answer: Sequence[float] | dict[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    """Return an output row: what a pipeline says, or the label and its probabilities."""
    if isinstance(answer, dict):
        return answer
    best = max(range(len(answer)), key=answer.__getitem__)
    return {"label": labels[best], "probabilities": dict(zip(labels, answer, strict=True))}


def load_openvino(models: Path, threads: int) -> Callable[[list[str]], list[list[float]]]:
    """Compile the model for many requests at a time."""
    import numpy as np
    import openvino

    options = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_NUM_THREADS": threads}
    options["NUM_STREAMS"] = threads
    compiled = openvino.Core().compile_model(models / "openvino" / "model.xml", "CPU", options)
    tokenizer = open_tokenizer(models)

    def score(texts: list[str]) -> list[list[float]]:
        token_ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts)]
        answers: list[list[float]] = [[]] * len(texts)

        def keep(request: openvino.InferRequest, rows: list[int]) -> None:
            for row, logits in zip(rows, request.get_output_tensor().data.tolist(), strict=True):
                answers[row] = softmax(logits)

        queue = openvino.AsyncInferQueue(compiled)
        queue.set_callback(keep)
        for rows in group_by_length([len(ids) for ids in token_ids]):
            inputs = np.array([token_ids[row] for row in rows], np.int64)
            queue.start_async({"input_ids": inputs, "attention_mask": np.ones_like(inputs)}, rows)
        queue.wait_all()
        return answers

    return score


if __name__ == "__main__":
    main(sys.argv[1:])
