"""The journal of the calls that were paid for, so that nothing is paid for twice.

A file of JSON lines: what the answers depend on, then a line for each call as soon as it is
answered. It holds hashes of the texts, not the texts. It stays when all is done, so that rows that
are added to the input later cost only themselves.
"""

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from pydantic import BaseModel

from inference.errors import TextClassifierError
from inference.writing import naming
from training.labels.llm.bedrock import Problem, Reply
from training.labels.llm.spending import Usage

MOST_ATTEMPTS = 3  # for answers that cannot be used


class JournalError(TextClassifierError):
    """A journal cannot be continued; the message says what to do."""


class _Line(BaseModel):
    """One call."""

    text: str  # its hash
    label: str | None
    problem: str | None  # the name of a Problem, whose words may change
    calls: int
    input_tokens: int
    output_tokens: int

    @classmethod
    def of(cls, text: str, reply: Reply) -> Self:
        """Return the line of a reply."""
        return cls(
            text=hash_text(text),
            label=reply.label,
            problem=reply.problem and reply.problem.name,
            calls=reply.usage.calls,
            input_tokens=reply.usage.input_tokens,
            output_tokens=reply.usage.output_tokens,
        )

    @property
    def reason(self) -> Problem | None:
        """Why there is no label."""
        return Problem[self.problem] if self.problem else None

    @property
    def usage(self) -> Usage:
        """What the call has cost."""
        return Usage(self.calls, self.input_tokens, self.output_tokens)


class Journal:
    """The calls made for one output; several threads may write to it."""

    def __init__(self, path: Path, handle: int) -> None:
        self._path, self._handle = path, handle
        self._lock = threading.Lock()
        self._last: dict[str, _Line] = {}
        self._attempts: dict[str, int] = {}
        self._usage: dict[str, Usage] = {}
        self.usage = Usage()

    @classmethod
    @contextmanager
    def open(cls, path: Path, made_with: Mapping[str, object]) -> Iterator[Self]:
        """Open or begin a journal, and keep other processes out until the block ends.

        Args:
            path: the file.
            made_with: what the answers depend on.

        Raises:
            JournalError: it was made with something else, is damaged, or in use.
            OutputError: it cannot be written.
        """
        with naming(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            journal = cls(path, handle)
            journal._lock_file()
            journal._continue(made_with)
            yield journal
        finally:
            os.close(handle)

    def add(self, text: str, reply: Reply) -> None:
        """Write down a reply at once.

        Raises:
            OutputError: it cannot be written.
        """
        line = _Line.of(text, reply)
        with self._lock:
            self._write(line.model_dump_json())
            self._count(line)

    def is_settled(self, text: str) -> bool:
        """Whether a text has its label, or was asked about often enough."""
        line = self._last.get(hash_text(text))
        if line is None:
            return False
        is_final = line.reason is None or line.reason.is_final
        return is_final or self.count_attempts(text) >= MOST_ATTEMPTS

    def count_attempts(self, text: str) -> int:
        """Return how often a text was asked about, without calls whose answer was lost."""
        return self._attempts.get(hash_text(text), 0)

    def find_usage(self, text: str) -> Usage:
        """Return what all calls for a text have cost."""
        return self._usage.get(hash_text(text), Usage())

    def find_label(self, text: str) -> str | None:
        """Return the label of a text, if it has one."""
        line = self._last.get(hash_text(text))
        return line.label if line else None

    def find_problem(self, text: str) -> Problem | None:
        """Return why a text that is settled has no label."""
        line = self._last.get(hash_text(text))
        return line.reason if line else None

    def _lock_file(self) -> None:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalError(f"another run is writing {self._path}: wait for it") from None

    def _continue(self, made_with: Mapping[str, object]) -> None:
        """Read what earlier runs wrote, and cut off a line that a crash left incomplete."""
        begin = json.dumps(dict(made_with), ensure_ascii=False)
        content = self._path.read_bytes()
        whole = content.rfind(b"\n") + 1
        try:
            if whole:
                first, *lines = content[:whole].splitlines()
                self._require_same(json.loads(first), made_with)
                for line in lines:
                    self._count(_Line.model_validate_json(line))
            elif not begin.encode().startswith(content):
                raise ValueError
        except (ValueError, KeyError, AttributeError):
            raise JournalError(
                f"{self._path} is not a journal, or was damaged: move it away to start again"
            ) from None
        if whole < len(content):
            os.truncate(self._handle, whole)
        if not whole:
            self._write(begin)

    def _require_same(self, before: Mapping[str, object], now: Mapping[str, object]) -> None:
        different = [name for name in now if before.get(name) != now[name]]
        if different:
            raise JournalError(
                f"{self._path} was made with another {' and '.join(different)}: give another "
                "--output, or move it away to pay for all texts again"
            )

    def _write(self, line: str) -> None:
        """Append a line, all or nothing, and wait until the disk has it."""
        size = os.fstat(self._handle).st_size
        with naming(self._path):
            try:
                _write_all(self._handle, f"{line}\n".encode())
                os.fsync(self._handle)
            except BaseException:
                os.truncate(self._handle, size)
                raise

    def _count(self, line: _Line) -> None:
        self._last[line.text] = line
        attempts = 0 if line.reason is Problem.LOST else 1
        self._attempts[line.text] = self._attempts.get(line.text, 0) + attempts
        self._usage[line.text] = self._usage.get(line.text, Usage()) + line.usage
        self.usage += line.usage


def hash_text(text: str) -> str:
    """Return the hash by which a journal knows a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _write_all(handle: int, content: bytes) -> None:
    while content:
        content = content[os.write(handle, content) :]
