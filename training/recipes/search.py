"""Search for the settings that do best on the validation rows; the test rows take no part.

Each trial is a training run in a folder of its own, and only the best model is kept. The journal
of the trials lets an interrupted search continue.
"""

import os
import shutil
from pathlib import Path

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState

from inference.errors import InterruptedRunError, TextClassifierError
from training.atomic import OutputError, require_writable, write_text
from training.fit.process_group import process_group
from training.fit.rows import LoadedRows, load_rows
from training.fit.settings import Settings, list_differences
from training.fit.train import train
from training.fit.trained_model import CHECKPOINT, require_no_earlier_work
from training.recipes.journal import Journal
from training.recipes.ranges import RANGES, Range

JOURNAL, TABLE = "trials.journal", "trials.md"
# Settings that may change between two runs of a search; the digest of the data may not.
FREE = {"data", "output", "threads", "checkpoint_minutes"}


class SearchError(TextClassifierError):
    """The search cannot run, or cannot continue an earlier one; the message says why."""


def search(settings: Settings, trials: int) -> None:
    """Run trials until there are as many as asked for; print their table and the best command.

    Trials are chosen by a tree-structured Parzen estimator (Bergstra et al. 2011,
    https://papers.nips.cc/paper/4443).

    Args:
        settings: what all trials share; the settings in ``RANGES`` are varied.
        trials: how many, including those of earlier runs of this search.

    Raises:
        SearchError: the folder holds another search, or there are several processes.
        OutputError: the folder cannot be written, or a trial's folder has other work in it.
        DataError, ModelError, CheckpointError: something that a trial needs is missing or wrong.
        InterruptedRunError: SIGINT or SIGTERM came; the next search resumes the trial.
    """
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise SearchError("a search is one process: start it without torchrun")
    if settings.method != "fine-tune":
        raise SearchError(f"a search varies how to fine-tune: leave out --method {settings.method}")
    output = Path(settings.output)
    require_writable(output)
    loaded = load_rows(settings)  # once: no setting that is varied changes the rows
    identity = identify(settings, loaded[0].sha256)
    output.mkdir(parents=True, exist_ok=True)
    study = open_study(output)
    if list_finished(study):
        require_same_search(study.user_attrs["identity"], identity, output)
    else:  # nothing to compare with yet, so that a wrong base model, say, can be corrected
        study.set_user_attr("identity", identity)

    while len(list_finished(study)) < trials:
        trial = choose_trial(study, settings)
        if not isinstance(trial, FrozenTrial):  # a new one, which owns no folder yet
            require_free_folder(study, trial, settings)
        # A trial that is interrupted here stays RUNNING, and is resumed by the next search.
        study.tell(trial.number, run_trial(trial_settings(trial, settings), loaded))
        write_text(output / TABLE, format_table(study))
        for worse in list_finished(study)[1:]:
            shutil.rmtree(trial_settings(worse, settings).output, ignore_errors=True)

    best = trial_settings(list_finished(study)[0], settings)
    again = best.model_copy(update={"output": str(output / "best")})
    print(format_table(study))
    print(f"The best model is in {best.output}; to train it again:")
    print(again.to_command())


def open_study(output: Path) -> optuna.Study:
    """Open the journal of the trials, or start one."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        storage=JournalStorage(Journal(output / JOURNAL)),
        study_name="search",
        direction="maximize",
        load_if_exists=True,
    )


def make_distribution(limits: Range) -> FloatDistribution:
    """Return the distribution that Optuna draws a setting from."""
    return FloatDistribution(limits.low, limits.high, log=limits.log)


def make_space(settings: Settings) -> dict[str, BaseDistribution]:
    """Return the distributions to draw from; tasks without groups have no group loss."""
    has_groups = settings.find_task().layout.group is not None
    return {
        name: make_distribution(limits)
        for name, limits in RANGES.items()
        if has_groups or name != "group_loss"
    }


def identify(settings: Settings, dataset_sha256: str) -> dict[str, object]:
    """Return what all trials of a search share: fixed settings, ranges, the digest of the data."""
    fixed = settings.model_dump(exclude=FREE, exclude_defaults=True)
    ranges = {name: str(make_distribution(limits)) for name, limits in RANGES.items()}
    return {**fixed, **ranges, "dataset_sha256": dataset_sha256}


def require_same_search(
    saved: dict[str, object], identity: dict[str, object], output: Path
) -> None:
    """Refuse to mix trials of different settings or data.

    Raises:
        SearchError: the search in the folder differs; the message says how.
    """
    differences = list_differences(saved, identity)
    if differences:
        raise SearchError(
            f"the search in {output} was made with {'; '.join(differences)}: give another --output"
        )


def choose_trial(study: optuna.Study, settings: Settings) -> optuna.Trial | FrozenTrial:
    """Return the trial that was interrupted, or a new one."""
    space = make_space(settings)
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        if trial.params.keys() == space.keys():
            return trial
        study.tell(trial.number, state=TrialState.FAIL)  # interrupted while it was being chosen
    # A seed for each trial instead of one for the process: a search that continues repeats no
    # trial, and chooses those that it would have chosen without the interruption.
    study.sampler = optuna.samplers.TPESampler(seed=settings.seed + len(study.trials))
    return study.ask(space)


def require_free_folder(study: optuna.Study, trial: optuna.Trial, settings: Settings) -> None:
    """Give a new trial up if its folder has work that this search does not know.

    Raises:
        OutputError: there is a model or a checkpoint.
    """
    try:
        require_no_earlier_work(Path(trial_settings(trial, settings).output))
    except OutputError:
        study.tell(trial.number, state=TrialState.FAIL)
        raise


def trial_settings(trial: optuna.Trial | FrozenTrial, settings: Settings) -> Settings:
    """Return the settings of a trial, with its own folder."""
    folder = Path(settings.output) / f"trial-{trial.number}"
    return settings.model_copy(update={**trial.params, "output": str(folder)})


def run_trial(settings: Settings, loaded: LoadedRows) -> float:
    """Train, from a checkpoint if there is one; returns the best macro-F1 on validation rows."""
    resume = (Path(settings.output) / CHECKPOINT).exists()
    # Without a checkpoint, a model in the folder is that of a trial whose end was not recorded.
    how = {"resume": resume, "overwrite": not resume}
    try:
        with process_group() as group:
            trained = train(settings.model_copy(update=how), group, loaded)
    except InterruptedRunError:
        raise InterruptedRunError("interrupted; the same command continues the search") from None
    return trained.record.best_validation


def list_finished(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that have ended, best first."""
    finished = study.get_trials(states=[TrialState.COMPLETE])
    return sorted(finished, key=lambda trial: -(trial.value or 0))


def format_table(study: optuna.Study) -> str:
    """Format the finished trials as a Markdown table, best first."""
    trials = list_finished(study)
    names = list(trials[0].params)
    head = ["trial", "validation macro-F1", *names]
    lines = [head, ["---:"] * len(head)]
    for trial in trials:
        values = [f"{trial.params[name]:.2g}" for name in names]
        lines.append([str(trial.number), f"{trial.value:.4f}", *values])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
