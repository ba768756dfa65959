"""A model that reads many scripts: from a CSV file to answers of the Lambda runtime."""

import os
from pathlib import Path

from inference.local.emulator import free_ports
from tests.conftest import ROOT, TRAINING
from tests.e2e.conftest import TEXTCLF, ask, serving
from tests.scripts import make_texts, write_texts
from tests.tiny_encoders import write_multilingual_distilbert
from textclf.app import main

# Of each language, one text about sport and one about food, in another order than those to learn.
UNSEEN = {
    "sport": [
        "进了两球教练",
        "حطم الرقم اللاعب",
        "забил гол тренер",
        "गोल किया टीम",
        "scored 🥅 ⚽",
    ],
    "food": [
        "味道很好米饭",
        "لذيذ جدا الخبز",
        "из печи суп",
        "गरम परोसा रोटी",
        "with butter 🧈 🍞",
    ],
}


def test_texts_of_many_scripts_are_learned_and_answered(tmp_path: Path) -> None:
    # GIVEN texts in Chinese, Arabic, Cyrillic, Devanagari and emoji, and a base model for them
    data = write_texts(tmp_path / "texts.csv")
    base = write_multilingual_distilbert(tmp_path, [text for text, _ in make_texts()])
    # WHEN a model is trained, evaluated, exported behind the gate, and served
    model = tmp_path / "model"
    columns = ["--task", "topics", "--text-column", "text", "--label-column", "topic"]
    options = ["--data", str(data), *columns, "--base-model", str(base), "--output", str(model)]
    assert main(["train", *options, *TRAINING, "--max-length", "60"]) == 0
    assert main(["evaluate", str(model)]) == 0
    assert main(["export", str(model)]) == 0
    command = [
        *TEXTCLF,
        "serve",
        "--bundle",
        str(model / "bundle"),
        "--port",
        str(free_ports(1)[0]),
    ]
    texts = [text for texts in UNSEEN.values() for text in texts]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with serving(environment, command, tmp_path) as (url, _):
        answers = ask(url, {"inputs": texts})["predictions"]
        alone = ask(url, {"inputs": texts[0], "explain": True})
    # THEN every text has its label, whatever its script
    labels = [label for label, texts in UNSEEN.items() for _ in texts]
    assert [answer["predicted_label"] for answer in answers] == labels
    # AND where words have no spaces between them, characters are explained
    assert [word for word, _ in alone["explanation"]] == list(UNSEEN["sport"][0])
