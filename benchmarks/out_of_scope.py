"""Measure how well out-of-scope scores tell texts of other kinds from those that a model knows.

    python -m benchmarks.out_of_scope
    python -m benchmarks.out_of_scope sport.txt --known headlines.csv --model-uri s3://...

The news model is the one that ships, and knows headlines, which it was not trained on. The other
two are logistic regressions of the states of its encoder: of the topics of the sample tickets, and
of the sentiment of the sample reviews. The texts that they know get the logits of regressions that
were fitted without them.

The table has the area under the ROC curve: how often a text of another kind gets a higher score
than a text that the model knows. The scores are

- one minus the maximum probability;
- the energy of the logits, which `textclf export --precision` takes;
- what was learnt from half of the texts of this kind, as `--out-of-scope` does, measured on the
  other half;
- what was learnt from the other kinds of texts in the table.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cyclopts
import numpy as np
import onnx
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from inference.local.checkout import ROOT
from inference.model.bundle import MODEL, TOKENIZER, Bundle
from inference.model.classifier import open_tokenizer
from inference.model.store import fetch
from inference.runtime.settings import find_model_cache
from textclf.model_uri import locate_model
from training.data.examples import clusters_of, labels_of
from training.data.read import read
from training.evaluate.ranking import measure_auroc
from training.export.scope import LearntScore, compute_energy, compute_features, observe
from training.labels.encoder import BundleEncoder
from training.labels.features import STATES_C
from training.metrics import softmax
from training.tasks import NEWS, Task, custom_task

DATA = ROOT / "data"
TOPICS = DATA / "other-topics.txt"
LABELLED = {
    "tickets": (DATA / "tickets.csv", custom_task("tickets", "text", "topic", None)),
    "reviews": (DATA / "reviews.csv", custom_task("reviews", "text", "label", None)),
}
FOLDS = 5
FETCH_SECONDS = 300.0

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Seen:
    """What a model makes of some texts."""

    features: Matrix  # what its last layer reads
    logits: Matrix
    temperature: float = 1.0

    @property
    def doubts(self) -> NDArray[np.float64]:
        """One minus the maximum probability of each text."""
        return np.asarray(1 - softmax(self.logits, self.temperature).max(axis=1))

    @property
    def energies(self) -> NDArray[np.float64]:
        """The energy of each text."""
        return compute_energy(self.logits)

    @property
    def observed(self) -> NDArray[np.float64]:
        """What a score can be learnt from."""
        return observe(self.features, self.logits)


@dataclass(frozen=True)
class Case:
    """A model, the texts that it knows, and others by their kind."""

    name: str
    known: Seen
    clusters: NDArray[np.int64]  # of the known texts
    others: dict[str, Seen]


def main(*topics: Path, known: Path = DATA / "headlines.csv", model_uri: str = "") -> None:
    """Measure how well texts of other kinds are told from those that a model knows.

    Args:
        topics: Files of headlines of topics that the news model does not know, one on each line;
            by default those in `data/`.
        known: Headlines of topics that it knows, which it was not trained on.
        model_uri: Of the news model, or its folder; by default the shipped one.
    """
    bundle = fetch(locate_model(model_uri), find_model_cache(), FETCH_SECONDS)
    print(
        "| model of | other texts | number | probability | energy | from half | from other kinds |"
    )
    print("|---|---|---:|---:|---:|---:|---:|")
    for case in [see_news(bundle, known, topics or (TOPICS,)), *see_samples(bundle, known)]:
        for kind, other in case.others.items():
            areas = " | ".join(f"{area:.2f}" for area in measure(case, kind))
            print(f"| {case.name} | {kind} | {len(other.logits)} | {areas} |", flush=True)


def measure(case: Case, kind: str) -> list[float]:
    """Measure each score on the texts of one kind."""
    known, other, clusters = case.known, case.others[kind], case.clusters
    rest = [seen.observed for name, seen in case.others.items() if name != kind]
    half, of_other = clusters % 2 == 0, np.arange(len(other.logits)) % 2 == 0

    def measure_learnt(unknown: NDArray[np.float64], measured: NDArray[np.bool_]) -> float:
        learnt = LearntScore.fit(known.observed[half], clusters[half], unknown)
        scores = learnt.score(known.observed[~half])
        of_others = learnt.score(other.observed[measured])
        return measure_auroc(scores, of_others, clusters[~half])[0]

    return [
        measure_auroc(known.doubts, other.doubts, clusters)[0],
        measure_auroc(known.energies, other.energies, clusters)[0],
        measure_learnt(other.observed[of_other], ~of_other),
        measure_learnt(np.concatenate(rest), np.ones_like(of_other)),
    ]


def see_news(bundle: Bundle, known: Path, topics: tuple[Path, ...]) -> Case:
    """Show the news model headlines, and texts of each other kind."""
    graph = onnx.load(bundle.folder / MODEL)
    tokenizer = open_tokenizer(bundle.folder / TOKENIZER, bundle.manifest.max_length)

    def see(texts: list[str]) -> Seen:
        token_ids = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
        return Seen(*compute_features(graph, token_ids), bundle.manifest.temperature)

    rows = read(str(known), NEWS).examples
    others = {file.stem: file.read_text("utf-8").splitlines() for file in topics}
    others |= {kind: read_texts(*source) for kind, source in LABELLED.items()}
    return Case(
        "headlines",
        see([row.text for row in rows]),
        clusters_of(rows),
        {kind: see(texts) for kind, texts in others.items()},
    )


def see_samples(bundle: Bundle, headlines: Path) -> Iterator[Case]:
    """Fit a model on each of the labelled samples, and show it the texts of the others."""
    encoder = BundleEncoder(bundle)
    texts = {kind: read_texts(*source) for kind, source in LABELLED.items()}
    states = {
        kind: encoder.encode(found)
        for kind, found in {"headlines": read_texts(headlines, NEWS), **texts}.items()
    }
    for kind, source in LABELLED.items():
        rows = read(str(source[0]), source[1]).examples
        labels, clusters = labels_of(rows), clusters_of(rows)
        model = make_pipeline(StandardScaler(), LogisticRegression(C=STATES_C, max_iter=1000))
        held_out = cross_val_predict(
            model, states[kind], labels, groups=clusters,
            cv=GroupKFold(FOLDS), method="decision_function",
        )  # fmt: skip
        model.fit(states[kind], labels)
        others = {
            name: Seen(of_kind, to_logits(model.decision_function(of_kind)))
            for name, of_kind in states.items()
            if name != kind
        }
        yield Case(kind, Seen(states[kind], to_logits(held_out)), clusters, others)


def read_texts(file: Path, task: Task) -> list[str]:
    """Read the texts of a file."""
    return [row.text for row in read(str(file), task).examples]


def to_logits(decisions: NDArray[np.float64]) -> Matrix:
    """Return a logit for each label, where scikit-learn gives one number for two."""
    if decisions.ndim == 1:
        decisions = np.stack([-decisions / 2, decisions / 2], axis=1)
    return decisions.astype(np.float32)


if __name__ == "__main__":
    cyclopts.run(main)
