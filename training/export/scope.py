"""Make the score that tells texts unlike those that a model knows, and measure it.

The score is the energy of the logits (Liu et al. 2020, https://arxiv.org/abs/2010.03759): minus
the logarithm of the sum of their exponentials. It needs nothing but the graph that is served.
Given texts that no label fits, a linear classifier of the pooled features and the energy learns to
tell them from held-out rows (outlier exposure, Hendrycks et al. 2019,
https://arxiv.org/abs/1812.04606). Its output is then the second output of the graph.

`python -m benchmarks.out_of_scope` measures both scores, next to the maximum probability.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, TensorProto, helper
from sklearn.linear_model import LogisticRegression

from inference.model.batches import group_by_length
from inference.model.bundle import MODEL, TOKENIZER, ClassifierSpec
from inference.model.classifier import open_tokenizer
from inference.model.long_texts import read_texts
from training.data.examples import Example, cluster_of, clusters_of
from training.export.graph import save
from training.export.nodes import add_weights

OUTPUT = "out_of_scope"  # the second output of the graph, shape (texts,)
KNOWN_ROWS = 5_000  # validation rows that are told from texts that no label fits
PARTS = 5  # of these rows; each is scored by what is learnt from the others
BATCH_TOKENS = 4_096
UNLIMITED = sys.float_info.max  # a limit until there is one


def learn_score(
    folder: Path,
    validation: Sequence[Example],
    unknown: Sequence[str],
    seed: int,
    spec: ClassifierSpec,
) -> NDArray[np.float64]:
    """Learn to tell texts that no label fits, and add the score to the graph in a folder.

    They are told from validation rows: the features of rows that a model was trained on are more
    extreme than those of the texts to come.

    Args:
        folder: of the bundle; its graph is replaced by one that gives the same logits.
        validation: rows that a label fits.
        unknown: texts that no label fits.
        seed: of the choice of rows.
        spec: of the bundle. A text in several windows counts as so many, and its score is their
            mean, as it is when the bundle serves.

    Returns:
        The scores of validation rows, each by what was learnt without the rows of its part.
    """
    model = onnx.load(folder / MODEL)
    rows = choose_rows(validation, KNOWN_ROWS, seed)
    tokenizer = open_tokenizer(folder / TOKENIZER, spec.max_length, spec.overlap)
    read = read_texts(tokenizer, [*(row.text for row in rows), *unknown], spec.most_windows)
    observed = observe(*compute_features(model, [ids for text in read for ids in text.token_ids]))
    counts = np.array([len(text.windows) for text in read[: len(rows)]])
    known = counts.sum()
    clusters = np.repeat(clusters_of(rows), counts)
    learnt = LearntScore.fit(observed[:known], clusters, observed[known:])
    add_score(model, learnt)
    save(model, folder)
    scores: NDArray[np.float64] = np.add.reduceat(learnt.held_out, np.cumsum(counts) - counts)
    scores /= counts
    return scores


@dataclass(frozen=True)
class LearntScore:
    """A linear function of what is observed of a text, high for texts that no label fits."""

    weights: NDArray[np.float64]  # of the features and the energy
    bias: float
    held_out: NDArray[np.float64]  # of the known rows, each by what was learnt without its part

    @classmethod
    def fit(
        cls, known: NDArray[np.float64], clusters: NDArray[np.int64], unknown: NDArray[np.float64]
    ) -> Self:
        """Learn to tell texts that no label fits from known rows.

        Args:
            known: what is observed of the known rows.
            clusters: theirs; no row is scored by what was learnt from others of its cluster.
            unknown: what is observed of the texts that no label fits.
        """
        held_out = np.empty(len(known))
        parts = (clusters if len(np.unique(clusters)) > 1 else np.arange(len(known))) % PARTS
        for part in np.unique(parts):
            weights, bias = fit_direction(known[parts != part], unknown)
            held_out[parts == part] = known[parts == part] @ weights + bias
        return cls(*fit_direction(known, unknown), held_out)

    def score(self, observed: NDArray[np.float64]) -> NDArray[np.float64]:
        """Score texts as the graph does."""
        scores: NDArray[np.float64] = observed @ self.weights + self.bias
        return scores


def choose_rows(rows: Sequence[Example], most: int, seed: int) -> list[Example]:
    """Choose rows of as many clusters as possible: near copies would tell nothing new."""
    seen: dict[str, int] = {}
    turns = []
    order = np.random.default_rng(seed).permutation(len(rows))
    for number in order:
        cluster = cluster_of(rows[number])
        seen[cluster] = seen.get(cluster, 0) + 1
        turns.append(seen[cluster])
    return [rows[order[place]] for place in np.argsort(turns, kind="stable")[:most]]


def compute_features(
    model: ModelProto, token_ids: Sequence[Sequence[int]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compute what the last layer reads of each text or window, and the logits."""
    probe = ModelProto()
    probe.CopyFrom(model)
    name = find_features(probe.graph)
    probe.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(
        probe.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    features: dict[int, NDArray[np.float32]] = {}
    logits: dict[int, NDArray[np.float32]] = {}
    names = [name, model.graph.output[0].name]
    for rows in group_by_length([len(ids) for ids in token_ids], BATCH_TOKENS):
        inputs = {"input_ids": np.array([token_ids[row] for row in rows], np.int64)}
        read, answered = session.run(names, inputs)
        features.update(zip(rows, read.reshape(len(rows), -1), strict=True))
        logits.update(zip(rows, answered, strict=True))
    order = range(len(token_ids))
    return np.stack([features[row] for row in order]), np.stack([logits[row] for row in order])


def find_features(graph: GraphProto) -> str:
    """Find what the last product with weights reads."""
    (product,) = [node for node in graph.node if graph.output[0].name in node.output]
    if product.op_type == "Add":
        (product,) = [
            node
            for node in graph.node
            if node.op_type == "MatMul" and set(node.output) & set(product.input)
        ]
    return str(product.input[0])


def observe(features: NDArray[np.float32], logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the features and the energy of each text, shape (texts, features + 1)."""
    return np.column_stack([features, compute_energy(logits)])


def fit_direction(
    known: NDArray[np.float64], unknown: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Fit a linear classifier whose output is high for unknown texts; both sides count the same."""
    middle, scales = known.mean(axis=0), np.ones(known.shape[1])
    # The features, which keep their proportions, vary as much together as the energy does.
    scales[:-1] = np.sqrt(known[:, :-1].var(axis=0).sum()) or 1.0
    scales[-1] = known[:, -1].std() or 1.0
    fitted = LogisticRegression(C=1.0, class_weight="balanced", max_iter=1000).fit(
        (np.concatenate([known, unknown]) - middle) / scales,
        np.repeat([0, 1], [len(known), len(unknown)]),
    )
    weights = fitted.coef_[0] / scales
    return weights, float(fitted.intercept_[0] - weights @ middle)


def compute_energy(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute the energy of each text."""
    energies: NDArray[np.float64] = -np.logaddexp.reduce(logits.astype(np.float64), axis=1)
    return energies


def add_score(model: ModelProto, learnt: LearntScore) -> None:
    """Add the second output: a linear function of the features and the energy."""
    graph, weights = model.graph, learnt.weights.astype(np.float32)
    add_weights(graph, f"{OUTPUT}_weights", weights[:-1, np.newaxis])
    add_weights(graph, f"{OUTPUT}_bias", np.array([learnt.bias], np.float32))
    add_weights(graph, f"{OUTPUT}_energy_weight", -weights[-1])
    add_weights(graph, f"{OUTPUT}_axis", np.array([1]))
    add_weights(graph, f"{OUTPUT}_shape", np.array([-1]))
    product = [find_features(graph), f"{OUTPUT}_weights"]
    steps = [
        ("MatMul", product, "linear"),
        ("Reshape", [f"{OUTPUT}_linear", f"{OUTPUT}_shape"], "flat"),
        ("Add", [f"{OUTPUT}_flat", f"{OUTPUT}_bias"], "shifted"),
        ("ReduceLogSumExp", [graph.output[0].name, f"{OUTPUT}_axis"], "sum"),
        ("Mul", [f"{OUTPUT}_sum", f"{OUTPUT}_energy_weight"], "energy"),
    ]
    for operator, inputs, name in steps:
        node = helper.make_node(operator, inputs, [f"{OUTPUT}_{name}"])
        if operator == "ReduceLogSumExp":
            node.attribute.append(helper.make_attribute("keepdims", 0))
        graph.node.append(node)
    parts = [f"{OUTPUT}_shifted", f"{OUTPUT}_energy"]
    graph.node.append(helper.make_node("Add", parts, [OUTPUT]))
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch_size"]))
