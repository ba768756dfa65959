"""Ask for the labels of many texts at once, until all are settled or the budget is used up."""

import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from tqdm import tqdm

from inference.errors import InterruptedRunError
from training.labels.llm.bedrock import (
    AGAIN,
    BedrockModel,
    LostAnswerError,
    ModelError,
    Problem,
    Reply,
)
from training.labels.llm.journal import Journal
from training.labels.llm.spending import NOTHING, Budget, Spending

MOST_FAILURES = 20  # texts in a row without a usable answer: the fault is the model's
MOST_LOST = 6  # answers for one text that are lost on the way: the network fails
PAUSE_SECONDS = 1.0  # at most, before a text is asked about again; twice as long the next time


class Labeller:
    """Asks a model, writes every reply down, and spends no more than the budget."""

    def __init__(self, model: BedrockModel, journal: Journal, spending: Spending) -> None:
        self._model, self._journal, self._parallel = model, journal, spending.parallel
        self._budget = Budget(spending, journal.usage)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        self._failures = 0

    def label(self, texts: Sequence[str]) -> None:
        """Ask for the labels of texts; the journal has the replies.

        Texts that are settled, or repeat, are not asked about again. When the budget does not
        cover another call, the others stay unsettled.

        Raises:
            ModelError: the model cannot be used, or not now.
            OutputError: the journal cannot be written.
            InterruptedRunError: the user stopped it; calls under way have been written down.
        """
        left = [text for text in dict.fromkeys(texts) if not self._journal.is_settled(text)]
        with (
            _show_progress(len(left)) as bar,
            ThreadPoolExecutor(self._parallel) as pool,
        ):
            try:
                # The first text alone: if the model cannot be used, one call says so.
                wait([pool.submit(self._work, iter(left[:1]), bar)])
                waiting = iter(left[1:])
                wait([pool.submit(self._work, waiting, bar) for _ in range(self._parallel)])
            except KeyboardInterrupt:
                self._stop.set()
                pool.shutdown()  # waits for the calls under way, which are paid for
                raise InterruptedRunError(f"interrupted; {AGAIN}") from None
        if self._error:
            raise self._error

    def _work(self, waiting: Iterator[str], bar: "tqdm[Any]") -> None:
        """Take one waiting text after the other, as each of several threads does."""
        while not self._stop.is_set():
            with self._lock:
                text = next(waiting, None)
            if text is None:
                return
            try:
                self._settle(text)
                self._require_use(text)
            except BaseException as error:  # of any kind: the thread that waits raises it
                self._error = self._error or error
                self._stop.set()
                return
            bar.update()

    def _settle(self, text: str) -> None:
        """Ask about a text until it is settled, or the budget or the user stops that."""
        lost = 0
        while not self._journal.is_settled(text):
            attempts = self._journal.count_attempts(text)
            if attempts + lost:
                longest = PAUSE_SECONDS * 2 ** (attempts + lost - 1)
                self._stop.wait(random.uniform(0, longest))  # noqa: S311 (no secret)
            try:
                reply = self._ask(text, again=attempts > 0)
            except LostAnswerError:
                usage = self._model.find_most_usage(text)
                self._journal.add(text, Reply(None, Problem.LOST, usage))
                lost += 1
                if lost == MOST_LOST:
                    raise
                continue
            if reply is None:
                return
            self._journal.add(text, reply)

    def _ask(self, text: str, *, again: bool) -> Reply | None:
        """Ask about a text; None if the budget or the user stops that."""
        most = actual = self._model.find_most_usage(text)
        if not self._budget.reserve(most):
            self._stop.set()
            return None
        try:
            if self._stop.is_set():
                actual = NOTHING
                return None
            reply = self._model.ask(text, again=again)
            actual = reply.usage
            return reply
        finally:  # in any case: other threads may wait for it
            self._budget.settle(most, actual)

    def _require_use(self, text: str) -> None:
        """Stop paying for a model whose answers cannot be used."""
        problem = self._journal.find_problem(text)
        with self._lock:
            is_failure = problem is Problem.NOT_ACCEPTED or bool(problem and not problem.is_final)
            self._failures = self._failures + 1 if is_failure else 0
            if self._failures >= MOST_FAILURES:
                raise ModelError(
                    f"{self._model.model_id} gave {MOST_FAILURES} texts in a row no usable answer "
                    f"(the last: {problem}): try another model; {AGAIN}"
                )


def _show_progress(texts: int) -> "tqdm[Any]":
    return tqdm(total=texts, desc="texts", leave=False)
