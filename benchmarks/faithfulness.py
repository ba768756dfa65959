"""Measure whether the words that an explanation names decide the label.

    python -m benchmarks.faithfulness
    python -m benchmarks.faithfulness --data others.csv --task news --model-uri s3://...

By default, the shipped model explains the sample headlines, which it was not trained on.

Words are removed from texts that the model has not seen, beginning with those that contribute most,
and what is left is classified again (comprehensiveness and sufficiency, DeYoung et al. 2020,
https://arxiv.org/abs/1911.03429). The more the probability of the label falls, the better the words
were chosen; kept alone, they should preserve it. The methods differ in how they choose:

- random words, the mean of five draws;
- ``removed``: what the label loses without the word, one run of the model for each word;
- ``hidden``: the same, with [MASK] in its place, so that all runs have the length of the text;
- ``alone``: what the label gains when only that word is shown, and all others are hidden;
- ``both``: the mean of the last two, which is what the API answers.

The seed is fixed, so every run gives the same figures, except for the times.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import cyclopts
import numpy as np

from inference.local.checkout import ROOT
from inference.model.classifier import Classifier, Prediction
from inference.model.explanation import Occlusion
from inference.model.store import fetch
from inference.runtime.settings import find_model_cache
from textclf.model_uri import locate_model
from training.data.read import read
from training.tasks import TASKS

HEADLINES = ROOT / "data" / "headlines.csv"
COUNTS = (1, 2, 3)  # words that are removed
DRAWS = 5
FETCH_SECONDS = 300.0

Scores = list[list[float]]  # of each word of each text
Method = Callable[[Classifier, Sequence[str], Sequence[Prediction]], Scores]


@dataclass(frozen=True)
class Faithfulness:
    """What becomes of the labels' probabilities, on average over the texts."""

    falls: tuple[float, ...]  # by COUNTS, when that many words are removed
    changed: float  # share of the labels that change when the most are removed
    kept: float  # probability when only that many words are left
    milliseconds: float  # of CPU for a text


def main(data: Path = HEADLINES, *, task: str = "news", model_uri: str = "") -> None:
    """Measure whether the words that an explanation names decide the label.

    Args:
        data: Texts that the model has not seen.
        task: Whose columns the file has.
        model_uri: Of the model, or its folder; by default the shipped one.
    """
    bundle = fetch(locate_model(model_uri), find_model_cache(), FETCH_SECONDS)
    classifier = Classifier.load(bundle)
    texts = choose_texts([row.text for row in read(str(data), TASKS[task]).examples])
    started = time.process_time()
    for text in texts:
        classifier.predict([text])
    milliseconds = 1000 * (time.process_time() - started) / len(texts)
    print(f"{len(texts):,} texts, model {classifier.version}")
    print(f"{milliseconds:.1f} ms of CPU to classify one\n")
    numbers = " | ".join(f"{count} removed" for count in COUNTS)
    print(f"| words chosen by | {numbers} | labels changed | {COUNTS[-1]} kept | CPU ms |")
    print(f"|---|{'---:|' * (len(COUNTS) + 3)}")
    for name, methods in METHODS.items():
        result = measure(classifier, texts, methods)
        falls = " | ".join(f"{fall:.3f}" for fall in result.falls)
        times = f"{result.milliseconds:.1f}" if result.milliseconds > 0.1 else "-"
        print(f"| {name} | {falls} | {result.changed:.1%} | {result.kept:.3f} | {times} |")


def choose_texts(texts: Sequence[str]) -> list[str]:
    """Return each text once, if it has more words than are removed."""
    return [text for text in dict.fromkeys(texts) if len(text.split()) > COUNTS[-1]]


def measure(
    classifier: Classifier, texts: Sequence[str], methods: Sequence[Method]
) -> Faithfulness:
    """Measure a method, or the mean of several."""
    predictions = classifier.predict(texts)
    results = []
    for method in methods:
        started = time.process_time()
        scores = method(classifier, texts, predictions)
        milliseconds = 1000 * (time.process_time() - started) / len(texts)
        results.append((*_judge(classifier, texts, predictions, scores), milliseconds))
    *falls, changed, kept, milliseconds = np.mean(results, axis=0).tolist()
    return Faithfulness(tuple(falls), changed, kept, milliseconds)


def _judge(
    classifier: Classifier,
    texts: Sequence[str],
    predictions: Sequence[Prediction],
    scores: Scores,
) -> list[float]:
    """Return how far the probabilities fall, the share of changed labels, and what is kept."""
    pairs = list(zip(texts, scores, strict=True))
    judged = []
    for count in COUNTS:
        rest = classifier.predict([_select(*pair, count, keep=False) for pair in pairs])
        changes = list(zip(predictions, rest, strict=True))
        judged.append(fmean(old.confidence - new.probabilities[old.label] for old, new in changes))
    judged.append(fmean(old.label != new.label for old, new in changes))
    best = classifier.predict([_select(*pair, COUNTS[-1], keep=True) for pair in pairs])
    kept = zip(predictions, best, strict=True)
    return [*judged, fmean(new.probabilities[old.label] for old, new in kept)]


def _select(text: str, scores: Sequence[float], count: int, *, keep: bool) -> str:
    """Keep or remove the words of a text with the highest scores."""
    best = set(np.argsort(-np.array(scores), kind="stable")[:count].tolist())
    words = enumerate(text.split())
    return " ".join(word for place, word in words if (place in best) is keep)


@dataclass(frozen=True)
class Draw:
    """Gives the words random scores."""

    seed: int

    def __call__(self, _: Classifier, texts: Sequence[str], __: Sequence[Prediction]) -> Scores:
        """Return the scores."""
        random = np.random.default_rng(self.seed)
        return [random.random(len(text.split())).tolist() for text in texts]


def remove(
    classifier: Classifier, texts: Sequence[str], predictions: Sequence[Prediction]
) -> Scores:
    """Score words by what the label loses without them."""
    scores = []
    for text, prediction in zip(texts, predictions, strict=True):
        words = text.split()
        others = [" ".join(words[:place] + words[place + 1 :]) for place in range(len(words))]
        without = [one.probabilities[prediction.label] for one in classifier.predict(others)]
        scores.append([prediction.confidence - share for share in without])
    return scores


def hide(classifier: Classifier, texts: Sequence[str], predictions: Sequence[Prediction]) -> Scores:
    """Score words by what the label loses when they are hidden."""
    return [
        _spread(plan, [prediction.confidence - share for share in shares[: len(plan.groups)]])
        for plan, prediction, shares in _occlude(classifier, texts, predictions)
    ]


def show_alone(
    classifier: Classifier, texts: Sequence[str], predictions: Sequence[Prediction]
) -> Scores:
    """Score words by what the label gains when all others are hidden."""
    return [
        _spread(plan, [share - shares[-1] for share in shares[len(plan.groups) : -1]])
        for plan, _, shares in _occlude(classifier, texts, predictions)
    ]


def _occlude(
    classifier: Classifier, texts: Sequence[str], predictions: Sequence[Prediction]
) -> Iterator[tuple[Occlusion, Prediction, list[float]]]:
    """Yield what is hidden of each text, and the label's probability for each variant."""
    for text, found, prediction in zip(texts, classifier.read(texts), predictions, strict=True):
        windows = [(window.ids, window.offsets) for window in found.windows]
        plan = Occlusion.plan(text, windows, classifier._hiding)
        probabilities, _ = classifier._measure(plan.variants)
        label = classifier.labels.index(prediction.label)
        yield plan, prediction, [probabilities[row][label] for row in range(len(plan.variants))]


def _spread(plan: Occlusion, scores: Sequence[float]) -> list[float]:
    """Give each word the score of its group, and the lowest to one that was not read."""
    by_word = {
        word: score for group, score in zip(plan.groups, scores, strict=True) for word in group
    }
    return [by_word.get(word, -1.0) for word in range(len(plan.words))]


def explain(
    classifier: Classifier, texts: Sequence[str], predictions: Sequence[Prediction]
) -> Scores:
    """Score words as the API does; one that was not read has the lowest score."""
    explanations = classifier.explain(texts, predictions)
    return [[-1.0 if one is None else one for _, one in each] for each in explanations]


METHODS: dict[str, list[Method]] = {
    "chance": [Draw(seed) for seed in range(DRAWS)],
    "removed": [remove],
    "hidden": [hide],
    "alone": [show_alone],
    "both, as the API answers": [explain],
}


if __name__ == "__main__":
    cyclopts.run(main)
