r"""Fine-tune DistilBERT on labelled texts.

    textclf train --data newsCorpora.csv.xz --output build/news
    textclf train --data newsCorpora.csv.xz --output build/news --resume
    textclf train --task sentiment --data reviews.csv --output build/reviews
    textclf train --task mine --data mine.csv --text-column body --label-column topic \
        --output build/mine
    torchrun --standalone --nproc-per-node 4 -m textclf train --data …    # four GPUs

Ctrl-C saves a checkpoint and ends; --resume continues from it, to the same result. Then run
`textclf evaluate build/news` and `textclf export build/news`.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from inference.errors import InterruptedRunError
from training import metrics
from training.data.examples import Dataset, Example, labels_of
from training.data.split import Split
from training.fit import distilbert
from training.fit.batches import mask_words, pad
from training.fit.checkpoint import CHECKPOINT, Checkpoint
from training.fit.display import Display, describe_rows
from training.fit.distillation import hash_teachers, make_targets
from training.fit.initialise import initialise
from training.fit.interrupts import stop_requests
from training.fit.optimizer import get_learning_rate
from training.fit.precision import choose_precision
from training.fit.process_group import Group
from training.fit.record import (
    TrainingRecord,
    find_source_commit,
    hash_base,
    require_base_held_out,
)
from training.fit.rows import load_rows
from training.fit.settings import Settings
from training.fit.trained_model import TrainedModel, delete_results
from training.fit.training_state import Progress, TrainingState
from training.fit.training_texts import TrainingTexts


def train(settings: Settings, group: Group) -> TrainedModel:
    """Train a model and write its folder; every process of the group calls this.

    Raises:
        DataError, ModelError, CheckpointError: something that the run needs is missing or wrong.
        InterruptedRunError: SIGINT or SIGTERM came; the checkpoint is saved.
    """
    output = Path(settings.output)
    output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(settings.threads or torch.get_num_threads())
    torch.manual_seed(settings.seed)

    dataset, rows = load_rows(settings)
    record = begin_record(settings, dataset, rows)
    if group.leads:
        describe_rows(dataset, rows)
    model, tokenizer = initialise(settings, dataset.task, rows.train)
    precision = choose_precision(settings.precision, group.device)
    targets = make_targets(rows.train, record, group.device, precision)
    texts = TrainingTexts.encode(rows.train, targets, tokenizer, settings.new_rows_times)
    validation_ids = distilbert.encode(tokenizer, [row.text for row in rows.validation])

    state = TrainingState.start(model, texts.count_groups(), settings, group, precision)
    checkpoint = Checkpoint(output / CHECKPOINT, settings, dataset.sha256, record.teachers)
    progress = checkpoint.load(state) if settings.resume else Progress()
    if group.leads and not settings.resume:
        delete_results(output)
    if not group.leads:  # each process draws its own dropout and masking
        torch.manual_seed(settings.seed + group.rank + group.size * progress.step)

    epoch = texts.count_steps(settings.batch_size)
    total = max(1, round(epoch * settings.epochs))
    between = max(1, epoch // settings.evaluations)
    started = time.monotonic() - progress.seconds
    with Display(progress, total, group) as display, stop_requests() as stop_requested:
        for batch in texts.batches_from(progress.step, settings.batch_size, settings.seed):
            if progress.step >= total or progress.stale >= settings.patience:
                break
            loss = take_step(state, texts, batch, get_learning_rate(progress.step, total, settings))
            progress.step += 1
            progress.seconds = time.monotonic() - started
            display.show_step(progress, loss)
            if progress.step % between == 0 or progress.step == total:
                f1 = validate(state, validation_ids, rows.validation)
                display.show_validation(progress, f1)
                if progress.add_validation(f1) and group.leads:
                    distilbert.save(state.averaged_model, tokenizer, output)
            stop = group.reduce_any(stop_requested())
            if group.leads and (stop or checkpoint.is_due()):
                checkpoint.save(state, progress)
            if stop:
                group.barrier()  # torchrun ends all processes with the first: let the leader save
                raise InterruptedRunError(f"interrupted; add --resume to continue in {output}")

    trained = TrainedModel(output, finish_record(record, progress), dataset, rows)
    if group.leads:
        trained.save()
        checkpoint.delete()
        print(f"best validation macro-F1 {progress.best:.4f}; model in {output}")
    return trained


def begin_record(settings: Settings, dataset: Dataset, rows: Split) -> TrainingRecord:
    """Record what is known before the first step.

    Raises:
        DataError: a teacher is missing, or the base model may know the rows that are held out.
    """
    record = TrainingRecord.begin(settings, dataset, rows)
    require_base_held_out(record)
    known = {
        "base_sha256": hash_base(settings.base_model),
        "teachers": hash_teachers(settings),
        "commit": find_source_commit(),  # files may have changed when the run ends
    }
    return record.model_copy(update=known)


def finish_record(record: TrainingRecord, progress: Progress) -> TrainingRecord:
    """Add what is known after the last step."""
    result = {
        "steps": progress.step,
        "seconds": round(progress.seconds),
        "validation_macro_f1": progress.history,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return record.model_copy(update=result)


def take_step(
    state: TrainingState, texts: TrainingTexts, batch: NDArray[np.intp], learning_rate: float
) -> float:
    """Take one step of AdamW on a batch; returns the loss of this process's share."""
    device, precision, settings = state.group.device, state.precision, state.settings
    for parameters in state.optimizer.param_groups:
        parameters["lr"] = learning_rate
    share, weight = state.group.take_share(batch)
    pad_id = state.objective.model.config.pad_token_id
    inputs, mask = pad([texts.token_ids[row] for row in share], pad_id)
    if settings.masking:
        inputs = mask_words(inputs, mask, texts.mask_id, settings.masking)
    targets, groups = torch.from_numpy(texts.targets[share]), torch.from_numpy(texts.groups[share])
    state.objective.train()
    with torch.autocast(device.type, precision, enabled=precision is not None):
        loss = state.replica(*(part.to(device) for part in (inputs, mask, targets, groups)))
    state.scaler.scale(weight * loss).backward()
    state.scaler.unscale_(state.optimizer)
    torch.nn.utils.clip_grad_norm_(state.objective.parameters(), settings.max_grad_norm)
    state.scaler.step(state.optimizer)
    state.scaler.update()
    state.optimizer.zero_grad(set_to_none=True)
    state.average.update_parameters(state.objective)
    return float(loss.item())


def validate(
    state: TrainingState, token_ids: Sequence[Sequence[int]], examples: Sequence[Example]
) -> float:
    """Return the macro-F1 of the averaged weights, as the leader measures it."""
    group, f1 = state.group, 0.0
    if group.leads:
        model = state.averaged_model
        logits = distilbert.compute_logits(model, token_ids, group.device, state.precision)
        f1 = metrics.macro_f1(logits.argmax(axis=1), labels_of(examples), logits.shape[1])
    return group.broadcast(f1)
