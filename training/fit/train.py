r"""Fine-tune an encoder, by default DistilBERT, on labelled texts.

    textclf train --data newsCorpora.csv.xz --output build/news
    textclf train --data newsCorpora.csv.xz --output build/news --resume
    textclf train --task sentiment --data reviews.csv --output build/reviews
    textclf train --task mine --data mine.csv --text-column body --label-column topic \
        --output build/mine
    torchrun --standalone --nproc-per-node 4 -m textclf train --data …    # four GPUs

Ctrl-C saves a checkpoint and ends; --resume continues from it, to the same result. Nothing that is
in the output folder is replaced without --overwrite, or before the new model is complete. Then run
`textclf evaluate build/news` and `textclf export build/news`.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from inference.errors import InterruptedRunError, TextClassifierError
from inference.model.windows import MEAN, Windows
from training.atomic import require_writable
from training.data.examples import Dataset, Example
from training.data.split import Split
from training.data.unlabelled import Unlabelled
from training.fit import text_model
from training.fit.advice import print_advice
from training.fit.checkpoint import Checkpoint
from training.fit.class_weights import weigh_outcomes
from training.fit.contrastive import AGAIN, fine_tune_on_pairs
from training.fit.display import (
    Display,
    describe_epochs,
    describe_files,
    describe_result,
    describe_rows,
    describe_texts,
)
from training.fit.distillation import hash_teachers, make_targets
from training.fit.encoder import EncoderClassifier
from training.fit.epoch_rows import EpochRows, choose_validation_rows, draw_first, draw_once
from training.fit.exportable import print_export_note
from training.fit.frozen import fit_logistic_head
from training.fit.head import fit_head
from training.fit.initialise import initialise
from training.fit.interrupts import stop_requests
from training.fit.method import COMPARISON, Choice, choose_method
from training.fit.optimizer import count_warm_up, get_learning_rate, set_learning_rate
from training.fit.precision import choose_precision
from training.fit.process_group import Group
from training.fit.record import (
    TrainingRecord,
    find_source_commit,
    hash_base,
    require_base_held_out,
)
from training.fit.rows import LoadedRows, load_rows, load_unlabelled, save_bad_rows
from training.fit.settings import Settings
from training.fit.text_model import TextModel
from training.fit.trained_model import (
    TrainedModel,
    replacing_model,
    require_no_earlier_work,
)
from training.fit.training_state import (
    LEAST_VALIDATION_ROWS,
    Progress,
    TrainingState,
    counts_for_stopping,
)
from training.fit.training_texts import TrainingTexts
from training.fit.validation import score_windows
from training.fit.windows import TextWindows, describe_windows, encode_windows
from training.tasks import Task

ENOUGH_STEPS = 100  # for a run without --epochs
KEEP_METHOD = "add --resume to start again with the method that auto chose"


class DivergedError(TextClassifierError):
    """The loss is no longer a number; the message names the step and what to change."""


@dataclass(frozen=True)
class Start:
    """A model before its first step, and the texts that it is to learn."""

    model: TextModel
    tokenizer: Tokenizer
    texts: TrainingTexts
    precision: torch.dtype | None  # of matrix products; None for fp32


def train(settings: Settings, group: Group, loaded: LoadedRows | None = None) -> TrainedModel:
    """Train a model and write its folder; every process of the group calls this.

    An earlier model in the folder is replaced when the new one is complete. Rows that are loaded
    already are not read again.

    Raises:
        DataError, ModelError, CheckpointError: something that the run needs is missing or wrong.
        OutputError: the folder has other work in it, or cannot be written.
        DivergedError: the loss or a logit is not a number.
        InterruptedRunError: SIGINT or SIGTERM came; the checkpoint is saved.
    """
    require_place(settings)
    torch.set_num_threads(settings.threads or torch.get_num_threads())
    torch.manual_seed(settings.seed)

    dataset, rows = loaded or load_rows(settings)
    unlabelled = load_unlabelled(settings, dataset, rows)
    examples = [*rows.train, *(unlabelled.examples if unlabelled else ())]
    epochs = EpochRows.of(examples, settings)
    record = begin_record(settings, dataset, rows, unlabelled)
    if group.leads:
        describe_data(settings, dataset, rows, unlabelled)
    if settings.method == "auto":
        choice = choose_between_methods(record, dataset, rows, group)
        settings, record = choice.settings, choice.add_to(record)
    settings = choose_epochs(settings, epochs, group)
    record = record.model_copy(update={"settings": settings})
    start = prepare(settings, dataset.task, examples, epochs, record, group)
    if group.leads:
        describe_start(start, settings, dataset.task)

    checkpoint = Checkpoint.of(record)
    model: TextModel = start.model
    if settings.fits_head and isinstance(model, EncoderClassifier):
        remedy = KEEP_METHOD if record.comparison else AGAIN
        progress = fit_head_last(start, model, rows, settings, group, remedy)
    else:
        model, progress = fine_tune(start, rows, settings, group, checkpoint)

    windows = describe_windows(start.tokenizer, settings, progress.best_sharpness)
    record = finish_record(record, start.texts, progress, windows)
    trained = TrainedModel(Path(settings.output), record, dataset, rows)
    if group.leads:
        save_model(trained, model, start.tokenizer, checkpoint)
        describe_result(progress, trained.folder, windows, settings)
    return trained


def require_place(settings: Settings) -> None:
    """Require a folder that a model can be written into.

    Raises:
        OutputError: it has other work in it, or cannot be written.
    """
    output = Path(settings.output)
    require_writable(output)
    if not settings.resume and not settings.overwrite:
        require_no_earlier_work(output)


def describe_data(
    settings: Settings, dataset: Dataset, rows: Split, unlabelled: Unlabelled | None
) -> None:
    """Print what became of every row, and list those that cannot be used in the folder."""
    listed_in = save_bad_rows(settings, dataset, unlabelled)
    describe_files(settings.data, dataset, unlabelled, listed_in)
    describe_rows(dataset, rows, unlabelled)
    print_advice(settings, dataset, rows)


def prepare(
    settings: Settings,
    task: Task,
    examples: Sequence[Example],
    epochs: EpochRows,
    record: TrainingRecord,
    group: Group,
) -> Start:
    """Load the base model, ask the teachers, and encode the texts for a run."""
    model, tokenizer = initialise(settings, task, examples)
    precision = choose_precision(settings.precision, group.device)
    targets = make_targets(examples, epochs.draw_for_teachers(settings), record, group, precision)
    texts = TrainingTexts.encode(examples, targets, tokenizer, epochs, settings)
    return Start(model, tokenizer, texts, precision)


def describe_start(start: Start, settings: Settings, task: Task) -> None:
    """Print what the model cannot read, and whether it can be exported."""
    describe_texts(start.texts, task, start.tokenizer.truncation["max_length"])
    print_export_note(start.model, settings.base_model)


def choose_between_methods(
    record: TrainingRecord, dataset: Dataset, rows: Split, group: Group
) -> Choice:
    """Choose the method that does better on rows it has not learnt, and print which it is."""

    def fine_tune(settings: Settings, rows: Split) -> NDArray[np.float32]:
        return try_fine_tuning(settings, record, dataset.task, rows, group)

    choice = choose_method(record.settings, dataset, rows, group, fine_tune)
    torch.manual_seed(record.settings.seed)  # so that the run is the same without the comparison
    if group.leads:
        print(choice.describe())
    return choice


def try_fine_tuning(
    settings: Settings, record: TrainingRecord, task: Task, rows: Split, group: Group
) -> NDArray[np.float32]:
    """Fine-tune on the training rows of a split, and return the logits of its test rows."""
    torch.manual_seed(settings.seed)
    epochs = EpochRows.of(rows.train, settings)
    settings = extend_epochs(settings, epochs)
    start = prepare(settings, task, rows.train, epochs, record, group)
    model, progress = fine_tune(start, rows, settings, group)
    tests = encode_windows(start.tokenizer, [row.text for row in rows.test], settings)
    logits = text_model.compute_logits(model, tests.token_ids, group.device, start.precision)
    return tests.pool(logits, progress.best_sharpness)


def fine_tune(
    start: Start,
    rows: Split,
    settings: Settings,
    group: Group,
    checkpoint: Checkpoint | None = None,
) -> tuple[TextModel, Progress]:
    """Train from the first step, or from the checkpoint of a run that is resumed, to the end.

    A run without a checkpoint is a trial, which is never resumed.

    Returns:
        The model with its best weights, and how it got there.
    """
    if checkpoint is None or not settings.resume:
        fit_head_first(start, rows.train, settings, group)
    weights = weigh_outcomes(settings, rows.train, start.model.config.num_labels)
    state = TrainingState.start(start.model, start.texts, settings, group, start.precision, weights)
    progress = find_start(state, checkpoint) if checkpoint else Progress()
    run_steps(state, start.texts, rows, start.tokenizer, checkpoint, progress)
    return state.best_model, progress


def fit_head_first(start: Start, rows: Sequence[Example], settings: Settings, group: Group) -> None:
    """Fit a linear head to the encoder as it is, if the settings say so."""
    model = start.model
    if settings.head_first and isinstance(model, EncoderClassifier):
        fitted = fit_head(model, start.tokenizer, rows, settings, group.device, start.precision)
        if group.leads:
            print(f"the head is fitted to {fitted:,} rows")


def fit_head_last(
    start: Start,
    model: EncoderClassifier,
    rows: Split,
    settings: Settings,
    group: Group,
    remedy: str,
) -> Progress:
    """Fit a head to the encoder as it is, or after it has learnt from pairs of texts.

    Returns the number of steps, which a frozen encoder does not take, and the only validation.

    Raises:
        PairsError: the rows make no pairs, or learning from them diverged.
        InterruptedRunError: SIGINT or SIGTERM came; it says the remedy.
    """
    started = time.monotonic()
    progress = Progress()
    tokenizer, precision = start.tokenizer, start.precision
    if settings.method == "contrastive":
        paired = draw_once(rows.train, settings)
        progress.step = fine_tune_on_pairs(
            model, tokenizer, paired, settings, group, precision, remedy=remedy
        )
    learnt = draw_first(rows.train, settings)
    strength = fit_logistic_head(model, tokenizer, learnt, settings, group.device, precision)
    if group.leads:
        print(f"a logistic head is fitted to {len(learnt):,} rows (C = {strength:g})")
    validation = choose_validation_rows(rows.validation, settings)
    windows = encode_windows(tokenizer, [row.text for row in validation], settings)
    logits = text_model.compute_logits(model, windows.token_ids, group.device, precision)
    f1, sharpness = score_windows(windows, logits, validation)
    progress.best_sharpness = sharpness
    progress.add_validation(f1)
    progress.seconds = time.monotonic() - started
    return progress


def find_start(state: TrainingState, checkpoint: Checkpoint) -> Progress:
    """Restore the checkpoint, or start at the first step.

    Raises:
        CheckpointError: there is none to resume, or it has other settings or data.
    """
    settings, group = state.settings, state.group
    progress = checkpoint.load(state) if settings.resume else Progress()
    state.objective.sharpness = progress.sharpness
    if group.leads and settings.overwrite:
        checkpoint.delete()
    if not group.leads:  # each process draws its own dropout and masking
        torch.manual_seed(settings.seed + group.rank + group.size * progress.step)
    return progress


def save_model(
    trained: TrainedModel, model: TextModel, tokenizer: Tokenizer, checkpoint: Checkpoint
) -> None:
    """Write a model and its record, in place of an earlier one.

    Raises:
        OutputError: the folder cannot be written.
    """
    with replacing_model(trained.folder, checkpoint.find_remedy()) as folder:
        text_model.save(model, tokenizer, folder)
        trained.save(folder)
    checkpoint.delete()
    (trained.folder / COMPARISON).unlink(missing_ok=True)


def choose_epochs(settings: Settings, epochs: EpochRows, group: Group) -> Settings:
    """Raise the epochs of a run on few rows, and print what an epoch is and how many there are."""
    extended = extend_epochs(settings, epochs)
    if group.leads:
        describe_epochs(settings.epochs, extended, epochs)
    return extended


def extend_epochs(settings: Settings, epochs: EpochRows) -> Settings:
    """Raise the epochs of a run on few rows, whose steps teach hardly anything, unless chosen.

    The result says what they were raised to, and so does the record.
    """
    enough = math.ceil(ENOUGH_STEPS / epochs.count_steps(settings.batch_size))
    if settings.fits_head:
        return settings
    if "epochs" in settings.model_fields_set or enough <= settings.epochs:
        return settings
    chosen = settings.evaluations if "evaluations" in settings.model_fields_set else 1
    return settings.model_copy(update={"epochs": float(enough), "evaluations": chosen})


def run_steps(
    state: TrainingState,
    texts: TrainingTexts,
    rows: Split,
    tokenizer: Tokenizer,
    checkpoint: Checkpoint | None,
    progress: Progress,
) -> None:
    """Train to the end, or until validations no longer improve; keep the best weights.

    A run without a checkpoint is a trial, which prints nothing.

    Raises:
        DivergedError: the loss or a logit is not a number.
        InterruptedRunError: SIGINT or SIGTERM came; the checkpoint is saved.
    """
    settings, group = state.settings, state.group
    validation = ValidationTexts.encode(rows.validation, tokenizer, settings)
    total = texts.epochs.count_run_steps(settings)
    between = max(1, texts.epochs.count_steps(settings.batch_size) // settings.evaluations)
    started = time.monotonic() - progress.seconds
    display = Display(progress, total, group, is_trial=checkpoint is None)
    with display, stop_requests() as stop_requested:
        for batch in texts.batches_from(progress.step, settings.batch_size, settings.seed):
            if progress.step >= total:
                break
            if progress.stale >= settings.patience:
                display.show_early_stop(progress)
                break
            rate = get_learning_rate(progress.step, total, settings)
            loss = take_step(state, texts, batch, rate, progress.step)
            progress.step += 1
            require_finite(loss, progress.step, state)
            progress.seconds = time.monotonic() - started
            display.show_step(progress, loss)
            if progress.step % between == 0 or progress.step == total:
                validate(state, validation, progress, warm=count_warm_up(total, settings))
                display.show_validation(progress)
            stop = group.reduce_any(stop_requested())
            if group.leads and checkpoint and (stop or checkpoint.is_due()):
                checkpoint.save(state, progress)
            if stop:
                group.barrier()  # torchrun ends all processes with the first: let the leader save
                raise InterruptedRunError(explain_interruption(settings, checkpoint))


def explain_interruption(settings: Settings, checkpoint: Checkpoint | None) -> str:
    """Say how to continue an interrupted run."""
    if checkpoint is None:
        return "interrupted; methods were being tried: give the same command again"
    return f"interrupted; add --resume to continue in {settings.output}"


def require_finite(value: float, step: int, state: TrainingState) -> None:
    """Stop a run that computes with infinities; every process of the group calls this.

    Raises:
        DivergedError: the loss of a step, or what a validation computed, is not a number.
    """
    if not state.group.reduce_any(not math.isfinite(value)):
        return
    settings = state.settings
    remedy = f"lower --learning-rate (it is {settings.learning_rate:g})"
    if state.precision is not None:
        remedy += f", or give --precision fp32 (it is {settings.precision})"
    raise DivergedError(
        f"training diverged at step {step}: the loss is no longer a number; {remedy}, and start "
        "again with --overwrite if there is a checkpoint"
    )


def begin_record(
    settings: Settings, dataset: Dataset, rows: Split, unlabelled: Unlabelled | None
) -> TrainingRecord:
    """Record what is known before the first step.

    Raises:
        DataError: a teacher is missing, or the base model may know the rows that are held out.
    """
    record = TrainingRecord.begin(settings, dataset, rows, unlabelled)
    require_base_held_out(record)
    known = {
        "base_sha256": hash_base(settings.base_model),
        "teachers": hash_teachers(settings),
        "commit": find_source_commit(),  # files may have changed when the run ends
    }
    return record.model_copy(update=known)


def finish_record(
    record: TrainingRecord, texts: TrainingTexts, progress: Progress, windows: Windows | None
) -> TrainingRecord:
    """Add what is known after the last step."""
    result = {
        "unknown_wordpieces": texts.unknown,
        "cut_texts": texts.cut,
        "steps": progress.step,
        "seconds": round(progress.seconds),
        "validation_macro_f1": progress.history,
        "windows": windows,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return record.model_copy(update=result)


def take_step(
    state: TrainingState,
    texts: TrainingTexts,
    batch: NDArray[np.intp],
    learning_rate: float,
    step: int,
) -> float:
    """Take one step of AdamW on a batch; returns the loss of this process's share.

    The loss is NaN if the gradients are not finite, so that the weights are not, either.
    """
    device, precision, settings = state.group.device, state.precision, state.settings
    set_learning_rate(state.optimizer, learning_rate)
    share, weight = state.group.take_share(batch)
    pad_id = state.objective.model.config.pad_token_id
    parts = texts.make_batch(share, pad_id, settings.masking, step).to(device)
    state.objective.train()
    with torch.autocast(device.type, precision, enabled=precision is not None):
        loss = state.replica(*parts)
    state.scaler.scale(weight * loss).backward()
    state.scaler.unscale_(state.optimizer)
    norm = torch.nn.utils.clip_grad_norm_(state.objective.parameters(), settings.max_grad_norm)
    state.scaler.step(state.optimizer)
    state.scaler.update()
    state.optimizer.zero_grad(set_to_none=True)
    state.average.update_parameters(state.objective)
    # The scaler of fp16 skips steps with infinite gradients; without it they end up in the weights.
    is_lost = not state.scaler.is_enabled() and not bool(norm.isfinite())
    return math.nan if is_lost else float(loss.item())


@dataclass(frozen=True)
class ValidationTexts:
    """The rows that weights are chosen by, as the model reads them."""

    examples: Sequence[Example]
    windows: TextWindows

    @classmethod
    def encode(cls, rows: Sequence[Example], tokenizer: Tokenizer, settings: Settings) -> Self:
        """Choose among validation rows, and encode their texts."""
        examples = choose_validation_rows(rows, settings)
        windows = encode_windows(tokenizer, [row.text for row in examples], settings)
        return cls(examples, windows)


def validate(
    state: TrainingState, validation: ValidationTexts, progress: Progress, *, warm: int
) -> None:
    """Measure the averaged weights, and keep them if they are the best so far.

    Args:
        state: the weights.
        validation: the rows that they are measured on.
        progress: gets the result.
        warm: the steps of the warm-up, during which no validation ends the run.

    Raises:
        DivergedError: a logit is not a number.
    """
    f1, sharpness = measure_average(state, validation)
    require_finite(f1, progress.step, state)
    progress.sharpness = state.objective.sharpness = sharpness
    count = len(validation.examples)
    counts = counts_for_stopping(progress.step, warm, count)
    has_few_rows = count < LEAST_VALIDATION_ROWS
    if progress.add_validation(f1, counts=counts, few_rows=has_few_rows):
        state.keep_best()
        progress.best_sharpness = sharpness


def measure_average(state: TrainingState, validation: ValidationTexts) -> tuple[float, float]:
    """Return the macro-F1 of the averaged weights, and how to pool windows for it.

    The leader measures both. The macro-F1 is NaN if a logit is not finite.
    """
    group, f1, sharpness = state.group, math.nan, MEAN
    if group.leads:
        model, windows = state.averaged_model, validation.windows
        logits = text_model.compute_logits(model, windows.token_ids, group.device, state.precision)
        if np.isfinite(logits).all():
            f1, sharpness = score_windows(windows, logits, validation.examples)
    return group.broadcast(f1), group.broadcast(sharpness)
