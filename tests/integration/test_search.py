import itertools
import shlex
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import HEADLINES, REVIEWS
from textclf.app import INTERRUPTED, main
from training.data.examples import Dataset
from training.data.read import read
from training.fit import train as training
from training.fit.rows import load_dataset
from training.fit.settings import Settings
from training.recipes import search
from training.recipes.ranges import RANGES, Range

pytestmark = pytest.mark.timeout(300)

Steps = Callable[[int], "itertools.count[int]"]
Options = dict[str, object]


@pytest.fixture
def options(tiny_base: Path, tmp_path: Path) -> Options:
    """Trials of one short epoch."""
    return {
        "data": HEADLINES,
        "base-model": tiny_base,
        "output": tmp_path,
        "epochs": 1,
        "precision": "fp32",
    }


def run(options: Options, **changes: object) -> int:
    """Run the command; returns its exit code."""
    words = [f"--{name}={value}" for name, value in {**options, **changes}.items()]
    return main(["search", *words])


@pytest.fixture
def interrupt_at(monkeypatch: pytest.MonkeyPatch) -> Steps:
    """A function that sends this process SIGTERM once, and returns a count of its steps."""
    take_step = training.take_step

    def arrange(step: int) -> "itertools.count[int]":
        steps = itertools.count(1)

        def interrupted(*arguments: Any) -> float:
            if next(steps) == step:
                signal.raise_signal(signal.SIGTERM)
            return take_step(*arguments)

        monkeypatch.setattr(training, "take_step", interrupted)
        return steps

    return arrange


def rows(folder: Path) -> list[list[str]]:
    """The cells of the table of trials, best first."""
    lines = (folder / "trials.md").read_text().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_search_continues_where_it_ended(options: Options, tmp_path: Path) -> None:
    # GIVEN a search of two trials
    assert run(options, trials=2) == 0
    before = rows(tmp_path)
    # WHEN a third is asked for
    assert run(options, trials=3) == 0
    # THEN the two are kept, and all three differ
    after = rows(tmp_path)
    assert len(before) == 2
    assert all(row in after for row in before)
    assert len({tuple(row[2:]) for row in after}) == 3


def test_the_data_is_read_once_for_all_trials(
    options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a count of the files that are read
    locations: list[str] = []

    def note(location: str, *arguments: Any, **named: Any) -> Dataset:
        locations.append(location)
        return read(location, *arguments, **named)

    monkeypatch.setattr("training.fit.rows.read", note)
    # WHEN two trials run THEN the data file is read once
    assert run(options, trials=2) == 0
    assert locations == [str(options["data"])]


def test_only_the_best_model_is_kept_and_the_command_that_makes_it(
    options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a search whose first trial learnt almost nothing
    settings = Settings(
        data=str(options["data"]),
        output=str(tmp_path),
        base_model=str(options["base-model"]),
        epochs=1,
        precision="fp32",
    )
    study = search.open_study(tmp_path)
    study.set_user_attr("identity", search.identify(settings, load_dataset(settings).sha256))
    trial = study.ask(search.make_space(settings))
    study.tell(trial, 0.001)
    (tmp_path / "trial-0").mkdir()
    # WHEN a second one is run
    assert run(options, trials=2) == 0
    # THEN it is first in the table, and only its folder is left
    assert [row[0] for row in rows(tmp_path)] == ["1", "0"]
    assert [folder.name for folder in tmp_path.glob("trial-*")] == ["trial-1"]
    # WHEN the command that was printed is run
    program, *words = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert (program, main(words)) == ("textclf", 0)
    # THEN the model is the same to the last bit
    models = [tmp_path / name / "model.safetensors" for name in ("trial-1", "best")]
    assert models[0].read_bytes() == models[1].read_bytes()


def test_an_interrupted_trial_is_resumed_to_the_same_result(
    options: Options, interrupt_at: Steps, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a search that was not interrupted, and how many steps it took
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    steps = interrupt_at(0)
    assert run(options, trials=3, output=whole) == 0
    total = next(steps) - 1
    # WHEN another gets SIGTERM in the middle of its second trial
    steps = interrupt_at(total // 2)
    assert run(options, trials=3, output=broken) == INTERRUPTED
    assert "interrupted; the same command continues the search" in capfd.readouterr().err
    assert (broken / "trial-1" / "checkpoint.safetensors").exists()
    # THEN the same command takes only the missing steps, to the same table and model
    assert run(options, trials=3, output=broken) == 0
    assert next(steps) - 1 == total
    assert rows(broken) == rows(whole)
    kept = [
        folder / f"trial-{rows(whole)[0][0]}" / "model.safetensors" for folder in (whole, broken)
    ]
    assert kept[0].read_bytes() == kept[1].read_bytes()


def test_a_trial_without_a_checkpoint_starts_again(options: Options, tmp_path: Path) -> None:
    # GIVEN a search that ended after a trial was chosen, and one that ended while it was
    study = search.open_study(tmp_path)
    study.ask()
    chosen = study.ask(search.make_space(Settings(data="d", output="o"))).params
    # WHEN it continues
    assert run(options, trials=1) == 0
    # THEN the chosen one is run, and the other does not count
    (trial,) = search.list_finished(search.open_study(tmp_path))
    assert (trial.number, trial.params) == (1, chosen)


def test_trials_of_other_settings_or_data_are_not_mixed(
    options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a search
    assert run(options, trials=1) == 0
    # WHEN it is to continue with other settings and one row less
    lines = HEADLINES.read_text().splitlines(keepends=True)
    (tmp_path / "fewer.csv").write_text("".join(lines[:-1]))
    assert run(options, trials=2, data=tmp_path / "fewer.csv", epochs=2, seed=1) == 1
    # THEN it says what differs, and runs nothing
    error = capsys.readouterr().err
    assert "was made with epochs 1.0, not 2.0; seed 42, not 1; dataset-sha256" in error
    assert len(search.open_study(tmp_path).trials) == 1


def test_a_search_of_a_version_that_lacks_a_setting_continues(
    options: Options, tmp_path: Path
) -> None:
    # GIVEN a search of an older version, which lists all settings it has, but lacks layers
    assert run(options, trials=1) == 0
    study = search.open_study(tmp_path)
    identity = study.user_attrs["identity"]
    settings = Settings(data="d", output="o").model_dump(exclude={*search.FREE, "layers"})
    study.set_user_attr("identity", {**settings, **identity})
    # WHEN it continues with layers at their default THEN it goes on; otherwise it is refused
    assert run(options, trials=2) == 0
    assert run(options, trials=3, layers="0") == 1


def test_trials_within_other_ranges_are_not_mixed(
    options: Options, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a search WHEN one of its ranges is wider
    assert run(options, trials=1) == 0
    monkeypatch.setitem(RANGES, "masking", Range(0.0, 0.5))
    # THEN it does not continue
    assert run(options, trials=2) == 1
    assert "was made with masking FloatDistribution(high=0.3" in capsys.readouterr().err


def test_a_missing_base_model_can_be_corrected(
    options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a search whose first trial found no model to start from
    assert run(options, trials=1, **{"base-model": tmp_path / "no"}) == 1
    assert str(tmp_path / "no") in capsys.readouterr().err
    # WHEN the model is named correctly THEN the search continues
    assert run(options, trials=1) == 0


def test_a_damaged_checkpoint_is_an_error(
    options: Options, interrupt_at: Steps, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN an interrupted trial WHEN its checkpoint is damaged THEN the search says so
    interrupt_at(2)
    assert run(options) == INTERRUPTED
    (tmp_path / "trial-0" / "checkpoint.safetensors").write_bytes(b"half a file")
    assert run(options) == 1
    assert "is damaged" in capsys.readouterr().err


def test_a_search_without_data_is_an_error(
    options: Options, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(options, data="nowhere.csv") == 1
    assert "nowhere.csv" in capsys.readouterr().err


def test_several_processes_are_refused(
    options: Options,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN what torchrun tells each of two processes
    monkeypatch.setenv("WORLD_SIZE", "2")
    # WHEN a search is started THEN it is refused, and writes nothing
    assert run(options) == 1
    assert capsys.readouterr().err == "error: a search is one process: start it without torchrun\n"
    assert not list(tmp_path.iterdir())


def test_a_task_without_groups_has_no_group_loss(options: Options, tmp_path: Path) -> None:
    # GIVEN reviews, which have no groups
    reviews = {"task": "sentiment", "data": REVIEWS, "max-length": 64}
    # WHEN one trial is run
    assert run(options, trials=1, **reviews) == 0
    # THEN the table has no group loss
    assert "group_loss" not in (tmp_path / "trials.md").read_text()


def test_a_trial_does_not_touch_a_model_that_the_search_does_not_know(
    options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a folder with trials of a search whose journal is gone
    (tmp_path / "trial-0").mkdir()
    (tmp_path / "trial-0" / "training.json").write_text("earlier work")
    # WHEN a search is started there THEN it is refused, and the model is as it was
    assert run(options, trials=1) == 1
    assert "trial-0 has a model already" in capsys.readouterr().err
    assert (tmp_path / "trial-0" / "training.json").read_text() == "earlier work"


def test_a_trial_whose_end_was_not_recorded_is_run_again(options: Options, tmp_path: Path) -> None:
    # GIVEN a search that was killed after its trial had written the model
    assert run(options, trials=1) == 0
    model = (tmp_path / "trial-0" / "model.safetensors").read_bytes()
    journal = (tmp_path / "trials.journal").read_text().splitlines(keepends=True)
    (tmp_path / "trials.journal").write_text("".join(journal[:-1]))
    # WHEN it continues THEN it makes the same model
    assert run(options, trials=1) == 0
    assert (tmp_path / "trial-0" / "model.safetensors").read_bytes() == model


def test_a_search_is_about_fine_tuning(
    options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN another method WHEN settings are searched for THEN that is an error, at once
    assert run(options, method="auto", trials=1) == 1
    assert "leave out --method auto" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
