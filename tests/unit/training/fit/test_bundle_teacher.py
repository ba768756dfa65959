import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from inference.model.bundle import MANIFEST, BundleError, read_verified
from inference.model.classifier import Classifier
from tests.conftest import TinyModel
from training import metrics, multi_label
from training.fit.bundle_teacher import CHUNK, ask_bundle
from training.fit.process_group import Group

ALONE = Group(rank=0, size=1, device=torch.device("cpu"))
TEXTS = [f"headline {number} of {'many ' * (number % 90)}" for number in range(CHUNK + 50)]


def test_a_bundle_answers_with_the_probabilities_that_it_serves(
    tiny_model: TinyModel, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a bundle, and more texts than it answers at once, some longer than it reads
    classifier = Classifier.load(read_verified(tiny_model.bundle))
    files = sorted(tiny_model.bundle.iterdir())
    # WHEN it is asked
    answers = ask_bundle(tiny_model.bundle, TEXTS, ALONE)
    # THEN its probabilities are those that it serves, in the order of the texts
    served = [list(each.probabilities.values()) for each in classifier.predict(TEXTS)]
    assert metrics.softmax(answers.logits) == pytest.approx(np.array(served), abs=1e-6)
    # ... it has no states, and nothing is added to its folder
    assert answers.states.shape == (len(TEXTS), 0)
    assert sorted(tiny_model.bundle.iterdir()) == files
    expected = f"teacher bundle, bundle {classifier.version}, answers {len(TEXTS):,} texts"
    assert expected in capsys.readouterr().out


def test_where_texts_have_several_labels_each_has_its_probability(
    multi_label_model: TinyModel,
) -> None:
    # GIVEN a bundle that may give a text several labels WHEN it is asked
    texts = ["The kettle leaks, I want to send it back.", "The invoice came twice."]
    answers = ask_bundle(multi_label_model.bundle, texts, ALONE)
    # THEN each label has the odds of the probability that it serves
    classifier = Classifier.load(read_verified(multi_label_model.bundle))
    served = [list(each.probabilities.values()) for each in classifier.predict(texts)]
    assert multi_label.sigmoid(answers.logits) == pytest.approx(np.array(served), abs=1e-6)


@pytest.mark.parametrize("fixture", ["tiny_model", "multi_label_model"])
def test_probabilities_of_0_and_1_have_finite_logits(
    fixture: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    # GIVEN a bundle with temperatures so low that it is certain of its answers
    model: TinyModel = request.getfixturevalue(fixture)
    folder = tmp_path / "certain"
    shutil.copytree(model.bundle, folder)
    manifest = read_verified(folder).manifest
    labelling = manifest.labelling
    if labelling is not None:
        low = dict.fromkeys(labelling.temperatures, 1e-3)
        labelling = replace(labelling, temperatures=low)
    (folder / MANIFEST).write_bytes(
        replace(manifest, temperature=1e-3, labelling=labelling).to_bytes()
    )
    # WHEN it is asked THEN no logit is infinite
    logits = ask_bundle(folder, TEXTS[:20], ALONE).logits
    assert np.isfinite(logits).all()
    assert (np.abs(logits).max(axis=1) > 20).all()


def test_an_altered_bundle_is_refused(tiny_model: TinyModel, tmp_path: Path) -> None:
    # GIVEN a bundle whose model was changed WHEN it is asked THEN it is refused
    folder = tmp_path / "altered"
    shutil.copytree(tiny_model.bundle, folder)
    (folder / "model.onnx").write_bytes(b"other")
    with pytest.raises(BundleError, match=r"altered: model\.onnx has 5 bytes"):
        ask_bundle(folder, TEXTS, ALONE)
