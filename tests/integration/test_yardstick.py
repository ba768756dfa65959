"""`textclf evaluate --against` a language model: the real boto3 against a local Bedrock."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import bedrock
from tests.bedrock import Bedrock, Reply, Request, labels_with, says
from tests.conftest import HEADLINES, TinyModel
from textclf.app import main
from training import tasks
from training.data.read import read
from training.evaluate.results import Evaluation

MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
PRICES = ["--usd-per-million-input", "1", "--usd-per-million-output", "5"]

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bedrock]:
    """A local Bedrock whose model knows the labels of all headlines but one in ten."""
    dataset = read(str(HEADLINES), tasks.NEWS)
    known = {row.text: dataset.task.labels[row.label] for row in dataset.examples}

    def answer(request: Request) -> Reply:
        if len(request.text) % 10 == 0:
            return says("I would rather not.", "content_filtered")
        return labels_with(known[request.text])

    with bedrock.serving() as server:
        server.model = answer
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def folder(tiny_model: TinyModel, tmp_path: Path) -> Path:
    """A copy of the tiny model's folder to change."""
    return shutil.copytree(tiny_model.folder, tmp_path / "model")


def evaluate(folder: Path, *options: str) -> int:
    return main(["evaluate", str(folder), "--against", f"bedrock:{MODEL}", *options])


def test_a_model_is_compared_with_a_language_model_on_the_same_rows(
    server: Bedrock, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a trained model WHEN it is compared with a language model on 30 rows
    assert evaluate(folder, "--against-rows", "30", *PRICES, "--yes") == 0
    output = capsys.readouterr().out
    # THEN the price came first, and the report has both accuracies, paired, and what was paid
    texts = len(server.requests)  # headlines repeat
    assert output.index(f"{texts} different texts to ask about") < output.index("paid: ")
    against = Evaluation.read(folder).against
    assert against is not None
    assert against.texts == 30
    assert against.without_label >= sum(len(text) % 10 == 0 for text in server.texts) > 0
    assert against.other_accuracy == pytest.approx(1 - against.without_label / 30)
    assert against.difference == pytest.approx(against.accuracy - against.other_accuracy)
    assert against.difference_interval.low <= against.difference <= against.difference_interval.high
    assert against.usd == pytest.approx(texts * (400 * 1 + 40 * 5) / 1e6)
    report = (folder / "report.md").read_text()
    assert f"## Against {MODEL}" in report
    assert re.search(r"for \$0\.01\d+: \$0\.[56]\d+ for 1,000 texts", report)
    assert f"| fp32 model against {MODEL} |" in report
    # AND the same rows again cost nothing
    assert evaluate(folder, "--against-rows", "30", *PRICES) == 0
    assert "there is nothing to pay" in capsys.readouterr().out
    assert len(server.requests) == texts
    assert Evaluation.read(folder).against == against


def test_nothing_is_asked_unless_the_user_agrees(
    server: Bedrock, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN no option that agrees, and none that names a language model
    assert evaluate(folder) == 1
    assert "add --yes" in capsys.readouterr().err
    assert main(["evaluate", str(folder)]) == 0
    # THEN no row was sent, and the report compares nothing
    assert server.requests == []
    assert Evaluation.read(folder).against is None
    assert "## Against" not in (folder / "report.md").read_text()


def test_a_budget_makes_the_sample_smaller(server: Bedrock, folder: Path) -> None:
    # GIVEN a budget for some of the rows WHEN models are compared THEN it is on these rows
    options = ("--against-rows", "30", *PRICES, "--budget-usd", "0.012", "--yes")
    assert evaluate(folder, *options) == 0
    against = Evaluation.read(folder).against
    assert against is not None
    assert 5 < len(set(server.texts)) <= against.texts < 25
    assert against.usd is not None
    assert against.usd <= 0.012


def test_the_labels_may_be_described(
    server: Bedrock, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a file that describes the labels, and one that has others
    labels = tmp_path / "labels.csv"
    labels.write_text("label,description\nBusiness,markets\nScience,\nEntertainment,\nHealth,\n")
    other = tmp_path / "other.csv"
    other.write_text("label\nBusiness\nSport\n")
    options = ("--against-rows", "5", "--yes", "--against-labels")
    # WHEN they are given THEN the model is told the one, and the other is refused
    assert evaluate(folder, *options, str(labels)) == 0
    assert re.search(r'"Business": markets', server.requests[0].body["system"][0]["text"])
    capsys.readouterr()
    assert evaluate(folder, *options, str(other)) == 1
    assert "must have the model's labels: Business, Science" in capsys.readouterr().err
    assert len(server.requests) == 5


def test_credentials_are_looked_for_before_tokens_are_counted(
    server: Bedrock,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN no credentials WHEN a model is to be compared with a language model
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert evaluate(folder, "--yes") == 1
    # THEN the command says so, and no price comes before
    out, error = capsys.readouterr()
    assert "AWS: there are no credentials" in error
    assert "to ask about" not in out
