"""The README is true: its commands exist and its answer is the shipped model's."""

import importlib
import json
import re

import pytest

from inference.model.bundle import read_verified
from inference.model.classifier import Classifier
from tests.conftest import ROOT, SAMPLE_MODEL

README = (ROOT / "README.md").read_text()
PACKAGES = ("inference.bulk", "inference.drift", "inference.local")
COMMANDS = re.findall(r"python -m ((?:training|inference)\.\w+)((?:.|\\\n)*)", README)


def test_the_answer_shown_is_the_models() -> None:
    # GIVEN the request and the answer in the README
    text = json.loads(re.findall(r"-d '(.*)'", README)[0])["inputs"]
    shown = json.loads(re.findall(r"```json\n(.*?)```", README, re.DOTALL)[0])
    # WHEN the shipped model is asked
    manifest, version = read_verified(SAMPLE_MODEL)
    found = Classifier(SAMPLE_MODEL, manifest).predict([text])[0]
    # THEN it says the same, but for what int8 differs by from one kind of CPU to the next
    assert shown["model_version"] == version
    assert shown["predicted_label"] == found.label
    assert shown["probabilities"] == pytest.approx(found.probabilities, abs=0.02)


@pytest.mark.parametrize(("module", "arguments"), COMMANDS)
def test_every_option_shown_exists(
    module: str, arguments: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if module in PACKAGES:
        module += ".__main__"
    with pytest.raises(SystemExit):
        importlib.import_module(module).main(["--help"])
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert set(re.findall(r" (--[a-z-]+)", arguments.partition("#")[0])) <= known


def test_every_make_target_shown_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", README)) - {"it", "sure"} <= targets


def test_the_accuracies_shown_are_the_manifests() -> None:
    metrics = read_verified(SAMPLE_MODEL)[0].metrics
    for model in ("int8", "fp32", "baseline"):
        assert f"{metrics[model]['accuracy']:.2%}".replace("%", " %") in README
