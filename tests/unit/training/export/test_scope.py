import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from inference.model.bundle import ClassifierSpec
from tests.conftest import HEADLINES
from training import tasks
from training.data.examples import Example
from training.data.read import read
from training.evaluate.ranking import measure_auroc
from training.export.scope import (
    LearntScore,
    choose_rows,
    compute_energy,
    compute_features,
    learn_score,
)
from training.fit import text_model

from .conftest import Exported

SPEC = ClassifierSpec(labels=("a", "b"), max_length=64, temperature=1.0)


def run(graph: Path, token_ids: list[int]) -> list[NDArray[np.float32]]:
    """Run the graph on one text."""
    session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    outputs: list[NDArray[np.float32]] = session.run(None, {"input_ids": np.array([token_ids])})
    return outputs


@pytest.fixture(params=["exported", "exported_mean"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a folder with a graph, of a model with either pooling."""
    exported: Exported = request.getfixturevalue(request.param)
    return Path(shutil.copytree(exported.folder, tmp_path / "bundle"))


def test_the_graph_gets_a_score_that_tells_texts_and_keeps_its_logits(folder: Path) -> None:
    # GIVEN headlines, and texts whose words never occur in one
    rows = read(str(HEADLINES), tasks.NEWS).examples[:120]
    unknown = [f"{number} {number} {number * 7} {number}" for number in range(100, 160)]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    headline = tokenizer.encode(rows[0].text).ids
    (before,) = run(folder / "model.onnx", headline)
    # WHEN the score is learnt from half of these texts
    scores = learn_score(folder, rows, unknown[::2], 0, SPEC)
    # THEN the logits stay what they were to the last bit, and there is one score
    logits, score = run(folder / "model.onnx", headline)
    assert (logits == before).all()
    assert score.shape == (1,)
    # AND it tells the other half of the texts from headlines better than the energy
    ids = [tokenizer.encode(text).ids for text in (*(row.text for row in rows), *unknown[1::2])]
    answers = [run(folder / "model.onnx", one) for one in ids]
    learnt = [float(score[0]) for _, score in answers[len(rows) :]]
    energies = [float(compute_energy(logits)[0]) for logits, _ in answers]
    known, other = np.array(energies[: len(rows)]), np.array(energies[len(rows) :])
    area, _ = measure_auroc(scores, np.array(learnt), np.arange(len(rows)))
    of_energy, _ = measure_auroc(known, other, np.arange(len(rows)))
    assert area > max(0.7, of_energy + 0.1)


def test_the_scores_of_held_out_rows_are_no_lower_than_those_of_the_graph(folder: Path) -> None:
    # GIVEN few rows, to which a score of as many features can adapt
    rows = read(str(HEADLINES), tasks.NEWS).examples[200:240]
    unknown = [row.text for row in read(str(HEADLINES), tasks.NEWS).examples[300:340]]
    held_out = learn_score(folder, rows, unknown, 0, SPEC)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    # WHEN the graph scores the rows that it has learnt from
    adapted = [run(folder / "model.onnx", tokenizer.encode(row.text).ids)[-1][0] for row in rows]
    # THEN a limit chosen on these would be too low for the texts to come
    assert np.quantile(adapted, 0.95) < np.quantile(held_out, 0.95)


def test_rows_of_a_single_story_are_scored_without_each_other() -> None:
    # GIVEN known texts that all belong together, and others
    random = np.random.default_rng(0)
    known, unknown = random.normal(size=(20, 4)), random.normal(size=(20, 4)) + 4
    one = np.zeros(20, np.int64)
    # WHEN the score is learnt
    learnt = LearntScore.fit(known, one, unknown)
    # THEN each has a score, lower than those of the others
    assert measure_auroc(learnt.held_out, learnt.score(unknown), one)[0] > 0.9


def test_a_misleading_energy_does_not_spoil_the_score() -> None:
    # GIVEN texts that a feature tells apart, and whose energy is lower than that of known ones
    random = np.random.default_rng(1)
    known, unknown = random.normal(size=(100, 4)), random.normal(size=(100, 4))
    unknown += [3, 0, 0, -3]  # the last one is the energy
    # WHEN the score is learnt
    learnt = LearntScore.fit(known, np.arange(100), unknown)
    # THEN it is right nearly always
    assert measure_auroc(learnt.held_out, learnt.score(unknown), np.arange(100))[0] > 0.98


def test_features_are_what_the_last_layer_reads(exported_mean: Exported) -> None:
    # GIVEN a model that classifies the mean of its tokens at norm 1
    import onnx

    graph = onnx.load(exported_mean.graph)
    tokenizer = Tokenizer.from_file(str(exported_mean.folder / "tokenizer.json"))
    token_ids = text_model.encode(tokenizer, ["a film", "rates rise again", "b"])
    features, logits = compute_features(graph, token_ids)
    # THEN the features have norm 1, and head and bias give the logits
    assert np.linalg.norm(features, axis=1) == pytest.approx(1, abs=1e-5)
    head = exported_mean.model.classifier
    expected = features @ head.weight.detach().numpy().T + head.bias.detach().numpy()
    assert logits == pytest.approx(expected, abs=1e-4)


def test_rows_are_chosen_from_as_many_stories_as_possible() -> None:
    # GIVEN a story of fifty headlines and ten of one
    rows = [Example(f"text {n}", 0, group="big") for n in range(50)]
    rows += [Example(f"other {n}", 0, group=f"story {n}") for n in range(10)]
    # WHEN eleven rows are chosen THEN each story has one
    chosen = choose_rows(rows, 11, seed=0)
    assert len({row.group for row in chosen}) == 11
    assert choose_rows(rows, 1000, seed=0)[:11] == chosen
    assert len(choose_rows(rows, 1000, seed=0)) == 60


def test_energy_is_low_for_one_great_logit_and_never_overflows() -> None:
    energies = compute_energy(np.array([[900, 0], [0, 0], [-900, -900]], np.float32))
    assert energies == pytest.approx([-900, -np.log(2), 900 - np.log(2)])
