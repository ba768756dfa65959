r"""Search for the settings of training that do best on the validation rows.

    python -m training.recipes.search --trials 30 --data newsCorpora.csv.xz --output build/search \
        --max-rows 60000 --epochs 2

Searched for are the learning rate, weight decay, masking, label smoothing and, where the task has
groups, the weight of the group loss. Each trial is a run of `training.fit.train`, whose other options
are taken. The test rows take no part.

The same command after Ctrl-C, or with more trials, goes on. What every trial gave, the worse ones
too, is in `trials.md`; of their models only the best is kept, in its `trial-…` folder. At the end
the command that trains the best again is printed.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from training.atomic import write_text
from training.data.examples import DataError
from training.fit import checkpoint, distilbert
from training.fit.process_group import process_group
from training.fit.settings import Settings, command, option_parser, rows_of, task_of
from training.fit.train import INTERRUPTED, InterruptedRunError, train

SPACE: dict[str, BaseDistribution] = {
    "learning_rate": FloatDistribution(3e-5, 6e-4, log=True),
    "weight_decay": FloatDistribution(1e-3, 1e-1, log=True),
    "masking": FloatDistribution(0.0, 0.3),
    "label_smoothing": FloatDistribution(0.0, 0.2),
    "group_loss": FloatDistribution(0.0, 1.0),
}
# Settings that may change between two runs of one search; the data's digest stands for its path.
_FREE = {"data", "output", "threads", "checkpoint_minutes"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Search; returns the exit code."""
    parser = option_parser("training.recipes.search", __doc__ or "", without={*SPACE, "resume"})
    text = "trials in all, with those of earlier runs (default: 30)"
    parser.add_argument("--trials", type=positive_int, default=30, help=text)
    given = vars(parser.parse_args(arguments))
    trials = given.pop("trials")
    if os.environ.get("WORLD_SIZE", "1") != "1":
        print("error: a search is one process; start it without torchrun", file=sys.stderr)
        return 1
    try:
        search(Settings(**given), trials)
    except (DataError, distilbert.ModelError, checkpoint.CheckpointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, InterruptedRunError):
        print("interrupted; the same command goes on", file=sys.stderr)
        return INTERRUPTED
    return 0


def positive_int(word: str) -> int:
    """The value of an option that counts something."""
    number = int(word)
    if number < 1:
        raise ValueError(word)
    return number


def search(settings: Settings, trials: int) -> None:
    """Run what is missing of so many trials, and write their table.

    Trials are chosen by a tree-structured Parzen estimator (Bergstra et al. 2011,
    https://papers.nips.cc/paper/4443).

    Raises:
        DataError: the data is not there or not right, or the folder is another search's.
        ModelError, CheckpointError: what a trial needs is not there or not right.
        InterruptedRunError: SIGINT or SIGTERM came; the trial is taken up again next time.
    """
    output = Path(settings.output)
    identity = identity_of(settings)
    output.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(output / "trials.journal"))),
        study_name="search",
        direction="maximize",
        load_if_exists=True,
    )
    if finished(study):
        require_same(identity, study.user_attrs["identity"], output)
    else:  # settings that no trial could run with, such as a missing base model, may be mended
        study.set_user_attr("identity", identity)
    while len(finished(study)) < trials:
        trial = next_trial(study, settings)
        # An interruption tells nothing, so that the trial stays RUNNING.
        study.tell(trial.number, score(settings_of(trial, settings)))
        write_text(output / "trials.md", table(study))
        for worse in finished(study)[1:]:  # most are gone already
            shutil.rmtree(settings_of(worse, settings).output, ignore_errors=True)
    best = settings_of(finished(study)[0], settings)
    print(table(study))
    print(f"the best model is in {best.output}; to train it again:")
    print(command(replace(best, output=str(output / "best"))))


def identity_of(settings: Settings) -> dict[str, object]:
    """What all trials of a search share: fixed settings, ranges of the others, the data's digest.

    Raises:
        DataError: the task is unknown, or the data set is not what it describes.
    """
    dataset, _ = rows_of(settings)
    fixed = {name: value for name, value in asdict(settings).items() if name not in _FREE}
    ranges = {name: str(distribution) for name, distribution in SPACE.items()}
    return fixed | ranges | {"dataset_sha256": dataset.sha256}


def require_same(identity: dict[str, object], saved: dict[str, object], output: Path) -> None:
    """Refuse to compare trials of other settings or data.

    Raises:
        DataError: the search in the folder had others; the message says which.
    """
    differ = [
        f"{name.replace('_', '-')} {saved.get(name)}, not {value}"
        for name, value in identity.items()
        if saved.get(name) != value
    ]
    if differ:
        raise DataError(
            f"the search in {output} was made with {'; '.join(differ)}: give another --output"
        )


def next_trial(study: optuna.Study, settings: Settings) -> optuna.Trial | FrozenTrial:
    """The trial that was interrupted, or else a new one."""
    space = dict(SPACE)
    if not task_of(settings).table.group:
        del space["group_loss"]
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        if trial.params.keys() == space.keys():
            return trial
        study.tell(trial.number, state=TrialState.FAIL)  # interrupted while it was being chosen
    # A seed for each trial, not for each process: a search that goes on repeats none, and
    # chooses what it would have chosen had it not been interrupted.
    study.sampler = optuna.samplers.TPESampler(seed=settings.seed + len(study.trials))
    return study.ask(space)


def settings_of(trial: optuna.Trial | FrozenTrial, settings: Settings) -> Settings:
    """The settings of a trial, which has a folder of its own."""
    folder = Path(settings.output) / f"trial-{trial.number}"
    return replace(settings, **trial.params, output=str(folder))


def score(settings: Settings) -> float:
    """Train, from a checkpoint if there is one; the best macro-F1 on validation rows."""
    resume = (Path(settings.output) / "checkpoint.safetensors").exists()
    with process_group() as group:
        return train(replace(settings, resume=resume), group).best


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that ran to their end, best first."""
    done = study.get_trials(states=[TrialState.COMPLETE])
    return sorted(done, key=lambda trial: -(trial.value or 0))


def table(study: optuna.Study) -> str:
    """The finished trials as a Markdown table, best first."""
    trials = finished(study)
    names = list(trials[0].params)
    head = ["trial", "validation macro-F1", *names]
    lines = [head, ["---:"] * len(head)]
    for trial in trials:
        values = [f"{trial.params[name]:.2g}" for name in names]
        lines.append([str(trial.number), f"{trial.value:.4f}", *values])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
