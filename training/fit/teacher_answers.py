"""What teachers answer, kept in their folders so that no run has to ask again.

A large teacher takes an hour for hundreds of thousands of texts. Its answers are saved as they
come: an interrupted run goes on where it was, and later students of this teacher find them.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from inference.model.windows import MEAN, Windows
from training.atomic import replacing
from training.fit import text_model
from training.fit.batches import batch_by_length, pad
from training.fit.objective import pool
from training.fit.process_group import Group
from training.fit.record import RECORD, TrainingRecord
from training.fit.text_model import TextModel
from training.fit.trained_model import ANSWERS
from training.fit.windows import ONE_WINDOW, TextWindows

BATCH = 256  # texts that are answered together
SAVED_TOGETHER = 10 * BATCH
LEAST_NORM = 1e-12


@dataclass(frozen=True)
class Answers:
    """A teacher's answers to some texts, in the order of the texts."""

    logits: NDArray[np.float32]  # (texts, labels)
    states: NDArray[np.float16]  # the encoder's, of norm 1; (texts, size), or (texts, 0) without

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Join the answers to several lists of texts."""
        logits = np.concatenate([part.logits for part in parts])
        return cls(logits, np.concatenate([part.states for part in parts]))


def ask_teacher(
    folder: Path,
    texts: Sequence[str],
    group: Group,
    precision: torch.dtype | None,
    *,
    with_states: bool = False,
) -> Answers:
    """Return a teacher's answers, from its folder if they are there.

    The processes of a group share the work; all of them must call this.

    Args:
        folder: the teacher, whose own tokenizer reads the texts.
        texts: what to ask it.
        group: the processes, and the device of this one.
        precision: the type of matrix products; None for fp32.
        with_states: whether to return the encoder's states, too.

    Raises:
        ModelError: the folder holds no model.
        OutputError: the answers cannot be saved.
    """
    known = _KnownAnswers(folder, precision, with_states=with_states)
    missing = known.find_missing(texts)
    # The processes must agree on what is missing, though another run may add answers meanwhile.
    while group.reduce_any(len(missing) != group.broadcast(len(missing))):
        known.load()
        missing = known.find_missing(texts)
    if missing:
        if group.leads:
            _describe(folder, len(missing), len(texts), is_kept=known.can_grow)
        _score(folder, missing, group, precision, known)
        group.barrier()
        if group.size > 1 and known.can_grow:
            known.load()
    return known.find(texts)


class _KnownAnswers:
    """The answers in a teacher's folder, each file with those to some texts.

    A change of the weights, the tokenizer or the precision gives other answers, so they are in
    another folder.
    """

    def __init__(self, teacher: Path, precision: torch.dtype | None, *, with_states: bool) -> None:
        digest = hashlib.sha256(str(precision).encode())
        for name in ("model.safetensors", "tokenizer.json", "config.json"):
            if (teacher / name).is_file():  # what is missing is an error when the model is loaded
                with (teacher / name).open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        if reading := _find_windows(teacher):
            digest.update(msgspec.json.encode(reading))
        self._folder = teacher / ANSWERS / digest.hexdigest()[:16]
        self.with_states = with_states
        self.can_grow = os.access(teacher, os.W_OK)
        self.load()

    def find_missing(self, texts: Sequence[str]) -> list[str]:
        """Return the texts without an answer, each once."""
        return [text for text in dict.fromkeys(texts) if _hash(text) not in self._places]

    def load(self) -> None:
        """Read all files."""
        self._places: dict[bytes, int] = {}
        self._parts: list[Answers] = []
        for file in sorted(self._folder.glob("*.safetensors")):
            try:
                saved = load_file(file)
            except SafetensorError:
                continue  # damaged: these texts are asked again
            states = saved["states"]
            if states.shape[1] or not self.with_states:
                if not self.with_states:  # a slice would keep all of them in memory
                    states = np.empty((len(states), 0), np.float16)
                self._add(map(bytes, saved["texts"]), Answers(saved["logits"], states))

    def add(self, texts: Sequence[str], answers: Answers) -> None:
        """Add the answers to some texts, and save them if the folder can be written."""
        hashes = [_hash(text) for text in texts]
        self._add(hashes, answers)
        if self.can_grow:
            name = hashlib.sha256(b"".join(hashes)).hexdigest()[:32]
            rows = np.frombuffer(b"".join(hashes), np.uint8).reshape(len(hashes), -1)
            tensors: dict[str, NDArray[Any]] = {
                "texts": rows,
                "logits": answers.logits,
                "states": answers.states,
            }
            with replacing(self._folder / f"{name}.safetensors") as temporary:
                save_file(tensors, temporary)

    def find(self, texts: Sequence[str]) -> Answers:
        """Return the answers to texts that are all known."""
        places = np.array([self._places[_hash(text)] for text in texts])
        first = self._parts[0]
        logits = np.empty((len(texts), first.logits.shape[1]), np.float32)
        states = np.empty((len(texts), first.states.shape[1]), np.float16)
        begin = 0
        for part in self._parts:  # not joined: together they may take gigabytes
            rows = np.flatnonzero((places >= begin) & (places < begin + len(part.logits)))
            logits[rows] = part.logits[places[rows] - begin]
            states[rows] = part.states[places[rows] - begin]
            begin += len(part.logits)
        return Answers(logits, states)

    def _add(self, hashes: Iterable[bytes], answers: Answers) -> None:
        first = sum(len(part.logits) for part in self._parts)
        self._places |= {one: place for place, one in enumerate(hashes, first)}
        self._parts.append(answers)


def _find_windows(teacher: Path) -> Windows | None:
    """Return how a teacher reads long texts; what has no record is no model of `train`."""
    return TrainingRecord.read(teacher).windows if (teacher / RECORD).is_file() else None


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:16]


def _describe(teacher: Path, missing: int, texts: int, *, is_kept: bool) -> None:
    known = f"; the other {texts - missing:,} answers are known" if missing < texts else ""
    place = f"keeps them in {teacher / ANSWERS}" if is_kept else "cannot keep them: it is read-only"
    print(f"teacher {teacher.name} answers {missing:,} texts and {place}{known}")


def _score(
    teacher: Path,
    texts: Sequence[str],
    group: Group,
    precision: torch.dtype | None,
    known: _KnownAnswers,
) -> None:
    """Add the answers to texts; each process takes a share if the others can read its files."""
    # The student must not depend on what is known already. The model is made on the CPU.
    with torch.random.fork_rng(devices=[]):
        model, tokenizer = text_model.load(teacher)
    model.to(group.device).eval()
    reading = _find_windows(teacher) or ONE_WINDOW
    windows = TextWindows.encode(tokenizer, texts, reading.most)
    chunks = batch_by_length(windows.lengths.tolist(), SAVED_TOGETHER)
    chunks = chunks[group.rank :: group.size] if known.can_grow else chunks
    quiet: dict[str, Any] = {} if group.leads else {"disable": True}
    with tqdm(total=sum(map(len, chunks)), desc=teacher.name, unit="text", **quiet) as bar:
        for chunk in chunks:
            parts = []
            for batch in np.array_split(chunk, range(BATCH, len(chunk), BATCH)):
                read = windows.select(batch)
                answers = _answer_all(
                    model, read.token_ids, group.device, precision, known.with_states
                )
                parts.append(_pool(answers, read, reading.sharpness))
                bar.update(len(batch))
            known.add([texts[row] for row in chunk], Answers.join(parts))


def _pool(answers: Answers, windows: TextWindows, sharpness: float) -> Answers:
    """Pool the answers to windows into those to their texts."""
    if not windows.has_several:
        return answers
    states = windows.pool(answers.states, MEAN)
    states /= np.maximum(np.linalg.norm(states, axis=1, keepdims=True), LEAST_NORM)
    return Answers(windows.pool(answers.logits, sharpness), states.astype(np.float16))


def _answer_all(
    model: TextModel,
    token_ids: Sequence[Sequence[int]],
    device: torch.device,
    precision: torch.dtype | None,
    with_states: bool,
) -> Answers:
    """Compute the answers to texts, or to windows, some of which a batch holds at once."""
    parts = []
    for start in range(0, len(token_ids), BATCH):
        inputs = pad(token_ids[start : start + BATCH], model.config.pad_token_id)
        parts.append(_answer(model, inputs, device, precision, with_states))
    return Answers.join(parts)


@torch.no_grad()
def _answer(
    model: TextModel,
    inputs: tuple[Tensor, Tensor],
    device: torch.device,
    precision: torch.dtype | None,
    with_states: bool,
) -> Answers:
    ids, mask = (tensor.to(device) for tensor in inputs)
    with torch.autocast(device.type, precision, enabled=precision is not None):
        output = model(ids, mask, output_hidden_states=with_states)
    logits = output.logits.float().cpu().numpy()
    if not with_states:
        return Answers(logits, np.empty((len(logits), 0), np.float16))
    states = pool(model, output.hidden_states[-1], mask)
    return Answers(logits, states.half().cpu().numpy())
