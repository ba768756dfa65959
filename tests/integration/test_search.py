import itertools
import shlex
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tests.conftest import HEADLINES, REVIEWS
from training.fit import settings, train
from training.recipes import search

pytestmark = pytest.mark.timeout(300)

Steps = Callable[[int], "itertools.count[int]"]


@pytest.fixture
def options(tiny_base: Path, tmp_path: Path) -> list[str]:
    """Trials of one short epoch."""
    options = ["--data", str(HEADLINES), "--base-model", str(tiny_base), "--output", str(tmp_path)]
    return [*options, "--epochs", "1", "--precision", "fp32"]


@pytest.fixture
def interrupt_at(monkeypatch: pytest.MonkeyPatch) -> Steps:
    """A function that has this process get SIGTERM once, and returns what counts its steps."""
    take_step = train.take_step

    def arrange(step: int) -> "itertools.count[int]":
        steps = itertools.count(1)

        def interrupted(*arguments: Any) -> float:
            if next(steps) == step:
                signal.raise_signal(signal.SIGTERM)
            return take_step(*arguments)

        monkeypatch.setattr(train, "take_step", interrupted)
        return steps

    return arrange


def rows(folder: Path) -> list[list[str]]:
    """The cells of the table of trials, best first."""
    lines = (folder / "trials.md").read_text().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def journal(folder: Path) -> optuna.Study:
    """The trials as they are stored, of which there may be none yet."""
    storage = JournalStorage(JournalFileBackend(str(folder / "trials.journal")))
    return optuna.create_study(
        study_name="search", storage=storage, direction="maximize", load_if_exists=True
    )


def test_a_search_goes_on_where_it_ended(options: list[str], tmp_path: Path) -> None:
    # GIVEN a search of two trials
    assert search.main([*options, "--trials", "2"]) == 0
    before = rows(tmp_path)
    # WHEN a third is asked for
    assert search.main([*options, "--trials", "3"]) == 0
    # THEN the two are kept, and no trial is like another
    after = rows(tmp_path)
    assert len(before) == 2
    assert all(row in after for row in before)
    assert len({tuple(row[2:]) for row in after}) == 3


def test_only_the_best_model_is_kept_and_the_command_that_makes_it(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a search whose first trial learnt next to nothing
    study = journal(tmp_path)
    study.set_user_attr("identity", search.identity_of(settings.parse("", options)))
    trial = study.ask(search.SPACE)
    study.tell(trial, 0.001)
    (tmp_path / "trial-0").mkdir()
    # WHEN a second is run
    assert search.main([*options, "--trials", "2"]) == 0
    # THEN it stands first, and of the folders only its own is there
    assert [row[0] for row in rows(tmp_path)] == ["1", "0"]
    assert [folder.name for folder in tmp_path.glob("trial-*")] == ["trial-1"]
    # WHEN the command that was printed is run
    words = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert words[:3] == ["python", "-m", "training.fit.train"]
    assert train.main(words[3:]) == 0
    # THEN the model is the same to the last bit
    again = Path(settings.parse("", words[3:]).output)
    models = [folder / "model.safetensors" for folder in (tmp_path / "trial-1", again)]
    assert models[0].read_bytes() == models[1].read_bytes()


def test_an_interrupted_trial_goes_on_to_the_same_result(
    options: list[str],
    interrupt_at: Steps,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    # GIVEN a search that was left alone, and how many steps it took
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    steps = interrupt_at(0)
    assert search.main([*options, "--trials", "3", "--output", str(whole)]) == 0
    total = next(steps) - 1
    # WHEN another gets SIGTERM in the middle of its second trial
    again = [*options, "--trials", "3", "--output", str(broken)]
    steps = interrupt_at(total // 2)
    assert search.main(again) == train.INTERRUPTED
    assert "Traceback" not in capfd.readouterr().err
    assert (broken / "trial-1" / "checkpoint.safetensors").exists()
    # THEN the same command takes only the steps that are missing, to the same table
    assert search.main(again) == 0
    assert next(steps) - 1 == total
    assert rows(broken) == rows(whole)
    kept = [
        folder / f"trial-{rows(whole)[0][0]}" / "model.safetensors" for folder in (whole, broken)
    ]
    assert kept[0].read_bytes() == kept[1].read_bytes()


def test_a_trial_without_a_checkpoint_begins_again(options: list[str], tmp_path: Path) -> None:
    # GIVEN a search that ended when a trial was chosen, and one that ended while it was
    study = journal(tmp_path)
    study.ask()
    chosen = study.ask(search.SPACE).params
    # WHEN it goes on
    assert search.main([*options, "--trials", "1"]) == 0
    # THEN the chosen one is run, and the other counts for nothing
    (trial,) = search.finished(journal(tmp_path))
    assert (trial.number, trial.params) == (1, chosen)


def test_trials_of_other_settings_or_data_are_not_mixed(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a search
    assert search.main([*options, "--trials", "1"]) == 0
    # WHEN it is to go on with other settings and a row less
    lines = HEADLINES.read_text().splitlines(keepends=True)
    (tmp_path / "fewer.csv").write_text("".join(lines[:-1]))
    other = [*options, "--trials", "2", "--data", str(tmp_path / "fewer.csv"), "--epochs", "2"]
    assert search.main([*other, "--seed", "1"]) == 1
    # THEN it says what differs, and runs nothing
    error = capsys.readouterr().err
    assert "was made with epochs 1.0, not 2.0; seed 42, not 1; dataset-sha256" in error
    assert len(journal(tmp_path).trials) == 1


def test_trials_of_another_space_are_not_mixed(
    options: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert search.main([*options, "--trials", "1"]) == 0
    monkeypatch.setitem(search.SPACE, "masking", optuna.distributions.FloatDistribution(0.0, 0.5))
    assert search.main([*options, "--trials", "2"]) == 1
    assert "was made with masking FloatDistribution(high=0.3" in capsys.readouterr().err


def test_a_missing_base_model_can_be_mended(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # GIVEN a search whose first trial found no model to start from
    assert search.main([*options, "--trials", "1", "--base-model", str(tmp_path / "no")]) == 1
    assert str(tmp_path / "no") in capsys.readouterr().err
    # WHEN the model is named right THEN the search goes on
    assert search.main([*options, "--trials", "1"]) == 0


def test_a_damaged_checkpoint_is_an_error(
    options: list[str], interrupt_at: Steps, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt_at(2)
    assert search.main(options) == train.INTERRUPTED
    (tmp_path / "trial-0" / "checkpoint.safetensors").write_bytes(b"half a file")
    assert search.main(options) == 1
    assert "is damaged" in capsys.readouterr().err


def test_a_search_without_data_says_so(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert search.main([*options, "--data", "nowhere.csv"]) == 1
    assert "nowhere.csv" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "message"),
    [
        *((f"--{name.replace('_', '-')}=0.1", "unrecognized arguments") for name in search.SPACE),
        ("--resume", "unrecognized arguments"),
        ("--trials=0", "argument --trials: invalid positive_int value: '0'"),
        ("--trials=many", "argument --trials: invalid positive_int value: 'many'"),
    ],
)
def test_an_option_that_would_be_ignored_is_an_error(
    options: list[str], option: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        search.main([*options, option])
    assert message in capsys.readouterr().err


def test_help_shows_the_command_and_its_own_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        search.main(["--help"])
    shown = capsys.readouterr().out
    assert "usage: python -m training.recipes.search" in shown
    assert "--trials" in shown
    assert "--learning-rate" not in shown


def test_several_processes_are_refused(
    options: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # GIVEN what torchrun says to each of two processes
    monkeypatch.setenv("WORLD_SIZE", "2")
    # WHEN a search is started THEN it says so, and writes nothing
    assert search.main(options) == 1
    assert capsys.readouterr().err == "error: a search is one process; start it without torchrun\n"
    assert not list(tmp_path.iterdir())


def test_settings_that_a_task_does_not_have_are_not_searched(
    tiny_base: Path, tmp_path: Path
) -> None:
    # GIVEN reviews, which have no groups WHEN one trial is run
    options = ["--task", "sentiment", "--data", str(REVIEWS), "--base-model", str(tiny_base)]
    options += ["--output", str(tmp_path), "--epochs", "1", "--precision", "fp32"]
    assert search.main([*options, "--max-length", "64", "--trials", "1"]) == 0
    # THEN the table has nothing of groups
    assert "group_loss" not in (tmp_path / "trials.md").read_text()
