"""Classify with this project's code, when asked on stdin, and answer how long each call took.

Runs by its path, with the source tree to measure in PYTHONPATH, so that the same driver measures
an older commit:

    PYTHONPATH=TREE python -P benchmarks/speed/ours.py full BUNDLE
    PYTHONPATH=TREE python -P benchmarks/speed/ours.py full BUNDLE handler INPUT    # once

Hence it imports no module of ``benchmarks``, and nothing else that the first answer does not need.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

Calls = Mapping[str, Callable[[Any], Any]]


def main(arguments: list[str]) -> None:
    """Load what the first argument names, and answer."""
    kind, folder, *once = arguments
    if once:
        call, text = once
        CALLS_ALONE[call](folder)(json.loads(text))
        os.write(1, b"answered\n")
        return
    answers = take_stdout()
    serve({"full": load_full, "shipped": load_shipped}[kind](folder), answers)


def load_full(folder: str) -> Calls:
    """Load a bundle in the Lambda handler.

    All calls share its session: of two with the same weights, one is slower, depending on where in
    memory the weights are.
    """
    import numpy
    from tokenizers import Tokenizer

    handle = load_handler(folder)
    from inference.api.handler import loader

    classifier = loader.get_model().classifier
    session = classifier._session
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")

    def run_bare(text: str) -> Any:
        return session.run(None, {"input_ids": numpy.array([tokenizer.encode(text).ids])})

    def handle_each(events: list[dict[str, Any]]) -> None:
        for event in events:
            handle(event)

    return {
        "bare": run_bare,
        "full_int8": lambda text: classifier.predict([text]),
        "handler": handle,
        "list_128": handle,
        "singles_128": handle_each,
    }


def load_shipped(folder: str) -> Calls:
    """Load a bundle without the handler."""
    from pathlib import Path

    from inference.model.bundle import read_verified
    from inference.model.classifier import Classifier

    classifier = Classifier.load(read_verified(Path(folder)))
    return {
        "shipped": lambda text: classifier.predict([text]),
        "shipped_128": classifier.predict,
    }


def load_handler(folder: str) -> Callable[[Any], Any]:
    """Load the handler, as Lambda's runtime imports and calls it."""
    os.environ["MODEL_URI"] = f"file://{folder}"
    from inference.api.handler import handler

    class Context:
        aws_request_id = function_name = memory_limit_in_mb = invoked_function_arn = "bench"

    context: Any = Context()

    def handle(event: dict[str, Any]) -> None:
        answer = handler(event, context)
        if answer["statusCode"] != 200:
            raise RuntimeError(f"the handler answered {answer}")

    return handle


CALLS_ALONE: Mapping[str, Callable[[str], Callable[[Any], Any]]] = {
    "handler": load_handler,
    "full_int8": lambda folder: load_shipped(folder)["shipped"],
}


def take_stdout() -> int:
    """Keep stdout for answers; what else is printed, such as the handler's log, goes to a file."""
    answers = os.dup(1)
    log = os.open(os.environ["BENCH_STDOUT"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    return answers


def serve(calls: Calls, answers: int) -> None:
    """Time the calls that the lines of stdin ask for, until it ends."""
    os.write(answers, b"ready\n")
    for line in sys.stdin:
        request = json.loads(line)
        call, value = calls[request["call"]], request["input"]
        wall, cpu = [], []
        for _ in range(request["times"]):
            started, used = time.perf_counter(), time.process_time()
            call(value)
            wall.append(1000 * (time.perf_counter() - started))
            cpu.append(1000 * (time.process_time() - used))
        os.write(answers, json.dumps({"wall": wall, "cpu": cpu}).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
