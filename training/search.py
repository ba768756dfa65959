"""Search for the settings of training that do best on the validation rows.

    python -m training.search --trials 30 --data newsCorpora.csv.xz --output build/search \
        --max-rows 60000 --epochs 2

Each trial is a run of `training.train`, whose options are all taken; those searched for are in
SPACE. Trials are kept: the same command after Ctrl-C, or with more trials, goes on. The test rows
take no part. What every trial gave, losses included, is in `trials.md`.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from training import data, distilbert
from training.atomic import write_text
from training.parallel import process_group
from training.settings import Settings, parse, task_of
from training.train import INTERRUPTED, InterruptedRunError, train

# Least and greatest value, and whether the steps between them are of equal ratio.
SPACE = {
    "learning_rate": (3e-5, 6e-4, True),
    "weight_decay": (1e-3, 1e-1, True),
    "masking": (0.0, 0.3, False),
    "label_smoothing": (0.0, 0.2, False),
    "group_loss": (0.0, 1.0, False),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Search; returns the exit code."""
    own = argparse.ArgumentParser(add_help=False)
    own.add_argument("--trials", type=int, default=30)
    options, others = own.parse_known_args(arguments)
    settings = parse(__doc__ or "", others)
    try:
        search(settings, options.trials)
    except (data.DataError, distilbert.ModelError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, InterruptedRunError):
        print("interrupted; the same command goes on", file=sys.stderr)
        return INTERRUPTED
    return 0


def search(settings: Settings, trials: int) -> None:
    """Run what is missing of so many trials, and write their table.

    Trials are chosen by a tree-structured Parzen estimator (Bergstra et al. 2011,
    https://papers.nips.cc/paper/4443).

    Raises:
        DataError, ModelError: what a run needs is not there or not right.
        InterruptedRunError: SIGINT or SIGTERM came.
    """
    output = Path(settings.output)
    output.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(output / "trials.journal"))),
        study_name=settings.task,
        sampler=optuna.samplers.TPESampler(seed=settings.seed),
        direction="maximize",
        load_if_exists=True,
    )
    for trial in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # was interrupted
        study.enqueue_trial(trial.params)
    while len(finished(study)) < trials:
        study.optimize(lambda trial: score(trial, settings), n_trials=1)
        write_text(output / "trials.md", table(study))
    print(table(study))


def score(trial: optuna.Trial, settings: Settings) -> float:
    """Train with the settings of a trial; the best macro-F1 on validation rows."""
    space = dict(SPACE)
    if not task_of(settings).table.group:
        del space["group_loss"]
    chosen: dict[str, Any] = {
        name: trial.suggest_float(name, least, greatest, log=log)
        for name, (least, greatest, log) in space.items()
    }
    folder = Path(settings.output) / f"trial-{trial.number}"
    with process_group() as group:
        progress = train(replace(settings, **chosen, output=str(folder)), group)
    return progress.best


def finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The trials that ran to their end, best first."""
    done = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    return sorted(done, key=lambda trial: -(trial.value or 0))


def table(study: optuna.Study) -> str:
    """The finished trials as a Markdown table, best first."""
    names = list(study.best_params)
    head = ["trial", "validation macro-F1", *names]
    lines = [head, ["---:"] * len(head)]
    for trial in finished(study):
        values = [f"{trial.params[name]:.2g}" for name in names]
        lines.append([str(trial.number), f"{trial.value:.4f}", *values])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
