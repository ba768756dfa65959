"""Represent texts by the states that a bundle's encoder computes for them."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from tqdm import tqdm

from inference.errors import TextClassifierError
from inference.model.batches import group_by_length
from inference.model.bundle import MODEL, TOKENIZER, Bundle
from inference.model.classifier import open_tokenizer
from inference.model.long_texts import read_texts
from inference.model.pooling import pool
from inference.model.windows import MEAN

# What a classification head is made of. Before the first of these nodes is the encoder.
HEAD = frozenset(
    {"Add", "Gelu", "Gemm", "MatMul", "MatMulIntegerToFloat", "QuantizeLinear", "Relu", "Tanh"}
)
CHUNK = 1000  # texts whose wordpieces and states are in memory at once


class EncoderError(TextClassifierError):
    """The graph of a bundle has no state that represents a text."""


class BundleEncoder:
    """The encoder of a bundle without its head, which knows only the bundle's own labels."""

    def __init__(self, bundle: Bundle) -> None:
        """Load the graph with one more output: the state that the head reads.

        Raises:
            EncoderError: there is no such state.
        """
        self.version = bundle.version
        spec, path = bundle.manifest, bundle.folder / TOKENIZER
        self._tokenizer = open_tokenizer(path, spec.max_length, spec.overlap)
        self._most_windows = spec.most_windows
        self._session, self._state = _open(bundle.folder)
        self._inputs = {one.name for one in self._session.get_inputs()}

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the states of texts, shape (texts, dimensions)."""
        parts = []
        with tqdm(total=len(texts), desc="encode", unit="text", leave=False, delay=1) as bar:
            for start in range(0, len(texts), CHUNK):
                parts.append(self._encode(texts[start : start + CHUNK], bar))
        return np.concatenate(parts)

    def _encode(self, texts: Sequence[str], bar: Any) -> NDArray[np.float32]:
        read = read_texts(self._tokenizer, texts, self._most_windows)
        token_ids = [ids for text in read for ids in text.token_ids]
        bar.total += len(token_ids) - len(texts)  # a text may have several windows
        states: dict[int, NDArray[np.float32]] = {}
        for rows in group_by_length([len(ids) for ids in token_ids]):
            of_batch = self._run(np.array([token_ids[row] for row in rows], np.int64))
            states.update(zip(rows, of_batch, strict=True))
            bar.update(len(rows))
        counts = np.array([len(text.windows) for text in read])
        stacked = np.stack([states[row] for row in range(len(token_ids))])
        return pool(stacked, np.cumsum(counts) - counts, MEAN).astype(np.float32)

    def _run(self, token_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Compute the states of texts of equal length."""
        inputs = {
            "input_ids": token_ids,
            "attention_mask": np.ones_like(token_ids),
            "token_type_ids": np.zeros_like(token_ids),
        }
        given = {name: value for name, value in inputs.items() if name in self._inputs}
        state: NDArray[np.float32] = self._session.run([self._state], given)[0]
        # A text is represented by one state; some graphs keep the dimension of the token.
        return state.reshape(len(token_ids), -1)


def find_state(graph: onnx.GraphProto) -> str:
    """Return the name of what the head reads: the first token's state, or the mean of all.

    Raises:
        EncoderError: the logits do not come from a head of linear layers.
    """
    makers = {output: node for node in graph.node for output in node.output}
    weights = {weight.name for weight in graph.initializer}
    name = graph.output[0].name
    while name in makers and makers[name].op_type in HEAD:
        inputs = [one for one in makers[name].input if one and one not in weights]
        name = inputs[0] if inputs else ""
    if name == graph.output[0].name or name not in makers:
        raise EncoderError(
            "the model has no state that represents a text: give another --model, or let "
            "`labels check` see --features words"
        )
    return str(name)


def _open(folder: Path) -> tuple[Any, str]:
    """Open a session on a copy of the graph that gives the state, too, and return its name."""
    model = onnx.load(str(folder / MODEL), load_external_data=False)
    state = find_state(model.graph)
    unknown_shape = onnx.helper.make_tensor_value_info(state, onnx.TensorProto.FLOAT, None)
    model.graph.output.append(unknown_shape)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary)
        for file in folder.glob(f"{MODEL}.*"):  # weights, which are found next to the graph
            shutil.copy(file, copy)
        onnx.save(model, str(copy / MODEL))
        providers = ["CPUExecutionProvider"]
        session = onnxruntime.InferenceSession(str(copy / MODEL), options, providers=providers)
    return session, state
