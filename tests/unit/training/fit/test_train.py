import csv
import itertools
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from safetensors.torch import load_file
from transformers import MPNetModel

from inference.errors import InterruptedRunError
from inference.model.bundle import MANIFEST, Bundle, read_verified
from inference.model.classifier import Classifier
from tests.conftest import HEADLINES, ROOT, TinyModel
from tests.headlines import news_row
from training.atomic import OutputError
from training.data.examples import DataError, Dataset
from training.data.read import read
from training.evaluate.evaluation import evaluate
from training.export.bundle import export
from training.fit import text_model
from training.fit import train as training
from training.fit.checkpoint import CheckpointError
from training.fit.contrastive import PairLearner, fine_tune_on_pairs
from training.fit.encoder import EncoderClassifier
from training.fit.method import COMPARISON
from training.fit.option_needs import drop_unmet
from training.fit.process_group import process_group
from training.fit.record import MethodComparison, TrainingRecord, hash_weights
from training.fit.rows import BAD_ROWS
from training.fit.settings import Settings
from training.fit.train import DivergedError
from training.fit.trained_model import (
    ANSWERS,
    CHECKPOINT,
    RESULTS,
    TrainedModel,
    open_trained_model,
)

Interrupt = Callable[[int], None]


@pytest.fixture
def settings(tiny_base: Path, tmp_path: Path) -> Settings:
    """Two short epochs in full precision."""
    return Settings(
        data=str(HEADLINES),
        output=str(tmp_path / "run"),
        base_model=str(tiny_base),
        precision="fp32",
        epochs=2,
        learning_rate=1e-3,
        evaluations=2,
        group_loss=0.5,
    )


def train(settings: Settings, **changes: object) -> TrainedModel:
    """Train with changed settings, without those that then have no effect."""
    with process_group() as group:
        return training.train(drop_unmet(settings.model_copy(update=changes)), group)


def read_files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture
def interrupt_at(monkeypatch: pytest.MonkeyPatch) -> Interrupt:
    """A function that sends this process SIGTERM once, within a step of its choice."""
    take_step = training.take_step
    steps = itertools.count(1)

    def arrange(step: int) -> None:
        def interrupted(*arguments: Any) -> float:
            if next(steps) == step:
                signal.raise_signal(signal.SIGTERM)
            return take_step(*arguments)

        monkeypatch.setattr(training, "take_step", interrupted)

    return arrange


def test_a_model_is_returned_with_its_rows_and_can_be_opened_again(settings: Settings) -> None:
    # GIVEN a run WHEN it has finished
    trained = train(settings)
    # THEN its folder holds all that was returned
    assert open_trained_model(Path(settings.output)) == trained
    assert trained.record.steps == 14
    assert len(trained.rows.test) == trained.record.rows.test
    assert trained.record.time is not None


def test_the_data_is_read_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a list of the files that are read
    locations = []

    def note(location: str, *arguments: Any, **options: Any) -> Dataset:
        locations.append(location)
        return read(location, *arguments, **options)

    monkeypatch.setattr("training.fit.rows.read", note)
    # WHEN a model is trained THEN its data file is read once
    train(settings, epochs=0.1)
    assert locations == [settings.data]


def interrupt_and_resume(settings: Settings, interrupt_at: Interrupt) -> TrainedModel:
    """Interrupt a run in its second epoch, which leaves a checkpoint, and resume it."""
    interrupt_at(9)
    with pytest.raises(InterruptedRunError, match="add --resume"):
        train(settings)
    assert (Path(settings.output) / CHECKPOINT).exists()
    return train(settings, resume=True)


def require_same_weights(one: TrainedModel, other: TrainedModel) -> None:
    weights, again = (load_file(m.folder / "model.safetensors") for m in (one, other))
    assert all(torch.equal(weights[name], again[name]) for name in weights)


def test_an_interrupted_run_is_resumed_to_the_same_result(
    settings: Settings, interrupt_at: Interrupt, tmp_path: Path
) -> None:
    # GIVEN a run that was not interrupted
    whole = train(settings, output=str(tmp_path / "whole"))
    # WHEN another gets SIGTERM in its second epoch, and is resumed
    resumed = interrupt_and_resume(settings, interrupt_at)
    # THEN its weights are the same to the last bit, and so is each validation on the way
    require_same_weights(whole, resumed)
    assert resumed.record.steps == 14
    assert resumed.record.validation_macro_f1 == whole.record.validation_macro_f1
    assert not (tmp_path / "run" / CHECKPOINT).exists()


def test_a_model_is_replaced_when_the_new_one_is_complete(
    settings: Settings, interrupt_at: Interrupt
) -> None:
    # GIVEN a finished run
    folder = train(settings, epochs=0.5).folder
    (folder / "report.md").write_text("the old report")
    before = read_files(folder)
    # WHEN another is to replace it, and is interrupted
    interrupt_at(1)
    with pytest.raises(InterruptedRunError):
        train(settings, seed=1, overwrite=True)
    # THEN the model is as it was, next to the checkpoint of the new run
    after = read_files(folder)
    assert after.pop(CHECKPOINT)
    assert after == before
    # WHEN the new run ends
    train(settings, seed=1, resume=True)
    # THEN it has replaced the model, and the old report is gone
    assert TrainingRecord.read(folder).settings.seed == 1
    assert not (folder / "report.md").exists()
    assert {file.name for file in folder.iterdir()} <= set(RESULTS)


@pytest.mark.parametrize("left", ["a model", "a checkpoint"])
def test_a_run_does_not_touch_earlier_work(
    left: str, settings: Settings, interrupt_at: Interrupt
) -> None:
    # GIVEN a folder with a model, or with an unfinished run
    if left == "a checkpoint":
        interrupt_at(3)
        with pytest.raises(InterruptedRunError):
            train(settings)
    else:
        train(settings, epochs=0.1)
    folder = Path(settings.output)
    before = read_files(folder)
    # WHEN another run is started there THEN it is refused, and nothing has changed
    with pytest.raises(OutputError, match="--overwrite"):
        train(settings, seed=1)
    assert read_files(folder) == before


def test_a_folder_with_a_base_model_is_not_written_to(
    settings: Settings, tiny_base: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_base, tmp_path / "base")
    with pytest.raises(OutputError, match="has a model already"):
        train(settings, output=str(tmp_path / "base"))


def test_a_model_that_gets_nothing_right_is_a_model_all_the_same(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN validations that all find a macro-F1 of 0, as with many labels and few steps
    monkeypatch.setattr("training.metrics.macro_f1", lambda *_: 0.0)
    # WHEN a model is trained
    trained = train(settings, epochs=1)
    # THEN there is one, and a warning with it
    assert (trained.folder / "model.safetensors").exists()
    assert open_trained_model(trained.folder).record.best_validation == 0
    assert "warning: the model gets no validation row right" in capsys.readouterr().out


def test_a_loss_that_is_no_number_ends_the_run_with_a_hint(settings: Settings) -> None:
    # GIVEN a learning rate beyond reason
    # WHEN it trains THEN the error names the step and what to change, and there is no model
    with pytest.raises(DivergedError, match=r"diverged at step \d+: .* lower --learning-rate"):
        train(settings, learning_rate=1e30, max_grad_norm=1e30, epochs=20)
    assert not (Path(settings.output) / "model.safetensors").exists()


def test_logits_that_are_no_numbers_end_the_run(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a model that overflows when it is validated
    nothing = np.full((40, 4), np.nan, np.float32)
    monkeypatch.setattr("training.fit.text_model.compute_logits", lambda *_: nothing)
    # WHEN it trains THEN the run ends at its first validation
    with pytest.raises(DivergedError, match="diverged at step 3"):
        train(settings)


def test_training_stops_early_when_validation_no_longer_improves(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN validation rows that count as enough, and a learning rate so small that nothing changes
    monkeypatch.setattr("training.fit.training_state.LEAST_VALIDATION_ROWS", 40)
    monkeypatch.setattr("training.fit.training_state.LEAST_STEPS", 6)
    # WHEN it trains for up to 50 epochs with a patience of two validations
    trained = train(settings, learning_rate=1e-12, epochs=50, patience=2)
    # THEN it ends two validations after the warm-up of 21 steps, and says so
    assert isinstance(trained.record.validation_macro_f1, list)
    assert [step for step, _ in trained.record.validation_macro_f1[-3:]] == [21, 24, 27]
    assert "stopped early at step 27 of 350" in capsys.readouterr().out


def test_a_run_on_few_rows_takes_more_epochs_unless_they_are_chosen(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN settings that leave the epochs open
    values = settings.model_dump(exclude={"epochs", "evaluations", "output"})
    open_settings = Settings(**values, output=settings.output)
    # WHEN a model is trained on seven batches
    trained = train(open_settings)
    # THEN it takes a hundred steps or more, and its output and its record say so
    assert trained.record.steps == 105
    assert trained.record.settings.epochs == 15
    assert "15 epochs instead of 3; --epochs sets another number" in capsys.readouterr().out


def test_a_few_validation_rows_stop_no_run(settings: Settings) -> None:
    trained = train(settings, learning_rate=1e-12, epochs=20, patience=1)
    assert trained.record.steps == 140


def test_a_full_disk_names_the_file_and_how_to_go_on(settings: Settings, tmp_path: Path) -> None:
    # GIVEN a disk on which no file can be larger than 100 kB
    options = {"epochs": "0.2", "precision": "fp32"} | {
        "data": settings.data, "output": str(tmp_path / "run"), "base-model": settings.base_model
    }  # fmt: skip
    command = [sys.executable, "-m", "textclf", "train"]
    command += [f"--{name}={value}" for name, value in options.items()]

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    # WHEN a model is trained
    done = subprocess.run(
        command, cwd=ROOT, preexec_fn=limit_files, capture_output=True, text=True, check=False
    )
    # THEN the error names the folder, and no part of a model is left in it
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: cannot write {tmp_path / 'run'}")
    assert "File too large; correct that, then give the same command" in line
    assert not list((tmp_path / "run").iterdir())


def test_the_second_head_is_not_part_of_the_model(settings: Settings) -> None:
    # GIVEN a run that also learns to tell the stories apart
    trained = train(settings, epochs=0.5)
    # WHEN its weights are read THEN they are those of the labels alone
    weights = load_file(trained.folder / "model.safetensors")
    assert weights["classifier.weight"].shape[0] == len(trained.labels)
    assert not any("group" in name for name in weights)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"split": "random"}, "the same rows: split"), ({"seed": 7}, "the same stories: seed")],
)
def test_a_base_model_that_may_know_the_rows_held_out_is_refused(
    changes: dict[str, object], message: str, tiny_model: TinyModel, settings: Settings
) -> None:
    # GIVEN a model WHEN training starts from it with other rows held out THEN it is refused
    with pytest.raises(DataError, match=message):
        train(settings, base_model=str(tiny_model.folder), **changes)


def test_training_can_start_from_a_model_that_held_out_the_same_stories(
    tiny_model: TinyModel, settings: Settings, tmp_path: Path
) -> None:
    # GIVEN new rows, which do not change which stories are held out
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a.csv").write_text(news_row("A new one", story="new"))
    changes = {"base_model": str(tiny_model.folder), "new_rows": str(tmp_path / "new")}
    # WHEN a model is trained further with them
    trained = train(settings, epochs=0.1, **changes)
    # THEN its record identifies the model it started from by its weights
    assert trained.record.base_sha256 == hash_weights(tiny_model.folder)
    assert trained.record.new_rows == 1


def test_a_student_records_its_teacher(settings: Settings, tiny_model: TinyModel) -> None:
    # GIVEN a teacher WHEN a student is trained
    train(settings, epochs=0.5, teachers=str(tiny_model.folder))
    # THEN its record identifies the teacher by its weights
    record = TrainingRecord.read(Path(settings.output))
    assert record.teachers == {tiny_model.folder.name: hash_weights(tiny_model.folder)}


def test_a_student_of_a_bundle_is_resumed_only_with_the_same_bundle(
    settings: Settings, tiny_model: TinyModel, interrupt_at: Interrupt, tmp_path: Path
) -> None:
    # GIVEN a run that a bundle and its trained model teach, and that was interrupted
    bundle = tmp_path / "bundle"
    shutil.copytree(tiny_model.bundle, bundle)
    teachers = f"{bundle},{tiny_model.folder}"
    whole = train(settings, output=str(tmp_path / "whole"), teachers=teachers)
    assert whole.record.teachers["bundle"] == read_verified(bundle).version
    interrupt_at(7)
    with pytest.raises(InterruptedRunError):
        train(settings, teachers=teachers)
    # WHEN it is resumed with another bundle THEN it is refused
    manifest = replace(read_verified(bundle).manifest, temperature=5.0)
    (tmp_path / "other").mkdir()
    for file in bundle.iterdir():
        shutil.copy(file, tmp_path / "other")
    (tmp_path / "other" / MANIFEST).write_bytes(manifest.to_bytes())
    with pytest.raises(CheckpointError, match="was made with teachers"):
        train(settings, resume=True, teachers=f"{tmp_path / 'other'},{tiny_model.folder}")
    # ... and with the same one, it ends as if it had not been interrupted
    again = train(settings, resume=True, teachers=teachers)
    require_same_weights(again, whole)


@pytest.fixture
def many_ways(settings: Settings, tiny_model: TinyModel, tmp_path: Path) -> Settings:
    """Balanced groups, texts without labels, a temperature and states of a teacher."""
    (tmp_path / "more.txt").write_text("".join(f"headline number {n} of many\n" for n in range(90)))
    ways = {
        "balance_groups": 2,
        "unlabelled": str(tmp_path / "more.txt"),
        "teachers": str(tiny_model.folder),
        "distillation_temperature": 2.0,
        "embedding_loss": 0.5,
        "label_smoothing": 0.1,
        "masking": 0.1,
    }
    return settings.model_copy(update=ways)


def test_a_run_on_windows_is_resumed_to_the_same_result(
    many_ways: Settings, interrupt_at: Interrupt, tmp_path: Path
) -> None:
    # GIVEN a run that reads headlines in windows of six wordpieces, and was not interrupted
    windows = many_ways.model_copy(update={"long_texts": "windows", "max_length": 8})
    whole = train(windows, output=str(tmp_path / "whole"))
    # WHEN another gets SIGTERM in its second epoch, and is resumed
    resumed = interrupt_and_resume(windows, interrupt_at)
    # THEN it draws the same windows, and pools them the same way
    require_same_weights(whole, resumed)
    assert resumed.record.windows == whole.record.windows
    assert resumed.record.windows is not None
    assert resumed.record.windows.overlap == 1
    # AND the record that is read again says so, too
    assert TrainingRecord.read(resumed.folder).windows == resumed.record.windows


def test_a_run_that_learns_in_many_ways_is_resumed_to_the_same_result(
    many_ways: Settings, interrupt_at: Interrupt, tmp_path: Path
) -> None:
    # GIVEN a run that was not interrupted
    whole = train(many_ways, output=str(tmp_path / "whole"))
    # WHEN another gets SIGTERM in its second epoch, and is resumed
    resumed = interrupt_and_resume(many_ways, interrupt_at)
    # THEN its weights are the same to the last bit; an epoch has 276 rows and the 90 texts
    require_same_weights(whole, resumed)
    assert resumed.record.steps == 2 * 6
    # ... and neither of the further heads is part of the model
    weights, of_labels = (
        load_file(folder / "model.safetensors")
        for folder in (resumed.folder, Path(many_ways.teachers))
    )
    assert weights.keys() == of_labels.keys()


def test_a_run_with_other_texts_without_labels_is_not_resumed(
    many_ways: Settings, interrupt_at: Interrupt
) -> None:
    # GIVEN an interrupted run
    interrupt_at(3)
    with pytest.raises(InterruptedRunError):
        train(many_ways)
    # WHEN the file of texts without labels has changed THEN the checkpoint is refused
    with Path(many_ways.unlabelled).open("a") as file:
        file.write("one more\n")
    with pytest.raises(CheckpointError, match="was made with unlabelled-sha256"):
        train(many_ways, resume=True)


def test_the_same_seed_gives_the_same_model_whatever_the_teacher_knows_already(
    many_ways: Settings, tiny_model: TinyModel, tmp_path: Path
) -> None:
    # GIVEN a run whose teacher answers for the first time
    shutil.rmtree(tiny_model.folder / ANSWERS, ignore_errors=True)
    first = train(many_ways, epochs=0.5, output=str(tmp_path / "first"))
    # WHEN the same is trained again with the answers that were kept
    again = train(many_ways, epochs=0.5)
    # THEN the weights are the same
    weights, others = ((m.folder / "model.safetensors").read_bytes() for m in (first, again))
    assert weights == others


def test_bad_rows_that_are_skipped_are_listed_in_the_output_folder(
    settings: Settings, tmp_path: Path
) -> None:
    # GIVEN a data file with ten bad rows
    data = tmp_path / "rows.csv"
    data.write_text(HEADLINES.read_text() + "short\n" * 10)
    # WHEN a model is trained without them
    trained = train(settings, data=str(data), skip_bad_rows=True, epochs=0.1)
    # THEN all of them are in a table
    with (trained.folder / BAD_ROWS).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["line"] for row in rows] == [str(line) for line in range(509, 519)]
    assert rows[0]["file"] == str(data)
    assert rows[0]["reason"] == "expected 8 columns separated by tab, found 1"
    # ... which goes when another run has none
    train(settings, epochs=0.1, overwrite=True)
    assert not (trained.folder / BAD_ROWS).exists()


@pytest.fixture
def linear(settings: Settings, mpnet: Path) -> Settings:
    """An MPNet that classifies the mean, with a head that is fitted first."""
    changes = {"base_model": str(mpnet), "pooling": "mean", "head_first": True, "group_loss": 0.0}
    rates = {"head_rate_times": 10.0, "layer_decay": 0.9, "masking": 0.1}
    return settings.model_copy(update={**changes, **rates})


def test_another_encoder_is_trained_and_teaches_a_distilbert(
    linear: Settings, settings: Settings, tmp_path: Path
) -> None:
    # GIVEN a trained MPNet
    trained = train(linear, output=str(tmp_path / "teacher"))
    teacher, _ = text_model.load(trained.folder)
    assert isinstance(teacher, EncoderClassifier)
    assert isinstance(teacher.base_model, MPNetModel)
    # WHEN a DistilBERT learns from it THEN that is as with any other teacher
    student = train(settings, teachers=str(trained.folder))
    assert student.record.teachers == {"teacher": hash_weights(trained.folder)}
    assert student.record.best_validation > 0


def test_a_fitted_head_is_not_fitted_again_when_a_run_is_resumed(
    linear: Settings,
    interrupt_at: Interrupt,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN a run with a fitted head, and another one that is interrupted
    whole = train(linear, output=str(tmp_path / "whole"))
    assert "the head is fitted to" in capsys.readouterr().out
    interrupt_at(9)
    with pytest.raises(InterruptedRunError):
        train(linear)
    capsys.readouterr()
    # WHEN that is resumed
    resumed = train(linear, resume=True)
    # THEN the head learns on, to the same weights
    assert "the head is fitted to" not in capsys.readouterr().out
    require_same_weights(whole, resumed)


def test_a_fitted_head_is_right_from_the_start(linear: Settings) -> None:
    # GIVEN a run that learns next to nothing in its only step
    short = {"epochs": 0.01, "learning_rate": 1e-9, "masking": 0.0}
    # WHEN its head is fitted first or not THEN only the first knows something
    fitted = train(linear, **short).record.best_validation
    random = train(linear, **short, head_first=False, overwrite=True).record.best_validation
    assert fitted > random + 0.1


@pytest.fixture
def few(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Few rows, without what a frozen encoder cannot learn from, and few steps on their pairs."""
    monkeypatch.setattr("training.fit.contrastive.count_steps", lambda _: 5)
    return settings.model_copy(update={"group_loss": 0.0, "max_rows": 250})


def test_a_frozen_encoder_stays_as_it_is_and_is_exported(
    few: Settings, tiny_base: Path, tmp_path: Path
) -> None:
    # GIVEN a model of which only the head is fitted
    trained = train(few, method="frozen")
    # THEN its encoder is that of the base model
    before = load_file(tiny_base / "model.safetensors")
    after = load_file(trained.folder / "model.safetensors")
    encoder = [name for name in before if name.startswith("distilbert.")]
    assert len(encoder) > 10
    assert all(torch.equal(before[name], after[name]) for name in encoder)
    # ... the record names the method and its only validation
    assert trained.record.settings.method == "frozen"
    assert trained.record.validation_macro_f1 == [(0, trained.record.best_validation)]
    # ... and another run gives the same weights
    require_same_weights(trained, train(few, method="frozen", output=str(tmp_path / "again")))
    # ... and its bundle, which passes the gate's tests of int8, answers as it does
    evaluate(trained)
    require_same_answers(trained, export(trained, tmp_path / "bundle", allow_worse=True))


def require_same_answers(trained: TrainedModel, bundle: Bundle) -> None:
    """Require that a bundle gives texts the labels that its model gives them."""
    texts = [row.text for row in (*trained.rows.train, *trained.rows.test)]
    model, tokenizer = text_model.load(trained.folder)
    token_ids = text_model.encode(tokenizer, texts)
    expected = text_model.compute_logits(model, token_ids, torch.device("cpu")).argmax(axis=1)
    answers = Classifier.load(bundle).predict(texts)
    found = np.array([list(each.probabilities.values()) for each in answers]).argmax(axis=1)
    assert np.mean(found == expected) > 0.9


def test_an_encoder_that_learns_from_pairs_is_exported(
    few: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN an encoder that learnt from pairs of texts, fast for few weights, and a fitted head
    monkeypatch.setattr("training.fit.contrastive.RATE", 1e-3)
    monkeypatch.setattr("training.fit.contrastive.count_steps", lambda _: 30)
    trained = train(few, method="contrastive")
    # THEN the record names the method, its steps and its only validation
    assert trained.record.settings.method == "contrastive"
    assert trained.record.steps == 30
    assert trained.record.validation_macro_f1 == [(30, trained.record.best_validation)]
    # ... and another run gives the same weights, which are not those of a frozen encoder
    again = train(few, method="contrastive", output=str(tmp_path / "again"))
    require_same_weights(trained, again)
    frozen = train(few, method="frozen", output=str(tmp_path / "frozen"))
    assert hash_weights(trained.folder) != hash_weights(frozen.folder)
    # ... and its bundle, which passes the gate's tests of int8, answers as it does
    evaluate(trained)
    require_same_answers(trained, export(trained, tmp_path / "bundle", allow_worse=True))


def test_an_interrupted_run_of_pairs_leaves_the_earlier_model(
    few: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a model, and a run that is to replace it and gets SIGTERM
    earlier = train(few, method="frozen")
    before = read_files(earlier.folder)
    take_step = PairLearner.take_step

    def interrupted(learner: PairLearner, step: int, rate: float) -> float:
        signal.raise_signal(signal.SIGTERM)
        return take_step(learner, step, rate)

    monkeypatch.setattr(PairLearner, "take_step", interrupted)
    # WHEN it ends THEN the earlier model is whole
    with pytest.raises(InterruptedRunError, match="give the same command again"):
        train(few, method="contrastive", overwrite=True)
    assert read_files(earlier.folder) == before


def test_a_run_of_pairs_that_auto_began_keeps_its_method_with_resume(
    few: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN texts on which pairs teach most, and a run that gets SIGTERM while it learns from them
    better = MethodComparison(fine_tune=0.7, frozen=0.8, contrastive=0.9, rows=1, folds=3)
    monkeypatch.setattr("training.fit.method.compare_methods", lambda *_: better)
    take_step = PairLearner.take_step

    def interrupted(learner: PairLearner, step: int, rate: float) -> float:
        signal.raise_signal(signal.SIGTERM)
        return take_step(learner, step, rate)

    with monkeypatch.context() as patch:
        patch.setattr(PairLearner, "take_step", interrupted)
        with pytest.raises(InterruptedRunError, match="add --resume to start again with the"):
            train(few, method="auto")
    # WHEN that is done THEN nothing is compared again
    monkeypatch.setattr("training.fit.method.compare_methods", lambda *_: pytest.fail("compared"))
    resumed = train(few, method="auto", resume=True)
    assert (resumed.record.settings.method, resumed.record.steps) == ("contrastive", 5)


def test_rows_that_an_epoch_repeats_make_no_pairs(
    few: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN a new row that an epoch has nine times
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a.csv").write_text(news_row("A new one", story="new"))
    texts: list[str] = []

    def note(*arguments: Any, **options: Any) -> int:
        texts.extend(row.text for row in arguments[2])
        return fine_tune_on_pairs(*arguments, **options)

    monkeypatch.setattr(training, "fine_tune_on_pairs", note)
    new = {"new_rows": str(tmp_path / "new"), "new_rows_times": 9, "max_rows": 0}
    # WHEN an encoder learns from pairs THEN the row is among them once
    trained = train(few, method="contrastive", **new)
    assert texts.count("A new one") == 1
    assert len(texts) == trained.record.rows.train
    # ... and nine times among those that the head is fitted to
    assert f"fitted to {len(texts) + 8:,} rows" in capsys.readouterr().out


def test_auto_trains_as_if_the_best_method_had_been_given(
    few: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a run that tries all methods
    chosen = train(few, method="auto")
    # THEN one line says which one was best, and the record has the figures
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("method: ")]
    comparison = chosen.record.comparison
    assert comparison is not None
    assert lines == [f"method: {comparison.describe()}"]
    assert comparison.contrastive is not None
    assert chosen.record.settings.method == comparison.best
    # ... the weights are those of that method alone
    alone = train(few, method=comparison.best, output=str(tmp_path / "alone"))
    require_same_weights(chosen, alone)
    # ... and nothing of the comparison is left in the folder
    assert not (chosen.folder / COMPARISON).exists()


def test_a_comparison_that_is_interrupted_starts_again(
    few: Settings, interrupt_at: Interrupt
) -> None:
    # GIVEN a run that is interrupted while methods are tried
    interrupt_at(3)
    with pytest.raises(InterruptedRunError, match="give the same command again"):
        train(few, method="auto")
    # THEN it has left no checkpoint, and the same command works
    assert not (Path(few.output) / CHECKPOINT).exists()
    assert train(few, method="auto").record.comparison is not None


def test_a_run_that_auto_began_is_resumed_without_a_comparison(
    few: Settings,
    interrupt_at: Interrupt,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN texts on which fine-tuning is the better method, and a run of it that is interrupted
    better = MethodComparison(fine_tune=0.9, frozen=0.8, rows=1, folds=3)
    monkeypatch.setattr("training.fit.method.compare_methods", lambda *_: better)
    whole = train(few, method="auto", output=str(tmp_path / "whole"))
    interrupt_at(3)
    with pytest.raises(InterruptedRunError, match="add --resume"):
        train(few, method="auto")
    # WHEN it is resumed THEN it neither compares again nor ends elsewhere
    monkeypatch.setattr("training.fit.method.compare_methods", lambda *_: pytest.fail("compared"))
    resumed = train(few, method="auto", resume=True)
    assert "method: fine-tuning" in capsys.readouterr().out
    assert resumed.record.comparison == better
    require_same_weights(whole, resumed)


def test_class_weights_change_what_is_learnt(few: Settings, tmp_path: Path) -> None:
    # GIVEN labels that are not equally frequent WHEN they are weighed
    plain = train(few, epochs=0.5)
    balanced = train(few, epochs=0.5, class_weights="balanced", output=str(tmp_path / "balanced"))
    # THEN other weights are learnt from the same rows
    assert balanced.record.rows == plain.record.rows
    one, other = (load_file(each.folder / "model.safetensors") for each in (plain, balanced))
    assert not torch.equal(one["classifier.weight"], other["classifier.weight"])
